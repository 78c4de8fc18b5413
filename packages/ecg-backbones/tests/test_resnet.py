"""ResNet: lengths, receptive field and equivariance in closed form."""

import pytest
import torch
from torch import nn

from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.resnet import BasicBlock, ResNet, resnet18

torch.set_num_threads(1)


def small(in_leads=2, **kwargs):
    torch.manual_seed(0)
    return ResNet(in_leads, **{"widths": (4, 8), "depths": (1, 1), **kwargs}).eval()


def test_steps_are_the_samples_divided_by_the_stride_rounded_up_for_every_length():
    model = small(1, widths=(2, 2, 2, 2), depths=(1, 1, 1, 1), kernel_size=3)
    for samples in range(model.min_samples, 201):
        maps = model.forward_intermediates(torch.zeros(1, 1, samples))
        assert [m.shape[2] for m in maps] == [-(-samples // stride) for stride in (4, 8, 16, 32)]
        assert tuple(maps[-1].shape) == model.compute_features_output_shape(samples, 1)


def test_the_declared_stages_are_the_maps_that_come_out():
    model = small(widths=(4, 6, 10), depths=(2, 1, 1))
    maps = model.forward_intermediates(torch.randn(2, 2, 101))
    assert [(m.shape[1], m.shape[2]) for m in maps] == [(s.channels, -(-101 // s.stride)) for s in model.stages]
    assert model.out_channels == 10


def test_a_delta_reaches_exactly_the_steps_whose_receptive_field_holds_it():
    # Field of resnet18 from its kernels: 15 + 2·2 (stem) + 4·6·4 + (6·4 + 3·6·8) + (6·8 + 3·6·16) + (6·16 + 3·6·32) = 1291.
    # Step t is centred on sample 32 t. Positive weights let nothing cancel and keep every ReLU open.
    model = resnet18(in_leads=1).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.abs())
        x = torch.ones(1, 1, 4096, dtype=torch.float64)
        delta = x.clone()
        delta[0, 0, 2000] += 1e6
        moved = (model(delta) - model(x)).abs().amax(dim=(0, 1)) > 0
    expected = torch.tensor([abs(32 * step - 2000) <= 645 for step in range(128)])
    assert torch.equal(moved, expected)


def test_a_shift_by_the_stride_shifts_the_features_by_one_step_in_the_interior():
    model = small(kernel_size=3).double()  # stride 8; field 15 + 4 + 2·2·4 + 2·4 + 2·8 = 59, so 4 steps feel an edge
    x = torch.randn(2, 2, 400, dtype=torch.float64)
    shifted = torch.nn.functional.pad(x, (8, 0))[..., :400]
    torch.testing.assert_close(model(shifted)[..., 6:-5], model(x)[..., 5:-6], rtol=1e-12, atol=1e-12)


def test_zero_init_makes_every_block_start_as_its_shortcut():
    model = small(zero_init=True, widths=(4, 4), depths=(2, 1))
    block = model.blocks[0][1]
    x = torch.rand(1, 4, 30)
    assert isinstance(block, BasicBlock)
    assert torch.equal(block(x), x)
    assert not torch.equal(small(widths=(4, 4), depths=(2, 1)).blocks[0][1](x), x)


def test_parameters_of_resnet18_counted_by_hand():
    stage = lambda i, o: 7 * i * o + 3 * 7 * o * o + 4 * 2 * o + (0 if i == o else i * o + 2 * o)  # noqa: E731
    by_hand = 15 * 12 * 64 + 2 * 64 + stage(64, 64) + stage(64, 128) + stage(128, 256) + stage(256, 512)
    assert sum(p.numel() for p in resnet18(in_leads=12).parameters()) == by_hand == 8_737_408


def test_convolutions_start_with_the_variance_of_he_lazy_or_not():
    for model in (resnet18(in_leads=12), resnet18()):
        model.eval()(torch.zeros(1, 12, 64))
        weight = model.stem[0].weight
        assert weight.std().item() == pytest.approx((2 / (64 * 15)) ** 0.5, rel=0.03)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kernel_size": 4}, "positive odd kernel length, got 4 samples"),
        ({"stem_kernel_size": 0}, "positive odd kernel length, got 0 samples"),
        ({"widths": (4,), "depths": (1, 1)}, r"each stage needs a width and a depth, got widths=\(4,\), depths=\(1, 1\)"),
        ({"widths": (), "depths": ()}, "each stage needs a width"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        ResNet(1, **wrong)


def test_running_statistics_move_in_training_only():
    model, x = small(), torch.randn(4, 2, 64)
    before = {k: v.clone() for k, v in model.named_buffers()}
    model(x)
    assert all(torch.equal(v, before[k]) for k, v in model.named_buffers())
    model.train()(x)
    assert all(not torch.equal(v, before[k]) for k, v in model.named_buffers())
    assert any(isinstance(m, nn.BatchNorm1d) for m in model.modules())


def test_a_seed_gives_the_weights_of_the_convolutions_there_are_and_of_no_other():
    torch.manual_seed(0)
    block = BasicBlock(4, 4, kernel_size=3)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(same_conv1d(4, 4, 3).weight, block.conv1.weight)
    assert torch.equal(same_conv1d(4, 4, 3).weight, block.conv2.weight)
    assert torch.equal(torch.rand(1), after)

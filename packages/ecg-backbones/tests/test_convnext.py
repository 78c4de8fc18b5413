"""ConvNeXt: the published sizes to the last parameter, layer scale, patches, and what is scaled with the frequency."""

import pytest
import torch
from torch import nn

from ecg_backbones.convnext import ConvNeXt, ConvNeXtBlock, convnext1d_small, convnext1d_tiny

torch.set_num_threads(1)

TINY = {"widths": (4, 6), "depths": (1, 2), "kernel_size": 3}


@pytest.mark.parametrize(("made", "published"), [(convnext1d_tiny, 28_589_128), (convnext1d_small, 50_223_688)])
def test_the_parameters_are_the_published_ones_once_the_second_axis_is_added(made, published):
    """Published: torchvision's model tables (ConvNeXt-T and -S, 1000 classes), of kernels 4 x 4 on 3 colours, 7 x 7 and 2 x 2."""
    with torch.device("meta"):
        model = made(in_leads=12)
    total = sum(p.numel() for p in model.parameters())
    total += (4 * 4 * 3 - 4 * 12) * 96  # as it happens, nothing
    for width, stage in zip((96, 192, 384, 768), model.blocks, strict=True):
        total += len(stage) * (7 * 7 - 7) * width
    total += sum((2 * 2 - 2) * a * b for a, b in ((96, 192), (192, 384), (384, 768)))
    assert total + 768 * 1000 + 1000 == published


def test_a_block_starts_near_the_identity_and_its_branch_is_scaled_for_each_channel():
    torch.manual_seed(0)
    block, x = ConvNeXtBlock(4, kernel_size=3).eval(), torch.randn(2, 4, 10)
    assert (block(x) - x).abs().max() < 1e-5
    with torch.no_grad():
        block.scale.copy_(torch.tensor([0.0, 1.0, 2.0, 0.0]))
        branch = nn.functional.layer_norm(
            nn.functional.conv1d(x, block.conv.weight, block.conv.bias, padding=1, groups=4).transpose(1, 2), (4,), eps=1e-6
        )
        branch = block.mlp(branch).transpose(1, 2)
    expected = x + torch.stack([0 * branch[:, 0], branch[:, 1], 2 * branch[:, 2], 0 * branch[:, 3]], dim=1)
    torch.testing.assert_close(block(x), expected)


def test_a_patch_is_four_samples_that_no_other_patch_has():
    torch.manual_seed(0)
    stem = ConvNeXt(1, **TINY).eval().patches[0][0]
    x = torch.zeros(1, 1, 40)
    for sample in range(40):
        x.zero_()[0, 0, sample] = 1.0
        touched = (stem(x) != stem(torch.zeros_like(x))).any(dim=1)[0].nonzero().flatten().tolist()
        assert touched == ([(sample + 1) // 4] if sample < 39 else [])  # the 41st patch would begin with sample 39


def test_what_is_pooled_is_normalised_as_published():
    torch.manual_seed(0)
    model, x = ConvNeXt(2, **TINY).eval(), torch.randn(2, 2, 64)
    expected = nn.functional.layer_norm(model(x).mean(dim=-1), (6,), eps=1e-6)
    torch.testing.assert_close(model.pool(model(x)), expected)


def test_stochastic_depth_grows_linearly_over_all_blocks():
    with torch.device("meta"):
        rates = [block.drop_path.rate for stage in convnext1d_tiny(in_leads=1).blocks for block in stage]
    assert rates == pytest.approx([0.1 * i / 17 for i in range(18)])


def test_kernels_grow_with_the_frequency_and_patches_do_not():
    with torch.device("meta"):
        before, after = ConvNeXt(1), ConvNeXt(1, kernel_scale=2.0)
    lengths = [{m.kernel_size[0] for m in model.modules() if isinstance(m, nn.Conv1d)} for model in (before, after)]
    assert lengths == [{4, 7, 2}, {4, 13, 2}]
    assert [s.stride for s in after.stages] == [4, 8, 16, 32]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depths": (1,)}, r"each stage needs a width and a depth, got widths=\(96, 192, 384, 768\), depths=\(1,\)"),
        ({"widths": (), "depths": ()}, r"got widths=\(\), depths=\(\)"),
        ({"kernel_size": 6}, "a positive odd kernel length, got 6"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        ConvNeXt(1, **wrong)

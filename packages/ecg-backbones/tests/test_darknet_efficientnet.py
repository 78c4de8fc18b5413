"""Darknet and EfficientNet: the published sizes to the last parameter, the time axis, and depth that is left out in training."""

import pytest
import torch

from ecg_backbones.darknet import Darknet, Darknet19
from ecg_backbones.efficientnet import EfficientNet, _rounded
from ecg_core.discovery.registries import BACKBONES

torch.set_num_threads(1)

# One-dimensional, 12 leads, without a classifier. The same stage tables with two-dimensional kernels give the published
# counts: 20,842,376 (Darknet-19), 41,609,928, 27,642,184; 5,288,548 (B0) … 66,347,960 (B7); 21,458,488, 54,139,356, 118,515,272.
PARAMETERS = {
    "darknet19": 7_517_376,
    "darknet53": 15_837_184,
    "cspdarknet53": 12_142_208,
    "efficientnet_b0": 3_865_372,
    "efficientnet_b1": 6_314_368,
    "efficientnet_b2": 7_484_898,
    "efficientnet_b3": 10_407_632,
    "efficientnet_b4": 17_115_080,
    "efficientnet_b5": 27_765_696,
    "efficientnet_b6": 39_964_320,
    "efficientnet_b7": 62_733_072,
    "efficientnetv2_s": 19_438_504,
    "efficientnetv2_m": 51_553_356,
    "efficientnetv2_l": 114_482_432,
}
LENGTHS = (1000, 1001, 2499, 3333, 4999, 5000, 5001)


def on_meta(name, **words):
    with torch.device("meta"):
        return BACKBONES.build(name, in_leads=12, **words).eval()


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_parameters_are_those_of_the_stage_table(name, expected):
    assert sum(p.numel() for p in on_meta(name).parameters()) == expected


LARGE = ("efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnetv2_m", "efficientnetv2_l")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in LARGE else []) for n in PARAMETERS])
def test_the_shape_by_arithmetic_is_that_of_every_map_at_every_length(name):
    model = on_meta(name)
    for samples in (model.min_samples, *LENGTHS):
        maps = model.forward_intermediates(torch.empty(2, 12, samples, device="meta"))
        assert [tuple(m.shape) for m in maps] == [(2, s.channels, model.steps(samples, i)) for i, s in enumerate(model.stages)]
        assert tuple(maps[-1].shape) == model.compute_features_output_shape(samples, 2)


@pytest.mark.parametrize("name", ["darknet19", "darknet53", "cspdarknet53"])
def test_yolo_finds_its_three_maps_at_strides_8_16_and_32(name):
    assert [(s.stride, s.channels) for s in on_meta(name).stages[-3:]] == [(8, 256), (16, 512), (32, 1024)]


@pytest.mark.parametrize(
    "model",
    [
        Darknet(2, stem_width=4, widths=(6, 8), depths=(1, 2)),
        Darknet(2, stem_width=4, widths=(6, 8), depths=(1, 2), partial=True, activation="mish"),
        Darknet19(2, widths=(4, 6, 8), depths=(1, 3, 1)),
        EfficientNet(2, rows=[("fused", 1, 3, 1, 8, 1), ("fused", 2, 5, 2, 8, 2)], stem_width=8, head_width=8),
    ],
    ids=["darknet53", "cspdarknet53", "darknet19", "fused"],
)
def test_a_step_sees_exactly_its_receptive_field(model):
    for parameter in model.parameters():
        parameter.data = parameter.abs() + 0.1  # nothing cancels and nothing is cut off
    x = torch.rand(1, 2, 4 * model.receptive_field, requires_grad=True)
    features = model.eval()(x)
    step = features.shape[-1] // 2
    (gradient,) = torch.autograd.grad(features[0, :, step].sum(), x)
    seen = gradient.abs().sum(dim=(0, 1)).nonzero().flatten()
    middle, half = step * model.stages[-1].stride + model.stages[-1].centre, (model.receptive_field - 1) / 2
    if isinstance(model, Darknet19):  # a maximum sees one of its steps: the extent is a bound
        assert seen.min() >= middle - half
        assert seen.max() <= middle + half
    else:
        assert (seen.min().item(), seen.max().item()) == (middle - half, middle + half)
    assert model.receptive_field_ms(500) == 2 * model.receptive_field


def test_channels_are_rounded_to_eights_and_lose_at_most_a_tenth():
    for channels in range(8, 2000):
        for width in (1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0):
            found = _rounded(channels * width)
            assert found % 8 == 0
            assert 0.9 * channels * width <= found <= channels * width + 8


def test_a_map_follows_the_input_by_its_stride():
    torch.manual_seed(0)
    model = Darknet(1, stem_width=4, widths=(6, 8), depths=(1, 1)).eval()
    x = torch.randn(1, 1, 400)
    torch.testing.assert_close(model(x[..., 4:])[..., 20:70], model(x)[..., 21:71], rtol=1e-4, atol=1e-5)


def test_blocks_are_left_out_in_training_ever_more_often_with_depth_and_never_in_evaluation():
    model = BACKBONES.build("efficientnet_b0", in_leads=1)
    rates = [m.rate for m in model.modules() if type(m).__name__ == "DropPath"]
    assert rates == pytest.approx([0.2 * i / 16 for i in range(16)])
    x = torch.randn(2, 1, 256)
    assert torch.equal(model.eval()(x), model(x))


def test_only_kernels_that_see_time_grow_with_the_sampling_frequency():
    for name in ("efficientnet_b0", "darknet53"):
        before, after = on_meta(name), on_meta(name, kernel_scale=3.0)
        for a, b in zip(before.modules(), after.modules(), strict=True):
            if isinstance(a, torch.nn.Conv1d):
                assert b.kernel_size[0] == (1 if a.kernel_size[0] == 1 else 3 * a.kernel_size[0])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Darknet(1, depths=(1,)), "each stage needs a width, a depth and a stride"),
        (lambda: Darknet19(1, depths=(1, 1, 2, 1, 1, 1)), "a width and an odd depth, and each but the last a pooling"),
        (lambda: EfficientNet(1, rows=[("conv", 1, 3, 1, 8, 1)]), "a stage is of kind mb or fused, got 'conv'"),
        (lambda: EfficientNet(1, rows=()), "at least one stage"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(act, message):
    with pytest.raises(ValueError, match=message):
        act()

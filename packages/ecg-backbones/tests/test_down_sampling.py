"""Poolings, blurs, folds and separable convolutions: what each step is, how many there are, and what it sees."""

import pytest
import torch
from torch import nn

from ecg_backbones.layers.blur_pool import AntiAliasedConv1d, BlurPool1d
from ecg_backbones.layers.down_sample import DownSample
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.separable import SeparableConv1d
from ecg_backbones.layers.space_to_depth import SpaceToDepth

torch.set_num_threads(1)

MODES = ("max", "avg", "lp", "lse", "nearest", "linear", "blur")
OF_A_GROUP = {
    "max": lambda g: g.amax(-1),
    "avg": lambda g: g.mean(-1),
    "lp": lambda g: g.square().mean(-1).sqrt(),
    "lse": lambda g: g.exp().sum(-1).log(),
    "nearest": lambda g: g[..., 0],
}


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", list(OF_A_GROUP))
def test_a_step_is_the_formula_of_its_group_and_a_short_last_group_counts_what_is_there(mode, factor):
    x = torch.randn(2, 3, 11, dtype=torch.float64)
    if factor > 1:
        expected = torch.stack([OF_A_GROUP[mode](x[..., s : s + factor]) for s in range(0, 11, factor)], dim=-1)
        torch.testing.assert_close(DownSample(factor, mode)(x), expected)
    else:
        assert torch.equal(DownSample(1, mode)(x), x)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_line_between_samples_is_hit_in_the_middle_of_each_group(factor):
    ramp = torch.arange(12, dtype=torch.float64).expand(1, 1, 12)
    torch.testing.assert_close(DownSample(factor, "linear")(ramp)[0, 0], ramp[0, 0, ::factor] + (factor - 1) / 2)


def layers():
    for factor in (2, 3, 4):
        yield from (pytest.param(DownSample(factor, mode), id=f"{mode}-{factor}") for mode in MODES)
        yield pytest.param(BlurPool1d(factor, taps=7), id=f"blur7-{factor}")
        yield pytest.param(AntiAliasedConv1d(3, 3, 5, stride=factor), id=f"anti_aliased-{factor}")
        yield pytest.param(SeparableConv1d(3, 3, 5, stride=factor), id=f"separable-{factor}")
        yield pytest.param(SpaceToDepth(factor), id=f"space_to_depth-{factor}")


@pytest.mark.parametrize("layer", list(layers()))
def test_the_steps_are_counted_and_what_a_step_sees_is_known(layer):
    seen = layer.after(Geometry())
    for samples in range(1, 30):
        assert layer(torch.randn(1, 3, samples)).shape[-1] == seen.steps(samples) == -(-samples // seen.stride)
    assert seen.min_samples == 1
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(parameter.abs())
    x = torch.rand(1, 3, 61).add_(1).requires_grad_(True)
    step = 30 // seen.stride
    (gradient,) = torch.autograd.grad(layer(x)[..., step].sum(), x)
    touched = gradient.abs().sum((0, 1)).nonzero().flatten()
    middle, half = step * seen.stride + seen.centre, (seen.receptive_field - 1) / 2
    assert middle - half <= touched.min() <= touched.max() <= middle + half
    if not (isinstance(layer, DownSample) and layer.mode == "max"):  # the largest of a group is one sample of it
        assert (touched.min().item(), touched.max().item()) == (middle - half, middle + half)


@pytest.mark.parametrize("layer", list(layers()))
def test_it_exports_with_any_length(layer):
    dims = {0: torch.export.Dim("batch", max=64), 2: torch.export.Dim("steps", min=8, max=100_000)}
    program = torch.export.export(layer, (torch.randn(2, 3, 20),), dynamic_shapes=(dims,)).module()
    for shape in ((1, 3, 8), (3, 3, 33)):
        x = torch.randn(*shape)
        torch.testing.assert_close(program(x), layer(x), equal_nan=True)


@pytest.mark.parametrize("mode", MODES)
def test_flat_signals_have_finite_gradients(mode):
    x = torch.zeros(1, 1, 9, requires_grad=True)
    DownSample(2, mode)(x).sum().backward()
    assert x.grad.isfinite().all()


def test_a_blur_keeps_constants_and_removes_the_fastest_oscillation():
    for taps in (3, 5, 7):
        blur = BlurPool1d(2, taps=taps).double()
        torch.testing.assert_close(blur(torch.full((1, 2, 12), 3.0, dtype=torch.float64)), torch.full((1, 2, 6), 3.0).double())
        fastest = torch.tensor([1.0, -1.0]).repeat(12).double()[None, None]
        torch.testing.assert_close(blur(fastest)[..., 2:-2], torch.zeros(1, 1, 8).double())


def test_a_blur_of_three_taps_is_a_quarter_a_half_and_a_quarter():
    x = torch.randn(1, 1, 9)
    torch.testing.assert_close(BlurPool1d(1)(x)[..., 1:-1], x[..., :-2] / 4 + x[..., 1:-1] / 2 + x[..., 2:] / 4)


def test_a_shifted_oscillation_changes_less_behind_a_blur_than_behind_a_plain_stride():
    x = torch.sin(torch.arange(101) * 2.2)[None, None]
    conv = AntiAliasedConv1d(1, 1, 1, stride=2)
    nn.init.ones_(conv.conv.weight)

    def moved(strided):
        return (strided(x[..., :-1]).abs().mean() - strided(x[..., 1:]).abs().mean()).abs(), strided(x).abs().mean()

    assert conv(x).square().mean() < 0.2 * x[..., ::2].square().mean()  # beyond the new Nyquist frequency, so it is taken out
    assert moved(conv)[0] <= moved(DownSample(2, "nearest"))[0] + 1e-3


def test_an_anti_aliased_convolution_without_a_stride_is_a_convolution():
    layer, x = AntiAliasedConv1d(2, 3, 5), torch.randn(1, 2, 9)
    assert torch.equal(layer(x), layer.conv(x))


def test_a_separable_convolution_is_the_convolution_with_its_kernels_multiplied():
    layer, x = SeparableConv1d(3, 4, 5, stride=2), torch.randn(2, 3, 20)
    kernel = layer.pointwise.weight * layer.depthwise.weight[:, 0]  # (out, in, taps)
    torch.testing.assert_close(layer(x), nn.functional.conv1d(x, kernel, stride=2, padding=2))


def test_folding_loses_nothing_and_fills_the_last_block_with_zeros():
    x = torch.arange(18.0).reshape(1, 2, 9)
    folded = SpaceToDepth(4)(x)
    assert folded[0, :, 0].tolist() == [0, 1, 2, 3, 9, 10, 11, 12]
    assert folded[0, :, 2].tolist() == [8, 0, 0, 0, 17, 0, 0, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DownSample(0), "a factor of 1 or more, got 0"),
        (lambda: DownSample(2, "median"), "mode must be one of max, avg, lp, lse, nearest, linear, blur, got 'median'"),
        (lambda: BlurPool1d(2, taps=4), "an odd number of taps, got 4"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

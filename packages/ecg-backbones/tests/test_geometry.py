"""The arithmetic of the time axis against what convolutions and poolings really do."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ecg_backbones.layers.convolution import same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry

torch.set_num_threads(1)

layer = st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4))


@settings(deadline=None, max_examples=60)
@given(chain=st.lists(layer, min_size=1, max_size=4), samples=st.integers(1, 200))
def test_steps_and_shortest_input_are_those_of_torch(chain, samples):
    geometry = Geometry()
    modules = nn.Sequential()
    for kernel_size, stride, dilation, padding in chain:
        geometry = geometry.then(kernel_size, stride=stride, dilation=dilation, padding=padding)
        modules.append(nn.Conv1d(1, 1, kernel_size, stride=stride, dilation=dilation, padding=padding))
    if samples >= geometry.min_samples:
        with torch.no_grad():
            assert modules(torch.zeros(1, 1, samples)).shape[-1] == geometry.steps(samples) >= 1
    else:
        assert geometry.steps(samples) == 0


@settings(deadline=None, max_examples=60)
@given(chain=st.lists(layer, min_size=1, max_size=4))
def test_a_step_sees_exactly_its_receptive_field_around_its_centre(chain):
    geometry = Geometry()
    modules = nn.Sequential()
    for kernel_size, stride, dilation, padding in chain:
        geometry = geometry.then(kernel_size, stride=stride, dilation=dilation, padding=padding)
        conv = nn.Conv1d(1, 1, kernel_size, stride=stride, dilation=dilation, padding=padding)
        nn.init.constant_(conv.weight, 0.5)
        modules.append(conv)
    x = torch.zeros(1, 1, geometry.min_samples + 3 * geometry.receptive_field + 20 * geometry.stride, requires_grad=True)
    features = modules(x)
    step = features.shape[-1] // 2
    (gradient,) = torch.autograd.grad(features[0, 0, step], x)
    seen = gradient[0, 0].nonzero().flatten()
    middle, half = step * geometry.stride + geometry.centre, (geometry.receptive_field - 1) / 2
    assert (seen.min().item(), seen.max().item()) == (middle - half, middle + half)


@settings(deadline=None, max_examples=60)
@given(kernel_size=st.integers(1, 8), stride=st.integers(1, 4), dilation=st.integers(1, 3), samples=st.integers(1, 100))
def test_a_same_length_convolution_gives_ceil_of_samples_by_stride(kernel_size, stride, dilation, samples):
    conv = same_conv1d(2, 3, kernel_size, stride=stride, dilation=dilation, even=True)
    steps = conv(torch.randn(1, 2, samples)).shape[-1]
    assert steps == -(-samples // stride) == conv.after(Geometry()).steps(samples)


def test_branches_see_what_the_widest_of_them_sees():
    start = Geometry().then(3, stride=2)
    joined = start.then(3).joined([start.then(9), start])
    assert joined.receptive_field == start.then(9).receptive_field == 19
    assert joined.steps(31) == start.steps(31) == 16


@pytest.mark.parametrize("kernel_size", [3, 5, 15, 25])
@pytest.mark.parametrize("scale", [0.2, 0.5, 0.8, 2.0])
def test_a_scaled_kernel_is_odd_and_lasts_as_long_as_before(kernel_size, scale):
    scaled = scaled_kernel(kernel_size, scale)
    assert scaled % 2 == 1
    assert abs(scaled - kernel_size * scale) <= 1 or scaled == 3


def test_kernels_cannot_be_scaled_to_nothing():
    with pytest.raises(ValueError, match="a positive number, got 0"):
        scaled_kernel(3, 0)

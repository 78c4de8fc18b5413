"""However a convolution is computed, it is the convolution."""

import pytest
import torch
from torch.nn import functional

from ecg_backbones.layers.convolution import HeConv1d, same_conv1d
from ecg_backbones.layers.max_pool import max_pool

torch.set_num_threads(1)


@pytest.mark.parametrize("kernel_size", [3, 11, 12, 13, 25])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_a_depthwise_convolution_is_its_definition_forwards_and_backwards(kernel_size, stride, dilation, bias):
    torch.manual_seed(0)
    conv = same_conv1d(6, 6, kernel_size, stride=stride, dilation=dilation, groups=6, bias=bias, even=True)
    if bias:
        torch.nn.init.normal_(conv.bias)
    x = torch.randn(2, 6, 101, requires_grad=True)
    reach = dilation * (kernel_size - 1)
    padded = functional.pad(x.double(), (reach // 2, reach - reach // 2))
    taps = padded.unfold(-1, reach + 1, stride)[..., ::dilation]  # (batch, channels, steps, taps)
    expected = torch.einsum("bcst,ct->bcs", taps, conv.weight.double().squeeze(1))
    expected = expected + (conv.bias.double()[:, None] if bias else 0)
    found = conv(x)
    assert found.is_contiguous()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    wanted = torch.autograd.grad(expected.square().sum(), (x, conv.weight))
    for a, b in zip(torch.autograd.grad(found.square().sum(), (x, conv.weight)), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(conv(x), found, rtol=1e-5, atol=1e-5)


def test_the_other_layout_is_used_where_it_is_faster_and_never_in_an_exported_program(monkeypatch):
    used = []
    original = HeConv1d._channels_last
    monkeypatch.setattr(HeConv1d, "_channels_last", lambda self, x: used.append(self) or original(self, x))
    x = torch.randn(1, 6, 64)
    for conv in (same_conv1d(6, 6, 11, groups=6), same_conv1d(6, 6, 13), same_conv1d(6, 12, 13, groups=2)):
        conv(x)
    assert used == []
    same_conv1d(6, 6, 13, groups=6)(x)
    assert len(used) == 1
    torch.export.export(same_conv1d(6, 6, 13, groups=6), (x,))
    assert len(used) == 1


@pytest.mark.parametrize(("kernel_size", "stride", "padding"), [(2, None, 0), (3, 2, 1), (5, 3, 2)])
def test_a_maximum_is_the_same_with_and_without_a_gradient_and_in_an_exported_program(kernel_size, stride, padding):
    x = torch.randn(2, 3, 50)
    expected = max_pool(x, kernel_size, stride=stride, padding=padding)
    assert torch.equal(max_pool(x.requires_grad_(), kernel_size, stride=stride, padding=padding), expected)

    class Pool(torch.nn.Module):
        def forward(self, x):
            return max_pool(x, kernel_size, stride=stride, padding=padding)

    program = torch.export.export(Pool(), (x,), dynamic_shapes=({2: torch.export.Dim("steps", min=8, max=999)},)).module()
    y = torch.randn(2, 3, 77)
    assert torch.equal(program(y), Pool()(y))

"""The networks of Ribeiro and Hong against their definitions, computed here step by step with the padding of theirs."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ecg_backbones.net1d import Net1D
from ecg_backbones.resnet_antonior92 import ResNetAntonior92

torch.set_num_threads(1)


def same(x, kernel_size, stride):
    """Zeros for 'same' padding as both original frameworks count them: by the length, the odd one on the right."""
    steps = -(-x.shape[-1] // stride)
    total = max(0, (steps - 1) * stride + kernel_size - x.shape[-1])
    return F.pad(x, (total // 2, total - total // 2))


def convolve(layer, x):
    x = same(x, layer.kernel_size[0], layer.stride[0])
    return F.conv1d(x, layer.weight, layer.bias, stride=layer.stride[0], groups=layer.groups)


def normalise(layer, x):
    return F.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=layer.eps)


def unsettled(model):
    """Normalisations and biases as after training, so that each has an effect."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2), nn.init.uniform_(module.running_var, 0.5, 2)
        if isinstance(module, nn.Conv1d) and module.bias is not None:
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return model.double().eval()


@pytest.mark.parametrize("kernel_size", [16, 17])
def test_the_network_of_ribeiro_is_its_definition(kernel_size):
    model = unsettled(ResNetAntonior92(3, stem_width=4, widths=(6, 7, 8, 9), kernel_size=kernel_size))
    x = torch.randn(2, 3, 4 * 256, dtype=torch.float64)
    found = model.forward_intermediates(x)
    conv, norm, _ = model.stem
    h = y = normalise(norm, convolve(conv, x)).relu()
    for unit, features in zip(model.units, found, strict=True):
        y = F.max_pool1d(y, 4)
        y = y if isinstance(unit.shortcut, nn.Identity) else F.conv1d(y, unit.shortcut.weight)
        h = normalise(unit.norm1, convolve(unit.conv1, h)).relu()
        # The last padding at these lengths: (k - 4) in all, the odd one on the right.
        y = F.conv1d(same(h, kernel_size, 4), unit.conv2.weight, stride=4) + y
        h = normalise(unit.norm2, y).relu()
        torch.testing.assert_close(features, h)
    assert [f.shape[-1] for f in found] == [256, 64, 16, 4]


def test_4096_samples_become_16_steps():
    with torch.device("meta"):
        model = ResNetAntonior92(12)
    assert model.compute_features_output_shape(4096, 1) == (1, 320, 16)


@pytest.mark.parametrize("samples", [256, 251, 97, 5])
@pytest.mark.parametrize("norm", [True, False])
def test_net1d_is_its_definition_at_even_and_odd_lengths(samples, norm):
    model = unsettled(Net1D(3, stem_width=4, widths=(4, 7), depths=(2, 2), group_width=1, norm=norm, activation="silu"))
    x = torch.randn(2, 3, samples, dtype=torch.float64)
    found = model.forward_intermediates(x)

    def before(parts, h):
        layers = list(parts)
        h = normalise(layers[0], h) if norm else h
        return h * h.sigmoid()

    conv, first_norm, _ = model.stem
    h = convolve(conv, x)
    h = normalise(first_norm, h) if norm else h
    h = h * h.sigmoid()
    for number, stage in enumerate(model.blocks):
        for index, block in enumerate(stage):
            y = h if number == index == 0 else before(block.before1, h)
            y = convolve(block.conv2, before(block.before2, convolve(block.conv1, y)))
            y = convolve(block.conv3, before(block.before3, y))
            weights = block.squeeze_excite
            z = y.mean(-1) @ weights.squeeze.weight.T + weights.squeeze.bias
            y = y * ((z * z.sigmoid()) @ weights.excite.weight.T + weights.excite.bias).sigmoid()[..., None]
            if index == 0:
                h = F.max_pool1d(F.pad(h, (0, 1)), 2)
            empty = y.shape[1] - h.shape[1]
            h = y + F.pad(h, (0, 0, empty // 2, empty - empty // 2))
        torch.testing.assert_close(found[number], h)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResNetAntonior92(1, strides=(4,)), r"each unit needs a width and a stride, got widths=.*, strides=\(4,\)"),
        (lambda: Net1D(1, depths=(1,)), r"each stage needs a width and a depth, got widths=.*, depths=\(1,\)"),
        (lambda: Net1D(1, widths=(64, 32), depths=(1, 1)), r"widths must not shrink, got stem_width=64, widths=\(64, 32\)"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

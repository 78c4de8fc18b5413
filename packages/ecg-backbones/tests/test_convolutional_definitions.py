"""The convolutional families against their definitions, computed here layer by layer."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ecg_backbones.densenet import DenseNet
from ecg_backbones.layers.lead_wise import joined_by_lead, lead_rows
from ecg_backbones.layers.pool import Pool1d
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_backbones.mobilenet_v1 import MobileNetV1
from ecg_backbones.mobilenet_v2 import MobileNetV2
from ecg_backbones.multi_scopic import MultiScopic
from ecg_backbones.regnet import RegNet
from ecg_backbones.vgg import VGG
from ecg_backbones.xception import Xception

torch.set_num_threads(1)


def unsettled(model):
    """Normalisations and biases as after training, so that each has an effect."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2), nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5), nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.Conv1d) and module.bias is not None:
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return model.double().eval()


def built(cls, **words):
    torch.manual_seed(0)
    return unsettled(cls(3, **words))


def signal(samples=101):
    return torch.randn(2, 3, samples, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def convolve(layer, x, *, stride=1, dilation=1, groups=1):
    reach = dilation * (layer.weight.shape[2] - 1)
    return F.conv1d(F.pad(x, (reach // 2, reach // 2)), layer.weight, layer.bias, stride=stride, dilation=dilation, groups=groups)


def normalise(layer, x):
    return (x - layer.running_mean[:, None]) / (layer.running_var[:, None] + layer.eps).sqrt() * layer.weight[
        :, None
    ] + layer.bias[:, None]


def maximum(x, size, stride):
    return x.unfold(2, size, stride).amax(-1)


def test_vgg_is_convolutions_and_a_maximum_of_three_every_two_steps():
    model, y = built(VGG, widths=(4, 5), depths=(1, 2), kernel_size=5), signal()
    for stage, found in zip(model.blocks, model.forward_intermediates(y), strict=True):
        for layer in list(stage)[:-1]:
            y = normalise(layer.norm, convolve(layer.conv, y)).relu()
        y = maximum(y, 3, 2)
        torch.testing.assert_close(found, y)


@pytest.mark.parametrize("bottleneck", [None, 2])
def test_a_layer_of_densenet_sees_the_maps_of_all_layers_before_it(bottleneck):
    words = {"depths": (3, 2), "growth": 2, "stem_width": 4, "kernel_size": 3, "stem_kernel_size": 5, "compression": 0.6}
    model, x = built(DenseNet, **words, bottleneck=bottleneck), signal()
    y = normalise(model.stem.norm, convolve(model.stem.conv, x, stride=2)).relu()
    maps = [maximum(F.pad(y, (1, 1), value=float("-inf")), 3, 2)]
    found = model.forward_intermediates(x)

    def composite(parts, y):
        norm, _, conv = parts
        return convolve(conv, normalise(norm, y).relu())

    def dense(layers):
        for layer in layers:
            y, parts = torch.cat(maps, dim=1), list(layer.layers)[:-1]
            if bottleneck:
                y = composite(parts[:3], y)
            maps.append(composite(parts[-3:], y))
        return torch.cat(maps, dim=1)

    y = dense(model.blocks[0])
    torch.testing.assert_close(found[0], y)
    y = composite(list(model.blocks[1])[:3], y)
    assert y.shape[1] == 6  # 0.6 of ten
    maps = [y.unfold(2, 2, 2).mean(-1)]
    y = dense(list(model.blocks[1])[4:6])
    torch.testing.assert_close(found[1], normalise(model.blocks[1][6], y).relu())


def test_mobilenet_filters_each_channel_and_then_mixes_all():
    model = built(MobileNetV1, stem_width=4, widths=(6, 5), strides=(1, 2), kernel_size=(3, 5), stem_kernel_size=7)
    x = signal()
    y = normalise(model.stem.norm, convolve(model.stem.conv, x, stride=2)).clamp(0, 6)
    for stage, stride, found in zip(model.blocks, (1, 2), model.forward_intermediates(x), strict=True):
        depthwise, pointwise = stage
        y = normalise(depthwise.norm, convolve(depthwise.conv, y, stride=stride, groups=y.shape[1])).clamp(0, 6)
        y = normalise(pointwise.norm, torch.einsum("oi,bis->bos", pointwise.conv.weight[..., 0], y)).clamp(0, 6)
        torch.testing.assert_close(found, y)


def test_the_head_of_a_mobilenet_averages_pairs_of_steps_and_leaves_none_out():
    words = {"rows": ((1, 4, 1, 1),), "stem_width": 4, "head_width": 5, "kernel_size": 3, "stem_kernel_size": 3}
    model, x = built(MobileNetV2, **words, head_stride=2), signal(101)
    before, after = model.forward_intermediates(x)
    assert (before.shape[2], after.shape[2]) == (51, 26)
    pairs = torch.cat([before[..., :50].unfold(2, 2, 2).mean(-1), before[..., 50:]], dim=2)
    head = model.blocks[-1][-1]
    torch.testing.assert_close(after, normalise(head.norm, convolve(head.conv, pairs)).clamp(0, 6))


def test_multi_scopic_normalises_behind_all_activations_of_a_stage():
    scopes = (((1,), (1, 2)), ((3,), (2, 5)))
    model = built(MultiScopic, scopes=scopes, widths=(4, 5), kernel_size=(5, 3), dropout=(0.0, 0.0))
    x = signal()
    levels = [[], []]
    for branch, dilations in zip(model.branches, scopes, strict=True):
        y = x
        for stage, own, level in zip(branch, dilations, levels, strict=True):
            for conv, dilation in zip((m for m in stage if isinstance(m, nn.Conv1d)), own, strict=True):
                y = convolve(conv, y, dilation=dilation).relu()
            y = maximum(normalise(next(m for m in stage if isinstance(m, nn.BatchNorm1d)), y), 2, 2)
            level.append(y)
    for found, level in zip(model.forward_intermediates(x), levels, strict=True):
        torch.testing.assert_close(found, torch.cat(level, dim=1))


def test_xception_adds_its_separable_convolutions_to_a_projection_or_to_the_identity():
    words = {"stem_widths": (4, 5), "entry_widths": (6,), "middle_depth": 1, "exit_width": 7, "final_widths": (8,)}
    model, x = built(Xception, **words, kernel_size=(3, 5, 7, 3), stem_kernel_size=5), signal()

    def separable(layer, y):
        y = convolve(layer.depthwise, y, groups=y.shape[1])
        return torch.einsum("oi,bis->bos", layer.pointwise.weight[..., 0], y)

    y = normalise(model.stem[0].norm, convolve(model.stem[0].conv, x, stride=2)).relu()
    y = normalise(model.stem[1].norm, convolve(model.stem[1].conv, y)).relu()
    blocks = [model.blocks[0][0], model.blocks[0][1], model.blocks[1][0]]
    for number, block in enumerate(blocks):
        z = y
        for part in block.layers:
            if isinstance(part, nn.ReLU):
                z = z.relu()
            elif isinstance(part, nn.BatchNorm1d):
                z = normalise(part, z)
            elif isinstance(part, Pool1d):
                z = maximum(F.pad(z, (1, 1), value=float("-inf")), 3, 2)
            else:
                z = separable(part, z)
        if number == 1:
            y = y + z
        else:
            conv, norm = block.shortcut
            y = z + normalise(norm, torch.einsum("oi,bis->bos", conv.weight[..., 0], y[..., ::2]))
    assert [sum(isinstance(p, nn.ReLU) for p in block.layers) for block in blocks] == [1, 3, 2]  # the first starts as it is
    layer, norm, _ = list(model.blocks[1])[1:]
    torch.testing.assert_close(model(x), normalise(norm, separable(layer, y)).relu())


def test_channels_of_a_regnet_are_weighed_by_a_quarter_of_the_input_or_an_eighth_of_the_output():
    words = {"widths": (8, 16), "depths": (2, 1), "group_width": 4, "stem_width": 12}

    def hidden(squeeze):
        model = RegNet(3, **words, squeeze=squeeze)
        return [(m.channels, m.squeeze.out_features) for m in model.modules() if isinstance(m, SqueezeExcite)]

    assert hidden("neck") == [(8, 3), (8, 2), (16, 2)]
    assert hidden("end") == [(8, 1), (8, 1), (16, 2)]
    assert hidden(None) == []


def test_channels_of_the_same_lead_are_joined_and_keep_their_order():
    a = torch.tensor([10, 11, 20, 21]).reshape(1, 4, 1)  # two channels of each of two leads
    b = torch.tensor([12, 22]).reshape(1, 2, 1)
    assert joined_by_lead([a, b], 2).flatten().tolist() == [10, 11, 12, 20, 21, 22]
    assert joined_by_lead([a, b], 1).flatten().tolist() == [10, 11, 20, 21, 12, 22]


def test_rows_of_leads_hold_their_own_channels_and_average_to_the_features():
    features = torch.tensor([1.0, 2, 3, 4]).reshape(1, 4, 1)
    assert lead_rows(features, 2).flatten().tolist() == [2, 4, 0, 0, 0, 0, 6, 8]
    assert lead_rows(features, None).shape == (1, 1, 4, 1)


@pytest.mark.parametrize(("mode", "expected"), [("max", [4.0, 4.0, 9.0]), ("avg", [5 / 3, 3.0, 5.0])])
def test_a_padded_pooling_counts_what_is_outside_as_nothing_or_as_zero(mode, expected):
    x = torch.tensor([1.0, 4, 1, 4, 9, 2]).reshape(1, 1, 6)
    torch.testing.assert_close(Pool1d(3, stride=2, padding=1, mode=mode)(x).flatten(), torch.tensor(expected))

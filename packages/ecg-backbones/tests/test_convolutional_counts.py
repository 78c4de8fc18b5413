"""Parameters of the convolutional families: the published ones in two dimensions, and torch_ecg's once its reasons are added."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.separable import SeparableConv1d
from ecg_core.discovery.index import get_index
from ecg_core.discovery.registries import BACKBONES

PAGE = Path(__file__).parents[3] / "docs" / "backbones.md"
ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+|–) \| (.+) \|$", flags=re.MULTILINE)
FAMILIES = ("vgg", "densenet", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "multi_scopic", "regnet", "xception")
MODULES = tuple(f"ecg_backbones.{family}:" for family in FAMILIES)


def built(name, **arguments):
    with torch.device("meta"):
        return BACKBONES.build(name, **{"in_leads": 12, **arguments})


def count(module):
    return sum(p.numel() for p in module.parameters())


def counted_in_two_dimensions(module):
    """Parameters if every kernel of k steps were one of k x k pixels."""
    extra = sum(m.weight.numel() * (m.kernel_size[0] - 1) for m in module.modules() if isinstance(m, nn.Conv1d))
    return count(module) + extra


# With pictures of three colours and the kernels of the papers. Published counts with 1000 classes, less the classifier's
# weights and biases.
@pytest.mark.parametrize(
    ("name", "words", "published"),
    [
        # 138,365,992 of the network with normalisations, 123,642,856 in its three linear layers, 4,224 biases in front of
        # normalisations.
        ("vgg16_bn", {"kernel_size": 3}, 138_365_992 - 123_642_856 - 4_224),
        ("densenet121", {"kernel_size": 3, "stem_kernel_size": 7}, 7_978_856 - 1025 * 1000),
        ("regnet", {"kernel_scale": 0.2}, 4_344_144 - 441 * 1000),  # RegNetY-400MF
        ("xception", {"kernel_scale": 0.2}, 22_855_952 - 2049 * 1000),  # what is trained
        ("mobilenet_v1", {"kernel_scale": 0.2}, 4_231_976 - 1025 * 1000),
        ("mobilenet_v2", {"kernel_scale": 0.2}, 3_504_872 - 1281 * 1000),
        # The hidden layer of the classifier stands behind the pooling: it takes the channels to 1024 and to 1280.
        ("mobilenet_v3", {"kernel_scale": 0.2}, 2_542_856 - 577 * 1024 - 1025 * 1000),
        ("mobilenet_v3_large", {"kernel_scale": 0.2}, 5_483_032 - 961 * 1280 - 1281 * 1000),
    ],
)
def test_the_same_network_for_pictures_has_the_published_count(name, words, published):
    assert counted_in_two_dimensions(built(name, in_leads=3, **words)) == published


def biases(module):
    """Biases that torch_ecg's activated convolutions have in front of a normalisation, where they have no effect."""
    layers = [m for m in module.modules() if isinstance(m, ConvNormActivation)]
    return sum(m.conv.out_channels for m in layers if not isinstance(m.activation, nn.Identity))


def long_exit(model):
    """The pointwise convolution at the end has 19 taps there."""
    conv = model.blocks[-1][-1].conv
    return biases(model) + 18 * conv.in_channels * conv.out_channels


def stem_biases(model):
    """As :func:`biases`, in the stem."""
    return sum(m.out_channels for m in model.stem.modules() if isinstance(m, nn.Conv1d))


def separable_biases(model):
    """As :func:`biases`, in the stem and in both halves of separable convolutions."""
    halves = [half for m in model.modules() if isinstance(m, SeparableConv1d) for half in (m.depthwise, m.pointwise)]
    return stem_biases(model) + sum(half.out_channels for half in halves)


def narrow_necks(model):
    """Five groups of 23 channels in the second stage there, where a float was cut off, instead of 24."""

    def block(inputs, group):
        neck = 5 * group
        return inputs * neck + 11 * neck * group + neck * 120 + 4 * neck

    return stem_biases(model) + sum(block(inputs, 23) - block(inputs, 24) for inputs in (48, *[120] * 5))


def narrow_stage(model):
    """1176 channels in the third stage there, seven groups; the nearest number of groups, and the paper's, is eight."""
    theirs = built("regnet_23_168", widths=(336, 672, 1176, 2520), depths=(2, 7, 13, 1))
    return stem_biases(model) + count(theirs) - count(model)


def mixed_leads(model):
    """Pointwise convolutions and the stem mix the leads there."""
    mixing = [m for m in model.modules() if isinstance(m, nn.Conv1d) and m.groups == 12]
    return separable_biases(model) + sum(11 * m.weight.numel() for m in mixing)


# What torch_ecg counts beside what is built here.
REASONS = {
    "vgg16": biases,
    "vgg16_leadwise": biases,
    "densenet_vanilla": lambda model: 0,
    "densenet_leadwise": lambda model: 0,
    "multi_scopic": lambda model: 0,
    "multi_scopic_leadwise": lambda model: 0,
    "regnet_16_8": stem_biases,
    "regnet_27_24": narrow_necks,
    "regnet_23_168": narrow_stage,
    "regnet_S": stem_biases,
    "xception_vanilla": separable_biases,
    "xception_leadwise": mixed_leads,
    "mobilenet_v1_vanilla": biases,
    "mobilenet_v2_vanilla": long_exit,
    "mobilenet_v3_small": long_exit,
}  # fmt: skip


@pytest.mark.parametrize("name", REASONS)
def test_the_count_is_that_of_torch_ecg_once_its_reasons_are_added(name, golden):
    stored = json.loads((golden / "torch_ecg" / "backbones.json").read_text())[name]
    model = built(name)
    assert count(model) + REASONS[name](model) == stored["n_params"]
    assert model.compute_features_output_shape(5000, 1) == tuple(stored["output_shape"])


def test_the_table_in_the_documentation_is_what_is_built(golden):
    stored = json.loads((golden / "torch_ecg" / "backbones.json").read_text())
    by_key = {name.lower(): entry["n_params"] for name, entry in stored.items()}
    rows = ROW.findall(PAGE.read_text(encoding="utf-8").split("## Other convolutional families")[1].split("\n## ")[0])
    assert {name for name, *_ in rows} == {c.name for c in get_index().components("backbones") if c.target.startswith(MODULES)}
    for name, here, there, reason in rows:
        assert f"{count(built(name)):,}" == here, name
        theirs = by_key.get(name.lower())
        assert there == ("–" if theirs is None else f"{theirs:,}"), name
        assert (here == there) == (reason == "equal"), name
        if theirs is not None:  # the numbers in brackets are all of the difference
            differences = [int(number.replace(",", "")) for number in re.findall(r"\((-?[\d,]+)\)", reason)]
            assert count(built(name)) + sum(differences) == theirs, name

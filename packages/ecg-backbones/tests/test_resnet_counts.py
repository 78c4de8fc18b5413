"""Parameters of the ResNet family: torch_ecg's where its configuration is sound, counted by hand or published elsewhere."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from ecg_backbones.layers.global_context import GlobalContext
from ecg_backbones.layers.non_local import NonLocal
from ecg_backbones.layers.residual import Bottleneck
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_core.discovery.index import get_index
from ecg_core.discovery.registries import BACKBONES

PAGE = Path(__file__).parents[3] / "docs" / "backbones.md"
ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+|–) \| (.+) \|$", flags=re.MULTILINE)
MODULES = ("ecg_backbones.resnet:", "ecg_backbones.resnet_named:", "ecg_backbones.resnet_antonior92:", "ecg_backbones.net1d:")

# Names of torch_ecg's configurations, and the neck of their bottlenecks for each of our widths, where it is not ours: 64 / 48
# times as wide, because one constant stands for another.
UNSOUND_NECKS = {
    "resnet_vanilla_50": 64 / 48, "resnet_vanilla_101": 64 / 48, "resnet_vanilla_152": 64 / 48,
    "resnet_vanilla_wide_50_2": 128 / 48, "resnet_vanilla_wide_101_2": 128 / 48, "resnext_vanilla_50_32x4d": 4 / 48,
    "resnext_vanilla_101_32x8d": 8 / 48,
}  # fmt: skip
THEIRS = (
    "resnet_vanilla_18", "resnet_vanilla_34", *UNSOUND_NECKS, "resnetN", "resnetNB", "resnetNS", "resnetNBS",
    "resnet_cpsc2018", "resnet_cpsc2018_leadwise", "resnet_stanford", "resnet_nature_comm", "resnet_nature_comm_se",
    "resnet_nature_comm_nl", "resnet_nature_comm_gc", "resnet_nature_comm_bottle_neck", "resnet_nature_comm_bottle_neck_se",
    "resnet_nature_comm_bottle_neck_gc", "resnet_nature_comm_bottle_neck_nl", "tresnetF", "tresnetP", "tresnetN", "tresnetS",
    "tresnetM", "tresnetL", "tresnetXL", "tresnetM_V2",
)  # fmt: skip


def built(name, **arguments):
    with torch.device("meta"):
        return BACKBONES.build(name, in_leads=12, **arguments)


def count(module):
    return sum(p.numel() for p in module.parameters())


def squeeze_excitation(channels, hidden):
    return 2 * channels * hidden + hidden + channels


def counted_as_there(name):
    """Our count with everything that torch_ecg has beside it, or otherwise."""
    model = built(name, **({"neck": UNSOUND_NECKS[name]} if name in UNSOUND_NECKS else {}))
    total = count(model)
    stem = next(m for m in model.stem if isinstance(m, nn.Conv1d))
    total += stem.out_channels  # a bias before the normalisation
    if name.endswith("leadwise"):
        total += 15 * 96 * (12 - 1)  # the stem mixes the leads
    for module in model.modules():
        if isinstance(module, NonLocal):
            total += module.key.out_channels + module.out.out_channels  # biases without an effect
        elif isinstance(module, GlobalContext):
            total += 1  # a bias without an effect
    if name.startswith("tresnet"):  # reduction 8 on the end of every block, whatever is asked for
        total -= sum(count(m) for m in model.modules() if isinstance(m, SqueezeExcite))
        for stage in list(model.blocks)[:3]:
            channels = stage[0].last_norm.num_features
            total += len(stage) * squeeze_excitation(channels, channels // 8)
    return total


@pytest.mark.parametrize("name", THEIRS)
def test_the_count_is_that_of_torch_ecg_once_its_reasons_are_added(name, golden):
    stored = json.loads((golden / "torch_ecg" / "backbones.json").read_text())[name]
    assert counted_as_there(name) == stored["n_params"]
    assert built(name).compute_features_output_shape(5000, 1) == tuple(stored["output_shape"])


# The counts that torch_ecg's kernels give with the widths of the papers, stem bias included: shared/specs/torch_ecg.md, R8.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet_vanilla_50", 31_062_720), ("resnet_vanilla_101", 47_253_184), ("resnet_vanilla_152", 64_731_840),
        ("resnet_vanilla_wide_50_2", 97_023_424), ("resnext_vanilla_50_32x4d", 23_304_128),
        ("resnext_vanilla_101_32x8d", 89_123_776),
    ],
)  # fmt: skip
def test_bottlenecks_have_the_widths_of_their_papers(name, expected):
    assert count(built(name)) + 64 == expected
    necks = [stage[0].conv2.out_channels for stage in built(name).blocks]
    factor = 2 if name.startswith(("resnext", "resnet_vanilla_wide")) else 1
    assert necks == [factor * width for width in (64, 128, 256, 512)] or name == "resnext_vanilla_101_32x8d"


def test_the_table_in_the_documentation_is_what_is_built(golden):
    stored = json.loads((golden / "torch_ecg" / "backbones.json").read_text())
    by_key = {name.replace("_", "").lower(): entry["n_params"] for name, entry in stored.items()}
    rows = ROW.findall(PAGE.read_text(encoding="utf-8").split("## The ResNet family")[1].split("\n## ")[0])
    names = {c.name for c in get_index().components("backbones") if c.target.startswith(MODULES)}
    assert {name for name, *_ in rows} == names
    for name, here, there, _ in rows:
        assert f"{count(built(name)):,}" == here, name
        theirs = by_key.get(name.replace("_", ""))
        assert there == ("–" if theirs is None else f"{theirs:,}"), name


# ---------------------------------------------------------------------------------------------- by hand, or published


def norm(channels):
    return 2 * channels


def test_resnet50_is_counted_by_hand():
    total, inputs = 15 * 12 * 64 + norm(64), 64
    for width, depth in zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True):
        for index in range(depth):
            total += inputs * width + 7 * width * width + width * 4 * width + 2 * norm(width) + norm(4 * width)
            total += inputs * 4 * width + norm(4 * width) if index == 0 else 0
            inputs = 4 * width
    assert count(built("resnet50")) == total


@pytest.mark.parametrize(("name", "depth"), [("resnet50", 16), ("resnet101", 33), ("resnet152", 50), ("wide_resnet50_2", 16)])
def test_deep_networks_have_as_many_convolutions_as_their_name_says(name, depth):
    model = built(name)
    assert sum(isinstance(m, Bottleneck) for m in model.modules()) == depth
    assert re.search(r"\d+", name.removeprefix("wide_"))[0] == str(3 * depth + 2)  # and the stem and the classifier


@pytest.mark.parametrize(
    ("name", "expansion", "depths"),
    [
        ("xresnet1d18", 1, (2, 2, 2, 2)), ("xresnet1d34", 1, (3, 4, 6, 3)), ("xresnet1d50", 4, (3, 4, 6, 3)),
        ("xresnet1d101", 4, (3, 4, 23, 3)),
    ],
)  # fmt: skip
def test_xresnets_have_the_layers_of_the_ptb_xl_benchmark(name, expansion, depths):
    """As in github.com/helme/ecg_ptbxl_benchmarking, models/xresnet1d.py: 64 channels throughout, stem of 32, 32 and 64."""
    total = 5 * (12 * 32 + 32 * 32 + 32 * 64) + norm(32) + norm(32) + norm(64)
    inputs = 64
    for depth in depths:
        for _ in range(depth):
            if expansion == 1:
                total += 5 * inputs * 64 + 5 * 64 * 64 + 2 * norm(64)
            else:
                total += inputs * 64 + 5 * 64 * 64 + 64 * 256 + 2 * norm(64) + norm(256)
            if inputs != 64 * expansion:
                total += inputs * 64 * expansion + norm(64 * expansion)
            inputs = 64 * expansion
    assert count(built(name)) == total


def test_se_resnet_is_a_resnet18_and_its_squeeze_and_excitations():
    """As in github.com/ZhaoZhibin/Physionet2020model, models/SEResnet1dag.py: kernels of 15 and 7, reduction 16, no biases."""
    added = sum(2 * 2 * c * (c // 16) for c in (64, 128, 256, 512))
    assert count(built("se_resnet")) == 8_737_408 + added


def test_the_network_of_ribeiro_is_counted_by_hand():
    """Layers as in github.com/antonior92/automatic-ecg-diagnosis, model.py; without its classifier."""
    total, inputs = 16 * 12 * 64 + norm(64), 64
    for width in (128, 196, 256, 320):
        total += 16 * inputs * width + 16 * width * width + inputs * width + 2 * norm(width)
        inputs = width
    assert count(built("resnet_antonior92")) == total == 6_391_184


def test_net1d_has_the_measured_size_of_the_foundation_model():
    # 30,819,014 with 150 classes, measured on its code (shared/specs/ssl/ecgfounder.md); 128 of them stand in a normalisation
    # before the first block that it never uses.
    assert count(built("net1d")) + 1024 * 150 + 150 + 128 == 30_819_014
    normalisations = sum(count(m) for m in built("net1d").modules() if isinstance(m, nn.BatchNorm1d))
    assert count(built("net1d_ecgfounder")) == count(built("net1d")) - normalisations

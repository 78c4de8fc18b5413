"""Adapters and stages on the backbones of this package: convolutions, tokens, recurrence, state space."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ecg_core import BACKBONES, Backbone, materialize
from ecg_core.adaptation.depth import parameters_of, stages_of
from ecg_core.adaptation.low_rank import LowRank, add_low_rank, merged, without_low_rank
from ecg_core.discovery.registries import BACKBONES as REGISTRY

NAMES = [
    "bigru", "conformer", "convnext1d_tiny", "densenet", "inception_time", "mobilenet_v3", "resnet18", "resnet_nature_comm_nl",
    "s4", "tfc_transformer", "transformer", "unet", "vit_grid_tiny", "vit_leads_tiny", "vit_register_xs", "vit_time_tiny",
    "vit_tiny", "wav2vec2", "xresnet1d18",
]  # fmt: skip


def _built(name: str) -> tuple[Backbone, torch.Tensor]:
    """The smallest of its kind, as the contract kit builds it, with inputs."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = REGISTRY.get(name)
    smallest = {**getattr(found, "cls", found).conformance_params(), **getattr(found, "conformance", {})}
    x = torch.randn(2, smallest["leads"], smallest["samples"])
    return materialize(BACKBONES.build({"name": name, **smallest["arguments"], "in_leads": smallest["leads"]}), x).eval(), x


@pytest.mark.parametrize("name", NAMES)
def test_adapters_begin_as_nothing_and_merge_into_plain_weights(name: str) -> None:
    backbone, x = _built(name)
    names = sorted(backbone.state_dict())
    with torch.no_grad():  # with gradients torch takes another road through some kernels, adapters or not
        before = backbone.requires_grad_(False)(x)
        add_low_rank(backbone, rank=2)
        assert torch.equal(backbone(x), before)
    torch.manual_seed(1)
    for part in backbone.modules():
        if isinstance(part, LowRank):
            nn.init.normal_(part.up, std=0.1)
    adapted, plain = backbone(x), merged(backbone)
    assert not torch.allclose(adapted, before, atol=1e-3)
    torch.testing.assert_close(plain(x), adapted, rtol=1e-5, atol=1e-5)
    assert sorted(plain.state_dict()) == names


@pytest.mark.parametrize("name", NAMES)
def test_every_adapter_learns(name: str) -> None:
    """A weight that a layer reads in its own way would leave its adapter without a gradient."""
    backbone, x = _built(name)
    for parameter in backbone.parameters():  # a branch that begins at zero passes no gradient on
        if parameter.ndim == 1 and not parameter.any():
            nn.init.constant_(parameter, 0.5)
    add_low_rank(backbone, rank=2)
    backbone.pool(backbone(x)).square().sum().backward()
    adapters = {name: part for name, part in backbone.named_modules() if isinstance(part, LowRank)}
    assert [name for name, part in adapters.items() if part.up.grad is None or not part.up.grad.any()] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_in_exactly_one_stage(name: str) -> None:
    backbone, _ = _built(name)
    stages = stages_of(backbone)
    named = [parameters_of(backbone, part, first=not number) for number, part in enumerate(stages)]
    assert all(named)
    assert sorted(n for part in named for n in part) == sorted(n for n, _ in backbone.named_parameters())


def test_what_gets_no_adapter_is_named() -> None:
    backbone, _ = _built("bigru")
    add_low_rank(backbone, rank=2)
    assert all(name.startswith("recurrent.weight_") for name in without_low_rank(backbone))
    assert len(without_low_rank(backbone)) == 8  # two layers, two directions, inputs and states


@pytest.mark.parametrize(("name", "stages"), [("resnet18", 5), ("resnet50", 5), ("vit_tiny", 13), ("vit_small", 13)])
def test_stages_are_those_of_the_papers_and_what_stands_before_them(name: str, stages: int) -> None:
    """Four stages of a ResNet behind its stem; twelve blocks of a ViT behind its embedding."""
    assert len(stages_of(BACKBONES.build(name, in_leads=12))) == stages

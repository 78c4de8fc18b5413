"""``build(to_config(component))`` gives bit for bit the outputs of the component, for everything that is installed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecg_core.config.files import load_config, save_config
from ecg_core.config.plain import is_component
from ecg_core.contracts.lazy import materialize
from ecg_core.discovery.index import Component, get_index
from ecg_core.discovery.kinds import KINDS
from ecg_core.discovery.registries import BACKBONES
from ecg_core.discovery.registry import registry_of
from ecg_core.errors import DataError
from ecg_core.testing.kit import Example
from ecg_core.testing.toy import toy_batch, toy_signal

COMPONENTS = [c for c in get_index().components() if c.kind != "commands" and c.status == "ok"]
CHANNELS, CLASSES = 24, 5


def signal(example: Example) -> torch.Tensor:
    """Two windows."""
    return torch.from_numpy(toy_signal(2, example.leads, example.samples, fs=example.fs))


def backbone(example: Example) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """Features."""
    return {**example.arguments, "in_leads": example.leads}, lambda made: made.eval()(signal(example))


def head(example: Example) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """Scores."""

    def scores(made: Any) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        maps = [torch.randn(4, CHANNELS, 9 >> number, generator=generator) for number in range(-made.grid)]
        x = {"embedding": maps[0].mean(dim=-1), "features": maps[0], "intermediates": maps}[made.reads]
        return materialize(made, x).eval()(x)

    return {"classes": CLASSES, **example.arguments}, scores


def model(example: Example) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The loss in training, augmented, and the probabilities."""
    stated = {k: registry_of(v["kind"]).build(v) if is_component(v) else v for k, v in example.arguments.items()}
    if "augment" in inspect.signature(example.cls).parameters:
        transforms = ["gaussian_noise", {"name": "lead_dropout", "p": 0.5}]
        stated["augment"] = registry_of("transforms").build("compose", transforms=transforms)

    def outputs(made: Any) -> list[torch.Tensor]:
        materialize(made, signal(example))
        words = {"fs": example.fs, "classes": len(made.classes), "per_step": made.per_step}
        batch = toy_batch(4, example.leads, example.samples, **words)
        torch.manual_seed(5)  # of dropout
        return [made.train().loss(batch).total, made.eval().predict(batch)]

    return stated, outputs


def method(example: Example) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The loss of a batch."""
    batch = toy_batch(8, example.leads, example.samples, fs=example.fs)
    inner = BACKBONES.build(example.backbones[-1], in_leads=example.leads)
    return {"backbone": inner, **example.arguments}, lambda made: materialize(made, batch, call=made.loss).loss(batch).total


def transform(example: Example) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The transformed signal, from one seed."""
    return dict(example.arguments), lambda made: made(signal(example).numpy(), fs=example.fs, generator=11)


def reader(example: Example, folder: Path) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """What it finds in a folder of demonstration records, and the signals it reads; or why it takes none of them."""

    def read(made: Any) -> list[Any]:
        try:
            table = made.scan(folder)
        except DataError as error:
            return [str(error)]
        return [table.frame.to_json(), *(made.read(row).signal for row in table.rows())]

    return dict(example.arguments), read


def loss(example: Example) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The value and its gradient."""

    def value(made: Any) -> list[torch.Tensor]:
        stated = example.inputs or (lambda: [torch.linspace(-2, 2, 20).reshape(4, 5), torch.eye(5)[:4]])
        logits, *rest = stated()
        total = made(logits.requires_grad_(), *rest).sum()
        total.backward()
        return [total, logits.grad]

    return {**_taken(example, reduction="sum"), **example.arguments, **_lists_of_components(example)}, value


def _lists_of_components(example: Example) -> dict[str, Any]:
    """Its arguments that are lists of components, built."""
    lists = {k: v for k, v in example.arguments.items() if isinstance(v, list) and any(map(is_component, v))}
    return {k: [registry_of(p["kind"]).build(p) for p in v] for k, v in lists.items()}


def optimizer(example: Example) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The weights after three steps."""

    def trained(made: Any) -> list[torch.Tensor]:
        parameters = [p for group in made.param_groups for p in group["params"]]
        for step in range(3):
            made.zero_grad()
            sum(((p - step) ** 2).sum() for p in parameters).backward()
            made.step()
        return parameters

    return {"lr": 0.05, **_taken(example, weight_decay=0.1), **example.arguments}, trained


def _taken(example: Example, **words: Any) -> dict[str, Any]:
    """Those of the words that it takes."""
    return {word: value for word, value in words.items() if word in inspect.signature(example.cls).parameters}


def scheduler(example: Example) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The factor at every step."""
    arguments = {"warmup": 0.3, **example.arguments, **_lists_of_components(example)}
    return arguments, lambda made: [torch.tensor(made(step, 20)) for step in range(20)]


def attention(example: Example) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The weights: what such a layer is called with is its author's affair."""
    return dict(example.arguments), lambda made: list(made.state_dict().values())


CASES = {
    "backbones": backbone, "heads": head, "models": model, "ssl": method, "transforms": transform, "readers": reader,
    "losses": loss, "optimizers": optimizer, "schedulers": scheduler, "attention": attention,
}  # fmt: skip


def supplied(kind: str) -> dict[str, Any]:
    """What a run supplies beside the configuration."""
    return {"params": [torch.nn.Parameter(torch.linspace(-1, 1, 6))]} if kind == "optimizers" else {}


def equal(first: Any, second: Any) -> bool:
    """Bit for bit."""
    if isinstance(first, list):
        return len(first) == len(second) and all(map(equal, first, second))
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    return np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second


@pytest.fixture
def case(wfdb_folder: Path):
    """Arguments and what to look at, for a component."""

    def find(component: Component) -> tuple[dict[str, Any], Callable[[Any], Any]]:
        example = Example.of(component)
        torch.manual_seed(3)
        return reader(example, wfdb_folder) if component.kind == "readers" else CASES[component.kind](example)

    return find


def test_every_kind_of_component_has_a_case() -> None:
    assert set(CASES) == set(KINDS) - {"commands"}
    assert {c.kind for c in COMPONENTS} >= set(KINDS) - {"commands", "attention"}


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: f"{c.kind}:{c.qualified}")
def test_a_component_built_from_its_configuration_file_does_the_same(
    component: Component, suffix: str, case, tmp_path: Path
) -> None:
    if suffix == ".yaml":
        pytest.importorskip("yaml")
    registry = registry_of(component.kind)
    arguments, look = case(component)
    torch.manual_seed(7)
    first = registry.build(component.qualified, **arguments, **supplied(component.kind))
    config = registry.to_config(first)
    save_config(tmp_path / f"component{suffix}", config)
    found = load_config(tmp_path / f"component{suffix}")
    assert found == config == json.loads(json.dumps(config))
    assert config["name"] == component.name
    # A component that holds others was given them built; from its configuration they are built on the way.
    torch.manual_seed(7)
    second = registry.build(found, **supplied(component.kind))
    if isinstance(first, torch.nn.Module):
        look(first), look(second)  # whatever is lazy has its shape now
        second.load_state_dict(first.state_dict())
    assert equal(look(first), look(second))
    assert registry.to_config(second) == config


@pytest.mark.parametrize("component", [c for c in COMPONENTS if c.kind in ("backbones", "heads")], ids=lambda c: c.qualified)
def test_a_module_built_from_its_configuration_begins_with_the_same_weights(component: Component, case) -> None:
    registry = registry_of(component.kind)
    arguments, look = case(component)
    torch.manual_seed(7)
    first = registry.build(component.qualified, **arguments)
    torch.manual_seed(7)
    second = registry.build(registry.to_config(first))
    assert equal(look(first), look(second))

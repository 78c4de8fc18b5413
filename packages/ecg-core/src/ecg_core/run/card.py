"""The card beside every set of weights: what it is, how to build it again, and what signal it expects.

A card names registered components and never an import path; reading one cannot execute anything but their constructors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ecg_core import __version__
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.lazy import materialize
from ecg_core.data.files import read_json, sha256, write_atomic, write_json
from ecg_core.data.store import Store
from ecg_core.discovery.kinds import KINDS
from ecg_core.discovery.registry import registry_of
from ecg_core.errors import CheckpointError, RunError, UnknownComponentError
from ecg_core.run.checkpoint import load_tensors, load_weights, save_tensors

__all__ = ["Card", "SignalContract", "load_card", "save_model"]

SCHEMA = 1


@dataclass(frozen=True)
class SignalContract:
    """The signal a model expects.

    Args:
        fs: Hz.
        leads: In this order.
        samples: Length of a window.
        pipeline: Transforms a recording goes through first.
        unit: Always mV.
    """

    fs: float
    leads: tuple[str, ...]
    samples: int
    pipeline: tuple[Mapping[str, Any], ...]
    unit: str = "mV"

    @classmethod
    def of(cls, store: Store) -> SignalContract:
        """The contract of what was trained on this store."""
        return cls(store.fs, store.leads, store.n_samples, tuple(store.pipeline))

    def check(self, store: Store, who: Path) -> None:
        """One clear error for a store whose signal a model was not trained on.

        Raises:
            RunError: Sampling frequency, leads or pipeline differ.
        """
        for word, mine, theirs, option in (
            ("sampling frequency", f"{self.fs:g} Hz", f"{store.fs:g} Hz", f"--fs {self.fs:g}"),
            ("leads", ",".join(self.leads), ",".join(store.leads), f"--leads {','.join(self.leads)}"),
        ):
            if mine != theirs:
                raise RunError(f"{who} was trained with {word} {mine}, {store.path} has {theirs}; prepare the data with {option}")
        if list(map(dict, self.pipeline)) != list(map(dict, store.pipeline)):
            raise RunError(
                f"{who} was trained on another preprocessing pipeline than {store.path} holds; "
                "prepare the data with the same --pipeline"
            )

    def chain(self) -> Compose:
        """The pipeline, built."""
        return Compose.from_config([dict(t) for t in self.pipeline])

    @property
    def seconds(self) -> float:
        """Length of a window."""
        return self.samples / self.fs

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "fs": self.fs,
            "leads": list(self.leads),
            "samples": self.samples,
            "unit": self.unit,
            "pipeline": [dict(t) for t in self.pipeline],
        }


@dataclass(frozen=True)
class Card:
    """A parsed card and where it lies."""

    path: Path
    kind: str
    config: Mapping[str, Any]
    signal: SignalContract
    facts: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the scores; empty for a backbone."""
        return tuple(self.facts.get("classes", ()))

    def build(self) -> nn.Module:
        """The module with its weights, in evaluation mode. The initial weights it never keeps take no random numbers.

        Raises:
            CheckpointError: The weights are damaged or do not fit.
            UnknownComponentError: The package that ships a component is not installed; the install line is given.
        """
        try:
            with torch.random.fork_rng(devices=[]):
                module: nn.Module = registry_of(self.kind).build(self.config)
        except UnknownComponentError as error:
            raise UnknownComponentError(_install_line(self.facts["provenance"]) or str(error)) from error
        materialize(module, torch.zeros(2, len(self.signal.leads), self.signal.samples))
        weights = self.facts["weights"]
        tensors = load_tensors(self.path.parent / weights["file"], expected=weights["sha256"])
        load_weights(module, tensors, str(self.path))
        return module.eval()


def save_model(folder: Path, name: str, module: nn.Module, *, kind: str, signal: SignalContract, **facts: Any) -> Path:
    """Write ``name.safetensors`` and, last, ``name.json`` into a folder; returns the card's path."""
    config = registry_of(kind).to_config(module)
    weights = folder / f"{name}.safetensors"
    write_atomic(weights, lambda p: save_tensors(p, module.state_dict()))
    card = folder / f"{name}.json"
    write_json(
        card,
        {
            "schema": SCHEMA,
            "kind": kind,
            "config": config,
            "provenance": _provenance(kind, config),
            "versions": {"ecg-core": __version__, "torch": torch.__version__},
            "signal": signal.to_dict(),
            **facts,
            "weights": {
                "file": weights.name,
                "sha256": sha256(weights),
                "parameters": sum(p.numel() for p in module.parameters()),
            },
        },
    )
    return card


def load_card(path: Path) -> Card:
    """Read a card.

    Raises:
        CheckpointError: It is damaged or of another schema.
    """
    try:
        facts = read_json(path)
        if facts["schema"] != SCHEMA:
            raise CheckpointError(f"{path} has schema {facts['schema']!r}, this version reads {SCHEMA}; update ecg-core")
        s = facts["signal"]
        signal = SignalContract(float(s["fs"]), tuple(s["leads"]), int(s["samples"]), tuple(s["pipeline"]), s["unit"])
        _check_kinds([{"kind": facts["kind"], **facts["config"]}, s["pipeline"]])
        if Path(facts["weights"]["file"]).name != facts["weights"]["file"] or not isinstance(facts["provenance"], list):
            raise ValueError("its weights lie beside it, and its provenance is a list")
        return Card(path, facts["kind"], facts["config"], signal, facts)
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not a model card ({type(error).__name__}: {error})") from None


def _check_kinds(value: Any) -> None:
    """Building a component runs its constructor, which makes an object; calling a command would do what the command does."""
    if isinstance(value, Mapping):
        kind = value.get("kind", "models")
        if kind == "commands" or kind not in KINDS:
            raise ValueError(f"it names a component of kind {kind!r}")
    if isinstance(value, (Mapping, list)):
        for inner in value.values() if isinstance(value, Mapping) else value:
            _check_kinds(inner)


def _provenance(kind: str, config: Mapping[str, Any]) -> list[dict[str, str]]:
    """Who shipped each component of a configuration."""
    component = registry_of(kind).describe(config["name"])
    found = [
        {
            "kind": kind,
            "name": config["name"],
            "provider": component.provider,
            "version": component.version,
            "target": component.target,
        }
    ]
    values: list[Any] = list(config.values())
    while values:
        value = values.pop()
        if isinstance(value, Mapping) and "kind" in value and "name" in value:
            found += _provenance(value["kind"], value)
        elif isinstance(value, Mapping):
            values += value.values()
        elif isinstance(value, Sequence) and not isinstance(value, str):
            values += value
    return found


def _install_line(provenance: Sequence[Mapping[str, str]]) -> str:
    for part in provenance:
        if part["name"] not in registry_of(part["kind"]):
            provider, version = part["provider"], part["version"]
            if provider == "this process":
                return (
                    f"the {part['kind']} component '{part['name']}' was registered by {part['target']}; import that module first"
                )
            major, minor = (version.split(".") + ["0"])[:2]
            wanted = f">={major}.{minor},<{major}.{int(minor) + 1}" if minor.isdigit() else f"=={version}"
            return f"built with {provider} {version}, which is not installed: pip install '{provider}{wanted}'"
    return ""

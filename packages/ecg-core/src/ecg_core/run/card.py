"""The card beside every set of weights: what it is, how to build it again, and what signal it expects.

A card names registered components and never an import path; reading one cannot execute anything but their constructors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ecg_core import __version__
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.task import Task
from ecg_core.data.files import read_json, sha256, write_atomic, write_json
from ecg_core.data.store import Store
from ecg_core.discovery.configuration import check_kinds
from ecg_core.discovery.provenance import check_entries, current, provenance
from ecg_core.discovery.registry import registry_of
from ecg_core.errors import CheckpointError, ECGError, RegistryError, RunError
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
        provenance: Who shipped the transforms.
    """

    fs: float
    leads: tuple[str, ...]
    samples: int
    pipeline: tuple[Mapping[str, Any], ...]
    unit: str = "mV"
    provenance: tuple[Mapping[str, str], ...] = ()

    @classmethod
    def of(cls, store: Store, *, samples: int | None = None) -> SignalContract:
        """The contract of what was trained on this store, or on crops of ``samples`` of its windows."""
        length = store.n_samples if samples is None else samples
        return cls(store.fs, store.leads, length, tuple(store.pipeline), provenance=tuple(_shippers(store.pipeline)))

    def check(self, store: Store, who: Path, *, leads: bool = True) -> None:
        """One clear error for a store whose signal a model was not trained on; ``leads`` may be left out.

        Raises:
            RunError: Sampling frequency, leads or pipeline differ.
        """
        differing = [
            (f"{word} {mine}", theirs, option)
            for word, mine, theirs, option in (
                ("sampling frequency", f"{self.fs:g} Hz", f"{store.fs:g} Hz", f"--fs {self.fs:g}"),
                ("leads", ",".join(self.leads), ",".join(store.leads), f"--leads {','.join(self.leads)}"),
            )
            if mine != theirs and (leads or word != "leads")
        ]
        if differing:
            mine, theirs, options = (list(words) for words in zip(*differing, strict=True))
            raise RunError(
                f"{who} was trained with {' and '.join(mine)}, {store.path} has {' and '.join(theirs)}; "
                f"prepare the data with {' '.join(options)}"
            )
        if list(map(dict, self.pipeline)) != list(map(dict, store.pipeline)):
            raise RunError(
                f"{who} was trained on another preprocessing pipeline than {store.path} holds; "
                "prepare the data with the same --pipeline"
            )

    def chain(self) -> Compose:
        """The pipeline, built.

        Raises:
            UnknownComponentError: The package that ships a transform is not installed; the install line is given.
        """
        return self._chain

    @cached_property
    def _chain(self) -> Compose:
        return Compose.from_config([current("transforms", t, self.provenance, "the preprocessing") for t in self.pipeline])

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
            CheckpointError: The weights are damaged or do not fit, or a component refuses its configuration.
            UnknownComponentError: The package that ships a component is not installed; the install line is given.
        """
        config = current(self.kind, self.config, self.facts["provenance"], str(self.path))
        try:
            with torch.random.fork_rng(devices=[]):
                module: nn.Module = registry_of(self.kind).build(config)
        except ECGError:
            raise
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.path} cannot be built here ({type(error).__name__}: {error}); {self._of_then()}"
            ) from error
        materialize(module, torch.zeros(2, len(self.signal.leads), self.signal.samples))
        weights = self.facts["weights"]
        tensors = load_tensors(self.path.parent / weights["file"], expected=weights["sha256"])
        load_weights(module, tensors, str(self.path))
        if isinstance(module, Task) and self.facts.get("crops"):
            module.crop_samples, module.crops = self.signal.samples, int(self.facts["crops"])
            module.crop_answer = "max" if self.facts.get("crop_answer") == "max" else "mean"
        return module.eval()

    def _of_then(self) -> str:
        """How to get the packages it was saved with."""
        shipped = {e["provider"]: e["version"] for e in self.facts["provenance"] if e["version"]}
        return "it was saved with " + ", ".join(f"{provider} {version}" for provider, version in shipped.items())


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
            "provenance": list({(e["kind"], e["name"]): e for e in (*provenance(kind, config), *signal.provenance)}.values()),
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
        check_entries(facts["provenance"])
        shipped = tuple(e for e in facts["provenance"] if e["kind"] == "transforms")
        signal = SignalContract(float(s["fs"]), tuple(s["leads"]), int(s["samples"]), tuple(s["pipeline"]), s["unit"], shipped)
        check_kinds([{"kind": facts["kind"], **facts["config"]}, s["pipeline"]])
        if Path(facts["weights"]["file"]).name != facts["weights"]["file"]:
            raise ValueError("its weights lie beside it")
        if not isinstance(facts["config"]["name"], str) or not all(isinstance(t, Mapping) for t in s["pipeline"]):
            raise ValueError("its configurations are mappings with a name")
        return Card(path, facts["kind"], facts["config"], signal, facts)
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not a model card ({type(error).__name__}: {error})") from None


def _shippers(pipeline: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Who ships the transforms of a pipeline, each once; a store can be used where one of them is not installed."""
    found: dict[str, dict[str, str]] = {}
    for transform in pipeline:
        try:
            found |= {entry["name"]: entry for entry in provenance("transforms", transform)}
        except RegistryError:
            continue
    yield from found.values()

"""What is known of a trained model when it is written down for others; what is not known stays ``None``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg_core.data.files import read_json
from ecg_core.data.splits import SPLITS
from ecg_core.data.store import Store
from ecg_core.errors import DataError, RunError
from ecg_core.hub.licences import Origin, origin_of
from ecg_core.hub.without_paths import known_paths, without_paths
from ecg_core.run.card import Card
from ecg_core.run.directory import RunDirectory
from ecg_core.run.from_hub import HubAddress, local
from ecg_core.run.training.sources import card_of, run_of

__all__ = ["ModelFacts"]


@dataclass(frozen=True)
class ModelFacts:
    """A model, its run, its data and its numbers.

    Args:
        name: Of the model.
        card: What it is and expects.
        directory: Of the run that trained it; ``None`` of a card alone.
        store: What it was trained on, where that is still there and as it was.
        evaluations: What ``ecg evaluate`` wrote, by split.
        origin: Published weights it began with.
        licence: Of the model, as its maker says.
        data_licence: Of the data, as its maker says.
        address: ``hf://owner/name``, where it is going there.
    """

    name: str
    card: Card
    directory: RunDirectory | None = None
    store: Store | None = None
    evaluations: Mapping[str, Mapping[str, Any]] | None = None
    origin: Origin | None = None
    licence: str | None = None
    data_licence: str | None = None
    address: str | None = None

    @classmethod
    def of(cls, source: str | Path, **words: Any) -> ModelFacts:
        """Everything that a run directory, a card, a folder with one or a model of the hub says.

        Raises:
            RunError: There is no trained model.
            CheckpointError: Its card or one of its evaluations is damaged.
        """
        address, source = HubAddress.of(source), local(source)
        card, directory = card_of(source), run_of(source)
        named = address.repo.partition("/")[2] if address else (source.parent if source.is_file() else source).resolve().name
        name = words.pop("name", None) or named
        evaluations = {} if directory is None else _evaluations(directory)
        return cls(name, card, directory, _store_of(directory), evaluations, origin_of(card, directory), **words)

    @property
    def run(self) -> Mapping[str, Any]:
        """``run.json``; empty of a card alone."""
        return {} if self.directory is None else self.directory.facts

    @property
    def backbone(self) -> str:
        """Name of the backbone, or of what stands in its place."""
        part = self.card.config.get("backbone")
        return str(part["name"] if isinstance(part, Mapping) and "name" in part else self.card.config["name"])

    def public(self, value: Any) -> Any:
        """A value of the run without the paths of this machine."""
        return without_paths(value, () if self.directory is None else known_paths(self.directory))


def _evaluations(directory: RunDirectory) -> dict[str, dict[str, Any]]:
    found = {}
    for split in reversed(SPLITS):  # what was held out comes first
        file = directory.path / f"evaluation-{split}.json"
        if not file.is_file():
            continue
        try:
            found[split] = dict(read_json(file))
        except (TypeError, ValueError) as error:
            raise RunError(f"{file} is damaged ({type(error).__name__}); run `ecg evaluate` again") from None
    return found


def _store_of(directory: RunDirectory | None) -> Store | None:
    if directory is None:
        return None
    trained = directory.facts["data"]
    try:
        store = Store(trained["path"], fold=trained.get("fold"))
    except (DataError, OSError):
        return None
    return store if store.fingerprint == trained["fingerprint"] else None

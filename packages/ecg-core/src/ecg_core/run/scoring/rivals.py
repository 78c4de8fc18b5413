"""Rivals: other runs that were evaluated on the same recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecg_core.data.files import read_json
from ecg_core.errors import RunError
from ecg_core.evaluation.evaluation import Evaluation
from ecg_core.run.directory import RunDirectory
from ecg_core.run.from_hub import working_copy

__all__ = ["Rival", "evaluated_rivals"]


@dataclass(frozen=True)
class Rival:
    """Another run: how it is called, its evaluation, and where its scores are."""

    title: str
    run: Path
    split: str
    evaluation: Evaluation

    def scores_of(self, names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
        """``(recordings, classes)`` in this order.

        Raises:
            RunError: Its scores are absent, or are of other recordings or classes.
        """
        file = self.run / f"predictions-{self.split}.csv"
        again = f"run `ecg evaluate {self.run} --split {self.split}` again"
        if not file.is_file():
            raise RunError(f"{self.run} has no {file.name} to compare with; {again}")
        table = pd.read_csv(file, dtype={"record_id": str}, keep_default_na=False)
        if list(table.columns[1:]) != list(classes):
            raise RunError(f"{self.run} knows the classes {', '.join(table.columns[1:])}, this run {', '.join(classes)}")
        if sorted(table["record_id"]) != sorted(names):
            raise RunError(f"{file} holds other recordings than this run was evaluated on; {again}")
        return table.set_index("record_id").loc[list(names)].to_numpy(dtype=np.float64)


def evaluated_rivals(runs: Sequence[str | Path], split: str, here: Mapping[str, str]) -> list[Rival]:
    """Other runs with their evaluations; two of the same name are told apart by their paths.

    Args:
        runs: Run directories.
        split: Of the evaluation.
        here: ``data`` and ``target`` of the evaluation they are set beside.

    Raises:
        RunError: One was not evaluated, or on something else.
    """
    directories = [RunDirectory(working_copy(run)) for run in runs]
    names = [directory.path.name for directory in directories]
    return [
        Rival(_title(d, d.path.name if names.count(d.path.name) == 1 else str(d.path)), d.path, split, _evaluated(d, split, here))
        for d in directories
    ]


def _title(directory: RunDirectory, name: str) -> str:
    facts = directory.facts
    start = (
        "pre-trained" if facts.get("source") else ("random encoder, frozen" if facts.get("mode") == "linear" else "from scratch")
    )
    return f"{name} ({start}, {facts.get('mode')})"


def _evaluated(directory: RunDirectory, split: str, here: Mapping[str, str]) -> Evaluation:
    run = directory.path
    file = run / f"evaluation-{split}.json"
    if not file.is_file():
        raise RunError(f"{run} has no evaluation-{split}.json to compare with; run `ecg evaluate {run} --split {split}` first")
    stored = read_json(file)
    for word in ("data", "target"):
        if stored.get(word) != here[word]:
            raise RunError(
                f"{run} was evaluated on another {word}, so its numbers cannot stand beside these; evaluate it on the same store"
            )
    return Evaluation.from_dict(stored)

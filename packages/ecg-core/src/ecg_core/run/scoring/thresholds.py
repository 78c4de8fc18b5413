"""Where a run's thresholds come from: the validation recordings of the data it was trained on, as long as they are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ecg_core.contracts.task import Task
from ecg_core.data.files import read_json, write_json
from ecg_core.data.store import Store
from ecg_core.errors import DataError, ECGError
from ecg_core.evaluation.calibration import apply_temperature, fit_temperature
from ecg_core.evaluation.stored import pack, unpack
from ecg_core.evaluation.thresholds import Thresholds, choose_thresholds
from ecg_core.run.directory import RunDirectory
from ecg_core.run.inference.window_scores import ScoredRecordings, score_recordings
from ecg_core.tasks.objective import Objective, Problem

__all__ = [
    "calibrated",
    "home_store",
    "problem_of",
    "run_temperature",
    "run_thresholds",
    "store_thresholds",
    "stored_thresholds",
    "validation_recordings",
]


def problem_of(task: Task) -> Problem:
    """Whether exactly one class is given to a recording, as a task of multi-class cross-entropy does, or any number."""
    objective = getattr(task, "objective", None)
    return objective.problem if isinstance(objective, Objective) else "multi_label"


def home_store(directory: RunDirectory, store: Store) -> Store | None:
    """The store a run was trained on, where it still is, as it was; ``None`` where it is gone or was prepared again."""
    trained = directory.facts["data"]
    if store.facts["fingerprint"] == str(trained["fingerprint"]).partition(":")[0]:
        return store
    try:
        home = Store(trained["path"], fold=trained.get("fold"))
    except (DataError, OSError):
        return None
    return home if home.fingerprint == trained["fingerprint"] else None


def validation_recordings(
    directory: RunDirectory,
    task: Task,
    store: Store,
    home: Store | None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ScoredRecordings, str]:
    """The validation recordings of the run's own data, scored, and where they are from in words.

    A model that is tried elsewhere keeps the thresholds it came with: those of the data it was trained on. Only where these are
    gone do the validation recordings of ``store`` stand in.
    """
    chosen = store if home is None else home
    found = score_recordings(task, chosen, "val", str(directory.facts["target"]), progress=progress)
    where = f"the validation split of {chosen.path}"
    return found, where if home is not None else f"{where} (the data of the run are no longer there)"


def run_thresholds(task: Task, validation: ScoredRecordings, source: str) -> Thresholds:
    """Thresholds of greatest F1 on the validation recordings; of a multi-class model, the highest score decides."""
    if problem_of(task) == "multi_class":
        return Thresholds.argmax(task.classes)
    return choose_thresholds(validation.targets, validation.scores, classes=task.classes, source=source)


def run_temperature(task: Task, validation: ScoredRecordings) -> float:
    """The temperature of least cross-entropy on the validation recordings.

    Raises:
        DataError: There are none.
    """
    if not len(validation.names):
        raise DataError(
            "a temperature is fitted on validation recordings, and there are none; "
            "keep patients for validation (`ecg prep --split 8/1/1`), or evaluate without --calibrate"
        )
    return fit_temperature(validation.targets, validation.scores, problem=problem_of(task))


def calibrated(task: Task, recordings: ScoredRecordings, temperature: float) -> ScoredRecordings:
    """The same recordings with scores at another temperature."""
    if not len(recordings.names):
        return recordings
    return recordings._replace(scores=np.asarray(apply_temperature(recordings.scores, temperature, problem=problem_of(task))))


def store_thresholds(directory: RunDirectory, thresholds: Thresholds, temperature: float | None) -> Path:
    """Write ``thresholds.json`` into the run."""
    path = directory.path / "thresholds.json"
    write_json(path, {**pack(thresholds), "temperature": temperature})
    return path


def stored_thresholds(run: str | Path) -> Thresholds | None:
    """What :func:`ecg_core.evaluate` wrote for a run; ``None`` where it has not been evaluated.

    Raises:
        DataError: The file is damaged.
    """
    path = Path(run) / "thresholds.json"
    if not path.is_file():
        return None
    try:
        return unpack(Thresholds, read_json(path))
    except (ValueError, KeyError, TypeError, ECGError) as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}); evaluate the run again") from None

"""Store: prepared windows in memory-mapped shards, with their table, their pipeline and their splits.

A store is a folder: ``store.json`` (what it holds and how it was made; written last, so its presence means complete),
``table.csv`` (one row per window), ``rejects.csv`` (what was refused, with reasons), ``annotations.npz`` where recordings are
annotated, and ``shards/``. Signals are int16 with one
scale per window (mV per unit) and a CRC-32 each: half the size of float32, and random access at memory speed. Other forms are
those of :class:`ecg_core.data.encoding.Encoding`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_core.contracts.draws import record_key
from ecg_core.data.batch import Batch
from ecg_core.data.encoding import Encoding
from ecg_core.data.files import read_json, sha256
from ecg_core.data.marks import Marks
from ecg_core.data.record import Record
from ecg_core.data.shard_files import ShardFiles
from ecg_core.data.splits import SPLITS, check_no_leak, split_of_folds
from ecg_core.data.step_target import STEP_KINDS, StepTarget
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError

__all__ = ["SCHEMA", "Store"]

SCHEMA = 2
_NEEDED = (
    "fs", "leads", "n_samples", "dtype", "compression", "pipeline", "windows", "folds", "targets", "shards", "table_sha256",
    "fingerprint",
)  # fmt: skip


class Store:
    """Prepared windows, opened for reading; any number of processes may.

    Args:
        path: Folder written by :func:`ecg_core.prepare`.
        fold: Of a store prepared in folds, the fold that tests; the one before it validates. The last unless given.

    Raises:
        DataError: The folder is not a store, is incomplete, was written by another version, or has no such fold.
    """

    def __init__(self, path: str | Path, *, fold: int | None = None) -> None:
        self.path = Path(path)
        if not (self.path / "store.json").is_file():
            hint = "; the preparation was interrupted, finish it with --resume" if self._partial.exists() else ""
            raise DataError(f"{self.path} is not a prepared store (no store.json){hint or '; make one with `ecg prep`'}")
        try:
            self.facts: dict[str, Any] = dict(read_json(self.path / "store.json"))
        except (TypeError, ValueError) as error:
            raise DataError(f"{self.path / 'store.json'} is damaged ({error}); prepare the store again") from None
        if self.facts.get("schema") != SCHEMA:
            found = self.facts.get("schema")
            raise DataError(f"{self.path} has store schema {found!r}, this version reads {SCHEMA}; prepare it again")
        absent = [name for name in _NEEDED if name not in self.facts]
        if absent:
            raise DataError(f"{self.path / 'store.json'} is damaged (no {', '.join(absent)}); prepare the store again")
        self.fs = float(self.facts["fs"])
        self.leads: tuple[str, ...] = tuple(self.facts["leads"])
        self.n_samples = int(self.facts["n_samples"])
        self.encoding = Encoding(self.facts["dtype"], self.facts["compression"])
        self.pipeline: list[dict[str, Any]] = self.facts["pipeline"]
        table = self.path / "table.csv"
        if not table.is_file() or sha256(table) != self.facts["table_sha256"]:
            raise DataError(f"{table} is missing or was altered since it was written; prepare the store again")
        self.table = RecordTable.read_csv(table).frame
        # The division that was written is the last fold's, and has the same fingerprint whether it is asked for or not.
        self.fold = self.facts["folds"] - 1 if fold is None and self.facts["folds"] else fold
        self._fold_was_chosen = fold is not None
        if fold is not None:
            self.table = self.table.assign(split=self._split_of(fold))
        check_no_leak(self.table)

    @property
    def _partial(self) -> Path:
        return self.path.with_name(self.path.name + ".partial")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def seconds(self) -> float:
        """Length of a window."""
        return self.n_samples / self.fs

    @property
    def fingerprint(self) -> str:
        """Changes when any signal, label or split changes."""
        return str(self.facts["fingerprint"]) + ("" if self.fold is None else f":fold{self.fold}")

    def as_divided_for(self, trained: Mapping[str, Any], run: str | Path) -> Store:
        """This store with the fold a run was trained with, so that no recording it learned from is in another split.

        Args:
            trained: What the run noted of its data: ``fingerprint`` and ``fold``.
            run: Its directory, for the message.

        Raises:
            DataError: This is the store of the run, opened with another fold than the run's.
        """
        name, _, _ = str(trained["fingerprint"]).partition(":")
        if name != self.facts["fingerprint"] or trained["fold"] == self.fold:
            return self
        if self._fold_was_chosen:
            raise DataError(
                f"{run} was trained with fold {trained['fold']} of {self.path}, and would be tested with fold {self.fold} on "
                f"recordings it learned from; use --fold {trained['fold']}"
            )
        return Store(self.path, fold=trained["fold"])

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the target columns."""
        return tuple(self.facts["targets"])

    @property
    def annotated(self) -> tuple[str, ...]:
        """Names of the annotations, such as ``"r_peaks"``."""
        return () if self._marks is None else self._marks.names

    @property
    def step_targets(self) -> tuple[str, ...]:
        """Names of the targets of every sample that the annotations answer, such as ``"waves/II"``."""
        return StepTarget.names(self.annotated)

    def step_target(self, name: str) -> StepTarget | None:
        """The target of every sample of this name; ``None`` where it is a column.

        Raises:
            DataError: It is neither.
        """
        if name in self.targets or not (self.step_targets and name.partition("/")[0] in STEP_KINDS):
            self._labels(name)
            return None
        return StepTarget.parse(name, self.annotated)

    @cached_property
    def rejects(self) -> pd.DataFrame:
        """What was refused: ``path`` and ``reason``."""
        return pd.read_csv(self.path / "rejects.csv", dtype=str, keep_default_na=False)

    @cached_property
    def _files(self) -> ShardFiles:
        shape = (len(self.leads), self.n_samples)
        return ShardFiles(self.path / "shards", self.facts["shards"], self.table, self.encoding, shape)

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        return {
            "record_id": self.table["record_id"].to_numpy(dtype=object),
            "segment": self.table["segment"].to_numpy(dtype=np.int64),
        }

    def _split_of(self, fold: int) -> list[str]:
        if not self.facts["folds"]:
            raise DataError(f"{self.path} has no folds; prepare it with --split 5-fold, or leave out the fold")
        return split_of_folds(self.table["fold"].tolist(), self.facts["folds"], fold)

    @cached_property
    def _keys(self) -> np.ndarray:
        names = zip(self.table["record_id"].tolist(), self.table["segment"].tolist(), strict=True)
        return np.array([record_key(f"{name}#{segment}") for name, segment in names], dtype=np.int64)

    @cached_property
    def _patients(self) -> np.ndarray:
        codes, _ = pd.factorize(self.table["patient_id"], use_na_sentinel=True)
        return codes.astype(np.int64)

    @cached_property
    def _demographics(self) -> dict[str, np.ndarray]:
        """Age in years and sex as a number, of those of the two that are known of any window."""
        age = pd.to_numeric(self.table["age"], errors="coerce").to_numpy(dtype=np.float32)
        sex = self.table["sex"].map({"F": 0.0, "M": 1.0}).to_numpy(dtype=np.float32)
        return {name: values for name, values in (("age", age), ("sex", sex)) if np.isfinite(values).any()}

    @cached_property
    def _patients_known(self) -> bool:
        return bool((self._patients >= 0).all())

    def indices(self, split: str | None = None, *, target: str | None = None) -> np.ndarray:
        """Row numbers of a split; with ``target``, only of windows that have a label for it."""
        if split is not None and split not in SPLITS:
            raise DataError(f"a split is one of {', '.join(SPLITS)}, got {split!r}")
        chosen = np.ones(len(self), dtype=bool) if split is None else (self.table["split"] == split).to_numpy(dtype=bool)
        if target is None:
            return np.flatnonzero(chosen)
        steps = self.step_target(target)
        if steps is None:
            return np.flatnonzero(chosen & (self._labels(target).map(len).to_numpy() > 0))
        there = np.flatnonzero(chosen)
        return there[[bool((self._step_labels(steps, i) >= 0).any()) for i in there.tolist()]]

    def classes(self, target: str) -> tuple[str, ...]:
        """Classes of a target, as they occur in the training split, sorted; of a target of every sample, those it defines."""
        steps = self.step_target(target)
        if steps is not None:
            return steps.classes
        labels = self._labels(target)[self.table["split"] == "train"]
        return tuple(sorted({name for row in labels for name in row}))

    def target_matrix(self, target: str, classes: Sequence[str], indices: np.ndarray) -> np.ndarray:
        """``(windows, classes)`` float32 in {0, 1}."""
        rows = self._labels(target).iloc[indices]
        return np.array([[name in row for name in classes] for row in rows], dtype=np.float32).reshape(len(indices), len(classes))

    def step_matrix(self, target: str, indices: np.ndarray) -> np.ndarray:
        """``(windows, samples)`` int64 class numbers of a target of every sample, -1 where nothing is known."""
        steps = StepTarget.parse(target, self.annotated)
        rows = [self._step_labels(steps, i) for i in indices.tolist()]
        return np.array(rows, dtype=np.int64).reshape(len(indices), self.n_samples)

    def signals(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """``(windows, leads, samples)`` float32 in mV.

        Raises:
            DataError: A shard is missing or of another size, or a compressed window is damaged.
        """
        return self._files.signals(indices)

    def batch(
        self,
        indices: Sequence[int] | np.ndarray,
        *,
        target: str | None = None,
        classes: Sequence[str] = (),
        seed: int = 0,
        epoch: int = 0,
    ) -> Batch:
        """The windows with these row numbers as one NumPy batch, with the labels of a target and the R peaks that are known."""
        indices = np.asarray(indices, dtype=np.int64)
        steps = None if target is None else self.step_target(target)
        return Batch(
            signal=self.signals(indices),
            fs=self.fs,
            leads=self.leads,
            record_ids=tuple(self._columns["record_id"][indices]),
            record_keys=self._keys[indices],
            targets=None if target is None or steps is not None else self.target_matrix(target, classes, indices),
            step_targets=None if target is None or steps is None else self.step_matrix(target, indices),
            patient=self._patients[indices] if self._patients_known else None,
            segment=self._columns["segment"][indices],
            annotations=self._r_peaks(indices),
            seed=seed,
            epoch=epoch,
            **{name: values[indices] for name, values in self._demographics.items()},
        )

    def record(self, index: int) -> Record:
        """One window as a record."""
        row = {name: None if _is_nan(value) else value for name, value in self.table.iloc[int(index)].items()}
        return Record(
            signal=self.signals([index])[0],
            fs=self.fs,
            leads=self.leads,
            record_id=str(row["record_id"]),
            patient_id=row["patient_id"],
            age=row["age"],
            sex=row["sex"],
            labels={name: self.table[name].iloc[int(index)] for name in self.targets},
            annotations=self.annotations(index),
            source=str(self.path),
        )

    def annotations(self, index: int, *, whole: bool = False) -> dict[str, np.ndarray]:
        """Positions by name in one window, in samples; empty where nothing is annotated.

        Args:
            index: Row number of the window.
            whole: All positions of its recording, from the beginning of the recording on.
        """
        if self._marks is None:
            return {}
        if whole:
            return self._marks.of_recording(int(self._recordings[int(index)]))
        start = self._start(index)
        return self._marks.between(int(self._recordings[int(index)]), start, start + self.n_samples)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Check every window against its CRC-32; the number checked.

        Args:
            progress: Called with (windows checked, windows in all).

        Raises:
            DataError: Names the first window that was altered.
        """
        for number, crc in enumerate(self.table["crc32"].tolist()):
            if self._files.crc32(number) != crc:
                name = self.table["record_id"].iloc[number]
                raise DataError(
                    f"{self.path}: the signal of record {name!r} was altered (CRC-32 differs); prepare the store again"
                )
            if progress is not None and number % 256 == 0:
                progress(number, len(self))
        return len(self)

    def __repr__(self) -> str:
        counts = self.table["split"].value_counts()
        splits = ", ".join(f"{int(counts.get(name, 0))} {name}" for name in SPLITS)
        windows = f"{len(self)} windows of {self.seconds:g} s at {self.fs:g} Hz, {len(self.leads)} leads"
        return f"Store({str(self.path)!r}: {windows}; {splits})"

    @cached_property
    def _marks(self) -> Marks | None:
        wanted = self.facts.get("annotations_sha256")
        if wanted is None:
            return None
        file = self.path / "annotations.npz"
        if not file.is_file() or sha256(file) != wanted:
            raise DataError(f"{file} is missing or was altered since it was written; prepare the store again")
        return Marks.load(file)

    @cached_property
    def _recordings(self) -> np.ndarray:
        """Number of each window's recording, in order of first appearance."""
        return pd.factorize(self.table["record_id"])[0].astype(np.int64)

    def _start(self, index: int) -> int:
        """First sample of a window on the time axis of its recording."""
        return int(self._columns["segment"][int(index)]) * self.n_samples

    def _r_peaks(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        if self._marks is None or "r_peaks" not in self._marks.names:
            return {}
        starts = self._columns["segment"][indices] * self.n_samples
        return {"r_peaks": self._marks.padded("r_peaks", self._recordings[indices], starts, self.n_samples)}

    def _step_labels(self, steps: StepTarget, index: int) -> np.ndarray:
        assert self._marks is not None
        start = self._start(index)
        positions = self._marks.of_recording(int(self._recordings[int(index)]))
        return steps.labels(positions, start, start + self.n_samples, self.fs)

    def _labels(self, target: str) -> pd.Series:
        if target not in self.targets:
            known = ", ".join((*self.targets, *self.step_targets)) or "none: prepare with --labels FILE"
            raise DataError(f"{self.path} has no target {target!r}; its targets: {known}")
        return self.table[target]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value

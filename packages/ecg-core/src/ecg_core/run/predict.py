"""Predict: a trained model on recordings it has never seen, read, preprocessed and cut the way it was trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecg_core.contracts.task import Task
from ecg_core.data.batch import Batch
from ecg_core.data.files import checked_output, write_atomic
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.source import choose_reader, scan
from ecg_core.data.table import RecordTable, need_pyarrow
from ecg_core.data.windows import prepared_windows
from ecg_core.errors import DataError, ECGError, RunError
from ecg_core.run.card import SignalContract
from ecg_core.run.exported import SUFFIXES, Exported
from ecg_core.run.load import load

__all__ = ["Predictions", "find_record", "load_scorer", "load_task", "predict", "record_probabilities", "windows_of"]

_AT_ONCE = 64  # windows; a recording of a day has thousands
_REFUSALS = (ECGError, OSError, ValueError)  # one recording that cannot be used does not stop the others


class Predictions(NamedTuple):
    """Probabilities, one row per recording (``record_id`` and a column per class), and what could not be read."""

    table: pd.DataFrame
    rejects: pd.DataFrame


def predict(
    run: str | Path,
    source: str | Path,
    out: str | Path | None = None,
    *,
    reader: str = "auto",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Probabilities for every recording of a folder, or for one recording.

    A recording longer than the model's window is cut into consecutive windows, whose probabilities are averaged.

    Args:
        run: Fine-tuning run, model card, or file of ``ecg export``.
        source: Folder of recordings, or the path of one recording without suffix.
        out: CSV (or ``.parquet``) to write.
        reader: Name of a registered reader, or ``"auto"``.
        force: Replace an existing file.
        progress: Called with (recordings done, recordings in all).

    Raises:
        RunError: ``run`` holds no classifier.
        DataError: Nothing could be read; single damaged recordings are listed in ``rejects`` instead.
        MissingExtraError: ``out`` is Parquet, and pyarrow is not installed.
    """
    if out is not None:
        checked_output(Path(out), force=force)
        if Path(out).suffix == ".parquet":  # said now, not when the work is done
            need_pyarrow()
    task, signal = load_scorer(run)
    signal.chain()  # a package it needs is missing for all recordings, not for each
    rows, rejects = [], []
    for number, total, path, record in _records(Path(source), reader):
        if progress is not None:
            progress(number, total)
        if isinstance(record, Record):
            try:
                rows.append([record.record_id, *record_probabilities(task, signal, record).tolist()])
                continue
            except _REFUSALS as error:
                record = str(error)
        rejects.append([path, record])
    if not rows and not rejects:
        raise DataError(f"there is no recording in {source}")
    if not rows:
        raise DataError(f"none of the {len(rejects)} recordings in {source} can be used, e.g. {rejects[0][0]}: {rejects[0][1]}")
    found = Predictions(
        pd.DataFrame(rows, columns=["record_id", *task.classes]), pd.DataFrame(rejects, columns=["path", "reason"])
    )
    if out is not None:
        _write(found.table, Path(out))
    return found


class Scorer(Protocol):
    """What gives probabilities of windows: a task, or an exported file."""

    classes: tuple[str, ...]

    def predict(self, batch: Batch) -> Tensor:
        """Probabilities, ``(batch, classes)`` or per step ``(batch, classes, samples)``."""


def load_scorer(run: str | Path) -> tuple[Scorer, SignalContract]:
    """The task of a fine-tuning run, or an exported file, and the signal it expects."""
    path = Path(run)
    if path.suffix in SUFFIXES:
        exported = Exported(path)
        return exported, exported.signal
    return load_task(path)


def load_task(run: str | Path) -> tuple[Task, SignalContract]:
    """The task of a fine-tuning run and the signal it expects."""
    loaded = load(run)
    if isinstance(loaded, Exported):
        raise RunError(f"{run} is an exported file, which gives probabilities and nothing else; give the run it came from")
    if not isinstance(loaded.module, Task):
        raise RunError(
            f"{run} holds a pre-trained backbone, which answers no question yet; run `ecg finetune … --from {run}` first"
        )
    return loaded.module, loaded.signal


def windows_of(record: Record, signal: SignalContract) -> list[Record]:
    """The windows of a recording as the model expects them."""
    return prepared_windows(record, pipeline=signal.chain(), leads=signal.leads, fs=signal.fs, length=signal.samples)


@torch.no_grad()
def record_probabilities(task: Scorer, signal: SignalContract, record: Record) -> np.ndarray:
    """``(classes,)``, the mean over the recording's windows."""
    windows = windows_of(record, signal)
    found = []
    for start in range(0, len(windows), _AT_ONCE):
        part = np.stack([w.signal for w in windows[start : start + _AT_ONCE]])
        found.append(task.predict(Batch(part, fs=signal.fs, leads=signal.leads).to("cpu")))
    return np.asarray(torch.cat(found).mean(dim=0).numpy())


def find_record(path: Path, reader: str = "auto") -> Record:
    """One recording by its path, with or without suffix.

    Raises:
        DataError: There is none of this name.
    """
    chosen, table = _table_of(path, reader)
    return chosen.read(next(table.rows()))


def _table_of(path: Path, reader: str) -> tuple[Reader, RecordTable]:
    if path.is_dir():
        return scan(path, reader=reader)
    stem = path.with_suffix("") if path.suffix in (".hea", ".dat", ".mat") else path
    if not stem.parent.is_dir():
        raise DataError(f"{path} does not exist; give a folder of recordings or the path of one without its suffix")
    chosen = choose_reader(stem.parent, reader)
    table = chosen.scan(stem.parent)
    here = table.frame["path"].map(lambda p: Path(p).name == stem.name and Path(p).parent == Path("."))
    if not here.any():
        refused = [r["reason"] for r in table.rejects.to_dict("records") if Path(str(r["path"])).stem == stem.name]
        raise DataError(str(refused[0]) if refused else f"there is no recording {stem.name!r} in {stem.parent}")
    return chosen, RecordTable(table.frame[here])


def _records(source: Path, reader: str) -> Iterator[tuple[int, int, str, Record | str]]:
    """Number, total, path, and the recording or the reason it cannot be read."""
    chosen, table = _table_of(source, reader)
    total = len(table) + len(table.rejects)
    for refused in table.rejects.to_dict("records"):
        yield 0, total, str(refused["path"]), str(refused["reason"])
    for number, row in enumerate(table.rows()):
        try:
            yield number, total, row["path"], chosen.read(row)
        except _REFUSALS as error:
            yield number, total, row["path"], str(error)


def _write(table: pd.DataFrame, out: Path) -> None:
    if out.suffix == ".parquet":
        write_atomic(out, lambda p: table.to_parquet(p, index=False))
    else:
        write_atomic(out, lambda p: table.to_csv(p, index=False, float_format="%.6f"))

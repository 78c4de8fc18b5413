"""Predict: a trained model on recordings it has never seen, read, preprocessed and cut the way it was trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from ecg_core.data.annotation_file import annotation_file_of, write_annotations
from ecg_core.data.batch import Batch
from ecg_core.data.files import checked_output, write_atomic
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import need_pyarrow
from ecg_core.data.windows import prepared_windows
from ecg_core.errors import ConfigError, DataError
from ecg_core.run.card import SignalContract
from ecg_core.run.inference.prepared_signal import PreparedSignal
from ecg_core.run.inference.recordings import each_answer
from ecg_core.run.inference.scorer import LoadedScorer, Scorer, load_scorer
from ecg_core.run.inference.stitching import Stitcher
from ecg_core.run.inference.stretches import positions_of, stretches

__all__ = ["ANNOTATOR", "Predictions", "predict", "record_probabilities", "windows_of"]

ANNOTATOR = "ecg"
"""Extension of the annotation files that are written: ``r0007.ecg``."""

_AT_ONCE = 64  # windows; a recording of a day has thousands
_STRETCH = ("record_id", "label", "start_s", "stop_s", "probability")


class Predictions(NamedTuple):
    """What a model says of recordings, and what could not be read.

    ``table`` has ``record_id`` and a column of probabilities per class (of numbers: a column of their values), one row per
    recording, or per window with ``start_s`` and ``stop_s``. Of a model of samples it has a row per stretch of samples of one
    class: ``record_id``, ``label``, ``start_s``, ``stop_s`` and the mean ``probability``.
    """

    table: pd.DataFrame
    rejects: pd.DataFrame


def predict(
    run: str | Path,
    source: str | Path,
    out: str | Path | None = None,
    *,
    windows: bool = False,
    overlap: float = 0.0,
    reader: str = "auto",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """What a model says of every recording of a folder, or of one recording, however long.

    A recording longer than the model's window is cut into windows, whose answers are averaged; of a model that answers
    by the largest of its crops, the largest is taken. A model of samples answers for each of them, see
    :mod:`ecg_core.run.inference.stitching`. A long recording is read block by block.

    Args:
        run: Fine-tuning run, model card, file of ``ecg export``, or a model of the hub (``hf://owner/name``).
        source: Folder of recordings, or the path of one recording without suffix.
        out: CSV or ``.parquet`` to write; of a model of samples also a folder, for a WFDB annotation file per recording.
        windows: A row per window instead of their mean.
        overlap: Share of a window that the next one covers again, from 0 up to, not including, 1.
        reader: Name of a registered reader, or ``"auto"``.
        force: Replace existing files.
        progress: Called with (recordings done, recordings in all).

    Raises:
        RunError: ``run`` holds no classifier.
        ConfigError: ``windows`` or ``overlap`` with a model of samples, a folder with another, or an overlap that is none.
        DataError: Nothing could be read; single damaged recordings are listed in ``rejects`` instead.
        MissingExtraError: ``out`` is Parquet, and pyarrow is not installed.
    """
    folder = None if out is None or Path(out).suffix else Path(out)
    if out is not None and folder is None:
        checked_output(Path(out), force=force)
        if Path(out).suffix == ".parquet":  # said now, not when the work is done
            need_pyarrow()
    loaded = load_scorer(run)
    _check(loaded.scorer, folder, windows=windows, overlap=overlap)
    loaded.signal.chain()  # a package it needs is missing for all recordings, not for each
    answer = _of_samples(loaded, folder, force) if loaded.scorer.per_step else _of_windows(loaded, windows, overlap)
    parts, rejects, count = [], [], 0
    for number, total, path, found in each_answer(Path(source), reader, answer):
        if progress is not None:
            progress(number, total)
        count += 1
        if isinstance(found, pd.DataFrame):
            parts.append(found)
        else:
            rejects.append([path, found])
    if not count:
        raise DataError(f"there is no recording in {source}")
    if not parts:
        raise DataError(f"none of the {len(rejects)} recordings in {source} can be used, e.g. {rejects[0][0]}: {rejects[0][1]}")
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    predictions = Predictions(table, pd.DataFrame(rejects, columns=["path", "reason"]))
    if out is not None and folder is None:
        _write(table, Path(out))
    return predictions


def windows_of(record: Record, signal: SignalContract) -> list[Record]:
    """The windows of a recording as the model expects them."""
    return prepared_windows(record, pipeline=signal.chain(), leads=signal.leads, fs=signal.fs, length=signal.samples)


def record_probabilities(scorer: Scorer, signal: SignalContract, record: Record) -> np.ndarray:
    """``(classes,)``, the mean over the recording's windows (the largest, of a model that answers so for its crops)."""
    whole = np.concatenate([window.signal for window in windows_of(record, signal)], axis=1)
    starts = list(range(0, whole.shape[1], signal.samples))
    return _as_one(scorer, _probabilities(scorer, signal, starts, lambda start, stop: whole[:, start:stop]))


def _as_one(scorer: Scorer, probabilities: np.ndarray) -> np.ndarray:
    """``(windows, classes)`` to ``(classes,)``, as the model answers for its crops."""
    return np.asarray(probabilities.max(axis=0) if scorer.crop_answer == "max" else probabilities.mean(axis=0))


def _check(scorer: Scorer, folder: Path | None, *, windows: bool, overlap: float) -> None:
    if not 0 <= overlap < 1:
        raise ConfigError(f"overlap is a share of a window, from 0 up to, not including, 1, got {overlap:g}")
    if scorer.per_step and (windows or overlap):
        raise ConfigError("this model answers for every sample, so it takes neither windows nor overlap")
    if folder is not None and not scorer.per_step:
        raise ConfigError(f"annotation files are written of models of samples; give a file, such as {folder}.csv")


Answer = Callable[[Reader, Mapping[str, Any]], pd.DataFrame]


def _of_windows(loaded: LoadedScorer, each: bool, overlap: float) -> Answer:
    scorer, signal, _ = loaded
    length = signal.samples
    hop = max(1, round(length * (1 - overlap)))

    def answer(reader: Reader, row: Mapping[str, Any]) -> pd.DataFrame:
        found = PreparedSignal.of(reader, row, signal)
        starts = list(range(0, found.n_samples - length + 1, hop))
        probabilities = _probabilities(scorer, signal, starts, found.read)
        found.finish()
        if not each:
            whole = _as_one(scorer, probabilities).tolist()
            return pd.DataFrame([[found.record_id, *whole]], columns=["record_id", *scorer.classes])
        places = {"start_s": np.array(starts) / signal.fs, "stop_s": (np.array(starts) + length) / signal.fs}
        answers = dict(zip(scorer.classes, probabilities.T, strict=True))
        return pd.DataFrame({"record_id": found.record_id, **places, **answers})

    return answer


def _of_samples(loaded: LoadedScorer, folder: Path | None, force: bool) -> Answer:
    scorer, signal, target = loaded
    stitch = Stitcher(scorer, signal)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)

    def answer(reader: Reader, row: Mapping[str, Any]) -> pd.DataFrame:
        found = PreparedSignal.of(reader, row, signal)
        file = None if folder is None else folder / f"{found.record_id}.{ANNOTATOR}"
        if file is not None:
            checked_output(file, force=force)
        parts = stretches(stitch(found.n_samples, found.read), scorer.classes, fs=stitch.fs)
        found.finish()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)  # a record's name may have folders in it
            ratio = found.recorded_fs / stitch.fs
            positions = {name: np.rint(p * ratio).astype(np.int64) for name, p in positions_of(parts, target).items()}
            write_annotations(annotation_file_of(positions, fs=found.recorded_fs), file)
        rows = [(found.record_id, p.label, p.start / stitch.fs, p.stop / stitch.fs, p.probability) for p in parts]
        return pd.DataFrame(rows, columns=list(_STRETCH))

    return answer


@torch.no_grad()
def _probabilities(
    scorer: Scorer, signal: SignalContract, starts: list[int], read: Callable[[int, int], np.ndarray]
) -> np.ndarray:
    """``(windows, classes)``, a block of windows in memory at a time."""
    found = []
    for first in range(0, len(starts), _AT_ONCE):
        some = starts[first : first + _AT_ONCE]
        block = read(some[0], some[-1] + signal.samples)
        x = np.stack([block[:, start - some[0] : start - some[0] + signal.samples] for start in some])
        found.append(scorer.predict(Batch(x, fs=signal.fs, leads=signal.leads).to("cpu")))
    return np.asarray(torch.cat(found).numpy())


def _write(table: pd.DataFrame, out: Path) -> None:
    if out.suffix == ".parquet":
        write_atomic(out, lambda p: table.to_parquet(p, index=False))
    else:
        write_atomic(out, lambda p: table.to_csv(p, index=False, float_format="%.6f"))

"""Files of numbers, opened without running anything they contain and without inflating what is no recording."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_core.data.leads import canonical_leads
from ecg_core.data.table import need_pyarrow
from ecg_core.errors import DataError

__all__ = ["Contents", "holds_words", "load", "shape_of"]

_MOST_BYTES = 4 << 30  # of one array
_MOST_RATIO = 100  # of a compressed file; ECGs shrink to a third
_SUSPICIOUS = 1 << 26  # bytes; a smaller table may be flat, and shrink to nothing
_TIME = frozenset({"time", "t", "seconds", "time_s", "time (s)"})


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Args:
        shape: Of the signal.
        signal: As stored; ``None`` where only the header was read.
        leads: Names, where the file states them.
        fs: Hz, where the file states it.
        table: Whether it is a table, with its leads in columns.
    """

    shape: tuple[int, ...]
    signal: np.ndarray | None = None
    leads: tuple[str, ...] | None = None
    fs: float | None = None
    table: bool = False


def load(file: str, *, mapped: bool = False) -> Contents:
    """The signal of a file.

    Args:
        file: ``.npy``, ``.npz``, ``.parquet`` or ``.csv``.
        mapped: Leave a ``.npy`` on disk, for those who read a part of it.

    Raises:
        DataError: It is none of these, is damaged, or claims to be larger than it can be.
    """
    suffix = Path(file).suffix.lower()
    if suffix == ".npy":
        shape_of(file)
        return _array(_numpy(lambda: np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)))
    if suffix == ".npz":
        return _archive(file)
    return _table(file, suffix)


def holds_words(file: str) -> bool:
    """Whether a CSV file is a table of words, such as labels, told from its first lines."""
    try:
        frame = pd.read_csv(file, nrows=3)
    except (ValueError, OSError):
        return False
    return any(not pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns)


def shape_of(file: str) -> Contents:
    """What a file says of its signal, without reading it where that is possible.

    Raises:
        DataError: As :func:`load`.
    """
    if Path(file).suffix.lower() != ".npy":
        return load(file)
    mapped = _numpy(lambda: np.load(file, mmap_mode="r", allow_pickle=False))
    return Contents(mapped.shape)


def _numpy(act: Any) -> Any:
    try:
        return act()
    except (ValueError, EOFError, OverflowError, SyntaxError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"it is no sound NumPy file ({_first_line(error)}); save it again with numpy.save") from None


def _array(signal: np.ndarray) -> Contents:
    return Contents(signal.shape, signal if signal.ndim > 1 else signal[None])


def _archive(file: str) -> Contents:
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                ratio = member.file_size / max(1, member.compress_size)
                if member.file_size > _MOST_BYTES or ratio > _MOST_RATIO:
                    raise DataError(
                        f"{member.filename!r} in it would become {member.file_size:,} bytes out of {member.compress_size:,}; "
                        "no recording shrinks like that, refused for safety"
                    )
    except zipfile.BadZipFile as error:
        raise DataError(f"it is no sound .npz file ({error}); save it again with numpy.savez") from None
    with _numpy(lambda: np.load(file, allow_pickle=False)) as archive:
        names = set(archive.files)
        given = {"fs", "leads"}
        signal = "signal" if "signal" in names else next(iter(names - given)) if len(names - given) == 1 else None
        if signal is None:
            listed = ", ".join(sorted(names)) or "nothing"
            raise DataError(f"it holds {listed}, expected the array 'signal' (and optionally 'fs' and 'leads')")
        found = _array(_numpy(lambda: archive[signal]))
        fs = _numpy(lambda: archive["fs"]) if "fs" in names else None
        leads = _numpy(lambda: archive["leads"]) if "leads" in names else None
    if fs is not None and (fs.size != 1 or fs.dtype.kind not in "fiu" or not 0 < float(fs.reshape(())) < float("inf")):
        raise DataError(f"its 'fs' is {fs!r}, expected one positive number of Hz")
    if leads is not None and leads.dtype.kind not in "US":
        raise DataError(f"its 'leads' are {leads.dtype}, expected names")
    return Contents(
        found.shape,
        found.signal,
        None if leads is None else canonical_leads(np.atleast_1d(leads.astype(str)).tolist()),
        None if fs is None else float(fs.reshape(())),
    )


def _table(file: str, suffix: str) -> Contents:
    if suffix == ".parquet":
        need_pyarrow()
        _check_parquet(file)
        frame = _frame(lambda: pd.read_parquet(file))
    elif not os.path.getsize(file):
        raise DataError("the file is empty; restore it")
    else:
        frame = _frame(lambda: pd.read_csv(file))
    words = [str(name) for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    if words or not len(frame):
        held = f"words in the column {words[0]!r}" if words else "no numbers"
        raise DataError(f"the table holds {held}, expected a column of numbers for each lead")
    if frame.iloc[-1].isna().any() and not frame.iloc[:-1].isna().any(axis=None):
        raise DataError("the last line is incomplete, so the file is cut; restore it")
    time = next((name for name in frame.columns if str(name).strip().casefold() in _TIME), None)
    fs = None if time is None else _rate(frame[time].to_numpy(dtype=np.float64))
    signal = frame.drop(columns=[] if time is None else [time])
    names = [str(name) for name in signal.columns]
    if any(_is_number(name) for name in names):
        raise DataError(f"the first line holds the number {names[0]}, expected the names of the leads; add a line of names")
    return Contents(signal.shape, signal.to_numpy(), canonical_leads(names) if names else None, fs, table=True)


def _check_parquet(file: str) -> None:
    from pyarrow.parquet import read_metadata

    metadata = _frame(lambda: read_metadata(file))
    size, stored = 8 * metadata.num_rows * metadata.num_columns, os.path.getsize(file)
    if size > _MOST_BYTES or (size > _SUSPICIOUS and size > _MOST_RATIO * stored):
        raise DataError(
            f"the table would become {size:,} bytes out of {stored:,}; no recording shrinks like that, refused for safety"
        )


def _frame(act: Any) -> Any:
    try:
        return act()
    except (ValueError, OSError, TypeError) as error:
        raise DataError(f"it cannot be read as a table ({_first_line(error)}); save it again") from None


def _rate(time: np.ndarray) -> float | None:
    if len(time) < 2:
        return None
    step = (time[-1] - time[0]) / (len(time) - 1)
    # Times are often written with few digits, so each may be off by half of the last one.
    if not step > 0 or np.abs(time - (time[0] + step * np.arange(len(time)))).max() > 0.5 * step:
        raise DataError("the times in the column 'time' do not grow evenly; resample the recording, or leave the column out")
    fs = 1 / step
    return float(round(fs)) if abs(fs - round(fs)) < 1e-3 * fs else float(fs)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]

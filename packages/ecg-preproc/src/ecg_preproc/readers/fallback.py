"""Signal files in formats we do not decode ourselves, through the ``wfdb`` package (the extra ``ecg-preproc[wfdb]``)."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from ecg_core.errors import DataError, MissingExtraError
from ecg_preproc.readers.signal_files import SignalFile

__all__ = ["decode_by_wfdb"]


def decode_by_wfdb(record: str | Path, file: SignalFile, first: int, last: int) -> np.ndarray:
    """Frames ``first`` up to ``last`` of one signal file, as they lie in it: skew is not applied.

    Args:
        record: Path of the record, without suffix. The sizes of its files have been compared with its header.
        file: The file.
        first: First frame.
        last: The frame after the last.

    Returns:
        ``(last - first, file.width)`` int32, the samples of each frame in the order of the file.

    Raises:
        MissingExtraError: The package is not installed.
        DataError: It cannot decode the file.
    """
    path = os.fspath(record)
    if "::" in path or "://" in path:  # the package would take such a path for a chain of URLs
        raise DataError(
            f"the path {path!r} looks like a URL to the wfdb package, which format {file.number} needs; rename the folder"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it uses what newer releases of pandas deprecate
            import wfdb
    except ImportError:
        raise MissingExtraError(
            f"WFDB format {file.number} ({file.name!r}) is read through the wfdb package, which is not installed: "
            "pip install 'ecg-preproc[wfdb]'"
        ) from None
    channels = list(range(file.first, file.first + len(file.lines)))
    # Format 8 stores differences: where the signal stands is only known from its beginning.
    begin = 0 if file.number == 8 else first
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = wfdb.rdrecord(
                path, sampfrom=begin, sampto=last, channels=channels, physical=False,
                smooth_frames=False, ignore_skew=True,
            )  # fmt: skip
        frames = [np.asarray(signal).reshape(last - begin, -1)[first - begin :] for signal in read.e_d_signal]
        digital = np.concatenate(frames, axis=1).astype(np.int32)
    except Exception as error:  # whatever a foreign decoder raises on a damaged file
        raise DataError(
            f"{file.name!r} cannot be decoded in format {file.number} ({type(error).__name__}: {str(error)[:100]}); restore it"
        ) from None
    if digital.shape[1] != file.width:
        raise DataError(f"{file.name!r} gives {digital.shape[1]} samples per frame, expected {file.width}; correct the header")
    return digital

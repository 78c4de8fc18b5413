"""What annotations are called in a Record: ``kind/label``, each name with its positions in samples.

``Record.annotations`` maps a name to positions on the time axis. Names of more than one part are split at the first slash:

=====================  ==============================================================================================
name                   positions of
=====================  ==============================================================================================
``r_peaks``            every beat, whatever its class
``beat/N``             beats of one class: MIT symbols (``N``, ``L``, ``V``, ``/`` …), or AAMI classes (``N``, ``S``,
                       ``V``, ``F``, ``Q``) where these are asked for
``rhythm/AFIB``        where a rhythm begins; it lasts until the next ``rhythm/`` of any name
``event/~``            everything else by its MIT symbol: ``~`` change of signal quality, ``|`` artefact, ``[`` and ``]``
                       begin and end of ventricular flutter, ``!`` flutter wave, ``x`` blocked P wave, ``"`` comment …
``wave/p_on/II``       delineation of one lead: ``p``, ``qrs`` or ``t``, then ``on``, ``peak`` or ``off``
=====================  ==============================================================================================

Annotations move with :meth:`~ecg_core.Record.crop` like all positions. A rhythm that began before the crop is then not named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ecg_core.data.annotation_file import AnnotationFile
from ecg_core.errors import DataError
from ecg_preproc.readers.aami import BEATS, aami_class
from ecg_preproc.readers.annotation_file import read_annotations
from ecg_preproc.readers.row import Opened

__all__ = ["BeatAnnotations", "Classes", "delineation", "named_annotations", "positions_in_samples"]

Classes = Literal["mit", "aami"]

_EXTENSION_RE = re.compile(r"[A-Za-z0-9_]{1,20}")

# The symbols of wave peaks in a file of one lead's delineation.
_WAVES = {"p": "p", "N": "qrs", "t": "t"}


@dataclass(frozen=True)
class BeatAnnotations:
    """Finds the beats, rhythms and events of a record in one annotation file beside it.

    Args:
        extension: Of the file, such as ``"atr"``.
        classes: What beats are called: ``"mit"`` by their symbols, ``"aami"`` by the five classes of EC57.

    Raises:
        DataError: The extension is none, or the classes are neither.
    """

    extension: str
    classes: Classes = "mit"

    def __post_init__(self) -> None:
        if not _EXTENSION_RE.fullmatch(self.extension) or self.extension in ("hea", "dat", "mat"):
            raise DataError(f"annotations must be the extension of annotation files, such as 'atr', got {self.extension!r}")
        if self.classes not in ("mit", "aami"):
            raise DataError(f"beats are called by 'mit' symbols or 'aami' classes, got {self.classes!r}")

    def __call__(self, opened: Opened) -> Mapping[str, np.ndarray]:
        found = read_annotations(f"{opened.record}.{self.extension}", opened.root)
        header = opened.header
        positions = positions_in_samples(found, fs=header.fs, per_frame=header.per_frame, n_samples=opened.n_samples)
        return named_annotations(found, positions, classes=self.classes)


def positions_in_samples(found: AnnotationFile, *, fs: float, per_frame: int = 1, n_samples: int) -> np.ndarray:
    """Positions of the annotations on the time axis of a record.

    Args:
        found: Annotations of the record.
        fs: Sampling frequency of the record, Hz.
        per_frame: Samples of the record in a frame, in which a file without a sampling frequency of its own counts.
        n_samples: Length of the record.

    Returns:
        ``(n,)`` int64, each from 0 to ``n_samples - 1``.

    Raises:
        DataError: An annotation lies behind the end of the record.
    """
    positions = found.samples
    if found.fs is not None and found.fs != fs:
        positions = np.rint(positions * (fs / found.fs)).astype(np.int64)
    elif found.fs is None and per_frame != 1:
        positions = positions * per_frame
    if len(positions) and positions.max() >= n_samples:
        raise DataError(
            f"an annotation stands at sample {positions.max()}, the record has {n_samples}; the annotations are of another record"
        )
    return positions


def named_annotations(found: AnnotationFile, positions: np.ndarray, *, classes: Classes = "mit") -> dict[str, np.ndarray]:
    """Positions by name: beats, rhythms and events.

    Args:
        found: Annotations of a record.
        positions: Theirs, in samples.
        classes: What beats are called.

    Returns:
        ``(n,)`` int64 by name, sorted. ``r_peaks`` is always there.
    """
    names = []
    for symbol, note in zip(found.symbols, found.notes, strict=True):
        if symbol in BEATS:
            names.append(f"beat/{aami_class(symbol) if classes == 'aami' else symbol}")
        elif symbol == "+" and note.startswith("(") and note[1:].strip():
            names.append(f"rhythm/{note[1:].strip()}")
        else:
            names.append(f"event/{symbol}")
    beats = [name.startswith("beat/") for name in names]
    return {"r_peaks": np.sort(positions[np.array(beats, dtype=bool)]), **_by_name(names, positions)}


def delineation(found: AnnotationFile, positions: np.ndarray, *, lead: str) -> dict[str, np.ndarray]:
    """Positions of the waves of one lead: a peak, the ``(`` right before it and the ``)`` right after it.

    A wave need not have both. Where it begins at its peak, its ``(`` may stand behind it in the file: ``N ( )``.

    Args:
        found: Annotations of that lead.
        positions: Theirs, in samples.
        lead: Its name.
    """
    names, places = [], []
    symbols = (*found.symbols, "", "")  # the index -1 is none, either
    for i, symbol in enumerate(found.symbols):
        if wave := _WAVES.get(symbol):
            late = symbols[i - 1] != "(" and symbols[i + 1 : i + 3] == ("(", ")")
            on, off = (i + 1, i + 2) if late else (i - 1, i + 1)
            for part, place, expected in (("peak", i, symbol), ("on", on, "("), ("off", off, ")")):
                if symbols[place] == expected:
                    names.append(f"wave/{wave}_{part}/{lead}")
                    places.append(place)
    return _by_name(names, positions[np.array(places, dtype=np.int64)])


def _by_name(names: Iterable[str], positions: np.ndarray) -> dict[str, np.ndarray]:
    grouped: dict[str, list[int]] = {}
    for name, position in zip(names, positions.tolist(), strict=True):
        grouped.setdefault(name, []).append(position)
    return {name: np.sort(np.array(grouped[name], dtype=np.int64)) for name in sorted(grouped)}

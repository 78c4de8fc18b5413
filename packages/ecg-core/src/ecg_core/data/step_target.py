"""StepTarget: what annotations say about every sample of a window, as class numbers.

=================  ================================================================  =========================================
name               from the annotations                                              classes
=================  ================================================================  =========================================
``waves``          ``wave/p_on/II``, ``…_peak``, ``…_off``; of lead II, or of        ``none``, ``P``, ``QRS``, ``T``
                   the one that is named (``waves/V2``)
``r_peaks``        ``r_peaks``: 50 ms to either side                                 ``none``, ``R``
``beats``          ``beat/N`` …: 50 ms to either side                                ``none`` and the classes of the beats
``rhythms``        ``rhythm/AFIB`` …: from there to the next                         the rhythms
=================  ================================================================  =========================================

A sample of which nothing is known is -1 and takes no part: in a recording without any such annotation, before the first rhythm,
and outside the beats that were delineated (in LUDB the first and the last of a recording were not).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecg_core.errors import DataError

__all__ = ["NONE", "STEP_KINDS", "StepTarget"]

NONE = "none"
STEP_KINDS = ("waves", "r_peaks", "beats", "rhythms")
_HALF_WIDTH = 0.05  # seconds: a QRS complex lasts about twice as long
_WAVES = {"p": "P", "qrs": "QRS", "t": "T"}
_GROUPS = {"beats": "beat/", "rhythms": "rhythm/"}

Positions = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class StepTarget:
    """A question about every sample.

    Args:
        kind: ``"waves"``, ``"r_peaks"``, ``"beats"`` or ``"rhythms"``.
        classes: Names of the class numbers.
        lead: Whose waves.
    """

    kind: str
    classes: tuple[str, ...]
    lead: str = ""

    @property
    def name(self) -> str:
        """The name in full, such as ``"waves/II"``."""
        return f"{self.kind}/{self.lead}" if self.lead else self.kind

    @classmethod
    def of(cls, name: str, classes: Sequence[str]) -> StepTarget:
        """The target that a model with these classes was trained for, by its name in full."""
        kind, _, lead = name.partition("/")
        return cls(kind, tuple(classes), lead)

    @classmethod
    def parse(cls, name: str, annotated: Iterable[str]) -> StepTarget:
        """From its name, and the names of the annotations that are there.

        Raises:
            DataError: There is no such target, or there are no annotations for it.
        """
        there = sorted(annotated)
        kind, _, lead = name.partition("/")
        if kind == "waves":
            return cls(kind, (NONE, *_WAVES.values()), _lead(name, lead, there))
        if name == "r_peaks" and "r_peaks" in there:
            return cls(kind, (NONE, "R"))
        found = [n.removeprefix(_GROUPS[name]) for n in there if name in _GROUPS and n.startswith(_GROUPS[name])]
        if found:
            return cls(kind, (NONE, *found) if name == "beats" else tuple(found))
        raise DataError(f"no annotations for {name!r}; targets of every sample are: {', '.join(cls.names(there)) or 'none'}")

    @classmethod
    def names(cls, annotated: Iterable[str]) -> tuple[str, ...]:
        """Names of the targets that these annotations answer."""
        there = sorted(annotated)
        points = ["r_peaks"] if "r_peaks" in there else []
        groups = [word for word, start in _GROUPS.items() if any(n.startswith(start) for n in there)]
        return (*(f"waves/{lead}" for lead in _delineated(there)), *points, *groups)

    def labels(self, positions: Positions, start: int, stop: int, fs: float) -> np.ndarray:
        """``(stop - start,)`` int64 class numbers, -1 where nothing is known.

        Args:
            positions: Annotations of the whole recording, sorted, in samples.
            start: First sample of the window in the recording.
            stop: The sample after its last.
            fs: Hz.
        """
        if self.kind == "waves":
            return self._waves(positions, start, stop)
        if self.kind == "rhythms":
            return self._rhythms(positions, start, stop)
        return self._points(positions, start, stop, fs)

    def points(self, positions: Positions) -> tuple[np.ndarray, np.ndarray]:
        """Where something stands, sorted, and its class number; of ``waves`` the peaks."""
        if self.kind == "r_peaks":
            names = ["r_peaks"]
        elif self.kind == "waves":
            names = [f"wave/{wave}_peak/{self.lead}" for wave in _WAVES]
        else:
            names = [f"beat/{name}" for name in self.classes[1:]]
        each = [np.asarray(positions.get(name, ()), dtype=np.int64) for name in names]
        return _sorted(each, range(1, 1 + len(each)))

    def _points(self, positions: Positions, start: int, stop: int, fs: float) -> np.ndarray:
        places, numbers = self.points(positions)
        out = np.zeros(stop - start, dtype=np.int64)
        if not len(places):
            return out - 1
        samples = np.arange(start, stop)
        right = np.clip(np.searchsorted(places, samples), 0, len(places) - 1)
        left = np.maximum(right - 1, 0)
        nearest = np.where(np.abs(places[left] - samples) <= np.abs(places[right] - samples), left, right)
        near = np.abs(places[nearest] - samples) <= round(_HALF_WIDTH * fs)
        out[near] = numbers[nearest[near]]
        return out

    def _waves(self, positions: Positions, start: int, stop: int) -> np.ndarray:
        named = {
            (number, part): np.asarray(positions.get(f"wave/{wave}_{part}/{self.lead}", ()), dtype=np.int64)
            for number, wave in enumerate(_WAVES, start=1)
            for part in ("on", "peak", "off")
        }
        everywhere = np.concatenate(list(named.values()))
        out = np.full(stop - start, -1, dtype=np.int64)
        if not len(everywhere):
            return out
        out[max(0, everywhere.min() - start) : max(0, everywhere.max() + 1 - start)] = 0
        for number in range(1, 1 + len(_WAVES)):
            on, peak, off = (named[number, part] for part in ("on", "peak", "off"))
            for first, last, known in _intervals(on, peak, off, start, stop):
                out[max(0, first - start) : max(0, last + 1 - start)] = number if known else -1
        return out

    def _rhythms(self, positions: Positions, start: int, stop: int) -> np.ndarray:
        each = [np.asarray(positions.get(f"rhythm/{name}", ()), dtype=np.int64) for name in self.classes]
        places, numbers = _sorted(each, range(len(each)))
        since = np.searchsorted(places, np.arange(start, stop), side="right") - 1
        return np.where(since >= 0, numbers[since], -1) if len(places) else np.full(stop - start, -1, dtype=np.int64)


def _delineated(there: Sequence[str]) -> list[str]:
    """Leads whose waves are annotated."""
    return [name.rpartition("/")[2] for name in there if name.startswith("wave/qrs_on/")]


def _lead(name: str, lead: str, there: Sequence[str]) -> str:
    leads = _delineated(there)
    if lead and lead not in leads:
        raise DataError(f"the waves of lead {lead} are not annotated; annotated leads are: {', '.join(leads) or 'none'}")
    if not leads:
        raise DataError(f"no annotations for {name!r}: no wave is delineated")
    return lead or ("II" if "II" in leads else leads[0])


def _sorted(each: Sequence[np.ndarray], numbers: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    places = np.concatenate([*each, np.zeros(0, np.int64)])
    order = np.argsort(places, kind="stable")
    return places[order], np.repeat(list(numbers), [len(p) for p in each])[order]


def _intervals(on: np.ndarray, peak: np.ndarray, off: np.ndarray, start: int, stop: int) -> Iterator[tuple[int, int, bool]]:
    """Begin and end of each wave in or next to a window, and whether both are annotated; the peak stands in for a missing one."""
    ends = [-1, *peak.tolist(), np.iinfo(np.int64).max]
    first, last = np.searchsorted(peak, (start, stop)).tolist()
    for i in range(max(0, first - 1), min(len(peak), last + 1)):
        before, top, after = ends[i : i + 3]
        starts, stops = on[(on > before) & (on <= top)], off[(off >= top) & (off < after)]
        yield int(starts[-1]) if len(starts) else top, int(stops[0]) if len(stops) else top, bool(len(starts) and len(stops))

"""RemoveSpikes: single outlying samples, such as those of a loose electrode or a pacemaker, give way to their neighbours' median.

A Hampel filter (Hampel 1974; Pearson 2002) with a threshold in mV instead of in local deviations: within the few milliseconds
of the window a QRS complex is far from constant too, and a threshold that adapts to quiet segments cuts the tips of R waves.
"""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.transform import Transform
from ecg_preproc.transforms.median import odd_length, running_median

__all__ = ["RemoveSpikes"]


class RemoveSpikes(Transform):
    """Replace samples that lie far from the median of what surrounds them. Time grows as n log n, whatever the window.

    Spikes up to just under half the window long are removed; NaN stays where it is, infinities are spikes.

    Args:
        threshold: Distance from the median, mV, above which a sample is a spike. No wave of the heart reaches 2 mV within
            10 ms of its own median.
        seconds: Length of the window; at least three samples are taken.

    Shape:
        ``(..., leads, samples)``, unchanged.
    """

    needs_fs = True

    def __init__(self, *, threshold: float = 2.0, seconds: float = 0.02) -> None:
        if not threshold > 0:
            raise ValueError(f"threshold must be a positive number of mV, got {threshold!r}")
        if not 0 < seconds < float("inf"):
            raise ValueError(f"seconds must be a positive length, got {seconds!r}")
        self.threshold = float(threshold)
        self.seconds = float(seconds)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"threshold": 0.0}, {"seconds": -1.0}]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(x)
        median = running_median(x, self._length(fs))
        return xp.where(xp.abs(x - median) > self.threshold, median, x)

    def reach(self, fs: float) -> float:
        return (self._length(fs) // 2) / fs

    def _length(self, fs: float) -> int:
        return max(3, odd_length(self.seconds, fs))

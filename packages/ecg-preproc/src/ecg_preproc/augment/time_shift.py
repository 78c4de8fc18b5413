"""TimeShift: the same window, begun earlier or later."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.augment.silence import bit_mask, silence
from ecg_preproc.augment.stretches import runs_at, stretches

__all__ = ["TimeShift"]


class TimeShift(RandomTransform):
    """Shift all leads in time, to either side; positions, masks and step targets move along.

    Args:
        seconds: Range of the shift, s; at least one sample.
        mode: What comes in at the one end: ``"fill"`` with ``value`` (0 in masks and step targets, so a mask says it is not
            measured), or ``"circular"``, what went out at the other.
        value: What ``"fill"`` fills with, mV.
        p: Probability that a window is changed.
    """

    needs_fs = True
    neutral = {"shift": 0.0}
    magnitude = {"seconds": 0.0}

    def __init__(
        self,
        *,
        seconds: tuple[float, float] = (0.0, 1.0),
        mode: Literal["fill", "circular"] = "fill",
        value: float = 0.0,
        p: float = 0.5,
    ) -> None:
        if mode not in ("fill", "circular"):
            raise ValueError(f"mode must be fill or circular, got {mode!r}")
        self.seconds = interval("seconds", seconds)
        self.mode = mode
        self.value = value
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"seconds": (-1.0, 1.0)}, {"mode": "mirror"}, {"p": 1.5}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        shift = generator.uniform(*self.seconds)
        return {"shift": namespace(shift).where(generator.happens(0.5), shift, -shift)}

    def move(self, positions: Any, *, fs: float, samples: int, **drawn: Any) -> Any:
        there = positions + self._steps(samples, fs, drawn["shift"])[:, None]
        return there % samples if self.mode == "circular" else there

    def move_mask(self, mask: Any, *, fs: float, **drawn: Any) -> Any:
        return self._shifted(mask[:, None, :], fs, drawn["shift"], 0)[:, 0, :]

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return self._shifted(x, fs, drawn["shift"], self.value)

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        n, steps = int(like.shape[-1]), self._steps(int(like.shape[-1]), fs, drawn["shift"])
        if self.mode == "circular":
            return {"steps": steps}
        edge, by = asarray_like(np.arange(self._most(n, fs))[None], steps), steps[:, None]
        head, tail = (bit_mask(came_in, like)[:, None, :] for came_in in (edge < by, edge >= edge.shape[1] + by))
        return {"steps": steps, "head": head, "tail": tail}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        if self.mode == "circular":
            return self._by(x, fs, ready["steps"], self.value)
        out, most = _slid(x, ready["steps"]), int(ready["head"].shape[-1])
        # What came in from the rows beside; a window is shifted to one side, so the two ends may overlap.
        silence(out[..., :most], ready["head"], self.value)
        silence(out[..., x.shape[-1] - most :], ready["tail"], self.value)
        return out

    def _shifted(self, x: Any, fs: float, shift: Any, value: float) -> Any:
        return self._by(x, fs, self._steps(int(x.shape[-1]), fs, shift), value)

    def _by(self, x: Any, fs: float, steps: Any, value: float) -> Any:
        xp = namespace(x)
        n = int(x.shape[-1])
        most = self._most(n, fs)
        if self.mode == "circular":
            before, after = x[..., n - most :], x[..., :most]
        else:
            before = after = xp.full_like(x[..., :most], value)
        return stretches(xp.concat([before, x, after], axis=-1), most - steps, n)

    def _most(self, samples: int, fs: float) -> int:
        return min(samples, max(1, round(self.seconds[1] * fs)))

    def _steps(self, samples: int, fs: float, shift: Any) -> Any:
        """``(windows,)`` int64: by how many samples each window is shifted to the right."""
        xp = namespace(shift)
        size = xp.clip(xp.round(xp.abs(shift) * fs), 1, self._most(samples, fs))
        return xp.astype(xp.sign(shift) * size, xp.int64)


def _slid(x: Any, steps: Any) -> Any:
    """Every row of ``x`` from ``steps`` samples further to the left in memory; what the row beside it holds comes in.

    Room around every row would cost another copy. Only the first row and the last have nothing beside them.
    """
    xp = namespace(x)
    windows, leads, n = (int(size) for size in x.shape)
    rows = asarray_like(np.arange(windows * leads).reshape(windows, leads) * n, steps)
    start = xp.clip(rows - steps[:, None], 0, (windows * leads - 1) * n)
    out = runs_at(xp.reshape(x, (-1,)), start, n)
    first, last = int(steps[0]), int(steps[-1])
    if first > 0:
        out[0, 0, first:] = x[0, 0, : n - first]
    if last < 0:
        out[-1, -1, : n + last] = x[-1, -1, -last:]
    return out

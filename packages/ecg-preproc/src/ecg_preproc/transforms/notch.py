"""Notch: take out one frequency, such as that of the mains, and its multiples; with zero phase."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecg_core.contracts.spectral import filtered
from ecg_core.contracts.transform import Transform

__all__ = ["Notch"]

_WIDTH = 2.0
_FORGOTTEN = math.log(1e6)


class Notch(Transform):
    """Zero-phase notch: the second-order digital notch filter (Orfanidis 1996), run forwards and backwards.

    Args:
        frequency: What is taken out, Hz; there the gain is zero.
        width: Hz between the two frequencies at which the gain is one half (-6 dB). 2 when neither is given.
        quality: ``frequency / width``, instead of the width.
        harmonics: Also every multiple of the frequency below half the sampling frequency, each as wide.

    Shape:
        ``(..., leads, samples)``, unchanged.
    """

    needs_fs = True

    def __init__(
        self,
        *,
        frequency: float = 50.0,
        width: float | None = None,
        quality: float | None = None,
        harmonics: bool = False,
    ) -> None:
        if width is not None and quality is not None:
            raise ValueError(f"give width=… (Hz) or quality=…, not both; got {width!r} and {quality!r}")
        for name, value in (("frequency", frequency), ("width", width), ("quality", quality)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive, got {value!r}")
        self.frequency = float(frequency)
        self.width = frequency / quality if quality is not None else _WIDTH if width is None else float(width)
        self.harmonics = harmonics

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"frequency": 20.0}, "refused": [{"width": 1.0, "quality": 30.0}, {"frequency": 0.0}]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return filtered(x, [self], fs=fs)

    def frequency_response(self, frequencies: np.ndarray, fs: float) -> np.ndarray:
        if not (self.frequency < fs / 2 and self.width < fs / 2):
            raise ValueError(
                f"a notch must lie below fs / 2 = {fs / 2:g} Hz, got frequency {self.frequency:g} Hz and width {self.width:g} Hz"
            )
        beta = math.tan(math.pi * self.width / fs)
        angle = 2 * np.pi * np.asarray(frequencies, dtype=np.float64) / fs
        gain = np.ones_like(angle)
        for number in range(1, math.ceil(fs / 2 / self.frequency) if self.harmonics else 2):
            off = (np.cos(angle) - math.cos(2 * math.pi * number * self.frequency / fs)) ** 2
            side = (beta * np.sin(angle)) ** 2
            gain *= off / np.where(off + side == 0, 1.0, off + side)
        return gain

    def reach(self, fs: float) -> float:
        return _FORGOTTEN / (math.pi * self.width)

"""RecordedNoise: noise of real recordings, such as the MIT-BIH Noise Stress Test Database (Moody, Muldrow and Mark 1984)."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.augment.stretches import runs_at
from ecg_preproc.transforms.resample import Resample

__all__ = ["RecordedNoise"]


class RecordedNoise(RandomTransform):
    """Add a random stretch of recorded noise, scaled to a random signal-to-noise ratio; each lead takes a stretch of its own.

    The ratio is that of the window's power to the noise's, both without their means and over all leads together, so a lead of
    low voltage drowns first. A flat window gets no noise, and where the recording is silent none is added.

    Args:
        path: An ``.npy`` file ``(channels, samples)`` or ``(samples,)``, or a folder that a reader can read. Two or more
            recordings are used with equal chances.
        fs: Sampling frequency of an ``.npy`` file, Hz; recordings know theirs.
        reader: Name of the reader for a folder.
        snr: Range of the signal-to-noise ratio, dB.
        p: Probability that a window is changed.
    """

    needs_fs = True
    neutral = {"level": 0.0}

    def __init__(
        self,
        *,
        path: str,
        fs: float | None = None,
        reader: str = "wfdb",
        snr: tuple[float, float] = (0.0, 20.0),
        p: float = 0.5,
    ) -> None:
        if str(path).endswith(".npy") and not (fs is not None and 0 < fs < float("inf")):
            raise ValueError(f"an .npy file does not know its sampling frequency: give fs=… (Hz), got {fs!r}")
        self.path = str(path)
        self.fs = fs
        self.reader = reader
        self.snr = interval("snr", snr, least=-100.0, most=200.0)
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it: with a short file of white noise that is gone when the process ends."""
        refused = [{"snr": (20.0, 0.0)}, {"fs": None}, {"p": 1.5}]
        return {"arguments": {"path": _example_file(), "fs": 100.0}, "refused": refused}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        xp, leads = namespace(generator.keys), shape[1:2]
        decibels = generator.uniform(*self.snr)
        return {
            "level": xp.exp(decibels * float(-np.log(10) / 20)),  # amplitude of the noise for a signal of amplitude 1
            "channel": generator.uniform(size=leads),
            "place": generator.uniform(size=leads),
        }

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(x)
        n = int(x.shape[-1])
        bank = noise_at(self.path, self.reader, self.fs, fs)
        if bank.shape[1] < n:
            have, want = bank.shape[1] / fs, n / fs
            raise ValueError(
                f"{self.path} holds {have:g} s of noise, a window is {want:g} s; use longer noise or shorter windows"
            )
        channel = xp.astype(xp.floor(drawn["channel"] * bank.shape[0]), xp.int64)
        start = xp.astype(xp.floor(drawn["place"] * (bank.shape[1] - n + 1)), xp.int64)
        noise = runs_at(asarray_like(bank.reshape(-1), x), channel * bank.shape[1] + start, n)
        noise = noise - xp.mean(noise, axis=-1, keepdims=True)
        silent = xp.max(xp.abs(noise), axis=(1, 2), keepdims=True) <= 0
        height = xp.where(silent, xp.ones_like(noise[:, :1, :1]), _rms(noise))
        gain = xp.where(silent, xp.zeros_like(height), _rms(x - xp.mean(x, axis=-1, keepdims=True)) / height)
        return x + gain * xp.astype(drawn["level"], x.dtype)[:, None, None] * noise


def _rms(x: Any) -> Any:
    """Root mean square of each window; divided by its largest value first, so that squares stay inside the number type."""
    xp = namespace(x)
    largest = xp.max(xp.abs(x), axis=(1, 2), keepdims=True)
    scale = xp.where(largest > 0, largest, xp.ones_like(largest))
    share = x / scale
    return scale * xp.sqrt(xp.mean(share * share, axis=(1, 2), keepdims=True))


@lru_cache(maxsize=8)
def noise_at(path: str, reader: str, file_fs: float | None, fs: float) -> np.ndarray:
    """``(channels, samples)`` float32 of a file or folder, resampled to ``fs``; recordings are cut to the shortest."""
    return np.concatenate(_cut([_resampled(signal, own, fs) for signal, own in _recordings(path, reader, file_fs)]))


def _recordings(path: str, reader: str, file_fs: float | None) -> list[tuple[np.ndarray, float]]:
    if path.endswith(".npy"):
        signal = np.load(path, allow_pickle=False)
        if signal.ndim not in (1, 2) or signal.size == 0 or not np.isfinite(signal).all():
            raise ValueError(f"{path} must hold finite numbers (channels, samples), got shape {signal.shape}")
        return [(np.atleast_2d(signal), float(file_fs or 0.0))]
    from ecg_core.discovery.registries import READERS

    source = READERS.build(reader)
    records = [source.read(row) for row in source.scan(Path(path)).rows()]
    if not records:
        raise ValueError(f"the reader {reader!r} finds no recording in {path}")
    return [(np.nan_to_num(record.signal), record.fs) for record in records]


def _resampled(signal: np.ndarray, own: float, fs: float) -> np.ndarray:
    return np.asarray(Resample(fs=fs)(signal.astype(np.float32), fs=own))


def _cut(signals: list[np.ndarray]) -> list[np.ndarray]:
    shortest = min(s.shape[1] for s in signals)
    return [s[:, :shortest] for s in signals]


@lru_cache(maxsize=1)
def _example_file() -> str:
    folder = tempfile.mkdtemp(prefix="ecg_noise_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = Path(folder) / "noise.npy"
    np.save(file, Draws.seeded(1).normal((2, 2000))[0])
    return str(file)

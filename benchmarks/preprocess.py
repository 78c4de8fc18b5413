"""Preprocessing 64 records of 12 leads and 10 s: resample, band-pass, baseline, z-score, against torch_ecg and scipy.

Everybody in turn in one process, one thread; ratios are medians over the turns. The signal functions of torch_ecg are loaded from
its file, because importing the package needs all of its dependencies; where it is not installed they are left out.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy.fft
import torch
from scipy.signal import butter, resample_poly, sosfiltfilt

from ecg_core.contracts.compose import Compose
from ecg_core.testing.toy import toy_signal
from ecg_preproc.transforms.bandpass import BandPass
from ecg_preproc.transforms.baseline import BaselineRemove
from ecg_preproc.transforms.normalize import Normalize
from ecg_preproc.transforms.resample import Resample

PAIRS = [(1000, 500), (500, 500), (500, 250), (500, 100)]
LOW, HIGH = 0.5, 45.0


def chain(fs_out: float, *, fuse: bool = True) -> Compose:
    """What is measured."""
    return Compose([Resample(fs=fs_out), BandPass(low=LOW, high=HIGH), BaselineRemove(), Normalize(per_lead=True)], fuse=fuse)


def torch_ecg() -> Callable[[torch.Tensor, int, int], torch.Tensor] | None:
    """Their four steps on a tensor."""
    package = importlib.util.find_spec("torch_ecg")
    if package is None or not package.submodule_search_locations:
        return None
    file = Path(package.submodule_search_locations[0]) / "utils" / "utils_signal_t.py"
    spec = importlib.util.spec_from_file_location("torch_ecg_signal", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def act(x: torch.Tensor, fs_in: int, fs_out: int) -> torch.Tensor:
        x = module.resample(x, fs=fs_in, dst_fs=fs_out) if fs_in != fs_out else x
        x = module.baseline_removal(module.bandpass_filter(x, fs_out, LOW, HIGH), fs_out)
        return module.normalize(x, method="z-score", per_channel=True, inplace=False)

    return act


def with_scipy(x: np.ndarray, fs_in: int, fs_out: int) -> np.ndarray:
    """Polyphase resampling, Butterworth forwards and backwards, z-score; no baseline."""
    x = resample_poly(x, fs_out, fs_in, axis=-1) if fs_in != fs_out else x
    x = sosfiltfilt(butter(3, [LOW, HIGH], "band", fs=fs_out, output="sos"), x, axis=-1)
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)


def pair(x: torch.Tensor | np.ndarray) -> object:
    """The bare FFT pair of a batch, which nothing that filters by FFT can beat."""
    if isinstance(x, torch.Tensor):
        return torch.fft.irfft(torch.fft.rfft(x), n=x.shape[-1])
    return scipy.fft.irfft(scipy.fft.rfft(x), n=x.shape[-1])


def speed(records: int = 64, turns: int = 9) -> None:
    """Print milliseconds and ratios for each pair of rates, and their geometric means."""
    theirs = torch_ecg()
    ratios: dict[str, list[float]] = {}
    for fs_in, fs_out in PAIRS:
        x = toy_signal(records, 12, 10 * fs_in, fs=fs_in)
        t = torch.from_numpy(x)
        fused, apart = chain(fs_out), chain(fs_out, fuse=False)
        who: dict[str, Callable[[], object]] = {
            "ours, tensor": lambda t=t, c=fused, fs=fs_in: c(t, fs=fs),
            "ours, array": lambda x=x, c=fused, fs=fs_in: c(x, fs=fs),
            "ours, tensor, not fused": lambda t=t, c=apart, fs=fs_in: c(t, fs=fs),
            "FFT pair, tensor": lambda t=t: pair(t),
            "FFT pair, array": lambda x=x: pair(x),
            "scipy": lambda x=x, a=fs_in, b=fs_out: with_scipy(x, a, b),
        }
        if theirs is not None:
            who["torch_ecg"] = lambda t=t, a=fs_in, b=fs_out: theirs(t, a, b)
        seconds: dict[str, list[float]] = {name: [] for name in who}
        for turn in range(turns + 1):
            for name, act in who.items():
                began = time.process_time()
                act()
                if turn:  # the first turn warms up
                    seconds[name].append(time.process_time() - began)
        print(f"{fs_in} to {fs_out} Hz, ms: " + ", ".join(f"{n} {1e3 * statistics.median(s):.1f}" for n, s in seconds.items()))
        for name, ours in (("tensor", "ours, tensor"), ("array", "ours, array")):
            for peer in ("torch_ecg", "scipy", f"FFT pair, {name}", "ours, tensor, not fused"):
                if peer in seconds:
                    over = statistics.median(p / o for p, o in zip(seconds[peer], seconds[ours], strict=True))
                    ratios.setdefault(f"{peer} / {ours}", []).append(over)
    for name, values in ratios.items():
        print(f"{name}: {', '.join(f'{v:.2f}' for v in values)}; geometric mean {statistics.geometric_mean(values):.2f}")
    if theirs is None:
        print("torch_ecg is not installed, and was left out")


def accuracy(wander: float, windows: int = 100, fs: int = 500) -> None:
    """Print the error at the ends of 10 s windows of 70 s recordings, and the distance to scipy in the middle.

    Args:
        wander: Scale of a baseline of three tones between 0.05 and 0.4 Hz; 1 is about 1 mV from top to bottom.
        windows: How many recordings.
        fs: Hz.
    """
    rng, middle = np.random.default_rng(0), slice(30 * fs, 40 * fs)
    edge, sos = np.r_[0:fs, 9 * fs : 10 * fs], butter(3, [LOW, HIGH], "band", fs=fs, output="sos")
    high, low = (butter(3, edge_at, kind, fs=fs, output="sos") for edge_at, kind in ((LOW, "high"), (HIGH, "low")))
    bandpass, errors, apart = BandPass(low=LOW, high=HIGH), [], []
    time_axis = np.arange(70 * fs) / fs
    for number in range(windows):
        x = toy_signal(1, 1, 70 * fs, fs=fs, seed=number)[0].astype(np.float64)
        for _ in range(3):
            x = x + wander * rng.uniform(0.2, 0.5) * np.sin(2 * np.pi * rng.uniform(0.05, 0.4) * time_axis + rng.uniform(0, 6.3))
        whole, theirs = bandpass(x, fs=fs), sosfiltfilt(sos, x)
        cut = x[:, middle]
        errors.append(
            [
                np.mean((bandpass(cut, fs=fs) - whole[:, middle])[:, edge] ** 2),
                np.mean((sosfiltfilt(sos, cut) - theirs[:, middle])[:, edge] ** 2),
            ]
        )
        both = sosfiltfilt(low, sosfiltfilt(high, x))
        apart.append(np.abs(bandpass(x.astype(np.float32), fs=fs) - both)[:, 15 * fs : -15 * fs].max())
    ours, scipys = np.sqrt(np.mean(errors, axis=0))
    print(f"RMS error in the first and last second, wander {wander:g}: ours {ours:.4f} mV, sosfiltfilt {scipys:.4f} mV")
    print(f"that is {ours / scipys:.2f} of it")
    print(f"float32, 15 s from the ends, farthest from sosfiltfilt (high-pass, then low-pass): {max(apart):.1e} mV")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peers
        speed()
        accuracy(0.0)
        accuracy(1.0)

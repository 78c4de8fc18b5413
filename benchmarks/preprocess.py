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
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, resample_poly, sosfiltfilt

from ecg_core.contracts.compose import Compose
from ecg_core.data.leads import STANDARD_12
from ecg_core.data.record import Record
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
                act()  # leaves memory as a loop over this alone would: what a peer gave back must not be fetched anew
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


def baseline(kind: str, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A wandering baseline of some kind, mV, at these times."""
    if kind == "none":
        return np.zeros_like(seconds)
    if kind == "random walk":
        return np.cumsum(rng.normal(0, 0.15 * np.sqrt(seconds[1]), seconds.size))
    if kind == "steps":
        return sum(rng.normal(0, 0.3) * (seconds > rng.uniform(0, seconds[-1])) for _ in range(7))
    low, high, tones = {"0.02-0.12 Hz": (0.02, 0.12, 1), "breathing": (0.15, 0.4, 1), "three tones": (0.05, 0.4, 3)}[kind]
    frequency, phase = rng.uniform(low, high, (tones, 1)), rng.uniform(0, 6.3, (tones, 1))
    return rng.uniform(0.2, 0.5, tones) @ np.sin(2 * np.pi * frequency * seconds + phase)


def accuracy(windows: int = 100, fs: int = 500, seed: int = 100) -> None:
    """Print RMS errors of 10 s windows, cut out of 70 s recordings, in the first and last second and in between.

    The truth of each way is what the same way makes of the whole recording; what scipy does with its defaults stands beside it:
    ``sosfiltfilt``, and for the baseline ``uniform_filter1d``.

    Args:
        windows: How many recordings of each kind; "three tones" between 0.05 and 0.4 Hz make about 1 mV from top to bottom.
        fs: Hz.
        seed: Of the recordings.
    """
    sos, middle = butter(3, [LOW, HIGH], "band", fs=fs, output="sos"), slice(30 * fs, 40 * fs)
    edge, seconds = np.r_[0:fs, 9 * fs : 10 * fs], np.arange(70 * fs) / fs
    average = BaselineRemove()

    def peer(x: np.ndarray) -> np.ndarray:
        smooth = sosfiltfilt(sos, x)
        for width in average.windows:
            smooth = uniform_filter1d(smooth, round(width * fs) - (round(width * fs) + 1) % 2, axis=-1)
        return sosfiltfilt(sos, x) - smooth

    bandpass, both = BandPass(low=LOW, high=HIGH), Compose([BandPass(low=LOW, high=HIGH), average])
    ways: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
        "band-pass alone": (lambda x: bandpass(x, fs=fs), lambda x: sosfiltfilt(sos, x)),
        "band-pass and baseline": (lambda x: both(x, fs=fs), peer),
    }
    for kind in ("none", "0.02-0.12 Hz", "breathing", "three tones", "random walk", "steps"):
        rng = np.random.default_rng(seed)
        x = np.stack([toy_signal(1, 1, 70 * fs, fs=fs, seed=seed * windows + i)[0, 0] for i in range(windows)]).astype(np.float64)
        x += np.stack([baseline(kind, seconds, rng) for _ in range(windows)])
        for name, pair_of_ways in ways.items():
            errors = []
            for act in pair_of_ways:
                apart = act(x[:, middle]) - act(x)[:, middle]
                errors.append((np.sqrt(np.mean(apart[:, edge] ** 2)), np.sqrt(np.mean(apart[:, fs : 9 * fs] ** 2))))
            (ours, inside), (theirs, their_inside) = errors
            print(
                f"wander {kind}, {name}: first and last second ours {1e3 * ours:.1f} uV, scipy {1e3 * theirs:.1f} uV, "
                f"{ours / theirs:.2f} of it; in between {1e3 * inside:.1f} and {1e3 * their_inside:.1f} uV"
            )
    high, low = (butter(3, edge_at, kind, fs=fs, output="sos") for edge_at, kind in ((LOW, "high"), (HIGH, "low")))
    apart = bandpass(x.astype(np.float32), fs=fs) - sosfiltfilt(low, sosfiltfilt(high, x))
    farthest = np.abs(apart[:, 15 * fs : -15 * fs]).max()
    print(f"float32, 15 s from the ends, farthest from sosfiltfilt (high-pass, then low-pass): {farthest:.1e} mV")


def one_record(turns: int = 200) -> None:
    """Print microseconds of a chain on one record of 12 leads and 10 s, as ``ecg prep`` works, beside the bare FFT pair."""
    x = toy_signal(1, 12, 5000, fs=500)[0]
    record = Record(x, 500.0, STANDARD_12, "r")
    who: dict[str, Callable[[], object]] = {f"to {fs} Hz": lambda c=chain(fs): c(record) for fs in (500, 250, 100)}
    who["FFT pair"] = lambda: pair(x)
    taken: dict[str, list[float]] = {name: [] for name in who}
    for _ in range(turns):
        for name, act in who.items():
            began = time.perf_counter()
            act()
            taken[name].append(time.perf_counter() - began)
    print("one record, us: " + ", ".join(f"{name} {1e6 * statistics.median(values):.0f}" for name, values in taken.items()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peers
        speed()
        one_record()
        accuracy()

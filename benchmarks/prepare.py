"""WFDB files on disk to z-scored windows at 250 Hz: our store against wfdb with torch_ecg's and with scipy's preprocessing.

One thread, processor time, interleaved in one process, medians. Ours ends in a store on disk (int16, checksums, splits), theirs
in an array in memory. Steps of all: band-pass 0.5 to 40 Hz, 250 Hz, z-score. torch_ecg's functions are those of the installed
distribution, if there is one (``pip install --no-deps torch-ecg``): its package is not imported, which would take five seconds.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ecg_core

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import wfdb
    from scipy import signal as sp

PIPELINE = [{"name": "bandpass", "low": 0.5, "high": 40.0}, {"name": "resample", "fs": 250}, {"name": "normalize"}]


def torch_ecg_functions() -> Any:
    """The module of torch_ecg's preprocessing on tensors; ``None`` where it is not installed."""
    found = importlib.util.find_spec("torch_ecg")
    if found is None or found.origin is None:
        return None
    file = Path(found.origin).parent / "utils" / "utils_signal_t.py"
    spec = importlib.util.spec_from_file_location("torch_ecg_signal", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_scipy(x: np.ndarray, fs: float) -> np.ndarray:
    """Polyphase resampling, a Butterworth filter run both ways, z-score."""
    sos = sp.butter(3, (0.5, 40), btype="bandpass", fs=fs, output="sos")
    x = sp.sosfiltfilt(sos, x, axis=-1)
    x = sp.resample_poly(x, 250, int(fs), axis=-1).astype(np.float32)
    return (x - x.mean()) / x.std()


def with_torch_ecg(theirs: Any) -> Callable[[np.ndarray, float], Any]:
    """What its PreprocManager does to a tensor, with baseline removal as its configurations have it."""

    def preprocess(x: np.ndarray, fs: float) -> Any:
        tensor = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[None]
        tensor = theirs.resample(tensor, fs=int(fs), dst_fs=250)
        tensor = theirs.bandpass_filter(tensor, fs=250, lowcut=0.5, highcut=40)
        tensor = theirs.baseline_removal(tensor, fs=250, window1=0.2, window2=0.6)
        return theirs.normalize(tensor, method="z-score")

    return preprocess


def main(records: int = 400, repeats: int = 5) -> None:
    """Print records per second of each, and ratios."""
    torch.set_num_threads(1)
    theirs = torch_ecg_functions()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = ecg_core.demo(folder / "wfdb", records=records)
        paths = [str(file.with_suffix("")) for file in sorted(source.glob("*.hea"))]

        def peer(preprocess: Callable[[np.ndarray, float], Any]) -> Callable[[], None]:
            def run() -> None:
                for path in paths:
                    record = wfdb.rdrecord(path)
                    preprocess(record.p_signal.T, record.fs)

            return run

        def ours(**options: Any) -> Callable[[], None]:
            def run() -> None:
                shutil.rmtree(folder / "store", ignore_errors=True)
                ecg_core.prepare(source, folder / "store", pipeline=PIPELINE, **options)

            return run

        ways = {"ours": ours(facts=False), "ours, with quality flags and heart rates": ours(), "wfdb + scipy": peer(with_scipy)}
        if theirs is not None:
            ways["wfdb + torch_ecg (torch)"] = peer(with_torch_ecg(theirs))
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, run in ways.items():
                began = time.process_time()
                run()
                seconds[way].append(time.process_time() - began)
        for way, found in seconds.items():
            ratio = statistics.median(a / b for a, b in zip(found, seconds["ours"], strict=True))
            print(f"{way:>42}: {records / statistics.median(found):6,.0f} records/s, {ratio:5.1f} x the time of ours")


if __name__ == "__main__":
    main()

"""A band-pass over recordings of 1 h and 24 h, 3 leads at 250 Hz, from one file into another: streamed, and by scipy at once.

Each run has a process of its own, whose memory is watched; what counts is what it holds itself (anonymous memory), not the
files that are mapped into it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

FS, LEADS = 250, 3


def make(path: Path, hours: float) -> None:
    """An int16 recording, 1 µV a step: noise on a slow drift."""
    n = int(hours * 3600 * FS)
    signal = np.memmap(path, np.int16, "w+", shape=(LEADS, n))
    rng = np.random.default_rng(0)
    for start in range(0, n, 60 * FS):
        time_axis = np.arange(start, min(n, start + 60 * FS)) / FS
        drift = 500 * np.sin(2 * np.pi * 0.21 * time_axis)
        signal[:, start : start + len(time_axis)] = drift + rng.normal(scale=100, size=(LEADS, len(time_axis)))
    signal.flush()


def held() -> float:
    """Anonymous memory of this process, MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def work(how: str, path: Path, hours: float) -> None:
    """Filter one file into another; print seconds of CPU and megabytes on top of what the process held before."""
    from scipy.signal import butter, sosfiltfilt

    from ecg_core.contracts.streaming import stream
    from ecg_preproc.transforms.bandpass import BandPass

    n = int(hours * 3600 * FS)
    x = np.memmap(path, np.int16, "r", shape=(LEADS, n))
    out = np.memmap(path.with_suffix(".out"), np.float32, "w+", shape=(LEADS, n))
    sos = butter(3, [0.5, 45], "band", fs=FS, output="sos")
    bandpass = BandPass(low=0.5, high=45.0)
    bandpass(np.zeros((LEADS, FS), np.float32), fs=FS)  # loads what it needs
    peak, done, before = [0.0], threading.Event(), held()

    def watch() -> None:
        while not done.wait(0.002):
            peak[0] = max(peak[0], held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, at = time.thread_time(), 0
    if how == "ours":
        read = lambda a, b: x[:, a:b] * np.float32(1e-3)  # noqa: E731
        for block in stream(bandpass, read, fs=FS, n_samples=n, leads=("I", "II", "V1")):
            out[:, at : at + block.shape[-1]] = block
            at += block.shape[-1]
    else:
        out[:] = sosfiltfilt(sos, x * 1e-3, axis=-1)
    seconds = time.thread_time() - began
    done.set()
    watcher.join()
    print(seconds, max(0.0, peak[0] - before))


def main() -> None:
    """Print both for each length, and what grows with it."""
    grown = {}
    with tempfile.TemporaryDirectory() as folder:
        for hours in (1.0, 24.0):
            path = Path(folder) / "holter.i16"
            make(path, hours)
            taken = {}
            for how in ("ours", "scipy"):
                command = [sys.executable, __file__, how, str(path), str(hours)]
                answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
                taken[how], grown[how, hours] = float(answer[0]), float(answer[1])
                print(f"{hours:4.0f} h, {how:5s}: {taken[how]:6.2f} s of CPU, {grown[how, hours]:7.1f} MB more memory")
            print(f"{hours:4.0f} h: scipy takes {taken['scipy'] / taken['ours']:.1f} times as long")
    print(f"memory of 24 h over that of 1 h: ours {grown['ours', 24.0] - grown['ours', 1.0]:.1f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
    else:
        main()

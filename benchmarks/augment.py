"""Augmentation of a (64, 12, 5000) float32 batch, one thread: each transform and a chain of eight as multiples of one copy.

Everything is interleaved in one process; times are medians, and beside them stand the shortest, which other work on the machine
changes less. ``torch.randn`` stands beside normal noise, and a bare FFT pair bounds what works on spectra. Four augmenters of
torch_ecg are loaded from their files, because importing the package needs all of its dependencies; where it is not installed
they are left out.
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

import ecg_core
from ecg_core import TRANSFORMS, Batch, Compose
from ecg_core.data.leads import STANDARD_12

FS = 500.0
EIGHT: list[dict[str, Any]] = [
    {"name": "random_flip"},
    {"name": "lead_dropout"},
    {"name": "amplitude_scale"},
    {"name": "time_shift"},
    {"name": "random_masking"},
    {"name": "stretch_compress"},
    {"name": "baseline_wander"},
    {"name": "gaussian_noise", "fast": True, "std": (0.01, 0.05)},
]
OTHERS: list[dict[str, Any]] = [
    {"name": "gaussian_noise", "std": (0.01, 0.05)},
    {"name": "random_crop", "seconds": 8.0},
    *({"name": name} for name in ("cutmix", "mixup", "random_renormalize", "lead_permute", "vcg_rotation", "time_warp")),
    *(
        {"name": name}
        for name in ("magnitude_warp", "cutout_segments", "powerline_noise", "bandstop", "spectral_phase_surrogate")
    ),
    {"name": "rand_augment"},
]


def torch_ecg() -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Their flip, masking, stretching and mixup of half the windows, in a row; theirs write into what they are given."""
    package = importlib.util.find_spec("torch_ecg")
    if package is None or not package.submodule_search_locations:
        return None
    root = package.submodule_search_locations[0]
    for name in ("torch_ecg", "torch_ecg.augmenters", "torch_ecg.utils"):
        bare = ModuleType(name)  # without what the package does when it is imported
        bare.__path__ = [f"{root}/{name.partition('.')[2]}".rstrip("/")]
        sys.modules[name] = bare
    try:
        flip, mask, stretch, mixup = (
            importlib.import_module(f"torch_ecg.augmenters.{name}")
            for name in ("random_flip", "random_masking", "stretch_compress", "mixup")
        )
    except ImportError as missing:
        print(f"torch_ecg was left out: {missing}")
        return None
    each = [
        flip.RandomFlip(fs=500, inplace=False),
        mask.RandomMasking(fs=500, inplace=False),
        stretch.StretchCompress(inplace=False),
        mixup.Mixup(fs=500, inplace=False),
    ]
    targets = torch.rand(64, 5)

    def act(x: torch.Tensor) -> torch.Tensor:
        for augmenter in each:
            x = augmenter(x, targets)[0]
        return x

    return act


def main(repeats: int = 15) -> None:
    """Print the ratio of every transform to a copy of the batch."""
    torch.set_num_threads(1)
    batch = Batch(torch.randn(64, 12, 5000), FS, STANDARD_12)
    work: dict[str, Callable[[], object]] = {"copy": lambda: batch.signal.clone()}
    for config in EIGHT + OTHERS:
        built = TRANSFORMS.build({**config, **({} if config["name"] in ("random_crop",) else {"p": 1.0})})
        work[config["name"] + (" (fast)" if config.get("fast") else "")] = lambda t=built: t(batch)  # type: ignore[misc]
    for p in (1.0, 0.5):
        chain = Compose([{**config, "p": p} for config in EIGHT])
        work[f"eight in a row, p = {p:g}"] = lambda t=chain: t(batch)  # type: ignore[misc]
    same = Compose([{"name": name, "p": 0.5} for name in ("random_flip", "random_masking", "stretch_compress", "mixup")])
    work["four in a row"] = lambda: same(batch)
    theirs = torch_ecg()
    if theirs is not None:
        work["the four of torch_ecg"] = lambda: theirs(batch.signal)
    work["torch.randn"] = lambda: torch.randn(64, 12, 5000)
    work["bound: FFT pair"] = lambda: torch.fft.irfft(torch.fft.rfft(batch.signal), n=5000)
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats + 2):
        for name, run in work.items():
            run()  # leaves memory as a loop over this alone would: what a larger piece of work gave back must not be fetched anew
            began = time.perf_counter()
            run()
            if turn >= 2:  # the first calls fill the noise bank
                seconds[name].append(time.perf_counter() - began)
    copy, least = statistics.median(seconds["copy"]), min(seconds["copy"])
    print(f"ecg-core {ecg_core.__version__}, torch {torch.__version__}, one thread; a copy takes {copy * 1e3:.2f} ms")
    for name, each in seconds.items():
        middle = statistics.median(each)
        shortest = f"shortest {min(each) * 1e3:7.2f} ms {min(each) / least:6.1f} copies"
        print(f"{name:26s} {middle * 1e3:7.2f} ms  {middle / copy:6.1f} copies  {shortest}  {64 / middle:8.0f} records/s")


if __name__ == "__main__":
    main()

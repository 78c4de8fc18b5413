"""Augmentation of a (64, 12, 5000) float32 batch, one thread: each transform and a chain of eight as multiples of one copy.

Everything is interleaved in one process; figures are medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
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
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats + 2):
        for name, run in work.items():
            began = time.perf_counter()
            run()
            if turn >= 2:  # the first calls fill the noise bank and the allocator's lists
                seconds[name].append(time.perf_counter() - began)
    copy = statistics.median(seconds["copy"])
    print(f"ecg-core {ecg_core.__version__}, torch {torch.__version__}, one thread; a copy takes {copy * 1e3:.2f} ms")
    for name, each in seconds.items():
        middle = statistics.median(each)
        print(f"{name:26s} {middle * 1e3:7.2f} ms  {middle / copy:6.1f} copies  {64 / middle:8.0f} records/s")


if __name__ == "__main__":
    main()

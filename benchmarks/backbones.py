"""Backbones against torch_ecg's of the same plan: forward and training step, one thread, in one process, alternating.

    OMP_NUM_THREADS=1 python benchmarks/backbones.py             # torch-ecg, and all that it imports, beside it
    OMP_NUM_THREADS=1 python benchmarks/backbones.py --batch 8 --repeats 5

Processor time, the shortest of the repeats. A ratio above 1 means that ours takes less. bfloat16 is ours under autocast against
torch_ecg in float32, as it would be used on a processor with matrix units for it; the ratio of plain matrix products in the two
types says whether this is one. The last column is how far the layout that is chosen moves our own features, relative to their
largest value.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import exp, log

import torch
from torch import Tensor, nn

from ecg_backbones.layers.convolution import HeConv1d
from ecg_core import BACKBONES

# Our name, torch_ecg's class and its configuration.
PAIRS = (
    ("resnet_nature_comm", "ResNet", "resnet_nature_comm"),
    ("resnet_vanilla_18", "ResNet", "resnet_vanilla_18"),
    ("multi_scopic", "MultiScopicCNN", "multi_scopic"),
    ("densenet_vanilla", "DenseNet", "densenet_vanilla"),
    ("mobilenet_v2_vanilla", "MobileNetV2", "mobilenet_v2_vanilla"),
    ("xception_vanilla", "Xception", "xception_vanilla"),
)


def processor_time(acts: list[Callable[[], object]], repeats: int) -> list[float]:
    """Shortest processor time of each, taking turns."""
    for act in acts:
        act()
    times: list[list[float]] = [[] for _ in acts]
    for _ in range(repeats):
        for act, seen in zip(acts, times, strict=True):
            start = time.process_time()
            act()
            seen.append(time.process_time() - start)
    return [min(seen) for seen in times]


def forward(model: nn.Module, x: Tensor, dtype: torch.dtype | None = None) -> Callable[[], object]:
    def act() -> object:
        with torch.no_grad(), torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
            return model(x)

    return act


def training_step(model: nn.Module, x: Tensor, dtype: torch.dtype | None = None) -> Callable[[], object]:
    def act() -> object:
        model.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
            loss = model(x).float().square().mean()
        loss.backward()
        return loss

    return act


@contextmanager
def plain_layout() -> Iterator[None]:
    """Every convolution as torch computes it by itself."""
    chosen = HeConv1d.forward

    def forward(self: HeConv1d, input: Tensor) -> Tensor:
        return nn.Conv1d.forward(self, nn.functional.pad(input, (0, 1)) if self.uneven else input)

    HeConv1d.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        HeConv1d.forward = chosen  # type: ignore[method-assign]


def moved_by_layout(model: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        found = model(x)
        with plain_layout():
            expected = model(x)
    return float((found - expected).abs().max() / expected.abs().max())


def matrix_units(size: int = 1024) -> float:
    """How much less time a matrix product takes in bfloat16."""
    a = torch.randn(size, size)
    b = a.bfloat16()
    single, half = processor_time([lambda: a @ a, lambda: b @ b], 7)
    return single / half


def import_time(*modules: str) -> float:
    """Seconds of processor time that importing takes in a fresh interpreter, the shortest of five."""
    code = f"import time; t = time.process_time(); import {', '.join(modules)}; print(time.process_time() - t)"
    return min(float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"import torch {import_time('torch'):.2f} s, then ecg_backbones {import_time('torch', 'ecg_backbones'):.2f} s in all")
    print(f"bfloat16 matrix products are {matrix_units():.1f} times as fast as float32 (matrix units: 3 and more)")
    try:
        import torch_ecg.model_configs as configs
        import torch_ecg.models as theirs
    except ImportError as error:
        print(f"torch_ecg was left out, and so were the ratios to it: {error}")
        return
    print(f"{'ratio to torch_ecg':22s} {'forward':>8s} {'training':>8s} {'bf16 fwd':>8s} {'bf16 trn':>8s} {'moved':>8s}")
    ratios = []
    x = torch.randn(arguments.batch, 12, arguments.samples)
    for name, family, config in PAIRS:
        torch.manual_seed(0)
        mine, peer = BACKBONES.build(name, in_leads=12), getattr(theirs, family)(12, **getattr(configs, config))
        mine.eval(), peer.eval()
        times = processor_time([forward(peer, x), forward(mine, x), forward(mine, x, torch.bfloat16)], arguments.repeats)
        moved = moved_by_layout(mine, x)
        mine.train(), peer.train()
        steps = [training_step(peer, x), training_step(mine, x), training_step(mine, x, torch.bfloat16)]
        trained = processor_time(steps, arguments.repeats)
        ratios.append((times[0] / times[1], trained[0] / trained[1], times[0] / times[2], trained[0] / trained[2]))
        print(f"{name:22s} " + " ".join(f"{ratio:8.2f}" for ratio in ratios[-1]) + f" {moved:8.0e}", flush=True)
    means = [exp(sum(map(log, column)) / len(column)) for column in zip(*ratios, strict=True)]
    print(f"{'geometric mean':22s} " + " ".join(f"{mean:8.2f}" for mean in means))


if __name__ == "__main__":
    main()

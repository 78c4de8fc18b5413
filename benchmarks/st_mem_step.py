"""Speed of one ST-MEM training step (forward and backward): records per second, beside what its matrix products alone would cost.

    python benchmarks/st_mem_step.py [--backbone vit_small] [--batch 16] [--samples 2250] [--steps 5] [--threads 1] [--device cpu]

The bound is the step's FLOPs (counted) at the rate that a plain matrix product of the encoder's shape reaches in the same
process and precision, measured in turn with the steps, so that other load on the machine hits both.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL


def seconds(work: Callable[[], object], device: str) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def gemm_rate(rows: int, width: int, dtype: torch.dtype, device: str) -> float:
    """FLOP/s of ``(rows, width) @ (width, 4 width)``, the first layer of a block's perceptron."""
    a, b = torch.randn(rows, width, device=device, dtype=dtype), torch.randn(width, 4 * width, device=device, dtype=dtype)
    flops = 8 * rows * width**2
    repeats = max(1, int(2e10 / flops))
    return flops * repeats / seconds(lambda: [a @ b for _ in range(repeats)], device)


def main() -> None:
    """Measure float32 and bfloat16 and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="vit_small")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--samples", type=int, default=2250)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    method = SSL.build("st_mem", backbone=BACKBONES.build(args.backbone, in_leads=12)).to(args.device)
    batch = Batch(torch.randn(args.batch, 12, args.samples), 250.0, STANDARD_12).to(args.device)
    visible = int(args.samples // method.backbone.patch_size * (1 - method.mask_ratio) + 1e-6)
    tokens = args.batch * 12 * (method.backbone.prefix + visible + method.backbone.suffix)

    def step(dtype: torch.dtype) -> None:
        method.zero_grad(set_to_none=True)
        with torch.autocast(args.device, torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = method.loss(batch).total
        loss.backward()

    with FlopCounterMode(display=False) as counter:
        step(torch.bfloat16)  # on a CPU, attention is then plain matrix products, every one of which is counted
    flops = counter.get_total_flops()
    print(f"{args.backbone}, batch {args.batch}, 12 x {args.samples}, {args.device}, {args.threads} thread(s): ", end="")
    print(f"{flops / args.batch / 1e9:.1f} GFLOP per record")
    for dtype in (torch.float32, torch.bfloat16):
        step(dtype)
        turns = [
            (seconds(partial(step, dtype), args.device), gemm_rate(tokens, method.backbone.width, dtype, args.device))
            for _ in range(args.steps)
        ]
        took, rate = (statistics.median(column) for column in zip(*turns, strict=True))
        print(f"{dtype}: {args.batch / took:.2f} records/s, {flops / took / 1e9:.0f} GFLOP/s; ", end="")
        print(f"matrix products alone {args.batch * rate / flops:.2f} records/s; ratio {flops / rate / took:.2f}")


if __name__ == "__main__":
    main()

"""Speed of self-supervised training: steps, losses, momentum updates, and how cost grows with length and leads.

    python benchmarks/self_supervised.py [--part step|loss|momentum|growth] [--backbone vit_small] [--batch 16] [--threads 1]

Every number is a ratio against something timed in turn with it in the same process, so that other load on the machine hits both:
- `step`: an ST-MEM training step (forward and backward) in float32 and bfloat16, beside the same weights with the fused attention
  that a plain implementation calls everywhere, and beside what its matrix products alone would cost (MFU against that rate).
- `loss`: NT-Xent, forward and backward, beside the textbook formula that holds all similarities, with the memory of both.
- `momentum`: one update of a momentum encoder beside a loop over its tensors.
- `growth`: FLOPs and time of a training step with longer windows and with more leads: convolutions, tokens per lead, tokens over
  all leads; `--picture growth.png` draws it.

(Not called `ssl.py`: that would hide the standard library's `ssl` from every script in this folder.)
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import ecg_core.layers.attention as attention
from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl import nt_xent
from ecg_ssl.momentum import follow

GFLOP = 1e9


def in_turn(*works: Callable[[], object], turns: int = 5, device: str = "cpu") -> list[float]:
    """Median seconds of each, measured one after the other, turn by turn, after one call that warms up."""

    def seconds(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    for work in works:
        work()
    rounds = [[seconds(work) for work in works] for _ in range(turns)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


@contextmanager
def plain_attention() -> Any:
    """The fused kernel everywhere, as a plain implementation has it."""
    with mock.patch.object(attention, "attend", F.scaled_dot_product_attention):
        yield


def training_step(method: Any, batch: Batch, dtype: torch.dtype) -> Callable[[], None]:
    """Forward and backward of one batch."""

    def step() -> None:
        method.zero_grad(set_to_none=True)
        with torch.autocast(batch.signal.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = method.loss(batch).total
        loss.backward()

    return step


def flops_of(step: Callable[[], None]) -> int:
    """Counted FLOPs of a step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def products(rows: int, width: int, dtype: torch.dtype, device: str) -> tuple[Callable[[], object], float]:
    """Products ``(rows, width) @ (width, 4 width)``, the first layer of a block's perceptron, and their FLOPs."""
    a, b = torch.randn(rows, width, device=device, dtype=dtype), torch.randn(width, 4 * width, device=device, dtype=dtype)
    repeats = max(1, int(2e10 / (8 * rows * width**2)))
    return lambda: [a @ b for _ in range(repeats)], 8.0 * rows * width**2 * repeats


def measure_step(args: argparse.Namespace) -> None:
    """ST-MEM's step in two precisions."""
    method = SSL.build("st_mem", backbone=BACKBONES.build(args.backbone, in_leads=12)).to(args.device)
    batch = Batch(torch.randn(args.batch, 12, args.samples), 250.0, STANDARD_12).to(args.device)
    backbone = method.backbone
    visible = int(args.samples // backbone.patch_size * (1 - method.mask_ratio) + 1e-6)
    tokens = args.batch * 12 * (backbone.prefix + visible + backbone.suffix)
    # On a CPU in bfloat16 attention is three plain operations, every one of which is counted.
    flops = flops_of(training_step(method, batch, torch.bfloat16))
    setting = f"{args.backbone}, batch {args.batch}, 12 x {args.samples}, {args.threads} thread(s) of {args.device}"
    print(f"ST-MEM, {setting}: {flops / args.batch / GFLOP:.1f} GFLOP per record")
    took = {}
    for dtype in (torch.float32, torch.bfloat16):
        ours = training_step(method, batch, dtype)

        def plain(step: Callable[[], None] = ours) -> None:
            with plain_attention():
                step()

        matrix, count = products(tokens, backbone.width, dtype, args.device)
        own, other, bound = in_turn(ours, plain, matrix, turns=args.turns, device=args.device)
        took[dtype] = own, other
        name, rate = str(dtype).removeprefix("torch."), count / bound
        print(f"  {name:9} {args.batch / own:6.2f} records/s, {flops / own / GFLOP:4.0f} GFLOP/s, ", end="")
        print(f"{flops / own / rate:.0%} of the rate of matrix products ({rate / GFLOP:.0f} GFLOP/s)")
        print(f"            the plain graph takes {other / own:.2f} times as long")
    ratio = took[torch.float32][1] / took[torch.bfloat16][0]
    print(f"  ours in bfloat16 against the plain graph in float32: {ratio:.2f} times as fast")


def textbook(z_a: Tensor, z_b: Tensor, temperature: float) -> Tensor:
    """NT-Xent as it is written down: all similarities, the own one out, cross-entropy."""
    z = F.normalize(torch.cat([z_a, z_b]), dim=1)
    logits = (z @ z.T / temperature).masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf"))
    partner = torch.arange(len(z)).roll(len(z_a))
    return F.cross_entropy(logits, partner)


def contrast(loss: Callable[..., Tensor], windows: int) -> Callable[[], None]:
    """Forward and backward of a loss over two views of so many windows."""
    generator = torch.Generator().manual_seed(0)
    z = [torch.randn(windows, 128, generator=generator, requires_grad=True) for _ in range(2)]

    def work() -> None:
        for view in z:
            view.grad = None
        loss(*z, temperature=0.1).backward()

    return work


def extra_memory(which: str, windows: int) -> float:
    """MB that a process of its own needs more at its peak, once it has done the same for few windows."""
    code = f"import ssl_benchmark as b; print(b.peak({which!r}, {windows}))"
    path = Path(__file__).resolve()
    load = (
        f"import importlib.util, sys; spec = importlib.util.spec_from_file_location('ssl_benchmark', {str(path)!r}); "
        "module = importlib.util.module_from_spec(spec); sys.modules['ssl_benchmark'] = module; spec.loader.exec_module(module); "
    )
    return float(subprocess.run([sys.executable, "-c", load + code], check=True, capture_output=True, text=True).stdout)


def peak(which: str, windows: int) -> float:
    """What the process of :func:`extra_memory` does."""
    torch.set_num_threads(1)
    loss = {"ours": nt_xent, "textbook": textbook}[which]
    contrast(loss, 64)()
    before = _high_water()
    contrast(loss, windows)()
    return _high_water() - before


def _high_water() -> float:
    """MB this process has held at most; of its own memory map, which a child does not inherit as it does ``ru_maxrss``."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure_loss(args: argparse.Namespace) -> None:
    """NT-Xent for growing batches."""
    print("NT-Xent of 128 dimensions, forward and backward, beside the textbook formula")
    for windows in (256, 1024, 4096, 8192):
        turns = max(1, args.turns if windows < 8192 else 2)
        own, other = in_turn(contrast(nt_xent, windows), contrast(textbook, windows), turns=turns)
        memory = extra_memory("ours", windows), extra_memory("textbook", windows)
        fast = f"{own * 1e3:7.1f} ms, {other / own:.2f} times as fast"
        print(f"  {windows:5} windows: {fast}; {memory[0]:.0f} MB and {memory[1]:.0f} MB")


def measure_momentum(args: argparse.Namespace) -> None:
    """One update of all parameters of a ViT-B."""
    online, target = (BACKBONES.build("vit_base", in_leads=12) for _ in range(2))
    mine, theirs = list(target.parameters()), list(online.parameters())

    @torch.no_grad()
    def loop() -> None:
        for a, b in zip(mine, theirs, strict=True):
            a.data = a.data * 0.99 + b.data * (1 - 0.99)

    own, other = in_turn(lambda: follow(target, online, 0.99), loop, turns=3 * args.turns)
    count = sum(p.numel() for p in mine)
    print(f"momentum update of {count / 1e6:.0f} M parameters: {own * 1e3:.0f} ms, {other / own:.2f} times as fast as a loop")


def measure_growth(args: argparse.Namespace) -> None:
    """Cost over length and leads, printed, and drawn with ``--picture``."""
    plans: Sequence[tuple[str, str, str]] = (
        ("convolutions", "simclr", "resnet18"),
        ("tokens per lead", "st_mem", "vit_tiny"),
        ("tokens over all leads", "mtae", "vit_time_tiny"),
    )
    lengths, counts = (1250, 2500, 5000, 10000), (1, 2, 4, 8, 12)
    found: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = {}
    for label, method, backbone in plans:

        def cost(leads: int, samples: int, method: str = method, backbone: str = backbone) -> tuple[float, float]:
            learner = SSL.build(method, backbone=BACKBONES.build(backbone, in_leads=leads))
            batch = Batch(torch.randn(4, leads, samples), 500.0, STANDARD_12[:leads])
            step = training_step(learner, batch, torch.float32)
            step()  # lazy sizes first
            with plain_attention(), mock.patch.object(attention, "attend", _counted_attention):
                flops = flops_of(step)
            return flops / 4 / GFLOP, in_turn(step, turns=2)[0] / 4 * 1e3

        found[label] = [cost(12, samples) for samples in lengths], [cost(leads, 5000) for leads in counts]
        print(f"{label} ({method}, {backbone}): GFLOP and ms per record")
        titles = ("12 leads, samples", "5000 samples, leads")
        for title, ticks, costs in zip(titles, (lengths, counts), found[label], strict=True):
            print(f"  {title} " + "; ".join(f"{n}: {f:.1f}, {t:.0f}" for n, (f, t) in zip(ticks, costs, strict=True)))
    if args.picture:
        draw(found, lengths, counts, args.picture)


def _counted_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention in products that the counter sees; the fused kernel of the CPU is invisible to it."""
    return ((query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)).softmax(dim=-1) @ value


def draw(found: dict[str, Any], lengths: Sequence[int], counts: Sequence[int], path: Path) -> None:
    """Two panels, both axes logarithmic: a straight line of slope one is a cost in proportion."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, place, ticks, title in (
        (panels[0], 0, lengths, "samples, 12 leads"),
        (panels[1], 1, counts, "leads, 5000 samples"),
    ):
        for label, costs in found.items():
            panel.plot(ticks, [flops for flops, _ in costs[place]], "o-", label=label)
        panel.set(xscale="log", yscale="log", xlabel=title)
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("GFLOP of a training step per record")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure one part or all."""
    parts = {"step": measure_step, "loss": measure_loss, "momentum": measure_momentum, "growth": measure_growth}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--backbone", default="vit_small")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--samples", type=int, default=2250)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--picture", type=Path, help="draw the growth of cost here")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    for name, part in parts.items():
        if args.part in (name, "all"):
            part(args)


if __name__ == "__main__":
    main()

"""Which memory layout suits which convolution over time? The micro-benchmark behind `ecg_backbones.layers.convolution`.

    OMP_NUM_THREADS=1 python benchmarks/convolution_layouts.py

Each line is a layer as it occurs in a backbone; its forward pass, and forward and backward together, in milliseconds of processor
time (the shortest of the repeats): as torch computes it over one axis, and as a convolution over two with the channels
innermost in memory, the signal lying along the first or along the second of them. Converting to the other layout and back is
counted. A layer should leave torch's own layout only where another is faster in what it is used for.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# Name, channels in and out, taps, stride, samples, groups.
LAYERS = (
    ("stem", 12, 64, 15, 2, 5000, 1),
    ("3 taps", 64, 64, 3, 1, 1250, 1),
    ("17 taps", 64, 64, 17, 1, 1250, 1),
    ("9 taps", 128, 128, 9, 1, 625, 1),
    ("pointwise", 128, 256, 1, 1, 625, 1),
    ("32 groups", 512, 512, 9, 1, 160, 32),
    ("depthwise, 9 taps", 128, 128, 9, 1, 1250, 128),
    ("depthwise, 15 taps", 128, 128, 15, 1, 1250, 128),
    ("the same, stride 2", 128, 128, 15, 2, 1250, 128),
)


def over_one_axis(x: Tensor, weight: Tensor, stride: int, groups: int) -> Tensor:
    return F.conv1d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)


def over_two_axes(axis: int) -> Callable[[Tensor, Tensor, int, int], Tensor]:
    """The signal along axis 2 or 3, the other being of length 1."""
    other = 5 - axis

    def act(x: Tensor, weight: Tensor, stride: int, groups: int) -> Tensor:
        reach, layout = weight.shape[-1] // 2, torch.channels_last
        x, weight = (each.unsqueeze(other).contiguous(memory_format=layout) for each in (x, weight))
        strides, padding = ((stride, 1), (reach, 0)) if axis == 2 else ((1, stride), (0, reach))
        return F.conv2d(x, weight, stride=strides, padding=padding, groups=groups).squeeze(other).contiguous()

    return act


WAYS = {"one axis": over_one_axis, "first of two": over_two_axes(2), "second of two": over_two_axes(3)}


def milliseconds(acts: list[Callable[[], object]], repeats: int) -> list[float]:
    """Shortest processor time of each, taking turns."""
    shortest = [float("inf")] * len(acts)
    for repeat in range(repeats + 1):
        for i, act in enumerate(acts):
            start = time.process_time()
            act()
            if repeat:  # the first is for warming up
                shortest[i] = min(shortest[i], time.process_time() - start)
    return [1e3 * seconds for seconds in shortest]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'forward / with backward, ms':32s}" + "".join(f"{way:>18s}" for way in WAYS))
    for name, wide, out, taps, stride, samples, groups in LAYERS:
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.randn(arguments.batch, wide, samples, dtype=dtype).requires_grad_(name != "stem")
            weight = torch.randn(out, wide // groups, taps, dtype=dtype).requires_grad_()
            asked = torch.randn_like(over_one_axis(x, weight, stride, groups))

            def forward(way: Callable[..., Tensor]) -> Callable[[], object]:
                def act() -> object:
                    with torch.no_grad():
                        return way(x, weight, stride, groups)  # noqa: B023  # called before the next layer

                return act

            def both(way: Callable[..., Tensor]) -> Callable[[], object]:
                return lambda: way(x, weight, stride, groups).backward(asked)  # noqa: B023

            found = milliseconds([forward(way) for way in WAYS.values()], arguments.repeats)
            trained = milliseconds([both(way) for way in WAYS.values()], arguments.repeats)
            line = "".join(f"{f:9.1f} /{t:7.1f}" for f, t in zip(found, trained, strict=True))
            print(f"{name:22s}{str(dtype).removeprefix('torch.'):10s}{line}", flush=True)


if __name__ == "__main__":
    main()

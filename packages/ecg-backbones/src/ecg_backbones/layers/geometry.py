"""Geometry: what a chain of convolutions and poolings does to the time axis, by arithmetic.

Each layer takes ``samples`` to ``floor((samples + padding - dilation * (kernel_size - 1) - 1) / stride) + 1`` steps. Folding
these gives the steps for every length, the stride, what one step can see, and where it looks (Araujo, Norris, Sim,
"Computing receptive fields of convolutional neural networks", Distill 2019).

>>> stem = Geometry().then(7, stride=2).then(3, stride=2)
>>> stem.stride, stem.receptive_field, stem.steps(101)
(4, 11, 26)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ecg_core.contracts.backbone import Stage

__all__ = ["Geometry"]


class _Layer(NamedTuple):
    kernel_size: int
    stride: int
    left: int
    right: int

    def steps(self, samples: int) -> int:
        return max(0, (samples + self.left + self.right - self.kernel_size) // self.stride + 1)


@dataclass(frozen=True)
class Geometry:
    """The time axis after a chain of layers; immutable, so that branches can go on from one place.

    Args:
        layers: The layers that change the steps, in order; made by :meth:`then`.
        stride: Samples of the input from one step to the next.
        centre: Sample that step 0 looks at.
        receptive_field: Samples that one step sees.
    """

    layers: tuple[_Layer, ...] = ()
    stride: int = 1
    centre: float = 0.0
    receptive_field: int = 1

    def then(
        self, kernel_size: int, *, stride: int = 1, dilation: int = 1, padding: int | tuple[int, int] | None = None
    ) -> Geometry:
        """Followed by a convolution or pooling.

        Args:
            kernel_size: Taps.
            stride: Steps of its input per step of its output.
            dilation: Steps between taps.
            padding: Steps added on both sides, or ``(left, right)``; ``None`` pads to the same length, with the odd one of an
                even kernel on the right.
        """
        width = dilation * (kernel_size - 1) + 1
        if padding is None:
            padding = ((width - 1) // 2, width // 2)
        left, right = (padding, padding) if isinstance(padding, int) else padding
        layer = _Layer(width, stride, left, right)
        keeps = stride == 1 and left + right == width - 1
        return Geometry(
            self.layers if keeps else (*self.layers, layer),
            self.stride * stride,
            self.centre + self.stride * ((width - 1) / 2 - left),
            self.receptive_field + self.stride * (width - 1),
        )

    def joined(self, others: Iterable[Geometry]) -> Geometry:
        """With branches that end on the same steps, added or concatenated: what is seen is what any branch sees."""
        every = (self, *others)
        first = min(g.centre - (g.receptive_field - 1) / 2 for g in every)
        last = max(g.centre + (g.receptive_field - 1) / 2 for g in every)
        # Symmetric about the centre of the main branch, so that the stated window holds every branch's.
        half = max(self.centre - first, last - self.centre)
        return Geometry(self.layers, self.stride, self.centre, int(2 * half) + 1)

    def steps(self, samples: int) -> int:
        """Steps for an input of this many samples."""
        for layer in self.layers:
            samples = layer.steps(samples) if samples > 0 else 0
        return samples

    @property
    def min_samples(self) -> int:
        """Shortest input that leaves a step in every layer."""
        needed = 1
        for layer in reversed(self.layers):
            needed = max(1, (needed - 1) * layer.stride + layer.kernel_size - layer.left - layer.right)
        return needed

    def stage(self, channels: int, *, sees_all: bool = False) -> Stage:
        """What a backbone states of the map here; ``sees_all`` where some layer looks at the whole window."""
        return Stage(channels, self.stride, self.centre, None if sees_all else self.receptive_field)

"""Residual networks whose blocks are steps of a Runge–Kutta scheme instead of Euler's.

Luo, Sun, Cai, Gan, Zhang, "Rethinking ResNets: improved stacking strategies with high-order schemes for image classification",
arXiv:2103.15244. A residual block is an Euler step ``x + f(x)``; a block of higher order evaluates several functions, each
with its own weights, and needs no more parameters than as many Euler blocks: 4n of Euler, 2n of midpoint, n of fourth order.

Differs from the paper: one axis instead of two and longer kernels; the scheme of eighth order is that of Cooper and Verner
(eleven stages), because the one in the authors' code is none: its weights do not sum to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.stem import Stem
from ecg_backbones.tableaux import TABLEAUX, Tableau, runge_kutta_step
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone

__all__ = ["ResidualFunction", "RungeKuttaBlock", "RungeKuttaResNet", "midpoint_resnet", "rk4_resnet", "rk8_resnet"]

Scheme = Literal["euler", "midpoint", "heun", "rk4", "rk8"]


class ResidualFunction(nn.Module):
    """What a pre-activation block adds to its input: normalise, activate, convolve, twice (He et al. 2016, arXiv:1603.05027).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd kernel length, in steps.
        stride: Input steps per output step.

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm1d(in_channels)
        self.conv1 = same_conv1d(in_channels, out_channels, kernel_size, stride=stride)
        self.norm2 = nn.BatchNorm1d(out_channels)
        self.conv2 = same_conv1d(out_channels, out_channels, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """The increment."""
        return self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the function."""
        return self.conv2.after(self.conv1.after(before))


class RungeKuttaBlock(nn.Module):
    """One step of a scheme, with a function of its own for every stage.

    The first function changes steps and channels; beside it the input is subsampled and padded with channels of zeros, which
    has no parameters (option A of He et al. 2016).

    Args:
        tableau: The scheme.
        in_channels: Channels of the input.
        out_channels: Channels of the output, at least as many.
        kernel_size: Odd kernel length, in steps.
        stride: Input steps per output step.
        step_size: Length of the step.

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``
    """

    def __init__(
        self,
        tableau: Tableau,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int = 1,
        step_size: float = 1.0,
    ) -> None:
        super().__init__()
        self.tableau, self.stride, self.step_size = tableau, stride, step_size
        self.fill = out_channels - in_channels
        self.functions = nn.ModuleList(
            ResidualFunction(
                out_channels if number else in_channels, out_channels, kernel_size=kernel_size, stride=1 if number else stride
            )
            for number in range(tableau.stages)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        origin = x if self.stride == 1 else x[..., :: self.stride]
        if self.fill:
            origin = F.pad(origin, (0, 0, 0, self.fill))
        return runge_kutta_step(self.tableau, list(self.functions), x, step_size=self.step_size, origin=origin)

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the block."""
        for function in self.functions:
            assert isinstance(function, ResidualFunction)
            before = function.after(before)
        return before


class RungeKuttaResNet(Backbone):
    """A stem, stages of Runge–Kutta blocks, and a last normalisation and activation.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        scheme: Which step a block takes: ``"euler"`` (a pre-activation ResNet), ``"midpoint"``, ``"heun"``, ``"rk4"`` or
            ``"rk8"``, of 1, 2, 2, 4 and 11 functions.
        widths: Channels of each stage, which do not fall. The first stage halves nothing, every other one halves the steps.
        depths: Blocks in each stage.
        stem_kernel_size: Odd kernel length of the first convolution, in samples.
        kernel_size: Odd kernel length of the blocks, in steps.
        step_size: Length of a step.
        kernel_scale: Multiplies the kernel lengths.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], ceil(samples / stride))`` with ``stride = 2 ** (len(widths) + 1)``

    Raises:
        ValueError: There is no such scheme, ``widths`` and ``depths`` differ in length, are empty or fall, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2103.15244", "doi:10.1137/0709037")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        scheme: Scheme = "euler",
        widths: Sequence[int] = (64, 128, 256),
        depths: Sequence[int] = (4, 4, 4),
        stem_kernel_size: int = 15,
        kernel_size: int = 7,
        step_size: float = 1.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if scheme not in TABLEAUX:
            raise ValueError(f"scheme must be one of {', '.join(TABLEAUX)}, got {scheme!r}")
        if len(widths) != len(depths) or not widths or list(widths) != sorted(widths):
            raise ValueError(
                f"each stage needs a width and a depth, and widths must not fall, got widths={tuple(widths)}, "
                f"depths={tuple(depths)}"
            )
        self.stem = Stem(in_leads, widths[:1], kernel_size=scaled_kernel(stem_kernel_size, kernel_scale))
        self.blocks = nn.ModuleList()
        seen, channels, stages = self.stem.after(Geometry()), widths[0], []
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            stage = nn.Sequential()
            for index in range(depth):
                block = RungeKuttaBlock(
                    TABLEAUX[scheme],
                    channels,
                    width,
                    kernel_size=scaled_kernel(kernel_size, kernel_scale),
                    stride=2 if number and not index else 1,
                    step_size=step_size,
                )
                stage.append(block)
                seen, channels = block.after(seen), width
            self.blocks.append(stage)
            stages.append(seen.stage(width))
        self.norm = nn.BatchNorm1d(channels)
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"widths": (4, 6), "depths": (1, 1), "kernel_size": 3, "stem_kernel_size": 5}
        refused = [{"scheme": "rk3"}, {"widths": (6, 4)}, {"depths": (1,)}]
        return {"arguments": tiny, "leads": 3, "samples": 120, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        return self.stem.in_leads

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage; the last is normalised and activated."""
        self.check_input(x)
        x = self.stem(x)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        features[-1] = F.relu(self.norm(x))
        return features


midpoint_resnet = Variant(RungeKuttaResNet, {"scheme": "midpoint", "depths": (2, 2, 2)})
rk4_resnet = Variant(RungeKuttaResNet, {"scheme": "rk4", "depths": (1, 1, 1)})
rk8_resnet = Variant(RungeKuttaResNet, {"scheme": "rk8", "depths": (1, 1, 1)})

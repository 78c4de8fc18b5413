"""ResNet over time.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016 (basic block, option B shortcuts).
On ECGs: Ribeiro et al., "Automatic diagnosis of the 12-lead ECG using a deep neural network", Nature Communications
2020; Strodthoff et al., "Deep learning for ECG analysis: benchmarks and insights from PTB-XL", IEEE JBHI 2021.

Differs from the paper: one axis instead of two, and longer kernels. A 3x3 kernel sees 9 neighbours, a 1-D kernel only
as many as it is long, and the ECG's small waves are wide in samples: at 250 Hz a QRS complex lasts about 25. The stem's
15 samples span 60 ms and each 7-tap convolution of the first stage 112 ms (one step is 4 samples there), which is the
scale of Ribeiro's 17 samples at 400 Hz. The features of ``resnet18`` see 1291 samples, 5.2 s at 250 Hz: several beats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from ecg_backbones.layers.convolution import same_conv1d
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone, Stage

__all__ = ["BasicBlock", "ResNet", "resnet18"]


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016, figure 5 left).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd kernel length of both convolutions, in steps.
        stride: Input steps per output step.

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = same_conv1d(in_channels, out_channels, kernel_size, stride=stride)
        self.norm1 = nn.BatchNorm1d(out_channels)
        self.conv2 = same_conv1d(out_channels, out_channels, kernel_size)
        self.norm2 = nn.BatchNorm1d(out_channels)
        self.activation = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(same_conv1d(in_channels, out_channels, 1, stride=stride), nn.BatchNorm1d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y = self.activation(self.norm1(self.conv1(x)))
        return self.activation(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(Backbone):
    """Residual network over time.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        widths: Channels of each stage. The first stage halves nothing, every other one halves the steps.
        depths: Residual blocks in each stage.
        stem_kernel_size: Odd kernel length of the first convolution, in samples.
        kernel_size: Odd kernel length of the blocks, in steps.
        zero_init: Start every block as the identity, by a zero scale in its last normalisation (Goyal et al. 2017,
            section 5.1).

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], ceil(samples / stride))`` with ``stride = 2 ** (len(widths) + 1)``

    Raises:
        ValueError: ``widths`` and ``depths`` differ in length or are empty, or a kernel is even.
    """

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (2, 2, 2, 2),
        stem_kernel_size: int = 15,
        kernel_size: int = 7,
        zero_init: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) != len(depths) or not widths:
            raise ValueError(f"each stage needs a width and a depth, got widths={tuple(widths)}, depths={tuple(depths)}")
        self.stem = nn.Sequential(
            same_conv1d(in_leads, widths[0], stem_kernel_size, stride=2),
            nn.BatchNorm1d(widths[0]),
            nn.ReLU(),
        )
        self.blocks = nn.ModuleList()
        channels = widths[0]
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            strides = [1 if number == 0 else 2] + [1] * (depth - 1)
            inputs = [channels] + [width] * (depth - 1)
            stage = [BasicBlock(c, width, kernel_size=kernel_size, stride=s) for c, s in zip(inputs, strides, strict=True)]
            self.blocks.append(nn.Sequential(*stage))
            channels = width
        self.stages = tuple(Stage(width, 4 * 2**number) for number, width in enumerate(widths))
        if zero_init:
            for block in self.modules():
                if isinstance(block, BasicBlock):
                    nn.init.zeros_(block.norm2.weight)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"leads": 3, "samples": 300, "refused": [{"kernel_size": 4}, {"widths": (8, 16), "depths": (1,)}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        first = self.stem[0]
        assert isinstance(first, nn.Conv1d)
        return None if isinstance(first.weight, UninitializedParameter) else first.weight.shape[1]

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage, ``(batch, widths[i], ceil(samples / stages[i].stride))``."""
        self.check_input(x)
        # Asked for its indices, the pooling accepts any length in an exported program; without, only the traced one.
        x, _ = F.max_pool1d(self.stem(x), 3, stride=2, padding=1, return_indices=True)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return features


resnet18 = Variant(ResNet, {"widths": (64, 128, 256, 512), "depths": (2, 2, 2, 2)})

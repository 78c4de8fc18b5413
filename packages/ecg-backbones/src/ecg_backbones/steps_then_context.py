"""Steps, then context: the build that wav2vec 2.0 (Baevski et al. 2020) and HuBERT (Hsu et al. 2021) share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.post_norm import ConvolutionalPositions, PostNormBlock
from ecg_core.contracts.backbone import Backbone

__all__ = ["StepsThenContext"]


class StepsThenContext(Backbone):
    """Convolutions whose steps see a few samples each, then blocks that see the whole window.

    :meth:`local` and :meth:`contextual` are its two halves, for methods that hide steps between them. A subclass calls
    :meth:`build` in its constructor, and states its stages.
    """

    width: int
    conv_width: int
    _geometry: Geometry

    def build(
        self,
        convolutions: Sequence[nn.Module],
        geometry: Geometry,
        *,
        conv_width: int,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        position_kernel: int,
        position_groups: int,
        dropout: float,
        layer_drop: float = 0.0,
    ) -> None:
        """Make the layers.

        Raises:
            ValueError: ``width`` is no multiple of ``heads`` and ``position_groups``.
        """
        if width % heads or width % position_groups:
            raise ValueError(f"width must be a multiple of heads and position_groups, got {width}, {heads} and {position_groups}")
        self.width, self.conv_width, self._geometry = width, conv_width, geometry
        self.convolutions = nn.ModuleList(convolutions)
        self.channel_norm = nn.GroupNorm(conv_width, conv_width)
        self.local_norm = nn.LayerNorm(conv_width)
        self.project = nn.Linear(conv_width, width)
        self.positions = ConvolutionalPositions(width, position_kernel, position_groups)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            PostNormBlock(width, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout, skip=layer_drop) for _ in range(depth)
        )

    @abstractmethod
    def sequence(self, x: Tensor) -> Tensor:
        """What the convolutions look at, ``(batch, channels, samples)``, of ``(batch, leads, samples)``."""

    def local(self, x: Tensor) -> Tensor:
        """What the convolutions make of the signal, ``(batch, steps, conv_width)``, not normalised yet."""
        x = self.sequence(x)
        for number, convolution in enumerate(self.convolutions):
            x = convolution(x)
            x = nn.functional.gelu(self.channel_norm(x) if number == 0 else x)
        return x.transpose(1, 2)

    def frames(self, x: Tensor) -> Tensor:
        """The samples that each step of the local features sees, ``(batch, steps, channels, samples of a step)``."""
        return self.sequence(x).unfold(-1, self._geometry.receptive_field, self._geometry.stride).transpose(1, 2)

    def embed(self, local: Tensor) -> Tensor:
        """Normalised local features as tokens ``(batch, steps, width)``."""
        return self.project(self.local_norm(local))

    def contextual(self, tokens: Tensor) -> Tensor:
        """Tokens ``(batch, steps, width)`` with positions, through the blocks."""
        return self.block_outputs(tokens)[-1]

    def block_outputs(self, tokens: Tensor) -> list[Tensor]:
        """The tokens in front of the first block and behind each, ``(batch, steps, width)`` each."""
        x = tokens + self.positions(tokens.transpose(1, 2)).transpose(1, 2)
        outputs = [self.dropout(self.norm(x))]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        return outputs

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The map behind the last block."""
        return [self.contextual(self.embed(self.local(x))).transpose(1, 2)]

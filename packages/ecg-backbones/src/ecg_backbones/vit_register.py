"""Vision transformer over patches in time that span all leads, with registers and without a single bias: a JEPA's encoder.

Weimann, Conrad, "Self-supervised pre-training with joint-embedding predictive architecture boosts ECG classification
performance", 2024, arXiv:2410.13867; Darcet et al., "Vision transformers need registers", ICLR 2024, arXiv:2309.16588.

Differs from there: positions are computed for any number of patches.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Stage
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.layers.initialization import start_small
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["RegisterViT", "vit_register_b", "vit_register_s", "vit_register_xs"]


class LazySmallLinear(nn.LazyLinear):
    """A linear layer without bias that takes its input size from its first input and starts small."""

    def reset_parameters(self) -> None:
        """Nothing to draw before the size of the input is known."""
        if not self.has_uninitialized_params() and self.in_features:
            nn.init.trunc_normal_(self.weight, std=0.02)


class RegisterViT(TokenBackbone):
    """Encoder of one token per piece of time, all leads in it, behind tokens that hold what belongs to no time.

    Positions interleave sines and cosines. Features are normalised tokens. Leads are told apart by their place in the patch,
    so that it encodes all of its leads or none.

    Args:
        in_leads: Leads of the input ECG, in this order; ``None`` infers their number from the first batch.
        width: Channels of a token, even.
        depth: Transformer blocks.
        heads: Attention heads, which share the width evenly.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        patch_size: Length of a patch, in samples; 25 are 50 ms at the paper's 500 Hz.
        registers: Learned tokens in front of the patches.
        dropout: Dropout in the blocks.
        drop_path: Probability that a window skips a branch of the last block in training; earlier blocks skip less
            often, in proportion to their depth.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, samples // patch_size)``

    Raises:
        ValueError: The width is odd, or the heads do not divide it.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2410.13867", "arXiv:2309.16588")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 384,
        depth: int = 8,
        heads: int = 6,
        mlp_ratio: float = 4.0,
        patch_size: int = 25,
        registers: int = 1,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if width < 2 or width % 2 or width % heads:
            raise ValueError(f"width must be even and a multiple of the {heads} heads, got {width}")
        self.width, self.patch_size, self.min_samples, self.prefix = width, patch_size, patch_size, registers
        self.stages = (Stage(width, patch_size, centre=(patch_size - 1) / 2),)
        self.patch_embedding = (
            LazySmallLinear(width, bias=False) if in_leads is None else nn.Linear(patch_size * in_leads, width, bias=False)
        )
        # One after another in one row of numbers: weight decay, which is for matrices, leaves them alone.
        self.registers = nn.Parameter(torch.empty(registers * width))
        rates = [drop_path * number / max(depth - 1, 1) for number in range(depth)]
        blocks = [
            TransformerBlock(
                width, heads=heads, head_width=width // heads, mlp_ratio=mlp_ratio, dropout=dropout, drop_path=rate,
                norm_eps=1e-6, qkv_bias=False, bias=False,
            )
            for rate in rates
        ]  # fmt: skip
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width, eps=1e-6, bias=False)
        nn.init.trunc_normal_(self.registers, std=0.02)
        start_small(self, blocks, scale="depth")

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit: two narrow blocks."""
        tiny = {"width": 16, "depth": 2, "heads": 2}
        return {"arguments": tiny, "leads": 3, "samples": 300, "refused": [{"width": 7}, {"heads": 3}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of a patch; ``None`` before the first batch of a lazy encoder."""
        weight = self.patch_embedding.weight
        return None if isinstance(weight, UninitializedParameter) else weight.shape[1] // self.patch_size

    def patchify(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` into ``(batch, 1, columns, leads * patch_size)``, lead by lead; a rest is left out."""
        columns = self.steps(x.shape[-1])
        # Selected rather than sliced: a slice's layout depends on the rest, and an exported program would accept one rest only.
        whole = x.index_select(-1, torch.arange(columns * self.patch_size, device=x.device))
        return whole.unflatten(-1, (columns, self.patch_size)).transpose(1, 2).flatten(2).unsqueeze(1)

    def embed(self, patches: Tensor) -> Tensor:
        """Patches into tokens that know their time, ``(batch, 1, columns, width)``."""
        tokens = self.patch_embedding(patches)
        return tokens + sincos_positions(tokens.shape[2], self.width, like=tokens, layout="interleaved")

    def encode(self, tokens: Tensor, keep: Tensor | None = None, lead_index: Tensor | None = None) -> Tensor:
        """Encode the kept tokens, ``(batch, 1, registers + kept, width)`` with the registers first, normalised.

        Args:
            tokens: ``(batch, 1, columns, width)`` from :meth:`embed`.
            keep: ``(batch, 1, kept)`` columns to keep, in this order; ``None`` keeps all.
            lead_index: Must be ``None``.

        Raises:
            TypeError: Some of the leads only are asked for.
        """
        if lead_index is not None:
            raise TypeError("RegisterViT cannot encode a part of its leads: every patch spans all; use vit_tiny or vit_cropa")
        if keep is not None:
            tokens = tokens.gather(2, keep[..., None].expand(-1, -1, -1, self.width))
        first = self.registers.to(tokens.dtype).view(self.prefix, self.width).expand(tokens.shape[0], -1, -1)
        sequence = torch.cat([first, tokens.squeeze(1)], dim=1)  # a register has no position
        for block in self.blocks:
            sequence = block(sequence)
        return self.norm(sequence).unsqueeze(1)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map: the patch tokens, ``(batch, width, steps)``, normalised."""
        self.check_input(x)
        return [self.encode(self.embed(self.patchify(x)))[:, 0, self.prefix :].transpose(1, 2)]


_NARROW = {"arguments": {"depth": 2, "width": 64, "heads": 1}}  # what the contract kit builds in place of the wider sizes
vit_register_xs = Variant(RegisterViT, {"width": 192, "depth": 8, "heads": 4})
vit_register_s = Variant(RegisterViT, {"width": 384, "depth": 8, "heads": 6}, conformance=_NARROW)
vit_register_b = Variant(RegisterViT, {"width": 768, "depth": 12, "heads": 12}, conformance=_NARROW)

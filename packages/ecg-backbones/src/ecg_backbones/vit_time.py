"""Vision transformer over patches in time that span all leads: the encoder of MTAE.

Zhang et al., "MaeFE: masked autoencoders family of electrocardiogram for self-supervised pretraining and transfer
learning", IEEE Transactions on Instrumentation and Measurement, 2023, in the form that Na et al., ICLR 2024 (ST-MEM),
compare with. The values of a patch stand sample by sample, the leads of a sample together.

Differs from there: positions are computed for any number of patches instead of being stored.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from ecg_backbones.layers.lazy_layer_norm import LazyLayerNorm
from ecg_backbones.vit_class import ClassTokenViT, LazyXavierLinear
from ecg_core.config.configurable import Variant
from ecg_core.layers.positions import sincos_positions

__all__ = ["TimeViT", "vit_time_base", "vit_time_small", "vit_time_tiny"]


class TimeViT(ClassTokenViT):
    """Encoder of one token per piece of time, all leads in it, behind a class token.

    Leads are told apart by their place in the patch, so that it encodes all of its leads or none.

    Args:
        in_leads: Leads of the input ECG, in this order; ``None`` infers their number from the first batch.
        width: Channels of a token, even.
        depth: Transformer blocks.
        heads: Attention heads.
        head_width: Channels of one head; the same for every width.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        patch_size: Length of a patch, in samples; 75 are 300 ms at 250 Hz.
        dropout: Dropout in the blocks.
        drop_path: Probability that a window skips a branch of the last block in training; earlier blocks skip less
            often, in proportion to their depth.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, samples // patch_size)``

    Raises:
        ValueError: The width is odd.
    """

    papers = ("10.1109/TIM.2022.3228267", "2402.09450")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 384,
        depth: int = 12,
        heads: int = 6,
        head_width: int = 64,
        mlp_ratio: float = 4.0,
        patch_size: int = 75,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        if width < 2 or width % 2:
            raise ValueError(f"half of the channels hold sines and half cosines, so width must be even, got {width}")
        if in_leads is None:
            embedding = nn.Sequential(LazyLayerNorm(), LazyXavierLinear(width), nn.LayerNorm(width))
        else:
            values = patch_size * in_leads
            embedding = nn.Sequential(nn.LayerNorm(values), nn.Linear(values, width), nn.LayerNorm(width))
        super().__init__(
            embedding, width=width, depth=depth, heads=heads, head_width=head_width, mlp_ratio=mlp_ratio,
            patch_size=patch_size, dropout=dropout, drop_path=drop_path,
        )  # fmt: skip

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit: two narrow blocks."""
        tiny = {"width": 16, "depth": 2, "heads": 2, "head_width": 8}
        return {"arguments": tiny, "leads": 3, "samples": 300, "refused": [{"width": 7}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of a patch; ``None`` before the first batch of a lazy encoder."""
        weight: Any = self.patch_embedding[1].weight  # no parameter where an adapter is added to it
        return None if isinstance(weight, UninitializedParameter) else weight.shape[1] // self.patch_size

    def patchify(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` into ``(batch, 1, columns, patch_size * leads)``, sample by sample; a rest is left out."""
        columns = self.steps(x.shape[-1])
        # Selected rather than sliced: a slice's layout depends on the rest, and an exported program would accept one rest only.
        whole = x.index_select(-1, torch.arange(columns * self.patch_size, device=x.device))
        return whole.unflatten(-1, (columns, self.patch_size)).permute(0, 2, 3, 1).flatten(2).unsqueeze(1)

    def embed(self, patches: Tensor) -> Tensor:
        """Patches into tokens that know their time, ``(batch, 1, columns, width)``."""
        tokens = self.patch_embedding(patches)
        return tokens + sincos_positions(tokens.shape[2], self.width, like=tokens)

    def placed(self, tokens: Tensor, lead_index: Tensor | None) -> Tensor:
        """The tokens as they are: each is of all leads.

        Raises:
            TypeError: Some of the leads only are asked for.
        """
        if lead_index is not None:
            raise TypeError("TimeViT cannot encode a part of its leads: every patch spans all; use vit_tiny or vit_grid_tiny")
        return tokens

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map: the patch tokens, ``(batch, width, steps)``, un-normalised."""
        self.check_input(x)
        return [self.attended(self.embed(self.patchify(x)), None, None)[:, 0, 1:].transpose(1, 2)]


_NARROW = {"arguments": {"depth": 2, "width": 64, "heads": 1}}  # what the contract kit builds in place of the wider sizes
vit_time_tiny = Variant(TimeViT, {"width": 192, "depth": 12, "heads": 3})
vit_time_small = Variant(TimeViT, {"width": 384, "depth": 12, "heads": 6}, conformance=_NARROW)
vit_time_base = Variant(TimeViT, {"width": 768, "depth": 12, "heads": 12}, conformance=_NARROW)

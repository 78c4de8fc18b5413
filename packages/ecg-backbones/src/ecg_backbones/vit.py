"""Vision transformer over the patches of each lead: the encoder of ST-MEM.

Na, Park, Tae, Joo, "Guiding masked representation learning to capture spatio-temporal relationship of
electrocardiogram", ICLR 2024, arXiv:2402.09450 (ST-MEM); Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021,
arXiv:2010.11929 (ViT).

Differs from the official code: an ECG with fewer leads than the encoder was built for is an error, unless
``lead_index`` says which lead each row is (there, one lead is silently copied to twelve). Positions are computed for
any number of patches instead of being stored.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedParameter

from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Stage
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["LeadEmbedding", "ViT", "vit_base", "vit_small", "vit_tiny"]


class LeadEmbedding(nn.Module):
    """One learnable vector per lead, added to every token of that lead.

    Args:
        leads: Number of leads.
        width: Channels of a token.

    Shape:
        ``(batch, rows, tokens, width)`` to the same
    """

    def __init__(self, leads: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(leads, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors from N(0, 0.02)."""
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, tokens: Tensor, lead_index: Tensor | None = None) -> Tensor:
        """The tokens with the vector of their lead; ``lead_index`` ``(rows,)`` says which lead each row is."""
        vectors = self.weight if lead_index is None else self.weight[lead_index]  # (rows, width)
        if vectors.shape[0] != tokens.shape[1]:
            rows, leads = tokens.shape[1], vectors.shape[0]
            raise ValueError(f"{rows} rows of tokens for {leads} leads; say with lead_index which lead each row is")
        return tokens + vectors[:, None]


class LazyLeadEmbedding(LazyModuleMixin, LeadEmbedding):
    """A :class:`LeadEmbedding` that takes its number of leads from its first input, and from then on is one."""

    cls_to_become = LeadEmbedding
    weight: UninitializedParameter  # type: ignore[assignment]

    def __init__(self, width: int) -> None:
        super().__init__(0, width)
        self.width = width
        self.weight = UninitializedParameter()

    def reset_parameters(self) -> None:
        """Nothing to draw before the number of leads is known."""
        if not self.has_uninitialized_params() and self.weight.numel():
            super().reset_parameters()

    def initialize_parameters(self, tokens: Tensor, lead_index: Tensor | None = None) -> None:
        """Make one vector per row of the first batch."""
        if self.has_uninitialized_params():
            if lead_index is not None:
                raise ValueError("lead_index needs an encoder that knows its leads; build it with in_leads=…")
            self.weight.materialize((tokens.shape[1], self.width))
            self.reset_parameters()


class ViT(TokenBackbone):
    """Encoder of the patches of all leads together, each lead's sequence between two separators.

    A patch is 75 samples, 300 ms at ST-MEM's 250 Hz. Every token carries the position of its patch in time (fixed) and,
    after masking, the vector of its lead (learned). In pre-training every token is normalised; in ST-MEM's classifier
    patch tokens are averaged over leads and time first and normalised then, which is what :meth:`pool` does with the
    un-normalised :meth:`forward_features`.

    Args:
        in_leads: Leads of the input ECG, in this order; ``None`` infers their number from the first batch.
        width: Channels of a token, even.
        depth: Transformer blocks.
        heads: Attention heads.
        head_width: Channels of one head; the same for every width.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        patch_size: Length of a patch, in samples.
        dropout: Dropout in the blocks.
        drop_path: Probability that a window skips a branch of the last block in training; earlier blocks skip less
            often, in proportion to their depth.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, samples // patch_size)``

    Raises:
        ValueError: The width is odd.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2402.09450", "arXiv:2010.11929")

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
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"half of the channels hold sines and half cosines, so width must be even, got {width}")
        self.width, self.patch_size, self.min_samples = width, patch_size, patch_size
        self.prefix = self.suffix = 1
        self.stages = (Stage(width, patch_size, centre=(patch_size - 1) / 2),)
        self.patch_embedding = nn.Sequential(nn.LayerNorm(patch_size), nn.Linear(patch_size, width), nn.LayerNorm(width))
        self.separator = nn.Parameter(torch.empty(width))
        self.lead_embedding = LazyLeadEmbedding(width) if in_leads is None else LeadEmbedding(in_leads, width)
        rates = [drop_path * number / max(depth - 1, 1) for number in range(depth)]
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads=heads, head_width=head_width, mlp_ratio=mlp_ratio, dropout=dropout, drop_path=rate)
            for rate in rates
        )
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.separator, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit: each size by two blocks."""
        return {"arguments": {"depth": 2}, "leads": 3, "samples": 300, "refused": [{"width": 7}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the encoder has vectors for; ``None`` before the first batch of a lazy encoder."""
        weight = self.lead_embedding.weight
        return None if isinstance(weight, UninitializedParameter) else weight.shape[0]

    def patchify(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` into ``(batch, leads, columns, patch_size)``; a rest shorter than a patch is left out."""
        columns = self.steps(x.shape[-1])
        # Selected rather than sliced: a slice's layout depends on the rest, and an exported program would accept one rest only.
        whole = x.index_select(-1, torch.arange(columns * self.patch_size, device=x.device))
        return whole.unflatten(-1, (columns, self.patch_size))

    def embed(self, patches: Tensor) -> Tensor:
        """Patches into tokens that know their time, ``(batch, leads, columns, width)``."""
        tokens = self.patch_embedding(patches)
        return tokens + sincos_positions(tokens.shape[2], self.width, like=tokens)

    def encode(self, tokens: Tensor, keep: Tensor | None = None, lead_index: Tensor | None = None) -> Tensor:
        """Encode the kept tokens, ``(batch, leads, 1 + kept + 1, width)`` with a separator at both ends, normalised.

        Args:
            tokens: ``(batch, leads, columns, width)`` from :meth:`embed`.
            keep: ``(batch, leads, kept)`` columns to keep, in this order; ``None`` keeps all.
            lead_index: ``(leads,)`` which lead each row is; ``None`` means all the encoder was built for, in order.
        """
        return self.norm(self._attended(tokens, keep, lead_index))

    def forward_lead_features(self, x: Tensor, lead_index: Tensor | None = None) -> Tensor:
        """Features of each lead before they are averaged, ``(batch, leads, width, steps)``, un-normalised."""
        self._check_leads(x, lead_index)
        tokens = self._attended(self.embed(self.patchify(x)), None, lead_index)
        return tokens[:, :, self.prefix : -self.suffix].transpose(2, 3)

    def forward_intermediates(self, x: Tensor, lead_index: Tensor | None = None) -> list[Tensor]:
        """One map: the patch tokens averaged over leads, ``(batch, width, steps)``, un-normalised.

        Args:
            x: ``(batch, leads, samples)``.
            lead_index: ``(leads,)`` which of the encoder's leads each row of ``x`` is; ``None`` means all, in order.
        """
        return [self.forward_lead_features(x, lead_index).mean(dim=1)]

    def forward_features(self, x: Tensor, lead_index: Tensor | None = None) -> Tensor:
        """The map of :meth:`forward_intermediates`."""
        return self.forward_intermediates(x, lead_index)[-1]

    def forward(self, x: Tensor, lead_index: Tensor | None = None) -> Tensor:
        """The same as :meth:`forward_features`."""
        return self.forward_features(x, lead_index)

    def pool(self, features: Tensor) -> Tensor:
        """The mean over time, then the last normalisation: ``(batch, width, steps)`` to ``(batch, width)``."""
        return self.norm(features.mean(dim=-1))

    def _attended(self, tokens: Tensor, keep: Tensor | None, lead_index: Tensor | None) -> Tensor:
        if keep is not None:
            tokens = tokens.gather(2, keep[..., None].expand(-1, -1, -1, self.width))
        separator = self.separator.to(tokens.dtype).expand(*tokens.shape[:2], 1, self.width)
        tokens = torch.cat([separator, tokens, separator], dim=2)  # a separator has no position
        rows, columns = tokens.shape[1:3]
        tokens = self.lead_embedding(tokens, lead_index).flatten(1, 2)  # (batch, rows * columns, width), lead by lead
        for block in self.blocks:
            tokens = block(tokens)
        return tokens.unflatten(1, (rows, columns))

    def _check_leads(self, x: Tensor, lead_index: Tensor | None) -> None:
        expected = self.in_leads if lead_index is None else lead_index.shape[0]
        if x.ndim == 3 and expected not in (None, x.shape[1]):
            known = f"was built for {expected} leads" if lead_index is None else f"was told of {expected} leads by lead_index"
            raise ValueError(f"ViT {known}, got {x.shape[1]}; pass a lead_index that says which lead each row of the input is")
        if x.ndim != 3 or x.shape[2] < self.min_samples:
            self.check_input(x)


vit_tiny = Variant(ViT, {"width": 192, "depth": 12, "heads": 3})
vit_small = Variant(ViT, {"width": 384, "depth": 12, "heads": 6})
vit_base = Variant(
    ViT,
    {"width": 768, "depth": 12, "heads": 12},
    conformance={"arguments": {"width": 48, "depth": 1, "heads": 2, "head_width": 8}},  # at its own width the kit is slow
)

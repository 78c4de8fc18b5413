"""Vision transformer over (lead, time) patches in one sequence; with patches as long as the window, the encoder of MLAE.

He et al., "Masked autoencoders are scalable vision learners", CVPR 2022, with leads for the rows of an image; Zhang et
al., "MaeFE: masked autoencoders family of electrocardiogram for self-supervised pretraining and transfer learning", IEEE
Transactions on Instrumentation and Measurement, 2023 (MLAE), in the form that Na et al., ICLR 2024 (ST-MEM), compare with.

Differs from there: positions are computed instead of being stored, and those of a lead are added when tokens are encoded,
so that a part of the leads keeps the positions it was trained with.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.vit_class import ClassTokenViT
from ecg_core.config.configurable import Variant
from ecg_core.layers.positions import sincos_positions

__all__ = [
    "GridViT",
    "vit_grid_base",
    "vit_grid_small",
    "vit_grid_tiny",
    "vit_leads_base",
    "vit_leads_small",
    "vit_leads_tiny",
]


class GridViT(ClassTokenViT):
    """Encoder of the patches of all leads as one sequence, lead by lead, behind a class token.

    Unlike :class:`~ecg_backbones.vit.ViT` it has one row, so that any of its tokens, whole times or whole leads can be hidden.

    Args:
        in_leads: Leads of the input ECG, in this order; ``None`` infers their number from the first batch.
        width: Channels of a token, a multiple of 4 for a grid and even for a sequence.
        depth: Transformer blocks.
        heads: Attention heads.
        head_width: Channels of one head; the same for every width.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        patch_size: Length of a patch, in samples. MLAE takes the window whole, 2250 samples, so that a token is a lead.
        positions: ``"grid"``, half of the channels for time and half for the lead; or ``"sequence"``, MLAE's, the number of
            the token in the sequence, which for patches as long as the window is the number of the lead.
        dropout: Dropout in the blocks.
        drop_path: Probability that a window skips a branch of the last block in training; earlier blocks skip less
            often, in proportion to their depth.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, samples // patch_size)``

    Raises:
        ValueError: The width does not divide into sines and cosines.
    """

    papers = ("2111.06377", "10.1109/TIM.2022.3228267", "2402.09450")

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
        positions: Literal["grid", "sequence"] = "grid",
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        if positions not in ("grid", "sequence"):
            raise ValueError(f"positions must be 'grid' or 'sequence', got {positions!r}")
        parts = 4 if positions == "grid" else 2
        if width < parts or width % parts:
            raise ValueError(f"positions={positions!r} takes a width that is a multiple of {parts}, got {width}")
        embedding = nn.Sequential(nn.LayerNorm(patch_size), nn.Linear(patch_size, width), nn.LayerNorm(width))
        super().__init__(
            embedding, width=width, depth=depth, heads=heads, head_width=head_width, mlp_ratio=mlp_ratio,
            patch_size=patch_size, dropout=dropout, drop_path=drop_path,
        )  # fmt: skip
        self.in_leads, self.positions = in_leads, positions

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit: two narrow blocks."""
        refused = [{"width": 9}, {"positions": "rows"}]
        tiny = {"width": 16, "depth": 2, "heads": 2, "head_width": 8, "patch_size": 60}
        return {"arguments": tiny, "leads": 3, "samples": 300, "refused": refused}

    def layout(self, leads: int, samples: int) -> tuple[int, int]:
        """All leads share the row."""
        return leads, self.steps(samples)

    def patchify(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` into ``(batch, 1, leads * times, patch_size)``, lead by lead; a rest is left out."""
        if self.in_leads is None:
            self.in_leads = x.shape[1]
        times = self.steps(x.shape[-1])
        # Selected rather than sliced: a slice's layout depends on the rest, and an exported program would accept one rest only.
        whole = x.index_select(-1, torch.arange(times * self.patch_size, device=x.device))
        # Put together rather than flattened: an exported program would accept no window of a single patch, or only those.
        return torch.cat(whole.unflatten(-1, (times, self.patch_size)).unbind(1), dim=1).unsqueeze(1)

    def embed(self, patches: Tensor) -> Tensor:
        """Patches into tokens, ``(batch, 1, leads * times, width)``; they learn where they are in :meth:`encode`."""
        return self.patch_embedding(patches)

    def placed(self, tokens: Tensor, lead_index: Tensor | None) -> Tensor:
        """The tokens with the positions of their leads and times."""
        index = torch.arange(self._leads(), device=tokens.device) if lead_index is None else lead_index
        leads = index.shape[0]
        times = tokens.shape[2] // leads
        if self.positions == "sequence":
            table = sincos_positions(self._leads() * times, self.width, like=tokens).unflatten(0, (self._leads(), times))[index]
        else:
            half = self.width // 2
            time = F.pad(sincos_positions(times, half, like=tokens), (0, half))  # (times, width), its second half empty
            lead = F.pad(sincos_positions(self._leads(), half, like=tokens), (half, 0))[index]  # (leads, width), its first
            table = time + lead[:, None]
        return tokens + torch.cat(table.unbind(0))

    def forward_lead_features(self, x: Tensor, lead_index: Tensor | None = None) -> Tensor:
        """Features of each lead before they are averaged, ``(batch, leads, width, steps)``, un-normalised."""
        if x.ndim != 3 or lead_index is None or lead_index.shape[0] != x.shape[1] or x.shape[2] < self.min_samples:
            self.check_input(x)
        tokens = self.attended(self.embed(self.patchify(x)), None, lead_index)[:, 0, 1:]
        return tokens.unflatten(1, self.layout(x.shape[1], x.shape[2])).transpose(2, 3)

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

    def _leads(self) -> int:
        if self.in_leads is None:
            raise ValueError("GridViT does not know its leads yet; build it with in_leads=… or show it a batch first")
        return self.in_leads


# What the contract kit builds in place of the wider sizes.
_NARROW = {"depth": 2, "width": 64, "heads": 1}

vit_grid_tiny = Variant(GridViT, {"width": 192, "depth": 12, "heads": 3})
vit_grid_small = Variant(
    GridViT, {"width": 384, "depth": 12, "heads": 6}, conformance={"arguments": {**_NARROW, "patch_size": 60}}
)
vit_grid_base = Variant(
    GridViT, {"width": 768, "depth": 12, "heads": 12}, conformance={"arguments": {**_NARROW, "patch_size": 60}}
)

_MLAE = {"patch_size": 2250, "positions": "sequence"}
_SHORT = {"arguments": {**_NARROW, "patch_size": 150}}
vit_leads_tiny = Variant(GridViT, {**vit_grid_tiny.defaults, **_MLAE}, conformance=_SHORT)
vit_leads_small = Variant(GridViT, {**vit_grid_small.defaults, **_MLAE}, conformance=_SHORT)
vit_leads_base = Variant(GridViT, {**vit_grid_base.defaults, **_MLAE}, conformance=_SHORT)

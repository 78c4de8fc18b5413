"""Vision transformer over (lead, time) patches whose tokens look along their lead and across their time: Kim's ECG-JEPA.

Kim, "Learning general representation of 12-lead electrocardiogram with a joint-embedding predictive architecture", 2024,
arXiv:2410.08559: Cross-Pattern Attention (CroPA).

Differs from the official code: positions are computed for any number of leads and patches instead of being stored.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Stage
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.layers.initialization import start_small
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["CroPAViT", "vit_cropa_b"]


class CroPAViT(TokenBackbone):
    """Encoder of the patches of all leads as one sequence, lead by lead, of which each sees its own lead and its own time.

    Half of the channels of a position tell the time, half the lead; they are added before every block. Features are normalised
    tokens, averaged over leads. The paper's leads are the eight independent ones, ``ecg_core.data.leads.INDEPENDENT_8``, in
    that order; some of them are encoded by :meth:`forward_named`.

    Args:
        in_leads: Leads of the input ECG, in this order; ``None`` infers their number from the first batch.
        width: Channels of a token, a multiple of 4.
        depth: Transformer blocks.
        heads: Attention heads, which share the width evenly.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        patch_size: Length of a patch, in samples; 50 are 200 ms at the paper's 250 Hz.
        cross_pattern: Tokens see their lead and their time only; otherwise everything.
        dropout: Dropout in the blocks.
        drop_path: Probability that a window skips a branch of the last block in training, 0.1 in the paper; earlier blocks skip
            less often, in proportion to their depth.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, samples // patch_size)``

    Raises:
        ValueError: The width does not divide into sines and cosines, or among the heads.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2410.08559",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 768,
        depth: int = 12,
        heads: int = 16,
        mlp_ratio: float = 4.0,
        patch_size: int = 50,
        cross_pattern: bool = True,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if width < 4 or width % 4 or width % heads:
            raise ValueError(f"width must be a multiple of 4 and of the {heads} heads, got {width}")
        self.in_leads, self.width, self.patch_size, self.min_samples = in_leads, width, patch_size, patch_size
        self.cross_pattern = cross_pattern
        self.stages = (Stage(width, patch_size, centre=(patch_size - 1) / 2),)
        self.patch_embedding = nn.Linear(patch_size, width)
        rates = [drop_path * number / max(depth - 1, 1) for number in range(depth)]
        blocks = [
            TransformerBlock(
                width,
                heads=heads,
                head_width=width // heads,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
                drop_path=rate,
                qkv_bias=False,
            )
            for rate in rates
        ]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        start_small(self, blocks, scale="number")

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit: two narrow blocks."""
        tiny = {"width": 16, "depth": 2, "heads": 2}
        return {"arguments": tiny, "leads": 3, "samples": 300, "refused": [{"width": 6}, {"heads": 3}]}

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

    def encode(self, tokens: Tensor, keep: Tensor | None = None, lead_index: Tensor | None = None) -> Tensor:
        """Encode the kept tokens, ``(batch, 1, kept, width)``, normalised.

        Args:
            tokens: ``(batch, 1, leads * times, width)`` from :meth:`embed`.
            keep: ``(batch, 1, kept)`` columns to keep, in this order; ``None`` keeps all.
            lead_index: ``(leads,)`` which leads the tokens are of; ``None`` means all the encoder was built for, in order.
        """
        index = torch.arange(self._leads(), device=tokens.device) if lead_index is None else lead_index
        times = tokens.shape[2] // index.shape[0]
        lead = index[:, None].expand(-1, times)
        time = torch.arange(times, device=tokens.device).expand(index.shape[0], -1)
        # (1, leads * times): of every token its lead and its time; put together as the tokens were.
        lead, time = torch.cat(lead.unbind(0))[None], torch.cat(time.unbind(0))[None]
        if keep is not None:
            kept = keep[:, 0]
            tokens = tokens.gather(2, keep[..., None].expand(-1, -1, -1, self.width))
            lead, time = lead[0][kept], time[0][kept]  # (batch, kept)
        half = self.width // 2
        where = torch.cat(
            [
                sincos_positions(times, half, like=tokens)[time],
                sincos_positions(self._leads(), half, like=tokens)[lead],
            ],
            dim=2,
        )
        mask = None
        if self.cross_pattern:
            mask = self.cross(lead, time)
            # Without a batch where all windows share it: an exported program would accept some lengths only.
            mask = mask[0] if keep is None else mask[:, None]
        sequence = tokens.squeeze(1)
        for block in self.blocks:
            sequence = block(sequence + where, mask)
        return self.norm(sequence).unsqueeze(1)

    @staticmethod
    def cross(lead: Tensor, time: Tensor) -> Tensor:
        """``(batch, tokens, tokens)`` booleans: the same lead or the same time; from those of the tokens, ``(batch, tokens)``."""
        return (lead[:, :, None] == lead[:, None]) | (time[:, :, None] == time[:, None])

    def forward_lead_features(self, x: Tensor, lead_index: Tensor | None = None) -> Tensor:
        """Features of each lead before they are averaged, ``(batch, leads, width, steps)``, normalised."""
        if x.ndim != 3 or lead_index is None or lead_index.shape[0] != x.shape[1] or x.shape[2] < self.min_samples:
            self.check_input(x)
        tokens = self.encode(self.embed(self.patchify(x)), None, lead_index)[:, 0]
        return tokens.unflatten(1, self.layout(x.shape[1], x.shape[2])).transpose(2, 3)

    def forward_intermediates(self, x: Tensor, lead_index: Tensor | None = None) -> list[Tensor]:
        """One map: the tokens averaged over leads, ``(batch, width, steps)``, normalised.

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
            raise ValueError("CroPAViT does not know its leads yet; build it with in_leads=… or show it a batch first")
        return self.in_leads


vit_cropa_b = Variant(CroPAViT, {"width": 768, "depth": 12, "heads": 16}, conformance={"arguments": {"width": 32, "depth": 1}})

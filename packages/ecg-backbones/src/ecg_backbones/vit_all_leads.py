"""Vision transformer over patches that span all leads: the encoder of MTAE.

Zhang et al., "MaeFE: masked autoencoders family of electrocardiogram for self-supervised pretraining and transfer learning",
IEEE Transactions on Instrumentation and Measurement 2023, doi:10.1109/TIM.2022.3228267 (MTAE, whose masks hide time); Na et al.,
ICLR 2024, arXiv:2402.09450 (ST-MEM, whose comparison gives the sizes); Dosovitskiy et al., "An image is
worth 16x16 words", ICLR 2021, arXiv:2010.11929.

Differs from the published encoder: positions are computed for any number of patches instead of being stored. Its classifier
reads the class token; ours, as every head here, the patch tokens, averaged first and normalised then.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from ecg_backbones.layers.lazy_layer_norm import LazyLayerNorm
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Stage
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["AllLeadViT", "vit_base_all_leads", "vit_small_all_leads", "vit_tiny_all_leads"]


class AllLeadViT(TokenBackbone):
    """Encoder of one sequence of patches, each of all leads, behind a class token.

    A patch is 75 samples, 300 ms at 250 Hz, and holds its samples one after another, each with all leads. With twelve leads it
    makes a twelfth of the tokens that :class:`~ecg_backbones.ViT` makes, and cannot tell leads apart.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
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

    papers: ClassVar[tuple[str, ...]] = ("doi:10.1109/TIM.2022.3228267", "arXiv:2402.09450", "arXiv:2010.11929")

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
        self.prefix, self.suffix = 1, 0
        self.stages = (Stage(width, patch_size, centre=(patch_size - 1) / 2),)
        values = None if in_leads is None else in_leads * patch_size
        self.patch_embedding = nn.Sequential(
            LazyLayerNorm() if values is None else nn.LayerNorm(values),
            nn.LazyLinear(width) if values is None else nn.Linear(values, width),
            nn.LayerNorm(width),
        )
        self.class_token = nn.Parameter(torch.empty(width))
        rates = [drop_path * number / max(depth - 1, 1) for number in range(depth)]
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads=heads, head_width=head_width, mlp_ratio=mlp_ratio, dropout=dropout, drop_path=rate)
            for rate in rates
        )
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.class_token, std=0.02)
        for block in self.blocks:
            for module in block.modules():
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    nn.init.zeros_(module.bias)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit: each size by two narrow blocks."""
        tiny = {"width": 16, "depth": 2, "heads": 2, "head_width": 8, "patch_size": 25}
        return {"arguments": tiny, "leads": 3, "samples": 150, "refused": [{"width": 7}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of a patch; ``None`` before the first batch of a lazy encoder."""
        first = next(self.patch_embedding.parameters())  # of the normalisation of a patch
        return None if isinstance(first, UninitializedParameter) else first.shape[0] // self.patch_size

    def patchify(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` into ``(batch, 1, columns, patch_size * leads)``, each sample with all its leads.

        A rest shorter than a patch is left out.
        """
        columns = self.steps(x.shape[-1])
        # Selected rather than sliced: a slice's layout depends on the rest, and an exported program would accept one rest only.
        whole = x.index_select(-1, torch.arange(columns * self.patch_size, device=x.device))
        patches = whole.transpose(1, 2).unflatten(1, (columns, self.patch_size))  # (batch, columns, patch_size, leads)
        return patches.flatten(2).unsqueeze(1)

    def embed(self, patches: Tensor) -> Tensor:
        """Patches into tokens that know their time, ``(batch, 1, columns, width)``."""
        tokens = self.patch_embedding(patches)
        return tokens + sincos_positions(tokens.shape[2], self.width, like=tokens)

    def encode(self, tokens: Tensor, keep: Tensor | None = None, lead_index: Tensor | None = None) -> Tensor:
        """Encode the kept tokens, ``(batch, 1, 1 + kept, width)`` with the class token first, normalised.

        Args:
            tokens: ``(batch, 1, columns, width)`` from :meth:`embed`.
            keep: ``(batch, 1, kept)`` columns to keep, in this order; ``None`` keeps all.
            lead_index: Must be ``None``: the only row is all leads, in the order the encoder was built for.

        Raises:
            ValueError: ``lead_index`` is given.
        """
        if lead_index is not None:
            raise ValueError(
                "a patch of AllLeadViT spans all leads, so no row has a lead_index; use a ViT such as 'vit_tiny' to choose leads"
            )
        return self.norm(self._attended(tokens, keep))

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map: the patch tokens, ``(batch, width, samples // patch_size)``, un-normalised."""
        self.check_input(x)
        return [self._attended(self.embed(self.patchify(x)), None)[:, 0, self.prefix :].transpose(1, 2)]

    def pool(self, features: Tensor) -> Tensor:
        """The mean over time, then the last normalisation: ``(batch, width, steps)`` to ``(batch, width)``."""
        return self.norm(features.mean(dim=-1))

    def _attended(self, tokens: Tensor, keep: Tensor | None) -> Tensor:
        if keep is not None:
            tokens = tokens.gather(2, keep[..., None].expand(-1, -1, -1, self.width))
        first = self.class_token.to(tokens.dtype).expand(tokens.shape[0], 1, 1, self.width)  # it has no position
        tokens = torch.cat([first, tokens], dim=2).squeeze(1)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens.unsqueeze(1)


vit_tiny_all_leads = Variant(AllLeadViT, {"width": 192, "heads": 3})
vit_small_all_leads = Variant(AllLeadViT, {"width": 384, "heads": 6})
vit_base_all_leads = Variant(AllLeadViT, {"width": 768, "heads": 12})

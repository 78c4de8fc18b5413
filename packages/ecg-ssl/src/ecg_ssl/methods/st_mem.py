"""ST-MEM, spatio-temporal masked electrocardiogram modelling.

Na, Park, Tae, Joo, "Guiding masked representation learning to capture spatio-temporal relationship of
electrocardiogram", ICLR 2024. Patches are hidden in every lead independently; an encoder sees the visible patches of all
leads together, a decoder rebuilds each lead on its own.

Differs from the paper: any backbone of tokens with one row per lead will do, whatever special tokens it has.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.batch import Batch
from ecg_ssl.base.masked import BaseMaskedAutoencoder, Reconstruction
from ecg_ssl.layers.decoder import LeadwiseDecoder
from ecg_ssl.masking import Masking, mask_by_noise
from ecg_ssl.objectives.masked import patch_mse

__all__ = ["STMEM"]


class STMEM(BaseMaskedAutoencoder):
    """Masked autoencoder with a lead-wise shared decoder. The defaults are the paper's.

    Args:
        backbone: A :class:`~ecg_core.TokenBackbone` with one row of tokens per lead, such as ``vit_tiny``.
        mask_ratio: Share of the patches to hide, in every lead on its own.
        decoder_width: Channels of a decoder token.
        decoder_depth: Transformer blocks of the decoder.
        decoder_heads: Attention heads of the decoder.
        decoder_head_width: Channels of one head.
        mlp_ratio: Hidden channels of a decoder perceptron per channel of a token.
        normalise_patches: Predict each patch standardised by its own mean and variance.
        crop_seconds: Train on a random crop of this length (9 in the paper); ``None`` takes windows whole.

    Raises:
        TypeError: The backbone has no tokens to hide.
        ValueError: ``mask_ratio`` is not between 0 and 1.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        mask_ratio: float = 0.75,
        decoder_width: int = 256,
        decoder_depth: int = 4,
        decoder_heads: int = 4,
        decoder_head_width: int = 64,
        mlp_ratio: float = 4.0,
        normalise_patches: bool = True,
        crop_seconds: float | None = None,
    ) -> None:
        super().__init__(backbone, mask_ratio=mask_ratio, normalise_patches=normalise_patches, crop_seconds=crop_seconds)
        self.decoder = LeadwiseDecoder(
            self.backbone.width,
            self.backbone.patch_size,
            width=decoder_width,
            depth=decoder_depth,
            heads=decoder_heads,
            head_width=decoder_head_width,
            mlp_ratio=mlp_ratio,
            prefix=self.backbone.prefix,
            suffix=self.backbone.suffix,
        )

    # The optimizer is the paper's. Its learning rate, 1.5e-4 per 256 windows, is meant for 188,480 recordings and hundreds of
    # epochs; runs of thousands of steps leave the plateau of predicting the mean sooner with this one.
    recipe = Recipe(lr=5e-4, lr_batch=0, betas=(0.9, 0.95), weight_decay=0.01, decay_all=True, warmup=0.1)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""
        small = {"depth": 1, "heads": 2, "head_width": 8, "patch_size": 25}
        backbones = [{"name": "vit_tiny", "width": 16, **small}, {"name": "vit_small", "width": 24, **small}]
        decoder = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, "decoder_head_width": 8}

        def masked_loss(method: STMEM, prediction: Tensor, patches: Tensor, mask: Tensor) -> Tensor:
            return patch_mse(prediction, patches, mask, normalise=method.normalise_patches)

        return {
            "backbones": backbones,
            "arguments": decoder,
            "leads": 3,
            "samples": 200,
            "refused": [{"mask_ratio": 0.0}, {"mask_ratio": 1.0}],
            "masking": lambda method, batch: method.reconstruct(batch),
            "mask_ratio": 0.75,
            "masked_loss": masked_loss,
        }

    def reconstruct(self, batch: Batch, *, noise: Tensor | None = None) -> Reconstruction:
        """Hide patches of every lead on its own, encode the others of all leads together, predict each lead from its own.

        Args:
            batch: Windows of at least enough patches that one stays visible.
            noise: ``(batch, leads, columns)`` by which patches are hidden, largest first; drawn from the batch by default.
        """
        batch = self.cropped(batch)
        self.backbone.check_input(batch.signal)
        patches = self.backbone.patchify(batch.signal)
        masking = mask_by_noise(self.noise(batch, *patches.shape[1:3]) if noise is None else noise, self.mask_ratio)
        latent = self.backbone.encode(self.backbone.embed(patches), masking.keep)
        return Reconstruction(self.decode(latent, masking), patches, masking.mask)

    def decode(self, latent: Tensor, masking: Masking) -> Tensor:
        """Each lead's samples from its own tokens: ``(batch, leads, columns, patch_size)`` from the encoded ones."""
        return self.decoder(latent, masking.restore)

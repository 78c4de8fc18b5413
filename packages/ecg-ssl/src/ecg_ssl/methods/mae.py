"""MAE, masked autoencoding of ECGs, in time, by lead or by patch; with its relatives MAE-ECG, MTAE and MLAE.

He et al., "Masked autoencoders are scalable vision learners", CVPR 2022; Zhang et al., "MaeFE: masked autoencoders family of
electrocardiogram for self-supervised pretraining and transfer learning", IEEE Transactions on Instrumentation and
Measurement, 2023 (MTAE, MLAE, MLTAE), in the form that Na et al., ICLR 2024 (ST-MEM), compare with.

Differs from the papers: any backbone of tokens will do. MTAE is the paper's with ``vit_time_base``, MLAE with
``vit_leads_base``, MAE's picture of leads and times with ``vit_grid_base``. MaeFE does not publish how MLTAE joins its two
branches: ``masking="lead_time"`` encodes every window twice with one encoder, once without some times and once without some
leads, and averages both losses. It is experimental.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.batch import Batch
from ecg_core.data.leads import INDEPENDENT_8, STANDARD_12
from ecg_ssl.base.masked import BaseMaskedAutoencoder, Reconstruction
from ecg_ssl.layers.joint_decoder import JointDecoder
from ecg_ssl.masking import Masking, mask_by_noise, mask_groups
from ecg_ssl.objectives.masked import patch_error

__all__ = ["MAE", "mae_ecg", "mlae", "mtae"]

_DEPENDENT = frozenset(STANDARD_12) - frozenset(INDEPENDENT_8)


class MAE(BaseMaskedAutoencoder):
    """Masked autoencoder with a decoder that sees all tokens. Sizes are those of MTAE and MLAE.

    Args:
        backbone: A :class:`~ecg_core.TokenBackbone`: ``vit_time_*`` (a token is a piece of time of all leads), ``vit_leads_*``
            (a lead), ``vit_grid_*`` or ``vit_tiny`` and its siblings (a piece of time of a lead).
        masking: What is hidden as one. ``"patch2d"``: any tokens of a row, each row on its own; ``"time"``: pieces of time,
            in all leads; ``"lead"``: whole leads, where all leads share a row; ``"lead_time"``: times in one pass and leads in
            another, with the mean of both losses.
        mask_ratio: Share of the patches, times or leads to hide.
        decoder_width: Channels of a decoder token, a multiple of 4.
        decoder_depth: Transformer blocks of the decoder.
        decoder_heads: Attention heads of the decoder.
        decoder_head_width: Channels of one head.
        decoder_norm_eps: Added to the variance by the normalisations in the decoder's blocks; 1e-6 in MAE.
        mlp_ratio: Hidden channels of a decoder perceptron per channel of a token.
        normalise_patches: Predict each patch standardised by its own mean and variance.
        distance: Error of a sample: its square, its size, or the two joined at 1.
        loss_on: Which patches count: the ``"hidden"`` ones, or ``"all"``.
        independent_leads: Leave III, aVR, aVL and aVF out, which follow from I and II, so that no hidden lead is the sum of
            visible ones.
        crop_seconds: Train on a random crop of this length (9 in MTAE and MLAE); ``None`` takes windows whole.

    Raises:
        TypeError: The backbone has no tokens to hide.
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        masking: Literal["patch2d", "time", "lead", "lead_time"] = "patch2d",
        mask_ratio: float = 0.75,
        decoder_width: int = 256,
        decoder_depth: int = 4,
        decoder_heads: int = 4,
        decoder_head_width: int = 64,
        decoder_norm_eps: float = 1e-5,
        mlp_ratio: float = 4.0,
        normalise_patches: bool = True,
        distance: Literal["mse", "l1", "smooth_l1"] = "mse",
        loss_on: Literal["hidden", "all"] = "hidden",
        independent_leads: bool = False,
        crop_seconds: float | None = None,
    ) -> None:
        super().__init__(backbone, mask_ratio=mask_ratio, normalise_patches=normalise_patches, crop_seconds=crop_seconds)
        for word, value, choices in (
            ("masking", masking, ("patch2d", "time", "lead", "lead_time")),
            ("distance", distance, ("mse", "l1", "smooth_l1")),
            ("loss_on", loss_on, ("hidden", "all")),
        ):
            if value not in choices:
                raise ValueError(f"{word} must be one of {', '.join(choices)}, got {value!r}")
        self.masking, self.distance, self.loss_on, self.independent_leads = masking, distance, loss_on, independent_leads
        self.decoder = JointDecoder(
            self.backbone.width,
            self._values(),
            width=decoder_width,
            depth=decoder_depth,
            heads=decoder_heads,
            head_width=decoder_head_width,
            mlp_ratio=mlp_ratio,
            prefix=self.backbone.prefix,
            suffix=self.backbone.suffix,
            norm_eps=decoder_norm_eps,
        )

    # As for ST-MEM: the papers' rates are meant for hundreds of epochs of large collections.
    recipe = Recipe(lr=5e-4, lr_batch=0, betas=(0.9, 0.95), weight_decay=0.01, decay_all=True, warmup=0.1)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""
        decoder = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, "decoder_head_width": 8}

        def masked_loss(method: MAE, prediction: Tensor, patches: Tensor, mask: Tensor) -> Tensor:
            return method.error(Reconstruction(prediction, patches, mask))

        return {
            "backbones": _backbones("vit_grid_tiny", "vit_tiny"),
            "arguments": decoder,
            "leads": 3,
            "samples": 200,
            "refused": [{"mask_ratio": 0.0}, {"mask_ratio": 1.0}, {"masking": "space"}, {"decoder_width": 18}],
            "masking": lambda method, batch: method.reconstruct(batch),
            "mask_ratio": 0.75,
            "masked_loss": masked_loss,
        }

    def reconstruct(self, batch: Batch, *, noise: Tensor | None = None) -> Reconstruction:
        """Hide, encode, predict. With ``masking="lead_time"`` the pass without times comes first, then that without leads.

        Args:
            batch: Windows of at least enough patches that one stays visible.
            noise: By what is hidden, largest first, drawn from the batch by default: ``(batch, rows, columns)`` for
                ``"patch2d"``, ``(batch, times)`` for ``"time"``, ``(batch, leads)`` for ``"lead"``, and the last two beside each
                other for ``"lead_time"``.

        Raises:
            ValueError: Leads are to be hidden where a row holds one, or left out where a patch spans all.
        """
        batch = self.cropped(batch)
        self.backbone.check_input(batch.signal)
        signal, lead_index = self._chosen(batch)
        patches = self.backbone.patchify(signal)
        leads, times = self.backbone.layout(signal.shape[1], signal.shape[2])
        rows, _, values = patches.shape[1:]
        self._check(leads, rows, signal.shape[1], lead_index)
        if noise is None:
            sizes = {"patch2d": (rows, leads * times), "time": (times,), "lead": (leads,), "lead_time": (times + leads,)}
            noise = self.noise(batch, *sizes[self.masking])
        tokens = self.backbone.embed(patches)
        passes = []
        for masking in self._maskings(noise, rows, leads, times):
            latent = self.backbone.encode(tokens, masking.keep, lead_index)
            passes.append(Reconstruction(self.decoder(latent, masking.restore, leads, values), patches, masking.mask))
        return passes[0] if len(passes) == 1 else Reconstruction(*(torch.cat(parts) for parts in zip(*passes, strict=True)))

    def error(self, made: Reconstruction) -> Tensor:
        """The error on the patches that count; of two passes, the mean of theirs."""
        passes = 2 if self.masking == "lead_time" else 1
        errors = []
        for prediction, patches, mask in zip(*(part.chunk(passes) for part in made), strict=True):
            counted = mask if self.loss_on == "hidden" else torch.ones_like(mask)
            errors.append(patch_error(prediction, patches, counted, normalise=self.normalise_patches, distance=self.distance))
        return torch.stack(errors).mean()

    def _maskings(self, noise: Tensor, rows: int, leads: int, times: int) -> list[Masking]:
        if self.masking == "patch2d":
            return [mask_by_noise(noise, self.mask_ratio)]
        time = torch.arange(times, device=noise.device).repeat(leads)  # columns lie lead by lead
        lead = torch.arange(leads, device=noise.device).repeat_interleave(times)
        groups = {"time": [time], "lead": [lead], "lead_time": [time, lead]}[self.masking]
        parts = noise.split([times, leads], dim=-1) if self.masking == "lead_time" else (noise,)
        found = [mask_groups(part, self.mask_ratio, group) for part, group in zip(parts, groups, strict=True)]
        # The same columns in every row of a window.
        return [Masking(*(form[:, None].expand(-1, rows, -1) for form in masking)) for masking in found]

    def _chosen(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """The signal of the leads to train on, and which of the backbone's leads they are; ``None`` for all."""
        chosen = [place for place, lead in enumerate(batch.leads) if not (self.independent_leads and lead in _DEPENDENT)]
        if len(chosen) == len(batch.leads):
            return batch.signal, None
        if self.backbone.in_leads is None:
            raise ValueError(
                "independent_leads leaves leads out, and the backbone does not know its leads yet; build it with in_leads=…"
            )
        index = torch.tensor(chosen, device=batch.signal.device)
        return batch.signal.index_select(1, index), index

    def _check(self, leads: int, rows: int, given: int, lead_index: Tensor | None) -> None:
        name = type(self.backbone).__name__
        if leads == 1 and self.masking in ("lead", "lead_time"):
            raise ValueError(
                f"masking={self.masking!r} hides some of the leads of a row, and a row of {name} holds one; take a backbone such "
                "as vit_grid_tiny or vit_leads_tiny, or masking='time'"
            )
        if lead_index is not None and rows * leads != given:
            raise ValueError(
                f"independent_leads leaves leads out, and a patch of {name} spans them all; take a backbone that keeps leads "
                "apart, such as vit_tiny or vit_grid_tiny"
            )

    def _values(self) -> int | None:
        """Values of a patch, where the backbone knows its leads already."""
        if self.backbone.in_leads is None:
            return None
        shortest = max(self.backbone.min_samples, self.backbone.patch_size)
        return self.backbone.patchify(torch.zeros(1, self.backbone.in_leads, shortest)).shape[-1]


def _backbones(*names: str, **more: Any) -> list[dict[str, Any]]:
    small = {"depth": 1, "heads": 2, "head_width": 8, "patch_size": 25, "width": 16, **more}
    return [{"name": name, **small} for name in names]


# Written out for the two that have one published size, whatever the defaults become.
_PUBLISHED = {"decoder_width": 256, "decoder_depth": 4, "decoder_heads": 4}
mae_ecg = Variant(MAE, {"masking": "time"}, conformance={"backbones": _backbones("vit_grid_tiny", "vit_time_tiny")})
mtae = Variant(
    MAE,
    {"masking": "time", **_PUBLISHED},
    conformance={"backbones": _backbones("vit_time_tiny", "vit_time_small")},
)
mlae = Variant(
    MAE,
    {"masking": "lead", **_PUBLISHED},
    conformance={"backbones": _backbones("vit_leads_tiny", "vit_leads_small", patch_size=200), "leads": 8},
)

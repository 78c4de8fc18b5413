"""What masked autoencoders share: hide most tokens, encode the rest, predict the hidden samples."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.batch import Batch
from ecg_ssl.objectives.masked import patch_mse

__all__ = ["BaseMaskedAutoencoder", "Reconstruction"]

_CROP, _MASK = 1, 2  # independent draws of a batch


class Reconstruction(NamedTuple):
    """What a masked autoencoder made of a batch."""

    prediction: Tensor
    """``(batch, rows, columns, values)``, of hidden and visible patches."""
    patches: Tensor
    """The true samples, of the same shape, mV."""
    mask: Tensor
    """``(batch, rows, columns)`` booleans, true where hidden."""


class BaseMaskedAutoencoder(SSLMethod):
    """Base of methods that reconstruct hidden patches; a subclass implements :meth:`reconstruct`.

    Args:
        backbone: A backbone of tokens.
        mask_ratio: Share of the patches to hide.
        normalise_patches: Predict each patch standardised by its own mean and variance.
        crop_seconds: Train on a random crop of this length; ``None`` takes windows whole.

    Raises:
        TypeError: The backbone has no tokens to hide.
        ValueError: ``mask_ratio`` is not between 0 and 1.
    """

    backbone: TokenBackbone

    def __init__(self, backbone: Backbone, *, mask_ratio: float, normalise_patches: bool, crop_seconds: float | None) -> None:
        super().__init__()
        if not isinstance(backbone, TokenBackbone):
            name, method = type(backbone).__name__, type(self).__name__
            raise TypeError(
                f"{method} hides tokens and {name} has none; pass a TokenBackbone such as create_backbone('vit_tiny')"
            )
        if not 0 < mask_ratio < 1:
            raise ValueError(f"mask_ratio must be between 0 and 1, got {mask_ratio!r}")
        self.backbone = backbone
        self.mask_ratio = mask_ratio
        self.normalise_patches = normalise_patches
        self.crop = None if crop_seconds is None else Compose([{"name": "random_crop", "seconds": crop_seconds}])

    @abstractmethod
    def reconstruct(self, batch: Batch, *, noise: Tensor | None = None) -> Reconstruction:
        """Hide, encode, predict.

        Args:
            batch: Windows of at least enough patches that one stays visible.
            noise: By what patches are hidden, largest first; drawn from the batch by default.
        """

    def error(self, made: Reconstruction) -> Tensor:
        """What the loss is of a reconstruction: the mean squared error on the hidden patches."""
        return patch_mse(made.prediction, made.patches, made.mask, normalise=self.normalise_patches)

    def cropped(self, batch: Batch) -> Batch:
        """A random crop of each window, or the windows whole."""
        return batch if self.crop is None else self.crop(batch, generator=batch.draws(_CROP))

    def noise(self, batch: Batch, *size: int) -> Tensor:
        """Uniform noise ``(batch, *size)``, drawn from the batch."""
        return batch.draws(_MASK).uniform(size=size)

    def loss(self, batch: Batch, *, noise: Tensor | None = None) -> Losses:
        """:meth:`error` of :meth:`reconstruct`.

        Logs ``prediction_rms`` of the hidden patches, in units of the target: near 0, only the mean is predicted.
        """
        made = self.reconstruct(batch, noise=noise)
        with torch.no_grad():
            rms = patch_mse(made.prediction, torch.zeros_like(made.prediction), made.mask, normalise=False).sqrt()
        return Losses(self.error(made), {"prediction_rms": rms})

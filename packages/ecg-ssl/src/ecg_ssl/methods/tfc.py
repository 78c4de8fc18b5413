"""TF-C for ECGs: what one network says of a window agrees with what another says of its spectrum.

Zhang, Zhao, Tsiligkaridis, Zitnik, "Self-supervised contrastive pre-training for time series via time-frequency consistency",
NeurIPS 2022, arXiv:2206.08496.

Its code of January 2023 is not its paper: it trains on ``0.2 (L_T + L_F) + L_TF`` with a polynomial term, computes the
consistency loss of the paper and throws it away (``loss="code"``, the default here). The paper's term (``loss="paper"``)
subtracts the losses of changed pairs without a hinge, so that it rewards their disagreement. The code's transformers take the
batch for the sequence, so that windows see each other (``parity="official"``).

Differs from both: any backbone reads windows and another of its kind spectra; views are drawn anew in every epoch; leads are
channels of both; a changed spectrum is changed once, where the code adds two of them and so doubles the rest.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.contrastive import BaseContrastiveLearner
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.objectives.nt_xent import nt_xent
from ecg_ssl.objectives.nt_xent_poly import nt_xent_poly
from ecg_ssl.spectra import changed_spectrum, magnitude_spectrum
from ecg_ssl.views import agreement

__all__ = ["TFC", "TFCEmbeddings"]

_SPECTRUM = 1 << 21  # apart from the draws of augmentations


class TFCEmbeddings(NamedTuple):
    """What both branches say of the same windows."""

    h_t: Tensor
    """``(batch, channels)`` pooled features of the windows."""
    z_t: Tensor
    """``(batch, width)`` their projections."""
    h_f: Tensor
    """``(batch, channels)`` pooled features of the spectra."""
    z_f: Tensor
    """``(batch, width)`` their projections."""


class TFC(BaseContrastiveLearner):
    """Two backbones, two projectors, and NT-Xent within and between time and frequency.

    Args:
        backbone: Any backbone, of the windows; the paper's is a small convolutional one, such as ``fcn_wang``, and the code's is
            ``tfc_transformer``.
        frequency_backbone: Of the spectra; ``None`` copies ``backbone``, weights too.
        augment: What makes the second view in time: transforms, or the names or configurations from which the registry builds
            them. The code adds noise, of 0.8 times the unit of its data.
        removed: Probability that a bin of the second spectrum is emptied.
        added: Probability that a bin of it gets more.
        size: The most a bin gets, as a share of the lead's largest.
        spectrum: ``"two"``-sided, with as many bins as samples, or ``"one"``-sided.
        hidden: Channels of the projectors' hidden layer.
        width: Channels of the projections.
        temperature: Of the softmax over similarities.
        loss: That of the ``"code"`` or of the ``"paper"``.
        weight: Of the losses within time and within frequency; ``None`` is 0.2 for the code's, 0.5 for the paper's.
        static_views: The same views in every epoch, as in the code.
        parity: ``"official"`` reads a batch as one long recording, so that attention goes across windows, and doubles untouched
            bins of the second spectrum.

    Raises:
        ValueError: An argument is out of its range.
    """

    recipe = Recipe(lr=3e-4, lr_batch=0, betas=(0.9, 0.99), weight_decay=3e-4, warmup=0.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        frequency_backbone: Backbone | None = None,
        augment: Sequence[Transform | str | Mapping[str, Any]] = ({"name": "gaussian_noise", "std": (0.0, 0.1), "p": 1.0},),
        removed: float = 0.1,
        added: float = 0.1,
        size: float = 0.1,
        spectrum: Literal["two", "one"] = "two",
        hidden: int = 256,
        width: int = 128,
        temperature: float = 0.2,
        loss: Literal["code", "paper"] = "code",
        weight: float | None = None,
        static_views: bool = False,
        parity: Literal["official"] | None = None,
    ) -> None:
        for word, value, choices in (
            ("spectrum", spectrum, ("two", "one")), ("loss", loss, ("code", "paper")), ("parity", parity, ("official", None)),
        ):  # fmt: skip
            if value not in choices:
                raise ValueError(f"{word} must be {choices[0]} or {choices[1]}, got {value!r}")
        if not (0 <= removed <= 1 and 0 <= added <= 1 and size >= 0):
            raise ValueError(f"removed and added are probabilities and size is a share, got {removed!r}, {added!r} and {size!r}")
        shape: dict[str, Any] = {"hidden": hidden, "width": width, "hidden_bias": True}
        super().__init__(backbone, augment=augment, projector=ProjectionHead(backbone.out_channels, **shape))
        self.frequency_backbone = copy.deepcopy(backbone) if frequency_backbone is None else frequency_backbone
        self.frequency_projector = ProjectionHead(self.frequency_backbone.out_channels, **shape)
        self.removed, self.added, self.size, self.spectrum = removed, added, size, spectrum
        self.temperature, self.form, self.static_views, self.parity = temperature, loss, static_views, parity
        self.weight = {"code": 0.2, "paper": 0.5}[loss] if weight is None else weight

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {
            **super().conformance_params(),
            "arguments": {"hidden": 16, "width": 8},
            "views": lambda method, batch: method.second_views(batch),
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"loss": "both"}, {"removed": 1.1}, {"spectrum": "half"}, {"parity": "paper"}],
        }

    def second_views(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The windows with noise, and their spectra with bins removed and added."""
        if self.static_views:
            batch = replace(batch, epoch=0)
        (view,) = self.views(batch, 1)
        with torch.no_grad():
            spectrum = magnitude_spectrum(batch.signal, self.spectrum)
            changed = changed_spectrum(
                spectrum,
                batch.draws(_SPECTRUM),
                removed=self.removed,
                added=self.added,
                size=self.size,
                doubled=self.parity == "official",
            )
        return view.signal, changed

    def both(self, x: Tensor, spectrum: Tensor) -> TFCEmbeddings:
        """Features and projections of windows ``(batch, leads, samples)`` and of spectra ``(batch, leads, bins)``."""
        h_t, h_f = self._pooled(self.backbone, x), self._pooled(self.frequency_backbone, spectrum)
        return TFCEmbeddings(h_t, self.projector(h_t), h_f, self.frequency_projector(h_f))

    def compare(self, a: TFCEmbeddings, b: TFCEmbeddings) -> Losses:
        """The loss of windows and of their second views.

        Args:
            a: Of the windows and their spectra.
            b: Of the second views.
        """
        contrast = nt_xent_poly if self.form == "code" else nt_xent
        within_t, within_f = contrast(a.h_t, b.h_t, self.temperature), contrast(a.h_f, b.h_f, self.temperature)
        between = contrast(a.z_t, a.z_f, self.temperature)
        logs = {"time": within_t.detach(), "frequency": within_f.detach(), "between": between.detach()}
        if self.form == "code":
            return Losses(self.weight * (within_t + within_f) + between, logs)
        others = [contrast(t, f, self.temperature) for t, f in ((a.z_t, b.z_f), (b.z_t, a.z_f), (b.z_t, b.z_f))]
        consistency = torch.stack([between - other + 1 for other in others]).sum()
        logs["consistency"] = consistency.detach()
        return Losses(self.weight * (within_t + within_f) + (1 - self.weight) * consistency, logs)

    def loss(self, batch: Batch) -> Losses:
        """NT-Xent of both kinds; logs ``time``, ``frequency`` and ``between``, with the paper's loss ``consistency`` too.

        Raises:
            ValueError: The batch has a single window, or is too short for the backbone.
        """
        self.check_pairs(batch)
        a = self.both(batch.signal, magnitude_spectrum(batch.signal, self.spectrum))
        made = self.compare(a, self.both(*self.second_views(batch)))
        return Losses(made.total, {**made.logs, **agreement(a.z_t, a.z_f)})

    def _pooled(self, backbone: Backbone, x: Tensor) -> Tensor:
        if self.parity is None:
            return backbone.pool(backbone.forward_features(x))
        windows, leads, samples = x.shape
        each = backbone.steps(samples)
        features = backbone.forward_features(x.transpose(0, 1).reshape(1, leads, windows * samples))
        if each < 1 or features.shape[-1] != windows * each:
            raise ValueError(
                f"parity='official' reads {windows} windows of {samples} samples as one, and {type(backbone).__name__} does not "
                f"make steps of single windows of it: its stride is {backbone.stages[-1].stride}; use windows of whole steps"
            )
        return backbone.pool(features[0].unflatten(-1, (windows, each)).transpose(0, 1))

"""ECGEmbedder: an encoder as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ecg_core.estimators.windows import embedded, encoder_for, windows_in

__all__ = ["ECGEmbedder"]


class ECGEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Windows to the pooled features of an encoder; nothing is learned from them, so it may stand in front of any estimator.

    Windows are ``(windows, leads, samples)`` in mV, or ``(windows, samples)`` of one lead, prepared as the encoder expects
    (``ecg_core.load(source).signal`` says how).

    Args:
        source: Pre-training or fine-tuning run, or a card.
        backbone: Name or configuration of a new one, of random weights, where there is no source: the floor.
        batch_size: Windows per pass.
        random_state: Of the random weights.

    Attributes:
        encoder_: The backbone.
        window_shape_: Shape of one window.
        n_features_in_: Of scikit-learn: the second axis of what it was fitted to.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> make_pipeline(ECGEmbedder("runs/st_mem"), LogisticRegression()).steps[0][0]
        'ecgembedder'
    """

    def __init__(
        self,
        source: str | Path | None = None,
        *,
        backbone: str | Mapping[str, Any] = "resnet18",
        batch_size: int = 64,
        random_state: int = 0,
    ) -> None:
        self.source = source
        self.backbone = backbone
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load or make the encoder; ``y`` is not read.

        Raises:
            ConfigError: The encoder does not take such windows.
        """
        windows = windows_in(self, X, reset=True)
        self.encoder_ = encoder_for(windows, self.source, self.backbone, self.random_state)
        self._n_features_out = self.encoder_.out_channels
        return self

    def transform(self, X: Any) -> np.ndarray:
        """``(windows, channels)`` float32."""
        check_is_fitted(self)
        return embedded(self.encoder_, windows_in(self, X, reset=False), self.batch_size)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        tags.requires_fit = True
        return tags

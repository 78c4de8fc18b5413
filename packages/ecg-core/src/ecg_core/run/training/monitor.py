"""Monitor: does a backbone that learns without labels still tell recordings apart?

Looks at the pooled features of the same windows after every epoch, in evaluation mode. It draws nothing at random and changes
nothing, so that a run with it and a run without it end with the same weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ecg_core.contracts.backbone import Backbone
from ecg_core.data.store import Store
from ecg_core.errors import CollapseWarning, DataError
from ecg_core.evaluation.embeddings import (
    alpha_req,
    embedding_std,
    nearest_neighbour_scores,
    participation_ratio,
    rankme,
    ridge_scores,
    uniformity,
)
from ecg_core.evaluation.metrics import auroc, macro

__all__ = ["Monitor", "embed_windows"]

MOST_WINDOWS = 2048
"""RankMe hardly moves with more windows than this (Garrido et al. 2023, appendix)."""

_SAME = 0.02  # embedding_std below which all windows have nearly one direction
_SHRUNK = 0.25  # share of the dimensions at the start below which most are lost …
_PATIENCE = 3  # … for so many epochs: masked autoencoders pass through such a valley and climb out again


class Monitor:
    """Gauges of a backbone on held-out windows, and with a target how well neighbours and a linear probe find its classes.

    Args:
        backbone: What learns.
        store: Whose windows to look at: those of the validation split, or of the training split where there are too few.
        device: Where the backbone is.
        target: Labels that are only looked at, never learned from: the training windows carry them into a bank of neighbours
            and a closed-form probe, the validation windows are asked.

    Raises:
        DataError: The store has no such target, or no validation windows with labels for it.
    """

    def __init__(self, backbone: Backbone, store: Store, *, device: str, target: str | None = None) -> None:
        self.backbone, self.store, self.device, self.target = backbone, store, device, target
        held_out = store.indices("val")
        self.windows = _evenly(held_out if len(held_out) >= 8 else store.indices("train"))
        if target is not None:
            self.known = _evenly(store.indices("train", target=target))
            self.asked = _evenly(store.indices("val", target=target))
            if not len(self.known) or not len(self.asked):
                raise DataError(
                    f"monitoring {target!r} needs windows with a label for it in the training and the validation split, got "
                    f"{len(self.known)} and {len(self.asked)}; keep patients for validation (`ecg prep --split 8/1/1`)"
                )
        self.start: dict[str, float] | None = None
        self._warned: set[str] = set()
        self._shrunk = 0

    def __call__(self) -> dict[str, float]:
        """The gauges now; the first call is what later ones are compared with.

        Warns:
            CollapseWarning: The representation has collapsed, once for each way it can.
        """
        if len(self.windows) < 2:
            return {}
        z = embed_windows(self.backbone, self.store, self.windows, self.device)
        if not np.isfinite(z).all():
            return {}  # the loss, which is looked at on every step, says it better
        found = {
            "embedding_std": embedding_std(z),
            "rankme": rankme(z),
            "participation_ratio": participation_ratio(z),
            "alpha_req": alpha_req(z),
            "uniformity": uniformity(z),
        }
        if self.target is not None:
            found |= self._labelled(self.target)
        if self.start is None:
            self.start = found
        else:
            self._warn(found, self.start)
        return found

    def _labelled(self, target: str) -> dict[str, float]:
        classes = self.store.classes(target)
        known, asked = (embed_windows(self.backbone, self.store, part, self.device) for part in (self.known, self.asked))
        labels, truth = (self.store.target_matrix(target, classes, part) for part in (self.known, self.asked))
        return {
            "knn_auroc": macro(auroc(truth, nearest_neighbour_scores(known, labels, asked))).value,
            "probe_auroc": macro(auroc(truth, ridge_scores(known, labels, asked))).value,
        }

    def _warn(self, now: Mapping[str, float], start: Mapping[str, float]) -> None:
        if now["embedding_std"] < _SAME:
            self._warn_once(
                "same",
                f"the representation has collapsed: all {len(self.windows)} windows have nearly the same embedding (spread "
                f"{now['embedding_std']:.2g}, where 1 fills the sphere; it was {start['embedding_std']:.2g} before training). "
                "The loss may look good all the same; lower the learning rate, or look for a missing predictor, "
                "stop-gradient or negatives",
            )
        self._shrunk = self._shrunk + 1 if now["rankme"] < _SHRUNK * start["rankme"] else 0
        if self._shrunk >= _PATIENCE and now["embedding_std"] >= _SAME:
            self._warn_once(
                "shrunk",
                f"the representation is losing dimensions: its windows use about {now['rankme']:.1f} (RankMe), where the "
                f"untrained backbone used {start['rankme']:.1f}. A probe will find little in it; lower the learning rate, use "
                "larger batches, or add a term against correlation such as VICReg's",
            )

    def _warn_once(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(message, CollapseWarning, stacklevel=4)


@torch.no_grad()
def embed_windows(backbone: Backbone, store: Store, indices: np.ndarray, device: str, *, batch_size: int = 64) -> np.ndarray:
    """Pooled features of windows, ``(windows, channels)`` float64, in evaluation mode; the backbone's mode is put back."""
    modes = [(module, module.training) for module in backbone.modules()]
    backbone.eval()
    parts: list[Any] = []
    for first in range(0, len(indices), batch_size):
        signal = store.batch(indices[first : first + batch_size]).to(device).signal
        parts.append(backbone.pool(backbone.forward_features(signal)).double().cpu().numpy())
    for module, mode in modes:
        module.training = mode
    return np.concatenate(parts) if parts else np.zeros((0, backbone.out_channels))


def _evenly(indices: np.ndarray) -> np.ndarray:
    """At most :data:`MOST_WINDOWS` of them, evenly spaced: the same at every epoch and in every resumed run."""
    if len(indices) <= MOST_WINDOWS:
        return indices
    return indices[np.linspace(0, len(indices) - 1, MOST_WINDOWS).round().astype(np.int64)]

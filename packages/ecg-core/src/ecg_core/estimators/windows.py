"""What estimators take: windows as an array, checked as scikit-learn checks its input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import validate_data
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.task import Task
from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import ConfigError, DataError
from ecg_core.run.load import Loaded, load

__all__ = ["embedded", "encoder_for", "windows_in"]


def windows_in(estimator: Any, x: Any, *, reset: bool) -> Tensor:
    """``(windows, leads, samples)`` float32 of ``(windows, leads, samples)`` or, of one lead, ``(windows, samples)``.

    Raises:
        ValueError: Not numbers, NaN or infinite, no window, or another shape than the estimator was fitted to.
    """
    checked = validate_data(estimator, x, reset=reset, dtype=np.float32, allow_nd=True)
    shape = checked.shape[1:]
    if len(shape) > 2:
        raise DataError(f"windows are (windows, leads, samples) or (windows, samples), got shape {checked.shape}")
    if reset:
        estimator.window_shape_ = shape
    elif shape != estimator.window_shape_:
        raise DataError(f"{type(estimator).__name__} was fitted to windows of shape {estimator.window_shape_}, got {shape}")
    windows = torch.from_numpy(np.ascontiguousarray(checked))
    return windows if windows.ndim == 3 else windows[:, None]


def encoder_for(windows: Tensor, source: str | Path | None, backbone: Any, seed: int) -> Backbone:
    """The backbone of a run or a card, or a new one with weights of this seed, for windows like these.

    Raises:
        ConfigError: The pre-trained one expects other leads, or another length that it cannot take.
    """
    leads, samples = windows.shape[1:]
    if source is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = BACKBONES.build(backbone, in_leads=leads)
        made = materialize(made, torch.zeros(2, leads, max(samples, made.min_samples)), seed=seed)
        return _checked(made, windows)
    loaded = load(source)
    if not isinstance(loaded, Loaded):
        raise ConfigError(f"{source} is an exported file, which has no embeddings; give the run it came from")
    if len(loaded.signal.leads) != leads:
        named = ", ".join(loaded.signal.leads)
        raise ConfigError(f"{source} takes {len(loaded.signal.leads)} leads ({named}), got windows of {leads}; give these leads")
    found = loaded.module.backbone if isinstance(loaded.module, Task) else loaded.module
    assert isinstance(found, Backbone)
    return _checked(found, windows)


@torch.no_grad()
def embedded(encoder: Backbone, windows: Tensor, batch_size: int) -> np.ndarray:
    """``(windows, channels)`` float32, pooled, in evaluation mode."""
    encoder.eval()
    parts = [encoder.pool(encoder.forward_features(part)) for part in windows.split(batch_size)]
    return np.asarray(torch.cat(parts).numpy())


def _checked(encoder: Backbone, windows: Tensor) -> Backbone:
    samples = windows.shape[-1]
    if samples < encoder.min_samples:
        raise ConfigError(f"{type(encoder).__name__} takes windows of {encoder.min_samples} samples at least, got {samples}")
    try:
        embedded(encoder, windows[:1], 1)
    except (ValueError, RuntimeError, IndexError) as error:
        raise ConfigError(f"{type(encoder).__name__} cannot take windows of {samples} samples: {error}") from None
    return encoder

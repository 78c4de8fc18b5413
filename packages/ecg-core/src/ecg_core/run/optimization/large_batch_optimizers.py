"""LAMB and LARS, from pytorch_optimizer: rates that each layer scales to its own size, for batches of thousands.

You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", ICLR 2020 (LAMB); You et al., "Large Batch
Training of Convolutional Networks", arXiv:1708.03888 (LARS). docs/adr/0019 says why this library.

Differs from the papers: LAMB's moments are not corrected for starting at zero (its step, ``lr · |w|`` long, is the same without
decay), and norms of weights count as at most 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from torch.optim import Optimizer

from ecg_core.errors import MissingExtraError

__all__ = ["lamb", "lars"]


def lamb(
    params: Iterable[Any],
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    weight_decay: float = 0.0,
) -> Optimizer:
    """LAMB: Adam whose step of each layer is scaled to the norm of its weights.

    Args:
        params: Parameters or groups of them.
        lr: Learning rate.
        betas: Decay of the first and second moment.
        eps: Added to the root of the second moment.
        weight_decay: Decoupled, and part of the step that is scaled.

    Raises:
        MissingExtraError: pytorch_optimizer is not installed.
        ValueError: An argument is out of its range.
    """
    found: Optimizer = _library("LAMB").Lamb(
        params,
        lr=_rate(lr),
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        weight_decouple=False,  # decay is part of the update whose length is scaled, as in the paper
        adam_debias=True,  # otherwise the scaled step is divided by 1 - beta1 ** t: ten times too long at first
    )
    return found


def lars(
    params: Iterable[Any],
    *,
    lr: float = 1e-3,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust_coefficient: float = 1e-3,
    nesterov: bool = False,
) -> Optimizer:
    """LARS: gradient descent whose rate of each matrix is the ratio of its norm and that of its gradient.

    Args:
        params: Parameters or groups of them; vectors are stepped without the ratio.
        lr: Learning rate.
        momentum: Of the gradient.
        weight_decay: Added to the gradient of matrices.
        trust_coefficient: Share of a weight's norm that a step of rate 1 is long.
        nesterov: Nesterov's momentum.

    Raises:
        MissingExtraError: pytorch_optimizer is not installed.
        ValueError: An argument is out of its range.
    """
    found: Optimizer = _library("LARS").LARS(
        params,
        lr=_rate(lr),
        momentum=momentum,
        weight_decay=weight_decay,
        trust_coefficient=trust_coefficient,
        nesterov=nesterov,
    )
    return found


def _library(purpose: str) -> ModuleType:
    try:
        import pytorch_optimizer
    except ModuleNotFoundError as error:
        if error.name != "pytorch_optimizer":
            raise
        raise MissingExtraError(f"{purpose} needs pytorch_optimizer: pip install 'ecg-core[optimizers]'") from None
    return pytorch_optimizer


def _rate(lr: float) -> float:
    if not lr >= 0:
        raise ValueError(f"lr must be at least 0, got {lr!r}")
    return lr

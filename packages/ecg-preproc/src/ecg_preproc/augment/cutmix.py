"""CutMix: a stretch of every window comes from another one (Yun et al. 2019, ICCV, arXiv 1905.04899).

Differs from the paper: the stretch is cut in time from all leads, and every window has its own stretch and its own partner.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.mixing import MixingTransform
from ecg_core.contracts.random_transform import probability
from ecg_preproc.augment.positive import positive

__all__ = ["CutMix"]


class CutMix(MixingTransform):
    """Replace a stretch of each window by its partner's; the label's weight is the share of samples that are left.

    Step targets, masks and positions inside the stretch are the partner's.

    Args:
        alpha: First shape of the beta distribution of the share that is kept.
        beta: Its second shape; ``None`` takes ``alpha``.
        n_classes: Classes of targets that are class numbers; they become soft.
        p: Probability that a window is changed.
    """

    def __init__(self, *, alpha: float = 0.5, beta: float | None = None, n_classes: int | None = None, p: float = 0.5) -> None:
        self.alpha = positive("alpha", alpha)
        self.beta = positive("beta", alpha if beta is None else beta)
        self.n_classes = n_classes if n_classes is None else positive("n_classes", n_classes)
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"alpha": 0.0}, {"beta": -1.0}, {"n_classes": 0}, {"p": 1.5}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        return {"kept": generator.beta(self.alpha, self.beta), "place": generator.uniform()}

    def share(self, samples: int, **drawn: Any) -> Any:
        xp = namespace(drawn["kept"])
        width = xp.clip(samples - xp.round(drawn["kept"] * samples), 1, samples)[:, None]
        start = xp.floor(drawn["place"][:, None] * (samples - width + 1))
        position = asarray_like(np.arange(samples)[None], drawn["kept"])
        return (position < start) | (position >= start + width)

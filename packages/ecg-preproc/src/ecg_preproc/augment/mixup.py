"""Mixup: every window becomes a weighted sum with another one (Zhang et al. 2018, ICLR, arXiv 1710.09412).

Differs from the paper: every window has a weight of its own instead of one for the batch.
"""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.draws import Draws
from ecg_core.contracts.mixing import MixingTransform
from ecg_core.contracts.random_transform import probability
from ecg_preproc.augment.positive import positive

__all__ = ["Mixup"]


class Mixup(MixingTransform):
    """Blend each window with its partner, and their targets with the same weights.

    A sample counts as measured where it is in both; the positions of both are kept, since both windows' waves are there.

    Args:
        alpha: Shape of the beta distribution of the own window's weight.
        n_classes: Classes of targets that are class numbers; they become soft.
        p: Probability that a window is changed.
    """

    def __init__(self, *, alpha: float = 0.5, n_classes: int | None = None, p: float = 0.5) -> None:
        self.alpha = positive("alpha", alpha)
        self.n_classes = n_classes if n_classes is None else positive("n_classes", n_classes)
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"alpha": 0.0}, {"n_classes": 0}, {"p": 1.5}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        return {"kept": generator.beta(self.alpha, self.alpha)}

    def share(self, samples: int, **drawn: Any) -> Any:
        return drawn["kept"][:, None]

"""LabelSmooth: targets that are a little less certain (Szegedy et al. 2016, CVPR, arXiv 1512.00567)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ecg_core.contracts.arrays import as_float, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_core.contracts.soft_targets import softened
from ecg_core.contracts.transform import _as_draws
from ecg_core.data.batch import Batch
from ecg_preproc.augment.positive import positive

__all__ = ["LabelSmooth"]


class LabelSmooth(RandomTransform):
    """Turn targets y of k classes into ``(1 - smoothing) · y + smoothing / k``; signals stay as they are.

    Step targets are smoothed likewise. Arrays and records, which hold no targets, come back unchanged.

    Args:
        smoothing: Weight that is spread over all classes.
        n_classes: Classes of targets that are class numbers; they become soft.
        p: Probability that the targets of a window are changed.
    """

    targets_only = True

    def __init__(self, *, smoothing: float = 0.1, n_classes: int | None = None, p: float = 0.5) -> None:
        if not 0 <= smoothing <= 1:
            raise ValueError(f"smoothing must be between 0 and 1, got {smoothing!r}")
        self.smoothing = smoothing
        self.n_classes = n_classes if n_classes is None else positive("n_classes", n_classes)
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"smoothing": 1.5}, {"n_classes": 0}, {"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        return {}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return namespace(x).astype(x, x.dtype, copy=True)

    def _on_batch(self, batch: Batch, generator: Draws | int | None) -> Batch:
        if self.p == 0:
            return batch
        draws = batch.draws() if generator is None else _as_draws(generator, len(batch)).like(batch.signal)
        hit, soft = draws.child(0).happens(self.p), self._softened(batch)
        return replace(
            batch,
            targets=None if soft.targets is None else self._smoothed(soft.targets, hit),
            step_targets=None if soft.step_targets is None else self._smoothed(soft.step_targets, hit),
        )

    def _softened(self, batch: Batch) -> Batch:
        return batch if self.p == 0 else softened(batch, self.n_classes, who=type(self).__name__)

    def _smoothed(self, shares: Any, hit: Any) -> Any:
        xp = namespace(shares)
        shares = as_float(shares)
        smooth = (1 - self.smoothing) * shares + self.smoothing / shares.shape[1]
        return xp.where(xp.reshape(hit, (-1, *[1] * (shares.ndim - 1))), smooth, shares)

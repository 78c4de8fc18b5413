"""LeadPermute: signals change places, names stay: a model that sees it cannot rely on what a lead is called."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability

__all__ = ["LeadPermute"]


class LeadPermute(RandomTransform):
    """Give every signal the place of another.

    The names of the leads stay in their order, since all windows of a batch share them: this is the error of an operator who
    swaps electrodes, not a new order of a correct record. The permutation is one random cycle, so that no lead keeps its
    place; a record of one lead stays as it is.

    Args:
        p: Probability that a window is changed.
    """

    def __init__(self, *, p: float = 0.5) -> None:
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        chance = generator.uniform(size=(shape[1],))
        xp = namespace(chance)
        cycle = xp.argsort(chance, axis=1)
        following = xp.concat([cycle[:, 1:], cycle[:, :1]], axis=1)
        return {"source": xp.take_along_axis(following, xp.argsort(cycle, axis=1), axis=1)}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(x)
        first = asarray_like(np.arange(x.shape[0])[:, None] * x.shape[1], drawn["source"])
        rows = xp.reshape(x, (-1, x.shape[2]))
        return xp.reshape(xp.take(rows, xp.reshape(first + drawn["source"], (-1,)), axis=0), x.shape)

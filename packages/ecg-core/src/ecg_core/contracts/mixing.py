"""MixingTransform: each window of a batch is mixed with another one, and all that is known about both is mixed alike.

A subclass states one thing: the share of a window's own signal at every sample. From it follow the signal, the weight of the
own label (the mean share, so that label and signal cannot disagree), step targets, masks and annotations.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ecg_core.contracts.arrays import as_float, asarray_like, is_array, namespace, widened
from ecg_core.contracts.blocks import blocks, by_blocks
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.contracts.rows import rows
from ecg_core.contracts.soft_targets import blended, blended_anew, soft_steps, soft_targets, softened
from ecg_core.contracts.transform import _as_draws
from ecg_core.data.batch import Batch
from ecg_core.errors import DataError

__all__ = ["Mixed", "MixingTransform", "partners"]


class Mixed(NamedTuple):
    """Arrays after mixing; what was not given is ``None``."""

    signal: Any
    targets: Any
    step_targets: Any


def partners(draws: Draws) -> Any:
    """``(windows,)`` int64: the window each one is mixed with.

    The windows are ordered by a hash of their keys, and each takes the next: nobody is its own partner, nobody is taken
    twice, and the order in which the windows of a batch stand makes no difference. One window alone is its own partner.
    """
    xp = namespace(draws.keys)
    order = xp.argsort(draws.bits())
    return xp.take(xp.concat([order[1:], order[:1]]), xp.argsort(order))


class MixingTransform(RandomTransform):
    """A random transform that mixes each window with a partner from the same batch.

    The partner depends on who else is in the batch; everything else is drawn from the window's own record. An array, which
    has no targets, gets only its signal mixed (:meth:`mix` takes both); a single window, a Record among them, has no partner
    and stays as it is. Class numbers become soft targets where ``n_classes`` says how many there are.
    """

    n_classes: int | None

    @abstractmethod
    def share(self, samples: int, **drawn: Any) -> Any:
        """How much of the own signal there is at each sample: ``(windows, samples)``, or ``(windows, 1)`` if all the same.

        Booleans cut (true: own), numbers from 0 to 1 blend.
        """

    def mix(self, x: Any, targets: Any = None, *, step_targets: Any = None, generator: Draws | int | None = None) -> Mixed:
        """Mix arrays ``(batch, leads, samples)`` together with their targets.

        Args:
            x: The signals.
            targets: ``(batch, classes)`` or ``(batch,)`` class numbers.
            step_targets: ``(batch, classes, samples)`` or ``(batch, samples)`` class numbers.
            generator: Draws or a seed; without one, the mixture is another at every call.
        """
        if not is_array(x) or x.ndim != 3:
            raise DataError(f"mix() takes (batch, leads, samples), got {tuple(x.shape) if is_array(x) else type(x).__name__}")
        leads = tuple(f"lead {i}" for i in range(x.shape[1]))
        draws = _as_draws(generator, int(x.shape[0])).like(x)
        out = self._on_batch(Batch(x, 1.0, leads, targets=targets, step_targets=step_targets), draws)
        return Mixed(out.signal, out.targets, out.step_targets)

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return self._mixed(x, x, drawn)

    def _drawn(self, shape: tuple[int, ...], generator: Draws) -> Mapping[str, Any]:
        partner = partners(generator.child(2))
        hit = generator.child(0).happens(self.p) & (partner != asarray_like(np.arange(shape[0]), partner))
        return {"hit": hit, "partner": partner, **self.draw(shape, generator.child(1))}

    def _run(self, x: Any, fs: float, drawn: Mapping[str, Any]) -> Any:
        x = as_float(x)
        wide = widened(x)
        mixed = self._mixed_block if blocks(wide) else self._mixed
        out = by_blocks(lambda part, own: mixed(part, wide, own), wide, drawn)
        return out if out.dtype == x.dtype else namespace(x).astype(out, x.dtype)

    def _mixed(self, x: Any, everybody: Any, drawn: Mapping[str, Any]) -> Any:
        return blended(x, everybody[drawn["partner"]], self._share(int(x.shape[-1]), drawn)[:, None, :])

    def _mixed_block(self, x: Any, everybody: Any, drawn: Mapping[str, Any]) -> Any:
        """The same number for number, without gradients, in fewer passes over memory."""
        return blended_anew(x, rows(everybody, drawn["partner"]), self._share(int(x.shape[-1]), drawn)[:, None, :])

    def _share(self, samples: int, drawn: Mapping[str, Any]) -> Any:
        """The share of the own signal; all of it where a window is not hit."""
        own = self.share(samples, **{k: v for k, v in drawn.items() if k not in ("hit", "partner")})
        xp = namespace(own)
        return xp.where(drawn["hit"][:, None], own, xp.ones_like(own))

    def _on_batch(self, batch: Batch, generator: Draws | int | None) -> Batch:
        if self.p == 0:
            return batch
        draws = batch.draws() if generator is None else _as_draws(generator, len(batch)).like(batch.signal)
        drawn, samples = self._drawn(tuple(batch.signal.shape), draws), int(batch.signal.shape[-1])
        share, partner = self._share(samples, drawn), drawn["partner"]
        return replace(
            batch,
            signal=self._run(batch.signal, batch.fs, drawn),
            targets=self._mixed_targets(batch.targets, share, partner),
            step_targets=self._mixed_steps(batch.step_targets, share, partner),
            mask=None if batch.mask is None else _mixed_mask(batch.mask, batch.mask[partner], share),
            annotations={name: _mixed_positions(v, v[partner], share, samples) for name, v in batch.annotations.items()},
        )

    def _softened(self, batch: Batch) -> Batch:
        if self.p == 0:
            return batch
        one, samples = (1, *batch.signal.shape[1:]), int(batch.signal.shape[-1])
        share = self.share(samples, **self.draw(one, Draws.seeded(0)))
        cuts = share.dtype == namespace(share).bool  # then class numbers per step stay class numbers
        return softened(batch, self.n_classes, steps=not cuts, who=type(self).__name__)

    def _mixed_targets(self, targets: Any, share: Any, partner: Any) -> Any:
        if targets is None:
            return None
        soft = soft_targets(targets, self.n_classes, who=type(self).__name__)
        xp = namespace(share)
        # Counted, not drawn: the label's weight is the share of samples that are the window's own.
        weight = xp.sum(xp.astype(share, xp.float32), axis=1, keepdims=True) / share.shape[1]
        return blended(soft, soft[partner], asarray_like(weight, soft))

    def _mixed_steps(self, steps: Any, share: Any, partner: Any) -> Any:
        if steps is None:
            return None
        if steps.ndim == 2 and share.dtype == namespace(share).bool:
            return blended(steps, steps[partner], share)
        soft = soft_steps(steps, self.n_classes, who=type(self).__name__)
        return blended(soft, soft[partner], share[:, None, :])


def _mixed_mask(mask: Any, other: Any, share: Any) -> Any:
    """Measured is what is measured in every window that has a part in it."""
    if share.dtype == namespace(share).bool:
        return blended(mask, other, share)
    return (mask | (share <= 0)) & (other | (share >= 1))


def _mixed_positions(own: Any, other: Any, share: Any, samples: int) -> Any:
    """``(windows, 2 · positions)``: of each window the positions that are still to be seen, in order, the absent ones last."""
    xp = namespace(own)
    share = xp.broadcast_to(share, (share.shape[0], samples))
    absent = xp.full_like(own, samples)
    kept = []
    seen = (share, ~share) if share.dtype == xp.bool else (share > 0, share < 1)
    for positions, at in zip((own, other), seen, strict=True):
        there = xp.take_along_axis(at, xp.clip(positions, 0, samples - 1), axis=1)
        kept.append(xp.where((positions >= 0) & there, positions, absent))
    both = xp.sort(xp.concat(kept, axis=1), axis=1)
    return xp.where(both < samples, both, xp.full_like(both, -1))

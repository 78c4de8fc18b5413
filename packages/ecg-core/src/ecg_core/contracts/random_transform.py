"""RandomTransform: a transform whose parameters are drawn per window, and whose work is done on blocks of a large batch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ecg_core.contracts.arrays import as_float, namespace
from ecg_core.contracts.blocks import blocks, rows_of, shares_memory
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.rows import rows, write_rows
from ecg_core.contracts.transform import Transform

__all__ = ["RandomTransform", "probability"]


class RandomTransform(Transform):
    """A transform whose parameters are drawn per window: ``draw`` is apart from ``apply``.

    Subclasses take ``p``, the probability that a window is transformed at all: 0 is the identity, 1 hits every window.
    A window that is not hit keeps its samples, and its positions, masks and step targets with them.
    """

    p: float
    neutral: ClassVar[Mapping[str, float | bool]] = {}
    """Values of drawn parameters at which :meth:`apply` and :meth:`move` leave everything exactly as it is.

    Where they are stated, a window that is not hit is given them, which saves a pass over the signal.
    """
    magnitude: ClassVar[Mapping[str, float]] = {}
    """Constructor arguments that say how strong the transform is, each with its value at no strength."""
    targets_only: ClassVar[bool] = False
    """Whether it changes targets and leaves every signal as it is."""
    in_blocks: ClassVar[bool] = True
    """Whether a large batch may be handed to :meth:`apply` a few windows at a time."""
    in_place: ClassVar[bool] = False
    """Whether :meth:`rework` writes into what it is given."""

    @abstractmethod
    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        """One set of parameters per window of ``shape = (windows, leads, samples)``; arrays have one row per window."""

    def _drawn(self, shape: tuple[int, ...], generator: Draws) -> Mapping[str, Any]:
        drawn = self.draw(shape, generator.child(1))
        return drawn if self.p >= 1 else self._spared(generator.child(0).happens(self.p), drawn)

    def _spared(self, hit: Any, drawn: dict[str, Any]) -> dict[str, Any]:
        """Parameters under which the windows that are not ``hit`` stay as they are."""
        if not self.neutral:
            return {"hit": hit, **drawn}
        xp = namespace(hit)
        for name, value in self.neutral.items():
            there = drawn[name]
            row = xp.reshape(hit, (-1, *[1] * (there.ndim - 1)))
            drawn[name] = xp.where(row, there, xp.full_like(there, value))
        return drawn

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        """What :meth:`rework` is given: the parameters, or what follows from them, worked out once for all windows of a batch.

        Args:
            drawn: The parameters; arrays have one row per window, and so have those that come back.
            like: ``(0, leads, samples)``, of the framework and number type of the signal.
            fs: Hz.
        """
        return drawn

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        """As :meth:`apply`; where :attr:`in_place` says so it writes into ``x``, which nobody else holds, and returns it.

        Called instead of :meth:`apply` on blocks of a large batch of float32 or float64; there are no gradients then.
        """
        return self.apply(x, fs=fs, **ready)

    def _run(self, x: Any, fs: float, drawn: Mapping[str, Any]) -> Any:
        return _in_blocks([(self, fs, drawn)], x) if self.in_blocks else self._run_block(x, fs, drawn)

    def _ready(self, drawn: Mapping[str, Any], like: Any, fs: float) -> Mapping[str, Any]:
        if like.dtype.itemsize < 4:
            return drawn
        hit, parameters = _hit(drawn)
        found = self.ready(parameters, like=like, fs=fs)
        return found if hit is None else {"hit": hit, **found}

    def _rework_block(self, x: Any, fs: float, drawn: Mapping[str, Any]) -> Any:
        """A few windows that nobody else holds; only those that are hit are worked on."""
        hit, parameters = _hit(drawn)
        if hit is not None:
            index = namespace(x).nonzero(hit)[0]
            count, windows = int(index.shape[0]), int(x.shape[0])
            if count < windows:
                if count:
                    part = self._rework_block(rows(x, index), fs, rows_of(parameters, index, windows))
                    write_rows(x, index, part)
                return x
        if x.dtype.itemsize < 4:  # every step computes in float32 and rounds
            return self._run_block(x, fs, parameters)
        out = self.rework(x, fs=fs, **parameters)
        return out if out.dtype == x.dtype else namespace(x).astype(out, x.dtype)

    def _run_block(self, x: Any, fs: float, drawn: Mapping[str, Any]) -> Any:
        hit, parameters = _hit(drawn)
        out = super()._run(x, fs, parameters)
        return out if hit is None else namespace(x).where(hit[:, None, None], out, as_float(x))

    def _moved_positions(self, positions: Any, fs: float, samples: int, drawn: Mapping[str, Any]) -> Any:
        hit, parameters = _hit(drawn)
        out = super()._moved_positions(positions, fs, samples, parameters)
        return out if hit is None else namespace(positions).where(hit[:, None], out, positions)

    def _moved_mask(self, mask: Any, fs: float, drawn: Mapping[str, Any]) -> Any:
        hit, parameters = _hit(drawn)
        out = super()._moved_mask(mask, fs, parameters)
        return out if hit is None else namespace(mask).where(hit[:, None], out, mask)


def _in_blocks(plan: Sequence[tuple[RandomTransform, float, Mapping[str, Any]]], x: Any) -> Any:
    """Steps, each with its ``fs`` and its draws, one after the other: a block of windows through all of them where that pays."""
    windows, parts, out = int(x.shape[0]), blocks(x), None
    if not parts:
        for step, fs, drawn in plan:
            x = step._run_block(x, fs, drawn)
        return x
    xp, like = namespace(x), as_float(x[:0])
    readied = []
    for step, fs, drawn in plan:
        readied.append((step, fs, step._ready(drawn, like, fs)))
        like = xp.empty((0, like.shape[1], step.output_length(int(like.shape[2]), fs)), dtype=like.dtype)
    for part in parts:
        given = block = as_float(x[part])
        for step, fs, ready in readied:
            if (step.in_place or "hit" in ready) and shares_memory(block, given):
                block = xp.astype(block, block.dtype, copy=True)  # a step that writes does not write into the caller's signal
            block = step._rework_block(block, fs, rows_of(ready, part, windows))
        if out is None:
            out = xp.empty((windows, *block.shape[1:]), dtype=block.dtype)
        out[part] = block
    return out


def _hit(drawn: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Which windows are hit (``None``: all, or their parameters say it), and the parameters without that."""
    return drawn.get("hit"), {name: value for name, value in drawn.items() if name != "hit"}


def probability(p: float) -> float:
    """``p`` itself, checked."""
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability between 0 and 1, got {p!r}")
    return float(p)

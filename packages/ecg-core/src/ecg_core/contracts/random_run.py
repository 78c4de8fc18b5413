"""RandomRun: random neighbours of a chain, drawn for the whole batch first and then done a few windows at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.blocks import blocks
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, _in_blocks
from ecg_core.contracts.transform import Transform, _as_draws, _as_windows, _moved
from ecg_core.data.batch import Batch

__all__ = ["run_length"]


class _RandomRun(Transform):
    """Random steps one after the other; a block of windows goes through all of them before the next one is fetched.

    Args:
        steps: Random transforms that may be handed a few windows at a time.
        first: Place of the first in its chain, from which the draws of each follow.
    """

    def __init__(self, steps: Sequence[RandomTransform], *, first: int) -> None:
        self.steps = tuple(steps)
        self.first = first

    def output_fs(self, fs: float) -> float:
        for step in self.steps:
            fs = step.output_fs(fs)
        return fs

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return _in_blocks(drawn["plan"], x)

    def _checked_fs(self, fs: float | None) -> float:
        for step in self.steps:
            step._checked_fs(fs)
        return super()._checked_fs(fs)

    def _on_array(self, x: Any, fs: float, leads: tuple[str, ...] | None, generator: Draws | int | None) -> Any:
        windows = _as_windows(x)
        draws = _as_draws(generator, int(windows.shape[0])).like(windows)
        plan, _ = self._plan(tuple(windows.shape), fs, leads, {}, draws)
        out = self.apply(windows, fs=fs, plan=plan)
        return namespace(x).reshape(out, (*x.shape[:-2], *out.shape[-2:]))

    def _on_batch(self, batch: Batch, generator: Draws | int | None) -> Batch:
        draws = _as_draws(generator, len(batch)).like(batch.signal)
        plan, positions = self._plan(tuple(batch.signal.shape), batch.fs, batch.leads, batch.annotations, draws)
        there = {"mask": batch.mask, "step_targets": batch.step_targets}
        moved = {name: value for name, value in there.items() if value is not None}
        for step, fs, drawn in plan:
            moved = {name: step._moved_values(value, fs, drawn) for name, value in moved.items()}
        signal = self.apply(batch.signal, fs=batch.fs, plan=plan)
        return replace(batch, signal=signal, fs=self.output_fs(batch.fs), annotations=positions, **moved)

    def _plan(
        self, shape: tuple[int, ...], fs: float, leads: tuple[str, ...] | None, positions: Mapping[str, Any], draws: Draws
    ) -> tuple[list[tuple[RandomTransform, float, dict[str, Any]]], Mapping[str, Any]]:
        """Each step with its ``fs`` and what is drawn for it, and the positions after the last.

        What a step needs to know of the positions is where the steps before it moved them: that takes their draws alone.
        """
        plan = []
        for number, step in enumerate(self.steps, self.first):
            known = step.context(leads=leads, annotations=positions)
            drawn = {**known, **step._drawn(shape, draws.child(number))}
            plan.append((step, fs, drawn))
            samples, after = shape[-1], step.output_length(shape[-1], fs)
            there = {name: step._moved_positions(values, fs, samples, drawn) for name, values in positions.items()}
            positions = {name: _moved(values, there[name], after) for name, values in positions.items()}
            shape, fs = (*shape[:-1], after), step.output_fs(fs)
        return plan, positions


def run_length(transforms: Sequence[Transform], x: Any, leads: tuple[str, ...] | None) -> int:
    """How many of the first transforms can go through ``x`` (an array or a batch) block by block."""
    signal = x.signal if isinstance(x, Batch) else x
    if signal.ndim < 3 or 0 in signal.shape or not blocks(signal.reshape((-1, *signal.shape[-2:]))):
        return 0
    count = 0
    for step in transforms:
        if not _goes_in_blocks(step) or (leads is not None and step.output_leads(leads) != leads):
            break
        count += 1
    return count


def _goes_in_blocks(step: Transform) -> bool:
    """Whether it is random, takes a few windows at a time, and has no road of its own around ``apply``."""
    kind, base = type(step), RandomTransform
    own = (kind.__call__, kind._on_batch, kind._on_array, kind._run)
    return isinstance(step, RandomTransform) and step.in_blocks and own == (
        base.__call__, base._on_batch, base._on_array, base._run
    )  # fmt: skip

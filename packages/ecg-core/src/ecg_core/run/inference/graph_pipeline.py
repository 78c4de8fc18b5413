"""GraphPipeline: the preprocessing of a model as a part of its graph, for recordings of one length and sampling frequency.

Filters, resampling and all else that is linear is, for a fixed length, one matrix (samples in × samples out): the pipeline's
answers to unit impulses, in float64. So a graph needs neither Fourier transforms nor recursion. What is not linear, such as a
z-score, stands in it as ordinary operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ecg_core.contracts.compose import Compose
from ecg_core.contracts.transform import Transform
from ecg_core.data.record import Record
from ecg_core.data.windows import prepared_windows
from ecg_core.errors import ConfigError, RunError
from ecg_core.run.card import SignalContract
from ecg_core.run.inference.quiet import quiet

__all__ = ["GraphPipeline", "prepared_by_run", "recorded_contract"]

_AT_ONCE = 256  # impulses
_EXACT = 1e-9  # of the largest sample, in float64


class GraphPipeline(nn.Module):
    """``(batch, leads, samples)`` as recorded, in mV → as the model expects it.

    Args:
        signal: What the model expects.
        recorded_fs: Of the recordings, Hz.

    Raises:
        RunError: The pipeline draws at random, changes the leads, gives another sampling frequency or less than a window, or has
            a step that is neither linear nor to be traced.
    """

    def __init__(self, signal: SignalContract, recorded_fs: float) -> None:
        super().__init__()
        self.samples = signal.samples
        steps = list(_placed(signal, recorded_fs))
        kinds = [_is_linear(step) for step in steps]
        self.steps = nn.ModuleList()
        for linear, group in groupby(zip(kinds, steps, strict=True), key=lambda pair: pair[0]):
            members = [step for _, step in group]
            self.steps.extend([_Linear(members)] if linear else [_Operation(step) for step in members])

    def forward(self, x: Tensor) -> Tensor:
        """The prepared signal, ``(batch, leads, samples of a window)``."""
        for step in self.steps:
            x = step(x)
        return x[..., : self.samples]


def recorded_contract(signal: SignalContract, recorded_fs: float) -> SignalContract:
    """What a model that holds its preprocessing expects: a window as recorded, and no preprocessing.

    Raises:
        ConfigError: The sampling frequency is not a positive number.
    """
    if not 0 < recorded_fs < float("inf"):
        raise ConfigError(f"recorded_fs must be the recordings' sampling frequency, a positive number of Hz, got {recorded_fs!r}")
    return SignalContract(recorded_fs, signal.leads, round(signal.seconds * recorded_fs), (), signal.unit)


def prepared_by_run(recorded: np.ndarray, signal: SignalContract, recorded_fs: float) -> np.ndarray:
    """``(recordings, leads, samples)`` as a run prepares recordings: their first windows, float32."""
    words: dict[str, Any] = {"pipeline": signal.chain(), "leads": signal.leads, "fs": signal.fs, "length": signal.samples}
    records = [Record(one, recorded_fs, signal.leads, str(i)) for i, one in enumerate(recorded)]
    return np.stack([prepared_windows(record, **words)[0].signal for record in records])


class _Placed(NamedTuple):
    """A step with what comes to it."""

    transform: Transform
    fs: float
    samples: int
    leads: tuple[str, ...]

    @property
    def name(self) -> str:
        return type(self.transform).__name__

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.transform(x, fs=self.fs, leads=self.leads[: x.shape[-2]], generator=0))


def _placed(signal: SignalContract, recorded_fs: float) -> Iterator[_Placed]:
    fs, leads = recorded_fs, signal.leads
    samples = recorded_contract(signal, recorded_fs).samples
    for transform in signal.chain().transforms:
        step = _Placed(transform, fs, samples, leads)
        yield step
        leads = transform.output_leads(leads)
        samples, fs = transform.output_length(samples, fs), transform.output_fs(fs)
        if leads != signal.leads:
            raise RunError(f"{step.name} changes the leads, which a file with its pipeline cannot; export without the pipeline")
    if fs != signal.fs:
        raise RunError(
            f"the pipeline makes {fs:g} Hz of {recorded_fs:g} Hz and the model takes {signal.fs:g} Hz; "
            f"without resampling in the pipeline, recordings must have {signal.fs:g} Hz"
        )
    if samples < signal.samples:
        raise RunError(
            f"{signal.seconds:g} s at {recorded_fs:g} Hz become {samples} samples, and a window has {signal.samples}; "
            "export without the pipeline"
        )


def _is_linear(step: _Placed) -> bool:
    """Whether it treats each lead alike and by itself, and keeps sums and multiples, of loud and of faint signals.

    Raises:
        RunError: It draws at random.
    """
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 1, len(step.leads), step.samples))
    x[..., :: max(2, step.samples // 7)] += 20  # spikes, so that what mends them is seen
    answer = step(x)
    if not np.array_equal(answer, step.transform(x, fs=step.fs, leads=step.leads, generator=1)):
        raise RunError(f"{step.name} draws at random, so there is no graph of it; export without the pipeline")
    turned = np.roll(np.arange(len(step.leads)), 1)
    alone = x.copy()
    alone[:, 1:] = 0
    pairs = [
        (step(x + y), answer + step(y)),
        (step(1000 * x) / 1000, answer),
        (step(x / 1000) * 1000, answer),
        (step(x[:, turned]), answer[:, turned]),
        (step(alone)[:, :1], answer[:, :1]),
    ]
    return all(_same(one, other) for one, other in pairs)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() <= _EXACT * max(1.0, float(np.abs(other).max())))


class _Linear(nn.Module):
    """Neighbouring linear steps as one matrix, the same for each lead.

    Raises:
        RunError: The matrix does not do what the steps do.
    """

    matrix: Tensor

    def __init__(self, steps: Sequence[_Placed]) -> None:
        super().__init__()
        first = steps[0]
        run = first._replace(transform=Compose([step.transform for step in steps]))
        parts = [run(impulses[:, np.newaxis])[:, 0] for impulses in _impulses(first.samples)]
        matrix = np.concatenate(parts)
        x = np.random.default_rng(1).normal(size=(1, len(first.leads), first.samples))
        if not _same(x @ matrix, run(x)):
            names = ", ".join(step.name for step in steps)
            raise RunError(f"the preprocessing ({names}) is not linear, so it is no matrix; export without the pipeline")
        self.register_buffer("matrix", torch.from_numpy(matrix.astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix


def _impulses(samples: int) -> Iterator[np.ndarray]:
    for start in range(0, samples, _AT_ONCE):
        yield np.eye(min(_AT_ONCE, samples - start), samples, start)


class _Operation(nn.Module):
    """A step that is not linear, by its own mathematics on tensors.

    Raises:
        RunError: It cannot be traced.
    """

    def __init__(self, step: _Placed) -> None:
        super().__init__()
        self.transform, self.fs = step.transform, step.fs
        self.known = step.transform.context(leads=step.leads, annotations={})
        try:
            x = torch.zeros(2, len(step.leads), step.samples)
            with quiet():
                torch.export.export(self, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        except Exception as error:  # torch.export raises classes of its own for what it cannot express
            told = str(error).strip().splitlines()
            raise RunError(
                f"{step.name} is not linear and cannot stand in a graph ({type(error).__name__}: {told[0] if told else ''}); "
                "export without the pipeline"
            ) from None

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.transform.apply(x, fs=self.fs, **self.known)
        return out

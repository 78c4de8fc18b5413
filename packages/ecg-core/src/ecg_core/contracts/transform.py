"""Transform: a signal into a signal, written once for NumPy and torch, for arrays, records and batches.

``apply`` holds the mathematics on ``(windows, leads, samples)``. Everything around it lives here: any leading
dimensions, number types, records with their annotations, batches with their random draws.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ecg_core.config.configurable import Configurable
from ecg_core.contracts.arrays import as_float, is_array, namespace, widened
from ecg_core.contracts.draws import Draws, record_key
from ecg_core.data.batch import Batch
from ecg_core.data.leads import canonical_leads
from ecg_core.data.record import Record
from ecg_core.errors import DataError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Transform"]

S = TypeVar("S")


class Transform(Configurable):
    """A deterministic transform.

    Called on an array or tensor ``(..., leads, samples)`` it returns the same kind; on a :class:`Record` or
    :class:`Batch` it returns one with ``fs`` and time-aligned facts updated. The input is never modified. Integers
    become float32; half precision is computed in float32 and given back as it came.
    """

    needs_fs: bool = False

    @abstractmethod
    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        """The transform of ``(windows, leads, samples)``, at least float32, as a new array. ``fs`` in Hz."""

    def output_fs(self, fs: float) -> float:
        """Sampling frequency of the output, in Hz."""
        return fs

    def output_length(self, n_samples: int, fs: float) -> int:
        """Samples of the output."""
        return n_samples

    def output_leads(self, leads: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the output's leads, when the input has these."""
        return leads

    def context(self, *, leads: tuple[str, ...] | None, annotations: Mapping[str, Any]) -> dict[str, Any]:
        """What :meth:`apply` needs to know besides the samples; it arrives there, and in ``move``, among ``drawn``.

        An array among it has one row per window.

        Args:
            leads: Names of the leads; ``None`` for an array that came without.
            annotations: ``(windows, positions)`` int64 sample positions by name, -1 where a window has fewer.
        """
        return {}

    def move(self, positions: Any, *, fs: float, samples: int, **drawn: Any) -> Any:
        """Where ``(windows, positions)`` sample positions in a signal of ``samples`` stand after the transform."""
        return positions

    def move_mask(self, mask: Any, *, fs: float, **drawn: Any) -> Any:
        """``(windows, samples)`` values per sample, such as masks or labels, after the transform."""
        return mask

    def frequency_response(self, frequencies: np.ndarray, fs: float) -> np.ndarray | None:
        """Gain at each frequency (Hz) of a linear, time-invariant transform; ``None`` for any other."""
        return None

    def reach(self, fs: float) -> float | None:
        """How far a sample's output looks to either side, in seconds; ``None`` when it depends on the whole window.

        Past it what is left of the response, summed up, is below 1e-6. 0 is a transform of each time point by itself. One that
        states this and a frequency response promises to multiply the spectrum by that response, as
        :func:`ecg_core.contracts.spectral.filtered` does, so that a chain may do it together with its neighbours.
        """
        return None

    def fitted(self, blocks: Iterable[Any]) -> Transform | None:
        """The transform that does to any part of a recording what this one does to the whole of it.

        Args:
            blocks: The recording, ``(leads, samples)`` arrays one after the other; to be gone through at most once.

        Returns:
            ``None`` where no such transform follows from one look at each block.
        """
        return None

    def __call__(
        self, x: S, *, fs: float | None = None, leads: Sequence[str] | None = None, generator: Draws | int | None = None
    ) -> S:
        """Transform arrays (``fs`` in Hz), a record or a batch (which know their own ``fs`` and leads).

        Args:
            x: What to transform.
            fs: Sampling frequency of an array; not for records and batches.
            leads: Names of an array's leads, for transforms that go by them; not for records and batches.
            generator: For random transforms: draws or a seed. Batches bring their own; without one, an array is
                transformed differently at every call.
        """
        if isinstance(x, (Record, Batch)) and fs is not None and fs != x.fs:
            raise ValueError(f"a {type(x).__name__} knows its fs ({x.fs:g} Hz); leave out fs={fs:g}")
        if isinstance(x, (Record, Batch)) and leads is not None and canonical_leads(leads) != x.leads:
            raise ValueError(f"a {type(x).__name__} knows its leads ({', '.join(x.leads)}); leave out leads=…")
        if isinstance(x, Record):
            return self._on_record(x, generator)  # type: ignore[return-value]
        if isinstance(x, Batch):
            return self._on_batch(x, generator)  # type: ignore[return-value]
        if not is_array(x):
            raise TypeError(f"expected an array, a tensor, a Record or a Batch, got {type(x).__name__}")
        return self._on_array(x, self._checked_fs(fs), _named(x, leads), generator)

    def as_module(self, fs: float | None = None) -> nn.Module:
        """A torch module that applies the transform, for export and ``nn.Sequential``."""
        from ecg_core.contracts.module import TransformModule

        return TransformModule(self, fs)

    def __repr__(self) -> str:
        inner = ", ".join(f"{k}={v!r}" for k, v in self.arguments.items())
        return f"{type(self).__name__}({inner})"

    # ------------------------------------------------------------------ around the mathematics

    def _drawn(self, shape: tuple[int, ...], generator: Draws) -> Mapping[str, Any]:
        return {}

    def _checked_fs(self, fs: float | None) -> float:
        if fs is None:
            if self.needs_fs:
                raise ValueError(f"{type(self).__name__} needs the sampling frequency: call it with fs=… (Hz)")
            return float("nan")
        if not 0 < fs < float("inf"):
            raise ValueError(f"fs must be a positive number of Hz, got {fs!r}")
        return float(fs)

    def _run(self, x: Any, fs: float, drawn: Mapping[str, Any]) -> Any:
        """``apply`` between the number types: at least float32 inside, the type of ``x`` outside."""
        xp = namespace(x)
        x = as_float(x)
        out = self.apply(widened(x), fs=fs, **drawn)
        return out if out.dtype == x.dtype else xp.astype(out, x.dtype)

    def _on_array(self, x: Any, fs: float, leads: tuple[str, ...] | None, generator: Draws | int | None) -> Any:
        windows = _as_windows(x)
        draws = _as_draws(generator, int(windows.shape[0])).like(windows)
        drawn = {**self.context(leads=leads, annotations={}), **self._drawn(tuple(windows.shape), draws)}
        out = self._run(windows, fs, drawn)
        return namespace(x).reshape(out, (*x.shape[:-2], *out.shape[-2:]))

    def _on_batch(self, batch: Batch, generator: Draws | int | None) -> Batch:
        draws = batch.draws() if generator is None else _as_draws(generator, len(batch)).like(batch.signal)
        known = self.context(leads=batch.leads, annotations=batch.annotations)
        drawn = {**known, **self._drawn(tuple(batch.signal.shape), draws)}
        signal = self._run(batch.signal, batch.fs, drawn)
        there = {"mask": batch.mask, "step_targets": batch.step_targets}
        moved = {name: self._moved_values(v, batch.fs, drawn) for name, v in there.items() if v is not None}
        n, after = batch.signal.shape[-1], signal.shape[-1]
        positions = {
            name: _moved(values, self._moved_positions(values, batch.fs, n, drawn), after)
            for name, values in batch.annotations.items()
        }
        return replace(
            batch,
            signal=signal,
            fs=self.output_fs(batch.fs),
            leads=self.output_leads(batch.leads),
            annotations=positions,
            **moved,
        )

    def _softened(self, batch: Batch) -> Batch:
        """The batch with its targets in the form in which this transform leaves those of any window, hit or not."""
        return batch

    def _moved_positions(self, positions: Any, fs: float, samples: int, drawn: Mapping[str, Any]) -> Any:
        return self.move(positions, fs=fs, samples=samples, **drawn)

    def _moved_mask(self, mask: Any, fs: float, drawn: Mapping[str, Any]) -> Any:
        return self.move_mask(mask, fs=fs, **drawn)

    def _moved_values(self, values: Any, fs: float, drawn: Mapping[str, Any]) -> Any:
        if values.ndim == 2:
            return self._moved_mask(values, fs, drawn)
        each = [self._moved_mask(values[:, i], fs, drawn) for i in range(values.shape[1])]
        return namespace(values).stack(each, axis=1)

    def _on_record(self, record: Record, generator: Draws | int | None) -> Record:
        draws = _as_draws(generator, 1, key=record_key(record.record_id))
        x = record.signal[None]
        positions = {name: np.asarray(values)[None] for name, values in record.annotations.items()}
        drawn = {**self.context(leads=record.leads, annotations=positions), **self._drawn(x.shape, draws)}
        signal = self._run(x, record.fs, drawn)[0]
        moved = {}
        for name, values in positions.items():
            there = np.asarray(self._moved_positions(values, record.fs, record.n_samples, drawn))[0]
            moved[name] = there[(there >= 0) & (there < signal.shape[-1])]
        leads = self.output_leads(record.leads)
        return record.with_signal(signal, fs=self.output_fs(record.fs), leads=leads, annotations=moved)


def _moved(before: Any, after: Any, samples: int) -> Any:
    """Positions after a transform; those that were absent or fell off an end become -1."""
    xp = namespace(before)
    inside = (before >= 0) & (after >= 0) & (after < samples)
    return xp.where(inside, after, xp.full_like(after, -1))


def _named(x: Any, leads: Sequence[str] | None) -> tuple[str, ...] | None:
    if leads is None:
        return None
    names = canonical_leads(leads)
    if x.ndim >= 2 and len(names) != x.shape[-2]:
        raise DataError(f"{len(names)} lead names for a signal of {x.shape[-2]} leads; give one name per lead")
    return names


def _as_windows(x: Any) -> Any:
    """``(..., leads, samples)`` of real numbers as ``(windows, leads, samples)`` of floating point."""
    if x.ndim < 2:
        raise DataError(f"expected (..., leads, samples), got shape {tuple(x.shape)}")
    if x.shape[-1] == 0 or x.shape[-2] == 0:
        raise DataError(f"expected at least one lead and one sample, got shape {tuple(x.shape)}")
    return namespace(x).reshape(as_float(x), (-1, *x.shape[-2:]))


def _as_draws(generator: Draws | int | None, windows: int, *, key: int | None = None) -> Draws:
    records = None if key is None else np.array([key], dtype=np.int64)
    if generator is None:
        return Draws.fresh(windows)
    if isinstance(generator, Draws):
        if len(generator) != windows:
            raise ValueError(f"the generator has draws for {len(generator)} windows, the signal has {windows}")
        return generator
    if isinstance(generator, (int, np.integer)):
        return Draws.seeded(int(generator), records=records, windows=windows)
    raise TypeError(f"generator must be Draws, an integer seed or None, got {type(generator).__name__}")

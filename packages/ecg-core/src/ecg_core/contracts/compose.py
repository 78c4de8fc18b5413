"""Compose: several transforms one after the other; the one manager for preprocessing and augmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from ecg_core.contracts.arrays import as_float, asarray_like, is_array, namespace
from ecg_core.contracts.draws import Draws, record_key
from ecg_core.contracts.fusing import fused_run, fusible_length
from ecg_core.contracts.mixing import MixingTransform
from ecg_core.contracts.random_run import _RandomRun, run_length
from ecg_core.contracts.random_transform import probability
from ecg_core.contracts.rows import own_copy, put_rows, take_rows
from ecg_core.contracts.transform import S, Transform, _as_draws, _as_windows
from ecg_core.data.batch import Batch
from ecg_core.data.leads import canonical_leads
from ecg_core.data.record import Record
from ecg_core.errors import ConfigError

__all__ = ["Compose"]


class Compose(Transform):
    """Transforms in a row; ``fs`` travels with the signal from one to the next.

    Neighbours that state a frequency response and a reach work on one extension of the signal, which is cut off after the
    last of them. Done one by one by hand, each cuts and extends anew: the same away from the ends.

    Args:
        transforms: Transforms, or the names or configurations from which the registry builds them.
        random_order: Each window gets its own order. Only for transforms that keep length, ``fs`` and leads, and that do not
            mix windows with each other.
        p: Probability that a window goes through the chain at all; it then gets what ``p = 1`` gives it, in a batch of those
            that do. Below 1 only for transforms that keep length, ``fs`` and leads.
        fuse: Do neighbouring filters in one FFT pair, and what follows them in the same pass: the same numbers, faster.
            Not where ``random_order`` lets each window go its own way.
    """

    def __init__(
        self,
        transforms: Sequence[Transform | str | Mapping[str, Any]],
        *,
        random_order: bool = False,
        p: float = 1.0,
        fuse: bool = True,
    ) -> None:
        from ecg_core.discovery.registries import TRANSFORMS

        if isinstance(transforms, (str, Mapping, Transform)):
            raise ConfigError(f"Compose takes a list of transforms, got {transforms!r}; write [{transforms!r}]")
        self.transforms = tuple(t if isinstance(t, Transform) else TRANSFORMS.build(t) for t in transforms)
        self.random_order = random_order
        self.p = probability(p)
        self.fuse = fuse
        mixing = [type(t).__name__ for t in self.transforms if random_order and _mixes(t)]
        if mixing:
            raise ConfigError(
                f"{mixing[0]} mixes windows with each other, which windows that each go in an order of their own cannot; "
                "put it in front of or behind the chain with random_order"
            )

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it."""
        return {"arguments": {"transforms": ["normalize"]}}

    @property
    def arguments(self) -> dict[str, Any]:
        """The transforms as built, so that a configuration holds every argument whatever it was made from."""
        given: dict[str, Any] = {"transforms": list(self.transforms)}
        given |= {"random_order": True} if self.random_order else {}
        given |= {"p": self.p} if self.p != 1.0 else {}
        return given | ({} if self.fuse else {"fuse": False})

    @classmethod
    def from_config(cls, config: Sequence[str | Mapping[str, Any]]) -> Self:
        """A chain from a list of names and configurations; an unknown name or argument is an error."""
        return cls(list(config))

    def to_config(self) -> list[dict[str, Any]]:
        """The list from which :meth:`from_config` makes a chain that does the same."""
        from ecg_core.discovery.registries import TRANSFORMS

        if self.random_order or self.p != 1.0 or not self.fuse:  # a list has no room for these; a chain inside the list has
            return [TRANSFORMS.to_config(self)]
        return [TRANSFORMS.to_config(t) for t in self.transforms]

    def output_leads(self, leads: tuple[str, ...]) -> tuple[str, ...]:
        for transform in self.transforms:
            leads = transform.output_leads(leads)
        return leads

    def output_fs(self, fs: float) -> float:
        for transform in self.transforms:
            fs = transform.output_fs(fs)
        return fs

    def output_length(self, n_samples: int, fs: float) -> int:
        for transform in self.transforms:
            n_samples, fs = transform.output_length(n_samples, fs), transform.output_fs(fs)
        return n_samples

    def frequency_response(self, frequencies: np.ndarray, fs: float) -> np.ndarray | None:
        if self.p < 1:  # some windows pass as they are
            return None
        gain = np.ones_like(frequencies, dtype=np.float64)
        for transform in self.transforms:
            response = transform.frequency_response(frequencies, fs)
            if response is None:
                return None
            gain, fs = gain * response, transform.output_fs(fs)
        return gain

    def reach(self, fs: float) -> float | None:
        total = 0.0
        for transform in self.transforms:
            reach = transform.reach(fs)
            if reach is None:
                return None
            total, fs = total + reach, transform.output_fs(fs)
        return total

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return self._on_array(x, fs, None, None)

    def __call__(
        self, x: S, *, fs: float | None = None, leads: Sequence[str] | None = None, generator: Draws | int | None = None
    ) -> S:
        # One step sees what the step before made, so the chain hands on whole values instead of arrays.
        if self.p == 1.0 and not self.random_order:
            return self._in_turn(x, fs, leads, self._draws_for(x, generator))
        return super().__call__(x, fs=fs, leads=leads, generator=generator)

    def _checked_fs(self, fs: float | None) -> float:
        for transform in self.transforms:
            transform._checked_fs(fs)
        return super()._checked_fs(fs)

    def _draws_for(self, x: Any, generator: Draws | int | None) -> Draws:
        if isinstance(x, Batch):
            return x.draws() if generator is None else _as_draws(generator, len(x)).like(x.signal)
        if isinstance(x, Record):
            return _as_draws(generator, 1, key=record_key(x.record_id))
        if not is_array(x):
            raise TypeError(f"expected an array, a tensor, a Record or a Batch, got {type(x).__name__}")
        return _as_draws(generator, int(np.prod(x.shape[:-2], dtype=int)))

    def _in_turn(self, x: Any, fs: float | None, leads: Sequence[str] | None, draws: Draws) -> Any:
        number = 0
        while number < len(self.transforms):
            transform, count = self._next(number, x, fs, leads)
            own = draws if isinstance(transform, _RandomRun) else draws.child(number)
            x = transform(x, fs=fs, leads=leads, generator=own)
            # A record and a batch know their own, and what is given with them was only checked.
            fs = None if fs is None or not is_array(x) else transform.output_fs(fs)
            leads = None if leads is None or not is_array(x) else transform.output_leads(canonical_leads(leads))
            number += count
        return x

    def _next(self, number: int, x: Any, fs: float | None, leads: Sequence[str] | None) -> tuple[Transform, int]:
        """What comes at this place of the chain, and for how many of its transforms it stands."""
        rest = self.transforms[number:]
        names = None if leads is None and is_array(x) else canonical_leads(leads or x.leads)
        random = 0 if isinstance(x, Record) else run_length(rest, x, names)
        if random > 1:
            return _RandomRun(rest[:random], first=number), random  # type: ignore[arg-type]
        fs = fs if is_array(x) else x.fs
        if fs is None or not 0 < fs < float("inf"):  # the transform itself says what is wrong
            return rest[0], 1
        filters, followers = fusible_length(rest, fs)
        if not self.fuse:
            followers = 0
        if filters + followers < 2:
            return rest[0], 1
        run = fused_run(rest[:filters], rest[filters : filters + followers], together=self.fuse)
        return run, filters + followers

    def _on_record(self, record: Record, generator: Draws | int | None) -> Record:
        self._check_kept(record.fs, record.n_samples, record.leads)
        draws = self._draws_for(record, generator)
        hit, order = self._plan(draws)
        if not bool(hit[0]):
            return record
        if not self.random_order:
            return self._in_turn(record, None, None, draws)
        for number in order[0].tolist():
            record = self.transforms[number](record, generator=draws.child(number))
        return record

    def _on_batch(self, batch: Batch, generator: Draws | int | None) -> Batch:
        draws = self._draws_for(batch, generator)
        return self._shuffled(batch, batch.fs, batch.leads, draws)

    def _on_array(self, x: Any, fs: float, leads: tuple[str, ...] | None, generator: Draws | int | None) -> Any:
        windows = _as_windows(x)
        draws = _as_draws(generator, int(windows.shape[0])).like(windows)
        return namespace(x).reshape(self._shuffled(windows, fs, leads, draws), x.shape)

    def _softened(self, batch: Batch) -> Batch:
        for transform in self.transforms if self.p > 0 else ():
            batch = transform._softened(batch)
        return batch

    def _plan(self, draws: Draws) -> tuple[Any, Any]:
        count = len(self.transforms)
        xp = namespace(draws.keys)
        ranks = draws.child(-1).uniform(size=(count,))
        if not self.random_order:
            ranks = ranks * 0 + asarray_like(np.arange(count), ranks)
        return draws.child(-2).happens(self.p), xp.argsort(ranks, axis=-1)

    def _check_kept(self, fs: float, samples: int, leads: tuple[str, ...] | None) -> None:
        """Refuse what would leave windows of two kinds in one batch."""
        # Each by itself: in another order, two that cancel out would not. An unknown fs is NaN, which ``in`` finds by identity.
        for t in self.transforms:
            named = leads is not None and t.output_leads(leads) != leads
            if named or t.output_fs(fs) not in (fs,) or t.output_length(samples, fs) != samples:
                raise ConfigError(
                    "random_order and p need transforms that keep the length and fs, and the leads; "
                    f"put {type(t).__name__} in front of this chain"
                )

    def _shuffled(self, x: Any, fs: float, leads: tuple[str, ...] | None, draws: Draws) -> Any:
        """Windows (an array or a batch), of which each goes its own way: with all its facts, through the chain or not.

        Class numbers become soft for all windows if any step makes them so: windows of one batch have targets of one kind.
        """
        signal = x.signal if isinstance(x, Batch) else x
        self._check_kept(fs, int(signal.shape[-1]), leads)
        xp = namespace(signal)
        known: dict[str, Any] = {} if isinstance(x, Batch) else {"fs": None if fs != fs else fs, "leads": leads}
        hit, order = self._plan(draws)
        ready = own_copy(self._softened(replace(x, signal=as_float(signal))) if isinstance(x, Batch) else as_float(x))
        if not self.random_order:
            rows = xp.nonzero(hit)[0]
            if rows.shape[0] == 0:
                return ready
            through = self._in_turn(take_rows(x, rows), known.get("fs"), known.get("leads"), draws.subset(rows))
            return put_rows(ready, rows, through)
        for slot in range(len(self.transforms)):
            for number, transform in enumerate(self.transforms):
                turn = xp.nonzero((order[:, slot] == number) & hit)[0]
                if turn.shape[0]:
                    done = transform(take_rows(ready, turn), generator=draws.child(number).subset(turn), **known)
                    ready = put_rows(ready, turn, done)
        return ready


def _mixes(transform: Transform) -> bool:
    """Whether windows meet in it."""
    return isinstance(transform, MixingTransform) or any(_mixes(t) for t in getattr(transform, "transforms", ()))

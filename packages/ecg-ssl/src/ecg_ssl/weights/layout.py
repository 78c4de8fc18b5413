"""Layout: how the files of one published model are recognised, sized and turned into a backbone of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ecg_core.data.leads import STANDARD_12, canonical_leads
from ecg_core.errors import ConfigError

__all__ = ["Layout", "Tensors", "blocks_of"]

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """The files of one published model.

    Args:
        name: What ``--layout`` takes.
        title: Model and paper.
        source: Where its authors publish it.
        licence: Of the weights; shown before anything is imported, and kept with the result.
        holds: Names that every such file holds, by which it is recognised.
        config: The backbone as a configuration, sized by the tensors.
        convert: The backbone's state dict from the official one, without ``left_out``.
        fs: Hz the model was trained at; 0 where anybody may have trained it, so that who imports it must tell.
        seconds: Length of its windows; 0 likewise.
        leads: In the order of its input.
        pipeline: How recordings were prepared, as transforms of ours; ``ecg prep --pipeline`` takes it.
        prefixes: What may stand before every name of the encoder.
        left_out: Whether a tensor under the encoder's prefix is no part of it, such as a classifier.
        beside: Whether a tensor without that prefix is known to stand beside the encoder: decoders, heads, queues.
        fits: Whether a file that holds all of ``holds`` is of this model and not of its neighbour.
    """

    name: str
    title: str
    source: str
    licence: str
    holds: tuple[str, ...]
    config: Callable[[Tensors], dict[str, Any]]
    convert: Callable[[Tensors], Mapping[str, Tensor]]
    fs: float
    seconds: float
    leads: Sequence[str] = STANDARD_12
    pipeline: Sequence[Mapping[str, Any]] = ()
    prefixes: tuple[str, ...] = ("", "module.")
    left_out: Callable[[str], bool] = lambda name: False
    beside: Callable[[str], bool] = lambda name: False
    fits: Callable[[Tensors], bool] = lambda state: True

    def find(self, tensors: Tensors) -> tuple[dict[str, Tensor], list[str]] | None:
        """The encoder's official state dict in a mapping of tensors, and the names left out; ``None`` if of another model.

        Names that are neither stay in the state dict, where the conversion refuses them.
        """
        for prefix in self.prefixes:
            inside = {name: value for name, value in tensors.items() if name.startswith(prefix)}
            state = {name.removeprefix(prefix): value for name, value in inside.items()}
            if all(name in state for name in self.holds) and self.fits(state):
                beside = [name for name in tensors if name not in inside]
                left = [n for n in tensors if (self.left_out(n.removeprefix(prefix)) if n in inside else self.beside(n))]
                kept = {name: value for name, value in state.items() if not self.left_out(name)}
                return kept | {name: tensors[name] for name in beside if name not in left}, left
        return None

    def told(
        self,
        *,
        fs: float | None = None,
        seconds: float | None = None,
        leads: Sequence[str] | None = None,
        pipeline: Sequence[str | Mapping[str, Any]] | None = None,
    ) -> Layout:
        """With the signal it was trained on, where its files do not tell.

        Args:
            fs: Hz.
            seconds: Length of its windows.
            leads: In the order of its input; the standard twelve unless given.
            pipeline: How recordings were prepared; brought to ``fs`` and nothing else unless given.

        Raises:
            ConfigError: The signal is known and told again, or unknown and not told.
        """
        given = {"fs": fs, "seconds": seconds, "leads": leads, "pipeline": pipeline}
        if self.fs:
            again = [word for word, value in given.items() if value is not None]
            if again:
                raise ConfigError(
                    f"{self.title} was trained at {self.fs:g} Hz on windows of {self.seconds:g} s, prepared as it says; leave "
                    f"out {', '.join(again)}"
                )
            return self
        if fs is None or seconds is None:
            missing = " and ".join(word for word in ("fs", "seconds") if given[word] is None)
            raise ConfigError(
                f"files of {self.title} do not tell which signals it was trained on; give {missing}, and leads and pipeline "
                "where they were not the standard twelve, resampled"
            )
        if not (fs > 0 and seconds > 0):
            raise ConfigError(f"fs and seconds must be positive, got {fs!r} and {seconds!r}")
        steps = [{"name": "resample", "fs": float(fs)}] if pipeline is None else pipeline
        return replace(
            self,
            fs=float(fs),
            seconds=float(seconds),
            leads=STANDARD_12 if leads is None else canonical_leads(leads),
            pipeline=tuple({"name": step} if isinstance(step, str) else step for step in steps),
        )

    @property
    def windows(self) -> int:
        """Samples of a window."""
        return round(self.fs * self.seconds)


def blocks_of(state: Tensors, before: str) -> int:
    """How many numbered blocks there are: names that begin with ``before``, a number and a dot."""
    numbers = {name.removeprefix(before).split(".")[0] for name in state if name.startswith(before)}
    return 1 + max(int(number) for number in numbers if number.isdigit())

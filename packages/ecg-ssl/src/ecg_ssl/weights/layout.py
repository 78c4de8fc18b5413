"""Layout: how the files of one published model are recognised, sized and turned into a backbone of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ecg_core.data.leads import STANDARD_12

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
        fs: Hz the model was trained at.
        seconds: Length of its windows.
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

    @property
    def windows(self) -> int:
        """Samples of a window."""
        return round(self.fs * self.seconds)


def blocks_of(state: Tensors, before: str) -> int:
    """How many numbered blocks there are: names that begin with ``before``, a number and a dot."""
    numbers = {name.removeprefix(before).split(".")[0] for name in state if name.startswith(before)}
    return 1 + max(int(number) for number in numbers if number.isdigit())

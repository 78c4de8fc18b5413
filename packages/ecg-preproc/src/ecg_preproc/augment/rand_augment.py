"""RandAugment: a few random transforms of a list, all equally strong (Cubuk et al. 2020, arXiv 1909.13719)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ecg_core.contracts.arrays import is_array, namespace
from ecg_core.contracts.blocks import blocks
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.mixing import MixingTransform
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_core.contracts.rows import rows, write_rows
from ecg_core.contracts.transform import Transform, _moved
from ecg_core.errors import ConfigError

__all__ = ["RandAugment", "scaled"]

DEFAULT = (
    "baseline_wander", "gaussian_noise", "amplitude_scale", "random_flip", "random_masking", "lead_dropout", "stretch_compress",
    "time_warp", "magnitude_warp",
)  # fmt: skip


class RandAugment(RandomTransform):
    """Give every window ``n`` transforms, drawn from a list with equal chances, one after the other.

    A transform that is drawn happens: its own ``p`` does not count. Those that state what makes them stronger (``magnitude``
    of RandomTransform) are scaled together; the others are on or off.

    Args:
        transforms: Random transforms that keep the length, or the names or configurations from which the registry builds
            them; ``None`` takes a list of nine.
        n: How many each window gets; the same one may come twice.
        magnitude: 0 leaves those that can be scaled without effect, 1 takes them as they were given.
        p: Probability that a window is changed.
    """

    in_blocks = False  # those inside are cut into blocks themselves

    def __init__(
        self,
        *,
        transforms: Sequence[Transform | str | Mapping[str, Any]] | None = None,
        n: int = 2,
        magnitude: float = 0.5,
        p: float = 1.0,
    ) -> None:
        from ecg_core.discovery.registries import TRANSFORMS

        if n < 1:
            raise ValueError(f"n must be at least 1, got {n!r}")
        if not 0 <= magnitude <= 1:
            raise ValueError(f"magnitude must be between 0 and 1, got {magnitude!r}")
        given = DEFAULT if transforms is None else transforms
        if isinstance(given, (str, Mapping, Transform)) or not given:
            raise ConfigError(f"RandAugment takes a list of transforms, got {given!r}")
        self.transforms = tuple(
            scaled(_suitable(t if isinstance(t, Transform) else TRANSFORMS.build(t)), magnitude) for t in given
        )
        self.needs_fs = any(t.needs_fs for t in self.transforms)
        self.n = n
        self.strength = magnitude
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it: without the transforms that need names of leads or a high sampling frequency."""
        return {"refused": [{"n": 0}, {"magnitude": 2.0}, {"transforms": []}, {"p": 1.5}]}

    def output_length(self, n_samples: int, fs: float) -> int:
        for transform in self.transforms:
            if transform.output_length(n_samples, fs) != n_samples:
                raise ConfigError(f"RandAugment needs transforms that keep the length; {type(transform).__name__} does not")
        return n_samples

    def context(self, *, leads: tuple[str, ...] | None, annotations: Mapping[str, Any]) -> dict[str, Any]:
        return {"known": tuple(t.context(leads=leads, annotations=annotations) for t in self.transforms)}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        turns = generator.child(-1).integers(len(self.transforms), size=(self.n,))
        return {"turns": turns, "keys": generator.keys, "leads": shape[1]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        self.output_length(int(x.shape[-1]), fs)
        inside = not blocks(x)  # with gradients, or elsewhere than on the processor

        def act(t: RandomTransform, value: Any, own: Mapping[str, Any]) -> Any:
            return t._run(value, fs, own) if inside else t._rework_block(value, fs, t._ready(own, value[:0], fs))

        return self._each(x, drawn, int(x.shape[-1]), act)

    def move(self, positions: Any, *, fs: float, samples: int, **drawn: Any) -> Any:
        # What one of them moves out of the window, the next does not bring back.
        def move(t: RandomTransform, value: Any, own: Mapping[str, Any]) -> Any:
            return _moved(value, t._moved_positions(value, fs, samples, own), samples)

        return self._each(positions, drawn, samples, move)

    def move_mask(self, mask: Any, *, fs: float, **drawn: Any) -> Any:
        return self._each(mask, drawn, int(mask.shape[-1]), lambda t, value, own: t._moved_mask(value, fs, own))

    def _each(self, value: Any, drawn: Mapping[str, Any], samples: int, act: Any) -> Any:
        """``act(transform, value, drawn)`` slot by slot, for the windows whose turn it is."""
        xp = namespace(value)
        draws, count = Draws(drawn["keys"]), len(self.transforms)
        # Elsewhere than on the processor nobody waits to hear whose turn it is: all are transformed, and some taken.
        waits = str(value.device) == "cpu"
        before, value = value, xp.empty_like(value) if waits else value
        for slot in range(self.n):
            # Every window has its turn in every slot, so that the first one fills what was empty.
            source = before if slot == 0 else value
            for number, transform in enumerate(self.transforms):
                turn = drawn["turns"][:, slot] == number
                own = draws.child(slot * count + number)
                index = xp.nonzero(turn)[0] if waits else slice(None)
                part = source if isinstance(index, slice) else rows(source, index)
                if part.shape[0] == 0:
                    continue
                known = {k: v[index] if is_array(v) else v for k, v in drawn["known"][number].items()}
                shape = (int(part.shape[0]), drawn["leads"], samples)
                done = act(transform, part, {**known, **transform._drawn(shape, own.subset(index))})
                if isinstance(index, slice):
                    value = xp.where(xp.reshape(turn, (-1, *[1] * (value.ndim - 1))), done, value)
                else:
                    write_rows(value, index, done)
        return value


def _suitable(transform: Transform) -> RandomTransform:
    if not isinstance(transform, RandomTransform) or isinstance(transform, MixingTransform) or transform.targets_only:
        raise ConfigError(f"RandAugment takes random transforms of single windows, {type(transform).__name__} is none")
    return transform


def scaled(transform: RandomTransform, magnitude: float) -> RandomTransform:
    """The transform with a part of its strength, and with ``p = 1``."""
    given = transform.arguments
    for name, neutral in type(transform).magnitude.items():
        full = getattr(transform, name)
        part = [neutral + magnitude * (value - neutral) for value in (full if isinstance(full, tuple) else (full,))]
        given[name] = tuple(part) if isinstance(full, tuple) else part[0]
    if "p" in inspect.signature(type(transform)).parameters:
        given["p"] = 1.0
    return type(transform)(**given)

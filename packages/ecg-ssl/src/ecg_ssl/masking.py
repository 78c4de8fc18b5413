"""Random masking by sorting noise, and of words as BERT does it.

He et al., "Masked autoencoders are scalable vision learners", CVPR 2022; Devlin et al., "BERT", NAACL 2019, section 3.1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["MaskedWords", "Masking", "mask_as_given", "mask_by_noise", "mask_groups", "mask_spans", "mask_words"]


class Masking(NamedTuple):
    """Which columns of each row are visible, in the three forms that a masked autoencoder needs."""

    keep: Tensor
    """``(..., kept)`` int64: the visible columns, in a random order."""
    restore: Tensor
    """``(..., columns)`` int64: where each column stands in the sequence visible columns, then hidden ones."""
    mask: Tensor
    """``(..., columns)`` booleans, true where hidden."""

    @property
    def hidden(self) -> Tensor:
        """``(..., hidden)`` int64: the hidden columns."""
        return self.restore.argsort(dim=-1)[..., self.keep.shape[-1] :]


def mask_by_noise(noise: Tensor, ratio: float) -> Masking:
    """Hide the columns with the largest noise: the same number, ``columns - int(columns * (1 - ratio))``, in every row.

    Args:
        noise: ``(..., columns)``; independent uniform noise masks every row on its own.
        ratio: Share of the columns to hide, at least 0 and below 1.

    Raises:
        ValueError: The ratio is out of range, or no column would stay visible.
    """
    return _sorted(noise, _kept(noise.shape[-1], ratio))


def mask_groups(noise: Tensor, ratio: float, group: Tensor) -> Masking:
    """Hide whole groups of columns, those with the largest noise: ``groups - int(groups * (1 - ratio))`` of them.

    Args:
        noise: ``(..., groups)``.
        ratio: Share of the groups to hide, at least 0 and below 1.
        group: ``(columns,)`` int64: the group of each column; all groups have the same number of columns.

    Returns:
        The masking of the columns, ``(..., columns)``; within a group they keep their order.

    Raises:
        ValueError: The ratio is out of range, or no group would stay visible.
    """
    groups, columns = noise.shape[-1], group.shape[0]
    kept = _kept(groups, ratio) * (columns // groups)
    rank = noise.argsort(dim=-1, stable=True).argsort(dim=-1)  # of each group, 0 for the smallest noise
    return _sorted(rank[..., group] * columns + torch.arange(columns, device=noise.device), kept)


def mask_spans(noise: Tensor, length: int, ratio: float) -> Tensor:
    """Hide spans of equal length that begin at random and may overlap: the same number of steps in every row.

    As many steps as ``steps * ratio / length`` spans hide on average, ``int(steps * (1 - (1 - ratio / length) ** length))`` and
    at least one. Spans are laid down in the order of the noise until so many steps are hidden; the last one may be cut.

    Args:
        noise: ``(rows, steps)``.
        length: Steps of a span.
        ratio: Share of the steps that the spans would hide if none overlapped.

    Returns:
        ``(rows, steps)`` booleans, true where hidden.

    Raises:
        ValueError: A span is longer than the row, or no step or every step would be hidden.
    """
    steps = noise.shape[-1]
    if not 1 <= length <= steps:
        raise ValueError(f"spans of {length} steps do not fit {steps} steps; use longer windows or shorter spans")
    hidden = max(1, int(steps * (1 - (1 - min(ratio / length, 1.0)) ** length)))
    if not ratio > 0 or hidden >= steps:
        raise ValueError(f"a ratio of {ratio!r} in spans of {length} hides {hidden} of {steps} steps; some must stay visible")
    order = noise[..., : steps - length + 1].argsort(dim=-1, stable=True).argsort(dim=-1)  # of each start, 0 for the first span
    early = torch.nn.functional.pad(order, (length - 1, length - 1), value=steps).unfold(-1, length, 1).amin(dim=-1)
    rank = (early * steps + torch.arange(steps, device=noise.device)).argsort(dim=-1).argsort(dim=-1)
    return rank < hidden


class MaskedWords(NamedTuple):
    """What becomes of words, each ``(..., words)`` booleans."""

    chosen: Tensor
    """They are to be told: one of the two below, or left as they are."""
    masked: Tensor
    """A mask stands in their place."""
    swapped: Tensor
    """Another word stands in their place."""


def mask_words(noise: Tensor, fate: Tensor, ratio: float, real: Tensor) -> MaskedWords:
    """Choose words one by one; of ten chosen ones eight are masked, one is swapped and one stays.

    Words may be whole waves: what is decided for a word then holds for all of its samples.

    Args:
        noise: ``(..., words)`` uniform in [0, 1), by which words are chosen.
        fate: ``(..., words)`` uniform in [0, 1), by which it is decided what becomes of them.
        ratio: Share of the words to choose, between 0 and 1.
        real: ``(..., words)`` booleans: false where there is no word to choose.

    Raises:
        ValueError: The ratio is out of range.
    """
    if not 0 < ratio < 1:
        raise ValueError(f"a share of words is between 0 and 1, got {ratio!r}")
    chosen = (noise < ratio) & real
    return MaskedWords(chosen, chosen & (fate < 0.8), chosen & (fate >= 0.8) & (fate < 0.9))


def mask_as_given(mask: Tensor) -> Masking:
    """The masking of booleans that are true where hidden; columns keep their order.

    Args:
        mask: ``(..., columns)`` booleans, as many hidden in every row.

    Raises:
        ValueError: Rows hide different numbers of columns, or all or none.
    """
    hidden = mask.sum(dim=-1)
    few, many, columns = int(hidden.min()), int(hidden.max()), mask.shape[-1]
    if few != many or not 0 < few < columns:
        raise ValueError(f"every row must hide as many of its {columns} columns, at least one and not all; got {few} to {many}")
    return _sorted(mask.to(torch.int64), columns - few)


def _kept(count: int, ratio: float) -> int:
    if not 0 <= ratio < 1:
        raise ValueError(f"a mask ratio is at least 0 and below 1, got {ratio!r}")
    kept = int(count * (1.0 - ratio) + 1e-6)  # 10 * (1 - 0.9) is 0.9999999999999998, which must not cost a patch
    if kept == 0:
        raise ValueError(f"hiding {ratio:.0%} of {count} patches leaves none visible; use longer windows or a smaller ratio")
    return kept


def _sorted(noise: Tensor, kept: int) -> Masking:
    shuffled = noise.argsort(dim=-1, stable=True)
    restore = shuffled.argsort(dim=-1)
    return Masking(shuffled[..., :kept], restore, restore >= kept)

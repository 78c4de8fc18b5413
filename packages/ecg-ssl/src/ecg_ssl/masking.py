"""Random masking by sorting noise: He et al., "Masked autoencoders are scalable vision learners", CVPR 2022."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Masking", "mask_as_given", "mask_by_noise", "mask_groups"]


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

"""Key queue: the projections of past batches, which serve as negatives.

He et al., "Momentum contrast for unsupervised visual representation learning", CVPR 2020, algorithm 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["KeyQueue"]


class KeyQueue(nn.Module):
    """A ring of unit vectors; the oldest are overwritten.

    Any batch fits: what does not go in before the end goes on at the beginning, and of a batch longer than the ring the last
    keys stay.

    Args:
        width: Channels of a key.
        length: Keys that are held.
        seed: Of the random unit vectors it begins with.

    Raises:
        ValueError: ``length`` is below 1.
    """

    keys: Tensor
    owners: Tensor
    pointer: Tensor

    def __init__(self, width: int, length: int, *, seed: int = 0) -> None:
        super().__init__()
        if length < 1:
            raise ValueError(f"a queue holds at least one key, got length={length}")
        start = torch.randn(length, width, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("keys", F.normalize(start, dim=1))  # (length, width)
        self.register_buffer("owners", torch.full((length,), -1))  # of none, at the beginning
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.keys)

    @torch.no_grad()
    def add(self, keys: Tensor, owners: Tensor | None = None) -> None:
        """Write ``(batch, width)`` unit vectors at the pointer and move it on.

        ``owners``, ``(batch,)`` int64, says whose keys they are, such as record or patient numbers. The buffers are replaced, not
        changed in place, so that a graph that read them stays valid.
        """
        kept = keys[-len(self) :].to(self.keys.dtype)
        start = int(self.pointer) + len(keys) - len(kept)
        places = (start + torch.arange(len(kept), device=keys.device)) % len(self)
        self.keys = self.keys.index_copy(0, places, kept)
        whose = torch.full((len(keys),), -1, device=keys.device) if owners is None else owners
        self.owners = self.owners.index_copy(0, places, whose[-len(self) :])
        self.pointer.fill_((int(self.pointer) + len(keys)) % len(self))

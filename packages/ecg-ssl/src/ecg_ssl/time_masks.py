"""Pieces of time to hide: single ones, blocks, and few long blocks that leave an exact number visible.

Random and block masks are those of Kim, arXiv:2410.08559; the blocks of exact number those of Weimann and Conrad,
arXiv:2410.13867. Both draw from a global generator; here every number follows from the windows' own draws.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ecg_core.contracts.draws import Draws

__all__ = ["blocks_mask", "hide_blocks", "hide_random", "hide_run", "share_of", "shared_draws"]

_ENOUGH = 6  # as many blocks as would fill the window this many times leave out a 400th of it


def shared_draws(draws: Draws) -> Draws:
    """One stream of draws for a whole batch, the same in any order of its windows; another batch has another."""
    return Draws(draws.keys.sum()[None])


def share_of(draws: Draws, bounds: tuple[float, float]) -> float:
    """A share uniform within ``bounds``, from the first window's draws: for what a whole batch has in common."""
    low, high = bounds
    return low + (high - low) * float(draws.uniform()[0])


def hide_random(draws: Draws, times: int, hidden: int) -> Tensor:
    """``(windows, times)`` booleans, true at ``hidden`` times that each window draws."""
    return draws.uniform(size=(times,)).argsort(dim=1, stable=True).argsort(dim=1) < hidden


def hide_blocks(draws: Draws, times: int, lengths: Tensor, hidden: int | None = None) -> Tensor:
    """``(windows, times)`` booleans, true in blocks at random places that may overlap.

    Args:
        draws: Of the windows.
        times: Pieces of time in a window.
        lengths: ``(blocks,)`` int64, of the blocks in turn.
        hidden: Hide exactly this many times in every window: block after block until it is reached, the last one in part.
            ``None`` hides the blocks, whose union has another size in every window.
    """
    lengths = lengths.clamp(max=times)
    if hidden is not None:
        lengths = lengths.repeat(-(-_ENOUGH * times // int(lengths.sum())))
    blocks, longest, never = len(lengths), int(lengths.max()), 2 * len(lengths) * times
    start = (draws.uniform(size=(blocks,)) * (times - lengths + 1)).long().minimum(times - lengths)  # (windows, blocks)
    since = torch.arange(longest, device=start.device)
    place = (start[..., None] + since).clamp(max=times - 1).flatten(1)  # (windows, blocks * longest)
    number = torch.arange(blocks, device=start.device)[:, None] * times + since
    number = torch.where(since < lengths[:, None], number, never).flatten().expand_as(place)
    # When a time is hidden: by the number of the first block that comes to it, and from there in the order of time.
    when = torch.full((len(draws), times), never, device=start.device).scatter_reduce(1, place, number, "amin")
    if hidden is None:
        return when < never
    when = torch.where(when < never, when, never + (draws.uniform(size=(times,)) * times).long())
    return when.argsort(dim=1, stable=True).argsort(dim=1) < hidden


def hide_run(draws: Draws, times: int, lengths: Tensor) -> Tensor:
    """``(windows, times)`` booleans, true in one run of each window at a random place, as long as ``lengths`` ``(windows,)``."""
    place = torch.arange(times, device=lengths.device)
    slack = times - lengths
    begin = (draws.uniform() * (slack + 1)).long().minimum(slack)[:, None]
    return (place >= begin) & (place < begin + lengths[:, None])


def blocks_mask(draws: Draws, times: int, hidden: int, *, shortest: int = 10) -> Tensor:
    """``(windows, times)`` booleans, true at exactly ``hidden`` times that lie in few long runs.

    Begin with one free interval, the window. Choose an interval with a probability in proportion to its length and hide a block
    of it, of random size from ``shortest`` to what is left to hide, at a random place; go on until nothing is left. A rest that
    is shorter than ``shortest`` is hidden at one end of an interval, which is the end of another block or of the window.

    Args:
        draws: Of the windows; a window's mask does not depend on the others.
        times: Pieces of time in a window.
        hidden: How many of them to hide.
        shortest: Length of the shortest block.

    Raises:
        ValueError: ``shortest`` is not positive, or ``hidden`` is not from 0 to ``times``.
    """
    if shortest < 1 or not 0 <= hidden <= times:
        raise ValueError(
            f"blocks of at least 1 must hide 0 to {times} of {times} times; got shortest={shortest}, hidden={hidden}"
        )
    place = torch.arange(times, device=draws.keys.device)
    mask = torch.zeros(len(draws), times, dtype=torch.bool, device=place.device)
    left = torch.full((len(draws),), hidden, device=place.device)
    while bool((left > 0).any()):
        which, size, where = draws.uniform(size=(3,)).unbind(1)
        begin, end = _free_interval(mask, which, place)
        longest = left.minimum((end - begin).clamp(min=0))  # a window that is hidden whole has no interval left
        more = (longest - shortest).clamp(min=0)
        length = torch.where(more > 0, shortest + (size * (more + 1)).long().minimum(more), longest)
        slack = (end - begin - length).clamp(min=0)
        offset = torch.where(left < shortest, (where >= 0.5) * slack, (where * (slack + 1)).long().minimum(slack))
        begin = (begin + offset)[:, None]
        mask = mask | ((place >= begin) & (place < begin + length[:, None]))
        left = left - length
    return mask


def _free_interval(mask: Tensor, which: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Begin and end ``(windows,)`` of the interval around a free time chosen by ``which``, a number in [0, 1) per window."""
    free, times = ~mask, mask.shape[1]
    number = (which * free.sum(dim=1)).long()  # of the free times, from 0
    chosen = (free.cumsum(dim=1) == number[:, None] + 1).to(torch.uint8).argmax(dim=1, keepdim=True)
    before = torch.where(mask, place, -1).cummax(dim=1).values + 1
    behind = torch.where(mask, place, times).flip(1).cummin(dim=1).values.flip(1)
    return before.gather(1, chosen)[:, 0], behind.gather(1, chosen)[:, 0]

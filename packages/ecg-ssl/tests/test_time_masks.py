"""Pieces of time to hide: how many, where, and from which draws."""

import numpy as np
import pytest
import torch

from ecg_core.contracts.draws import Draws
from ecg_ssl.masking import mask_as_given
from ecg_ssl.time_masks import blocks_mask, hide_blocks, hide_random, share_of, shared_draws


def draws(records, seed=0):
    return Draws.seeded(seed, records=np.asarray(records)).like(torch.zeros(1))


def runs(row):
    """Lengths and ends of the runs of true in a list of booleans."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(row, dtype=int), [0]])))
    return [(int(b - a), int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def test_blocks_leave_exactly_the_same_number_visible_in_every_window():
    mask = blocks_mask(draws(range(300)), 200, 170)
    assert mask.sum(dim=1).unique().tolist() == [170]


def test_a_short_block_lies_at_the_end_of_the_window():
    """Where it was attached to another block, the run is longer than either."""
    short = [run for row in blocks_mask(draws(range(300)), 200, 170) for run in runs(row) if run[0] < 10]
    assert short  # it happens, as in the original
    assert all(begin == 0 or end == 200 for _, begin, end in short)


def test_blocks_are_few_and_everywhere():
    mask = blocks_mask(draws(range(2000)), 200, 100)
    assert max(len(runs(row)) for row in mask) <= 11  # blocks of ten, and a rest
    share = mask.float().mean(dim=0)
    assert share[20:180].min() > 0.35
    torch.testing.assert_close(share, share.flip(0), atol=0.06, rtol=0.0)  # neither end is preferred


@pytest.mark.parametrize(("hidden", "shortest"), [(0, 10), (3, 10), (20, 10), (20, 1)])
def test_extreme_numbers_of_hidden_times_are_met(hidden, shortest):
    assert blocks_mask(draws(range(20)), 20, hidden, shortest=shortest).sum(dim=1).unique().tolist() == [hidden]


def test_impossible_blocks_are_refused():
    with pytest.raises(ValueError, match="must hide 0 to 20 of 20 times; got shortest=10, hidden=21"):
        blocks_mask(draws([0]), 20, 21)
    with pytest.raises(ValueError, match="got shortest=0, hidden=2"):
        blocks_mask(draws([0]), 20, 2, shortest=0)


@pytest.mark.parametrize(
    "hide",
    [
        lambda d: blocks_mask(d, 50, 40, shortest=4),
        lambda d: hide_random(d, 50, 31),
        lambda d: hide_blocks(d, 50, torch.tensor([9, 9, 8, 11]), 30),
    ],
)
def test_a_window_has_its_mask_in_any_order_of_the_batch_and_in_any_company(hide):
    whole = hide(draws([5, 3, 8, 1]))
    assert torch.equal(hide(draws([1, 8, 5, 3])), whole[[3, 2, 0, 1]])
    assert torch.equal(hide(draws([8])), whole[2:3])
    assert not torch.equal(whole[0], whole[1])


def test_what_a_batch_shares_does_not_depend_on_its_order_and_differs_between_batches():
    same, again = (share_of(shared_draws(draws(order)), (0.6, 0.7)) for order in ([4, 9, 2], [2, 4, 9]))
    assert same == again
    shares = [share_of(shared_draws(draws([n, n + 1])), (0.6, 0.7)) for n in range(400)]
    assert min(shares) >= 0.6
    assert max(shares) < 0.7
    assert np.mean(shares) == pytest.approx(0.65, abs=0.005)


def test_single_times_are_hidden_uniformly():
    mask = hide_random(draws(range(2000)), 50, 32)
    assert mask.sum(dim=1).unique().tolist() == [32]
    torch.testing.assert_close(mask.float().mean(dim=0), torch.full((50,), 0.64), atol=0.05, rtol=0.0)


def test_unions_of_blocks_have_the_sizes_of_the_original():
    """Measured there: 27.3 of 50 in the mean, from 10 to 41."""
    counts = []
    for seed in range(600):
        source = shared_draws(draws(range(3), seed))
        lengths = ((0.175 + 0.05 * source.uniform(size=(4,))[0]) * 50).long()
        counts.append(int(hide_blocks(source, 50, lengths).sum()))
    assert np.mean(counts) == pytest.approx(27.3, abs=0.7)
    assert min(counts) >= 10
    assert max(counts) <= 44


def test_blocks_of_an_exact_number_are_runs():
    mask = hide_blocks(draws(range(200)), 50, torch.tensor([9, 10, 8, 11]), 28)
    assert mask.sum(dim=1).unique().tolist() == [28]
    assert np.mean([len(runs(row)) for row in mask]) < 5


def test_a_given_mask_keeps_the_order_of_time():
    masking = mask_as_given(torch.tensor([[True, False, True, False], [False, False, True, True]]))
    assert masking.keep.tolist() == [[1, 3], [0, 1]]
    assert masking.hidden.tolist() == [[0, 2], [2, 3]]


@pytest.mark.parametrize("rows", [[[True, False], [True, True]], [[False, False]], [[True, True]]])
def test_rows_that_hide_different_numbers_are_refused(rows):
    with pytest.raises(ValueError, match="every row must hide as many of its 2 columns, at least one and not all"):
        mask_as_given(torch.tensor(rows))

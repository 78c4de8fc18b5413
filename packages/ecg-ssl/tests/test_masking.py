"""Masking: exact counts, consistent forms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_ssl.masking import mask_by_noise, mask_groups


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.floats(0.0, 0.95), st.integers(0, 999))
def test_the_three_forms_of_a_masking_say_the_same(columns, ratio, seed):
    noise = torch.rand(2, 3, columns, generator=torch.Generator().manual_seed(seed))
    if int(columns * (1 - ratio) + 1e-6) == 0:
        return
    keep, restore, mask = mask_by_noise(noise, ratio)
    assert (keep.shape[-1] + mask.sum(dim=-1) == columns).all()
    everything = torch.arange(columns).expand(2, 3, -1)
    assert torch.equal(mask, ~torch.zeros_like(mask).scatter(-1, keep, True))
    sequence = torch.cat([keep, everything[mask].reshape(2, 3, -1)], dim=-1)  # visible, then hidden in some order
    assert torch.equal(sequence.gather(-1, restore)[~mask], everything[~mask])


@pytest.mark.parametrize(("columns", "ratio", "kept"), [(30, 0.75, 7), (10, 0.9, 1), (100, 0.99, 1), (8, 0.75, 2), (5, 0.0, 5)])
def test_every_row_keeps_exactly_this_many(columns, ratio, kept):
    keep, _, mask = mask_by_noise(torch.rand(4, 12, columns), ratio)
    assert keep.shape == (4, 12, kept)
    assert ((~mask).sum(dim=-1) == kept).all()


def test_the_smallest_noise_stays_visible():
    keep, restore, mask = mask_by_noise(torch.tensor([[0.9, 0.1, 0.5, 0.3]]), 0.5)
    assert keep.tolist() == [[1, 3]]
    assert restore.tolist() == [[3, 0, 2, 1]]
    assert mask.tolist() == [[True, False, True, False]]


def test_rows_are_masked_independently():
    mask = mask_by_noise(torch.rand(64, 12, 30, generator=torch.Generator().manual_seed(0)), 0.75).mask
    # C(30, 7) = 2,035,800 equally likely maskings: 64 equal pairs have a probability of 3e-5.
    assert not (mask[:, 0] == mask[:, 1]).all(dim=-1).any()
    assert mask.double().mean(dim=(0, 1)).sub(23 / 30).abs().max() < 5 * (23 * 7 / 30**2 / 768) ** 0.5


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_a_ratio_out_of_range_is_an_error(ratio):
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        mask_by_noise(torch.rand(4), ratio)


def test_hiding_everything_is_an_error():
    with pytest.raises(ValueError, match="hiding 75% of 3 patches leaves none visible"):
        mask_by_noise(torch.rand(3), 0.75)


def test_groups_are_hidden_whole_in_the_order_of_their_noise():
    noise, group = torch.tensor([[0.9, 0.1, 0.5]]), torch.tensor([0, 1, 2, 0, 1, 2])
    keep, restore, mask = mask_groups(noise, 0.34, group)
    assert keep.tolist() == [[1, 4]]
    assert mask.tolist() == [[True, False, True, True, False, True]]
    assert restore.tolist() == [[4, 0, 2, 5, 1, 3]]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.floats(0.0, 0.9), st.integers(0, 999))
def test_groups_of_one_column_are_columns_and_larger_ones_share_a_fate(groups, members, ratio, seed):
    noise = torch.rand(3, groups, generator=torch.Generator().manual_seed(seed))
    if int(groups * (1 - ratio) + 1e-6) == 0:
        return
    alone = mask_by_noise(noise, ratio)
    assert all(torch.equal(a, b) for a, b in zip(mask_groups(noise, ratio, torch.arange(groups)), alone, strict=True))
    group = torch.arange(groups).repeat(members)
    found = mask_groups(noise, ratio, group)
    assert torch.equal(found.mask, alone.mask[:, group])
    assert torch.equal(found.restore.argsort(dim=-1)[:, : found.keep.shape[-1]], found.keep)
    assert torch.equal(group[found.keep[:, ::members]], alone.keep)


def test_hiding_every_group_is_an_error():
    with pytest.raises(ValueError, match="hiding 75% of 3 patches leaves none visible"):
        mask_groups(torch.rand(3), 0.75, torch.arange(3).repeat(4))

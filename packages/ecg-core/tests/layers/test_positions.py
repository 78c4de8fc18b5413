"""Sin-cos positions against their formula."""

from __future__ import annotations

import math

import pytest
import torch

from ecg_core.layers.positions import grid_positions, sincos_positions


def test_every_entry_is_the_formula() -> None:
    count, width = 7, 12
    found = sincos_positions(count, width, like=torch.zeros(1, dtype=torch.float64))
    for p in range(count):
        for k in range(width // 2):
            angle = p / 10000 ** (k / (width // 2))
            assert float(found[p, k]) == pytest.approx(math.sin(angle), abs=1e-12)
            assert float(found[p, width // 2 + k]) == pytest.approx(math.cos(angle), abs=1e-12)


def test_position_zero_is_zeros_then_ones() -> None:
    found = sincos_positions(1, 8, like=torch.zeros(1))
    assert found.tolist() == [[0.0] * 4 + [1.0] * 4]


def test_every_position_has_the_same_length_and_the_product_depends_on_the_distance_alone() -> None:
    """sin² + cos² = 1 for each of width / 2 frequencies; sin a sin b + cos a cos b = cos(a - b)."""
    positions = sincos_positions(50, 64, like=torch.zeros(1, dtype=torch.float64))
    gram = positions @ positions.T
    torch.testing.assert_close(gram.diagonal(), torch.full((50,), 32.0, dtype=torch.float64))
    for distance in (1, 5, 30):
        along = gram.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along))


def test_half_precision_gets_positions_of_full_precision() -> None:
    half = sincos_positions(300, 8, like=torch.zeros(1, dtype=torch.bfloat16))
    assert half.dtype == torch.float32
    assert torch.equal(half, sincos_positions(300, 8, like=torch.zeros(1)))
    assert len({tuple(row) for row in half.tolist()}) == 300  # bf16 would merge neighbours beyond 256


def test_on_a_grid_half_of_the_channels_tell_the_time_and_half_the_lead() -> None:
    table = grid_positions(3, 4, 8, like=torch.zeros(())).unflatten(0, (3, 4))
    assert torch.equal(table[2, :, :4], sincos_positions(4, 4, like=table))
    assert torch.equal(table[:, 3, 4:], sincos_positions(3, 4, like=table))


@pytest.mark.parametrize(("leads", "times"), [(1, 5), (5, 1)])
def test_a_grid_of_one_row_or_one_column_is_a_line(leads: int, times: int) -> None:
    like = torch.zeros(())
    assert torch.equal(grid_positions(leads, times, 8, like=like), sincos_positions(5, 8, like=like))

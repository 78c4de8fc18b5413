"""Draws: pure functions of their keys, the same bits everywhere, and statistically what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ecg_core.contracts.draws import Draws, record_key
from ecg_core.contracts.normal_numbers import normal_numbers

MANY = 20_000
KEYS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=20, unique=True)


def splitmix64(state: int) -> int:
    """The published generator (Steele, Lea and Flood 2014) on plain Python integers."""
    mask = (1 << 64) - 1
    z = (state + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_bits_are_those_of_splitmix64():
    # Its first outputs from state 1234567, as published with the reference implementation (rosettacode.org).
    golden = 0x9E3779B97F4A7C15
    assert [splitmix64((1234567 + i * golden) % 2**64) for i in range(2)] == [6457827717110365317, 3203168211198807973]
    stream = splitmix64(1234567)  # the first call mixes the key with golden once: the stream of that call
    keys = np.array([1234567], dtype=np.int64)
    expected = [splitmix64((stream + i * golden) % 2**64) for i in range(5)]
    assert Draws(keys).bits((5,))[0].astype(np.uint64).tolist() == expected


@given(KEYS, st.integers(0, 2**64 - 1), st.integers(0, 1000))
def test_a_window_draws_the_same_whatever_its_company(keys, seed, epoch):
    records = np.array(keys, dtype=np.int64)
    together = Draws.seeded(seed, epoch=epoch, records=records)
    backwards = Draws.seeded(seed, epoch=epoch, records=records[::-1].copy()).normal((3,))[::-1]
    alone = [Draws.seeded(seed, epoch=epoch, records=records[i : i + 1]).normal((3,))[0] for i in range(len(records))]
    first = together.normal((3,))
    assert np.array_equal(first, backwards)
    assert np.array_equal(first, np.stack(alone))
    assert np.array_equal(Draws(together.subset(np.arange(1, len(records))).keys).normal((3,)), first[1:])


@given(KEYS, st.integers(0, 2**32))
def test_different_keys_draw_different_bits(keys, seed):
    bits = Draws.seeded(seed, records=np.array(keys, dtype=np.int64)).bits((4,))
    assert len(np.unique(bits)) == bits.size


@settings(deadline=None)  # the first example waits for torch to load
@given(KEYS, st.integers(0, 2**64 - 1), st.integers(-5, 5))
def test_numpy_and_torch_draw_the_same_bits(keys, seed, salt):
    torch = pytest.importorskip("torch")
    here = Draws.seeded(seed, records=np.array(keys, dtype=np.int64))
    there = here.like(torch.zeros(1))
    for a, b in ((here, there), (here.child(salt), there.child(salt))):
        assert np.array_equal(a.bits((2, 3)), b.bits((2, 3)).numpy())
        assert np.array_equal(a.uniform(-1.0, 3.0, (5,)), b.uniform(-1.0, 3.0, (5,)).numpy())
        assert np.array_equal(a.integers(7, (5,)), b.integers(7, (5,)).numpy())
        assert np.array_equal(a.happens(0.3, (5,)), b.happens(0.3, (5,)).numpy())
        assert np.allclose(a.normal((5,)), b.normal((5,)).numpy(), rtol=1e-5, atol=1e-6)


def test_seed_epoch_call_and_child_all_change_the_draws():
    def first(**where):
        return Draws.seeded(where.get("seed", 0), epoch=where.get("epoch", 0), windows=3).bits()

    base = Draws.seeded(0, windows=3)
    streams = [
        first(),
        first(seed=1),
        first(seed=2**63),
        first(epoch=1),
        first(seed=-1),
        base.child(0).bits(),
        base.child(1).bits(),
    ]
    base.bits()
    streams += [base.bits(), base.child(0).child(1).bits(), base.child(1).child(0).bits()]
    assert len({tuple(s.tolist()) for s in streams}) == len(streams)


def test_the_same_seed_gives_the_same_and_fresh_ones_differ():
    assert np.array_equal(Draws.seeded(5, windows=4).normal((9,)), Draws.seeded(5, windows=4).normal((9,)))
    assert not np.array_equal(Draws.fresh(4).bits(), Draws.fresh(4).bits())


def test_a_records_key_is_the_same_on_every_machine_and_spreads():
    # blake2b-64 of "r0001", computed once with `printf r0001 | b2sum -l 64`: little-endian, signed.
    assert record_key("r0001") == int.from_bytes(bytes.fromhex("38d1721623a01321"), "little", signed=True)
    assert len({record_key(f"r{i}") for i in range(10_000)}) == 10_000


@pytest.mark.parametrize("draws", [Draws.seeded(0, windows=MANY), Draws.seeded(3, windows=1)], ids=["many windows", "one window"])
def test_uniform_numbers_have_the_moments_of_a_uniform_distribution(draws):
    x = draws.uniform(2.0, 5.0, (MANY,) if len(draws) == 1 else ()).astype(np.float64).ravel()
    assert 2.0 <= x.min() < 2.001
    assert 4.999 < x.max() < 5.0
    assert abs(x.mean() - 3.5) < 4 * 3 / math.sqrt(12 * MANY)  # four standard errors
    assert abs(x.var() - 9 / 12) < 4 * 9 * math.sqrt(1 / 180 / MANY)
    counts = np.histogram(x, bins=20, range=(2, 5))[0]
    assert ((counts - MANY / 20) ** 2 / (MANY / 20)).sum() < 43.8  # 99.9 % of chi-squared with 19 degrees of freedom


@pytest.mark.parametrize("draws", [Draws.seeded(0, windows=MANY), Draws.seeded(3, windows=1)], ids=["many windows", "one window"])
def test_normal_numbers_have_the_moments_of_a_normal_distribution(draws):
    x = draws.normal((MANY,) if len(draws) == 1 else ()).astype(np.float64).ravel()
    assert abs(x.mean()) < 4 / math.sqrt(MANY)
    assert abs(x.var() - 1) < 4 * math.sqrt(2 / MANY)
    assert abs((x**3).mean()) < 4 * math.sqrt(15 / MANY)
    assert abs((x**4).mean() - 3) < 4 * math.sqrt(96 / MANY)
    assert abs((np.abs(x) > 1.959964).mean() - 0.05) < 4 * math.sqrt(0.05 * 0.95 / MANY)
    assert np.isfinite(x).all()


def test_normal_numbers_are_those_of_the_cells_that_their_own_bits_name():
    keys = np.arange(5, dtype=np.int64)
    cells = Draws(keys).bits((3,)).astype("<i8").view("<u2")[:, :9]
    lower, upper = stats.norm.ppf(cells / 2**16), stats.norm.ppf((cells + 1) / 2**16)
    expected = (stats.norm.pdf(lower) - stats.norm.pdf(upper)) * 2**16
    np.testing.assert_allclose(Draws(keys).normal((9,)), expected, rtol=1e-4, atol=1e-6)


def test_equally_probable_normal_numbers_are_a_normal_distribution_as_closely_as_sixteen_bits_can_be():
    every = np.sort(normal_numbers(np.arange(2**16, dtype="<u2").view("<i8")[None], 2**16)[0].astype(np.float64))
    steps = np.arange(2**16 + 1) / 2**16
    below, up_to = (np.abs(stats.norm.cdf(every) - there).max() for there in (steps[:-1], steps[1:]))
    assert max(below, up_to) < 2**-16  # Kolmogorov and Smirnov's distance
    assert abs(every.mean()) < 1e-9
    assert abs(every.var() - 1) < 1e-6
    assert np.array_equal(every, -every[::-1])
    assert abs((every**4).mean() - 3) < 3e-3
    assert 4.3 < every.max() < 4.5


def test_noise_for_which_the_exact_levels_count_passes_the_test_of_kolmogorov_and_smirnov():
    assert stats.kstest(Draws.seeded(8, windows=1).normal((MANY,))[0], "norm").pvalue > 1e-3


def test_integers_hit_every_value_equally_often():
    counts = np.bincount(Draws.seeded(1, windows=MANY).integers(12), minlength=12)
    assert len(counts) == 12
    assert ((counts - MANY / 12) ** 2 / (MANY / 12)).sum() < 31.3  # 99.9 % of chi-squared with 11 degrees of freedom


def test_integers_reach_beyond_32_bits():
    assert Draws.seeded(1, windows=100).integers(2**60).max() > 2**59


def test_chance_is_never_at_zero_and_always_at_one():
    draws = Draws.seeded(2, windows=MANY)
    assert not draws.happens(0.0).any()
    assert draws.happens(1.0).all()
    assert abs(draws.happens(0.3).mean() - 0.3) < 4 * math.sqrt(0.21 / MANY)


def test_streams_do_not_correlate():
    base = Draws.seeded(0, windows=MANY)
    streams = [base.normal(), base.normal(), base.child(0).normal(), base.child(1).normal(), base.child(0).child(0).normal()]
    streams += [Draws.seeded(1, windows=MANY).normal(), Draws.seeded(0, epoch=1, windows=MANY).normal(), streams[0][::-1]]
    streams += [np.roll(streams[0], lag) for lag in (1, 2, 7)]  # neighbouring keys
    correlation = np.corrcoef(np.stack(streams).astype(np.float64)) - np.eye(len(streams))
    assert np.abs(correlation).max() < 5 / math.sqrt(MANY)


def test_numbers_along_a_window_do_not_correlate():
    x = Draws.seeded(0, windows=1).normal((MANY,))[0].astype(np.float64)
    for lag in (1, 2, 3, 64, 1000):
        assert abs(np.corrcoef(x[:-lag], x[lag:])[0, 1]) < 5 / math.sqrt(MANY)


def test_shapes_follow_the_windows_first():
    draws = Draws.seeded(0, windows=3)
    assert draws.uniform().shape == (3,)
    assert draws.normal((2, 5)).shape == (3, 2, 5)
    assert draws.bits((0,)).shape == (3, 0)
    assert len(draws.subset(np.array([0, 2]))) == 2

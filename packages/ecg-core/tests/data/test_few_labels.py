"""Few labels: patients are drawn, every class among them, and a larger draw holds the smaller ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.data.few_labels import draw_fraction, draw_shots
from ecg_core.errors import ConfigError


@st.composite
def labelled(draw: st.DrawFn) -> tuple[list[str], np.ndarray]:
    """Windows of up to 12 patients with any number of four classes each."""
    count = draw(st.integers(1, 40))
    patients = [f"p{draw(st.integers(0, 11))}" for _ in range(count)]
    has = np.array([[draw(st.booleans()) for _ in range(4)] for _ in range(count)])
    return patients, has


@settings(max_examples=60, deadline=None)
@given(labelled(), st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.integers(0, 3))
def test_a_smaller_fraction_is_inside_a_larger_one_and_patients_are_whole(
    data: tuple[list[str], np.ndarray], a: float, b: float, seed: int
) -> None:
    patients, has = data
    small, large = (set(draw_fraction(patients, has, f, seed=seed).tolist()) for f in sorted((a, b)))
    assert small <= large
    chosen = {patients[i] for i in small}
    assert small == {i for i, p in enumerate(patients) if p in chosen}
    assert len(chosen) == max(1, int(np.ceil(min(a, b) * len(set(patients)) - 1e-9)))


@settings(max_examples=60, deadline=None)
@given(labelled(), st.floats(0.01, 1.0), st.integers(0, 3))
def test_every_class_keeps_an_example_where_there_are_patients_enough(
    data: tuple[list[str], np.ndarray], fraction: float, seed: int
) -> None:
    """Four classes need four patients at most."""
    patients, has = data
    chosen = draw_fraction(patients, has, fraction, seed=seed)
    if len({patients[i] for i in chosen}) >= 4:
        assert (has[chosen].any(axis=0) == has.any(axis=0)).all()


@settings(max_examples=60, deadline=None)
@given(labelled(), st.integers(1, 6), st.integers(0, 3))
def test_each_class_has_its_shots_or_all_it_has_and_more_shots_add_to_fewer(
    data: tuple[list[str], np.ndarray], shots: int, seed: int
) -> None:
    patients, has = data
    names = [f"w{i}" for i in range(len(patients))]
    chosen = draw_shots(patients, names, has, shots, seed=seed)
    assert (has[chosen].sum(axis=0) >= np.minimum(shots, has.sum(axis=0))).all()
    assert set(chosen.tolist()) <= set(draw_shots(patients, names, has, shots + 1, seed=seed).tolist())


def test_of_exclusive_classes_there_are_exactly_as_many_shots_and_of_different_patients() -> None:
    patients = [f"p{i // 5}" for i in range(50)]  # ten patients of five windows, half of them of each class
    has = np.eye(2, dtype=bool)[[(i // 5) % 2 for i in range(50)]]
    chosen = draw_shots(patients, [f"w{i}" for i in range(50)], has, 5)
    assert has[chosen].sum(axis=0).tolist() == [5, 5]
    assert len({patients[i] for i in chosen}) == 10


def test_a_draw_does_not_depend_on_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    patients = np.array([f"p{i // 2}" for i in range(60)])
    has, names = rng.random((60, 3)) < 0.2, np.array([f"w{i}" for i in range(60)])
    turn = rng.permutation(60)
    for draw in (
        lambda p, w, h: draw_fraction(p.tolist(), h, 0.2, seed=1),
        lambda p, w, h: draw_shots(p.tolist(), w.tolist(), h, 3, seed=1),
    ):
        here = {str(n) for n in names[draw(patients, names, has)]}
        there = {str(n) for n in names[turn][draw(patients[turn], names[turn], has[turn])]}
        assert here == there


def test_another_seed_draws_other_patients() -> None:
    patients = [f"p{i}" for i in range(200)]
    has = np.ones((200, 1), dtype=bool)
    draws = [set(draw_fraction(patients, has, 0.1, seed=s).tolist()) for s in range(5)]
    assert all(len(d) == 20 for d in draws)
    assert len({frozenset(d) for d in draws}) == 5


def test_a_rare_class_is_not_lost_at_one_percent() -> None:
    """One patient of 500 has it; chance alone would find them once in a hundred draws."""
    patients = [f"p{i}" for i in range(500)]
    has = np.stack([np.arange(500) % 2 == 0, np.arange(500) == 321], axis=1)
    for seed in range(5):
        chosen = draw_fraction(patients, has, 0.01, seed=seed)
        assert 321 in chosen
        assert len(chosen) == 5


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01, float("nan")])
def test_a_fraction_outside_zero_and_one_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match=r"fraction must lie in \(0, 1\], such as 0\.01 for one patient in a hundred, got"):
        draw_fraction(["p"], np.ones((1, 1)), fraction)


def test_no_shots_are_refused() -> None:
    with pytest.raises(ConfigError, match="shots must be at least 1 example of each class, got 0"):
        draw_shots(["p"], ["w"], np.ones((1, 1)), 0)

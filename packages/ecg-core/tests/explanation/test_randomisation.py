"""Similarity of two maps against SciPy's Spearman correlation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from ecg_core.explanation.randomisation import similarity


@pytest.mark.parametrize("digits", [8, 0])
def test_similarity_is_spearmans_rank_correlation_with_and_without_ties(digits):
    rng = np.random.default_rng(0)
    a = np.round(rng.normal(size=(12, 100)), digits)
    b = np.round(a + rng.normal(size=a.shape), digits)
    assert similarity(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic, abs=1e-12)


def test_only_the_order_of_relevance_counts():
    a = np.random.default_rng(1).random(50)
    assert similarity(a, np.exp(a)) == pytest.approx(1.0)
    assert similarity(a, -a) == pytest.approx(-1.0)


def test_a_constant_map_has_no_order():
    assert np.isnan(similarity([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]))


def test_maps_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"must have one shape and be not empty, got \(2,\) and \(3,\)"):
        similarity([1, 2], [1, 2, 3])

"""Gauges of a representation against closed forms and the reference numbers."""

import numpy as np
import pytest

from ecg_core.errors import DataError
from ecg_core.evaluation.embeddings import (
    alignment,
    alpha_req,
    embedding_std,
    lidar,
    nearest_neighbour_scores,
    participation_ratio,
    rankme,
    ridge_scores,
    uniformity,
)

GAUGES = [embedding_std, rankme, participation_ratio, alpha_req, uniformity]


@pytest.fixture
def sphere():
    return np.random.default_rng(0).standard_normal((4000, 32))


def test_the_gauges_equal_their_definitions_on_the_reference_embeddings(golden):
    found = np.load(golden / "ssl" / "losses.npz")
    z = found["metrics/Z"]
    assert rankme(z) == pytest.approx(float(found["metrics/rankme"]), rel=1e-5)
    assert embedding_std(z) == pytest.approx(float(found["metrics/std_l2norm"]) * np.sqrt(z.shape[1]), rel=1e-5)


def test_directions_that_fill_the_sphere_have_every_gauge_at_its_healthy_end(sphere):
    assert embedding_std(sphere) == pytest.approx(1, abs=0.01)
    assert rankme(sphere) == pytest.approx(32, rel=0.01)
    assert participation_ratio(sphere) == pytest.approx(32, rel=0.02)
    assert abs(alpha_req(sphere)) < 0.2
    # E exp(-2|u-v|²) = exp(-4) E exp(4 u·v), and u·v has variance 1/32
    assert uniformity(sphere) == pytest.approx(-4 + 16 / 32 / 2, abs=0.05)


def test_identical_embeddings_have_every_gauge_at_its_collapsed_end():
    z = np.tile(np.linspace(1, 2, 16), (50, 1))
    assert embedding_std(z) == pytest.approx(0, abs=1e-12)
    assert rankme(z) == pytest.approx(1, abs=1e-4)
    assert participation_ratio(z) == 0
    assert np.isnan(alpha_req(z))
    assert uniformity(z) == pytest.approx(0, abs=1e-9)
    assert rankme(np.zeros((4, 3))) == 1.0  # nothing at all is one dimension too
    assert embedding_std(np.zeros((4, 3))) == 0.0


def test_embeddings_in_a_plane_use_two_dimensions(sphere):
    flat = sphere[:, :2] @ np.random.default_rng(1).standard_normal((2, 40))
    for gauge in (rankme, participation_ratio):
        assert gauge(flat) < 2.05
    assert embedding_std(flat) < 1.01


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_alpha_req_finds_the_power_of_the_spectrum(alpha):
    rank = np.arange(1, 65)
    basis, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((400, 65)))
    centred, _ = np.linalg.qr(basis - basis.mean(axis=0))
    assert alpha_req(centred[:, :64] * rank ** (-alpha / 2)) == pytest.approx(alpha, rel=1e-6)


def test_rotating_scaling_and_reordering_change_no_gauge(sphere):
    z = sphere * np.geomspace(1, 0.01, 32) + 0.3
    rotation, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((32, 32)))
    for gauge in (rankme, participation_ratio, alpha_req):
        assert gauge(7 * z[::-1] @ rotation) == pytest.approx(gauge(z), rel=1e-6)


def test_lidar_counts_the_dimensions_that_tell_windows_apart_and_not_those_in_which_views_differ():
    generator = np.random.default_rng(4)
    windows = np.zeros((300, 1, 20))
    windows[..., :5] = generator.standard_normal((300, 1, 5))
    noise = np.zeros((300, 8, 20))
    noise[..., 5:] = generator.standard_normal((300, 8, 15))
    assert lidar(windows + noise) == pytest.approx(5, rel=0.05)
    assert rankme((windows + noise).reshape(-1, 20)) > 15
    # Where views differ in the very dimensions that tell windows apart, those dimensions still count, equally.
    everywhere = generator.standard_normal((300, 1, 20)) + 0.1 * generator.standard_normal((300, 8, 20))
    assert lidar(everywhere) == pytest.approx(20, rel=0.1)


def test_views_that_agree_are_aligned(sphere):
    assert alignment(sphere, 3 * sphere) == pytest.approx(0, abs=1e-12)
    assert alignment(sphere, -sphere) == pytest.approx(4)
    assert alignment(sphere[:2000], sphere[2000:]) == pytest.approx(2, abs=0.05)
    with pytest.raises(DataError, match=r"two views of the same windows, got shapes \(4000, 32\) and \(3999, 32\)"):
        alignment(sphere, sphere[1:])


def test_neighbours_vote_with_the_weight_of_their_similarity():
    bank = np.array([[1, 0], [0.8, 0.6], [-1, 0]])
    scores = nearest_neighbour_scores(bank, [[1, 0], [0, 1], [0, 1]], np.array([[2.0, 0]]), neighbours=2, temperature=0.5)
    weight = np.exp(np.array([1, 0.8]) / 0.5)
    assert scores == pytest.approx((weight / weight.sum())[None])


def test_the_probe_equals_scikit_learns_ridge(sphere):
    linear_model = pytest.importorskip("sklearn.linear_model")
    z = sphere[:300] * np.geomspace(1, 100, 32) + 5
    z[:, 3] = 2.0  # never moves
    targets = (sphere[:300, :2] > 0).astype(float)
    standard = (z - z[:200].mean(axis=0)) / np.where(np.arange(32) == 3, 1, z[:200].std(axis=0))
    oracle = linear_model.Ridge(alpha=3.0).fit(standard[:200], targets[:200])
    expected = oracle.predict(standard[200:]) - targets[:200].mean(axis=0)
    assert ridge_scores(z[:200], targets[:200], z[200:], penalty=1.5) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("gauge", GAUGES)
def test_what_is_no_set_of_embeddings_is_refused(gauge):
    with pytest.raises(DataError, match=r"\(windows, width\) of at least 2 window\(s\), got shape \(5,\)"):
        gauge(np.ones(5))
    with pytest.raises(DataError, match=r"got shape \(1, 5\)"):
        gauge(np.ones((1, 5)))
    with pytest.raises(DataError, match="must be finite, got 2 NaN or infinite values"):
        gauge([[1, np.nan], [np.inf, 0]])


def test_lidar_needs_views():
    with pytest.raises(DataError, match=r"at least two windows of two views, got shape \(4, 1, 3\)"):
        lidar(np.ones((4, 1, 3)))

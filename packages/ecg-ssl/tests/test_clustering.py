"""K-means and what is clustered: known clusters, known numbers, and randomness that is nobody else's."""

import numpy as np
import pytest
import torch

from ecg_ssl.clustering import kmeans, nearest
from ecg_ssl.descriptors import cepstra, time_frequency
from ecg_ssl.layers.cluster_codes import ClusterCodes
from ecg_ssl.layers.code_usage import CodeUsage

torch.set_num_threads(1)


def islands(count=5, each=40, spread=0.05):
    rng = torch.Generator().manual_seed(0)
    middles = 3 * torch.randn(count, 4, generator=rng)
    points = middles.repeat_interleave(each, dim=0) + spread * torch.randn(count * each, 4, generator=rng)
    return points, torch.arange(count).repeat_interleave(each)


def test_islands_are_found_and_their_centres_are_their_means():
    points, owner = islands()
    found = kmeans(points, 5)
    which, _ = nearest(points, found.centres)
    pairs = {(int(a), int(b)) for a, b in zip(which, owner, strict=True)}
    assert len(pairs) == 5
    assert sorted(found.counts.tolist()) == [40] * 5
    assert found.perplexity == pytest.approx(5)
    for cluster, island in pairs:
        torch.testing.assert_close(found.centres[cluster], points[owner == island].mean(dim=0))


def test_clusters_follow_from_their_seed_and_leave_the_global_generator_alone():
    points = torch.randn(300, 6)
    before = torch.random.get_rng_state()
    first, again, other = kmeans(points, 20), kmeans(points, 20), kmeans(points, 20, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.centres, again.centres)
    assert not torch.equal(first.centres, other.centres)


def test_it_clusters_as_well_as_scikit_learn():
    cluster = pytest.importorskip("sklearn.cluster")
    points = torch.randn(400, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = kmeans(points, 12)
    theirs = cluster.KMeans(12, n_init=1, init=found.centres.numpy(), max_iter=100).fit(points.numpy())
    assert theirs.inertia_ / 400 == pytest.approx(found.inertia, rel=1e-6)  # theirs finds nothing to improve
    best = min(cluster.KMeans(12, n_init=1, random_state=s).fit(points.numpy()).inertia_ for s in range(5)) / 400
    assert found.inertia < 1.1 * best


def test_equal_points_leave_clusters_empty_and_not_nan():
    found = kmeans(torch.ones(10, 3), 4)
    assert torch.isfinite(found.centres).all()
    assert found.inertia == 0
    assert found.perplexity == pytest.approx(1)


def test_what_cannot_be_clustered_is_named():
    with pytest.raises(ValueError, match=r"4 clusters need as many points \(points, values\), got \(3, 2\)"):
        kmeans(torch.ones(3, 2), 4)
    with pytest.raises(ValueError, match="a value of the points is not finite"):
        kmeans(torch.tensor([[0.0], [torch.nan]]), 1)


def test_codes_are_made_of_the_first_points_or_of_a_state_dict():
    points, owner = islands()
    codes = ClusterCodes(5)
    assert not codes.is_made
    first = codes(points)
    assert codes.is_made
    assert len({(int(a), int(b)) for a, b in zip(first, owner, strict=True)}) == 5
    fresh = ClusterCodes(5)
    fresh.load_state_dict(codes.state_dict())
    assert torch.equal(fresh(points[:7]), first[:7])  # which would be other clusters, were they made of these
    assert torch.equal(codes(100 * points.flip(0)), codes(100 * points).flip(0))
    torch.testing.assert_close(codes.clustering.centres[first[0]], points[owner == 0].mean(dim=0), rtol=1e-4, atol=1e-4)


def test_codes_are_made_anew_of_points_of_the_same_values_only():
    points, _ = islands()
    codes = ClusterCodes(5)
    codes.fit(points)
    before = codes.centres.clone()
    report = codes.fit(points * torch.tensor([1.0, 5.0, 1.0, 1.0]))
    torch.testing.assert_close(codes.centres, before)  # in units of each value's own spread
    assert report.counts.sum() == 200
    with pytest.raises(ValueError, match=r"codes of \(4,\) cannot be made anew of \(3,\); build the method anew"):
        codes.fit(points[:, :3])


def test_the_usage_remembers_batches_and_rests_in_evaluation():
    usage = CodeUsage(8, momentum=0.5)
    assert usage.perplexity == 0.0
    assert float(usage.see(torch.arange(8))) == pytest.approx(8)
    assert usage.perplexity == pytest.approx(8)
    usage.eval().see(torch.zeros(5, dtype=torch.int64))
    assert usage.perplexity == pytest.approx(8)
    usage.train().see(torch.zeros(5, dtype=torch.int64))
    share = np.array([0.5 + 0.5 / 8, *[0.5 / 8] * 7])
    assert usage.perplexity == pytest.approx(float(np.exp(-(share * np.log(share)).sum())), rel=1e-5)


def test_statistics_of_a_frame_are_those_of_numpy_and_scipy():
    stats = pytest.importorskip("scipy.stats")
    frames = torch.randn(2, 3, 1, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = time_frequency(frames, fs=100.0)
    assert found.shape == (2, 3, 16)
    x = frames[1, 2, 0].numpy()
    rms = np.sqrt((x**2).mean())
    spectrum = np.abs(np.fft.fft(x) ** 2) / len(x)
    expected = [
        x.min(), x.max(), x.mean(), rms, x.var(), x.std(), rms**2, np.abs(x).max(), np.ptp(x), np.abs(x).max() / rms,
        stats.skew(x), stats.kurtosis(x), spectrum.max(), spectrum.sum(), spectrum.mean(), spectrum.var(),
    ]  # fmt: skip
    np.testing.assert_allclose(found[1, 2].numpy(), expected, rtol=1e-9)
    assert torch.equal(time_frequency(torch.zeros(1, 1, 2, 50), fs=100.0), torch.zeros(1, 1, 32))


def test_cepstra_of_a_louder_frame_differ_in_the_first_coefficient_only():
    frames = torch.randn(1, 6, 1, 80, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    quiet, loud = cepstra(frames, fs=100.0), cepstra(10 * frames, fs=100.0)
    assert quiet.shape == (1, 6, 39)
    # Every log energy of the 23 filters grows by log 100; the first cosine is 1 / sqrt(23) everywhere.
    torch.testing.assert_close(loud[..., 0] - quiet[..., 0], torch.full((1, 6), np.log(100) * 23**0.5, dtype=torch.float64))
    torch.testing.assert_close(loud[..., 1:], quiet[..., 1:])


def test_derivatives_of_cepstra_are_slopes_over_frames():
    frames = torch.randn(1, 1, 1, 80, dtype=torch.float64).repeat(1, 9, 1, 1)
    grown = frames * torch.exp(0.3 * torch.arange(9, dtype=torch.float64))[None, :, None, None]
    still, rising = cepstra(frames, fs=100.0), cepstra(grown, fs=100.0)
    assert float(still[..., 13:].abs().max()) < 1e-9
    expected = torch.tensor(0.6 * 23**0.5, dtype=torch.float64)  # energies grow by exp(0.6) a frame
    torch.testing.assert_close(rising[0, 4, 13], expected)
    assert float(rising[0, 4, 26]) == pytest.approx(0, abs=1e-9)
    assert torch.isfinite(cepstra(torch.zeros(1, 3, 2, 80), fs=100.0)).all()

"""Gauges of a representation: whether embeddings fill their space, and whether neighbours carry the same labels.

A self-supervised loss can be low because the encoder learned something or because it gives every window the same answer.
These numbers tell the two apart. All are computed in float64 and draw nothing at random.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.ranking import Floats

__all__ = [
    "alignment",
    "alpha_req",
    "embedding_std",
    "lidar",
    "nearest_neighbour_scores",
    "participation_ratio",
    "rankme",
    "ridge_scores",
    "uniformity",
]

_NO_WIDTH = 1e-12  # of a vector's length, or of the largest eigenvalue


def embedding_std(embeddings: npt.ArrayLike) -> float:
    """Spread of the directions: 1 when they fill the sphere evenly, 0 when all windows have the same one.

    The mean over dimensions of the standard deviation of unit vectors, times the root of the width (Chen & He, "Exploring simple
    siamese representation learning", CVPR 2021, section 4.1).

    Args:
        embeddings: ``(windows, width)``, at least two windows.

    Raises:
        DataError: Another shape, or values that are not finite.
    """
    z = _unit(_checked(embeddings))
    return float(z.std(axis=0, ddof=1).mean() * np.sqrt(z.shape[1]))


def rankme(embeddings: npt.ArrayLike) -> float:
    """Effective number of dimensions in use, from 1 to the width.

    The exponential of the entropy of the singular values (Garrido et al., "RankMe", ICML 2023, equations 1 and 2; 1e-7 is
    added to each share). Arguments and errors are those of :func:`embedding_std`.
    """
    return _effective_rank(np.asarray(np.linalg.svd(_checked(embeddings), compute_uv=False), dtype=np.float64))


def participation_ratio(embeddings: npt.ArrayLike) -> float:
    """Effective number of dimensions of the covariance, ``(Σλ)² / Σλ²``, from 1 to the width; 0 of identical embeddings.

    Less moved by many small eigenvalues than :func:`rankme`. Arguments and errors are those of :func:`embedding_std`.
    """
    eigenvalues = _covariance_spectrum(_checked(embeddings))
    return float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum()) if eigenvalues.any() else 0.0


def alpha_req(embeddings: npt.ArrayLike) -> float:
    """How fast the eigenvalues of the covariance fall: ``λ_i ~ i^-α``; near 1 is healthy, far above 1 few dimensions carry all.

    The slope is fitted to ranks 2 to half the width (Agrawal et al., "α-ReQ", NeurIPS 2022). Arguments and errors are those of
    :func:`embedding_std`; NaN where fewer than two of those eigenvalues are above zero.
    """
    eigenvalues = _covariance_spectrum(_checked(embeddings))
    rank = np.arange(1, len(eigenvalues) + 1)
    fitted = (rank >= 2) & (rank <= max(3, len(eigenvalues) // 2)) & (eigenvalues > _NO_WIDTH * eigenvalues[0])
    if fitted.sum() < 2:
        return float("nan")
    return float(-np.polyfit(np.log(rank[fitted]), np.log(eigenvalues[fitted]), 1)[0])


def lidar(embeddings: npt.ArrayLike, *, ridge: float = 1e-4) -> float:
    """Effective number of dimensions that tell windows apart, beyond how far views of one window differ.

    The effective rank of the matrix of linear discriminant analysis in which a window is a class and its views are its members
    (Thilak et al., "LiDAR", ICLR 2024).

    Args:
        embeddings: ``(windows, views, width)``, at least two windows of at least two views.
        ridge: Added to the diagonal of the scatter within windows, which is singular where views agree.

    Raises:
        DataError: Another shape, or values that are not finite.
    """
    z = np.asarray(embeddings, dtype=np.float64)
    if z.ndim != 3 or z.shape[0] < 2 or z.shape[1] < 2:
        raise DataError(f"lidar takes (windows, views, width), at least two windows of two views, got shape {z.shape}")
    _refuse_non_finite(z)
    centres = z.mean(axis=1)
    apart = centres - centres.mean(axis=0)
    within = (z - centres[:, None]).reshape(-1, z.shape[2])
    values, vectors = np.linalg.eigh(within.T @ within / len(within) + ridge * np.eye(z.shape[2]))
    whitened = apart @ vectors / np.sqrt(values)
    return _effective_rank(np.linalg.eigvalsh(whitened.T @ whitened / len(apart)).clip(0))


def alignment(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Mean squared distance between the unit embeddings of two views, 0 when they agree.

    Wang & Isola, "Understanding contrastive representation learning through alignment and uniformity", ICML 2020, equation 6.

    Args:
        first: ``(windows, width)``.
        second: The same windows in another view.

    Raises:
        DataError: Shapes that differ or are not two-dimensional, or values that are not finite.
    """
    a, b = _unit(_checked(first)), _unit(_checked(second))
    if a.shape != b.shape:
        raise DataError(f"alignment compares two views of the same windows, got shapes {a.shape} and {b.shape}")
    return float(((a - b) ** 2).sum(axis=1).mean())


def uniformity(embeddings: npt.ArrayLike) -> float:
    """Log of the mean Gaussian potential between unit embeddings: 0 when all are the same, the lower the more evenly spread.

    Wang & Isola 2020, equation 7 with ``t = 2``. Arguments and errors are those of :func:`embedding_std`.
    """
    z = _unit(_checked(embeddings))
    upper = np.triu_indices(len(z), 1)
    return float(np.log(np.exp(-2 * (2 - 2 * (z @ z.T)[upper]).clip(0)).mean()))


def nearest_neighbour_scores(
    bank: npt.ArrayLike, targets: npt.ArrayLike, queries: npt.ArrayLike, *, neighbours: int = 20, temperature: float = 0.07
) -> Floats:
    """Scores of the nearest neighbours, weighted by ``exp(cosine / temperature)`` (Wu et al., CVPR 2018; DINO's k-NN).

    Args:
        bank: ``(windows, width)`` embeddings whose labels are known.
        targets: ``(windows, classes)`` of 0 and 1.
        queries: ``(queries, width)``.
        neighbours: How many decide; all of a smaller bank.
        temperature: Of the weights.

    Returns:
        ``(queries, classes)``, from 0 to 1.
    """
    known, asked = _unit(_checked(bank)), _unit(_checked(queries, least=1))
    labels = np.asarray(targets, dtype=np.float64)
    similarity = asked @ known.T
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :neighbours]
    weights = np.exp((np.take_along_axis(similarity, nearest, axis=1) - 1) / temperature)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("qk,qkc->qc", weights, labels[nearest]))


def ridge_scores(bank: npt.ArrayLike, targets: npt.ArrayLike, queries: npt.ArrayLike, *, penalty: float = 1.0) -> Floats:
    """Scores of a linear probe in closed form: ridge regression on standardised embeddings, no steps and nothing random.

    Args:
        bank: ``(windows, width)`` embeddings whose labels are known.
        targets: ``(windows, classes)`` of 0 and 1.
        queries: ``(queries, width)``.
        penalty: Of the squared weights, per hundred windows of the bank.

    Returns:
        ``(queries, classes)``; the order is what counts, they are no probabilities.
    """
    known, asked = _checked(bank), _checked(queries, least=1)
    mean, scale = known.mean(axis=0), known.std(axis=0)
    scale[scale < _NO_WIDTH * max(1.0, float(np.abs(mean).max()))] = np.inf  # what never moves says nothing
    known, asked = (known - mean) / scale, (asked - mean) / scale
    labels = np.asarray(targets, dtype=np.float64)
    strength = penalty * len(known) / 100
    gram = known.T @ known + strength * np.eye(known.shape[1])
    return np.asarray(asked @ np.linalg.solve(gram, known.T @ (labels - labels.mean(axis=0))))


def _checked(embeddings: npt.ArrayLike, *, least: int = 2) -> Floats:
    z = np.asarray(embeddings, dtype=np.float64)
    if z.ndim != 2 or z.shape[0] < least or z.shape[1] < 1:
        raise DataError(f"embeddings must be (windows, width) of at least {least} window(s), got shape {z.shape}")
    _refuse_non_finite(z)
    return z


def _refuse_non_finite(z: Floats) -> None:
    if not np.isfinite(z).all():
        raise DataError(f"embeddings must be finite, got {int((~np.isfinite(z)).sum())} NaN or infinite values")


def _unit(z: Floats) -> Floats:
    return np.asarray(z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), _NO_WIDTH))


def _covariance_spectrum(z: Floats) -> Floats:
    """Eigenvalues of the covariance, largest first; exactly zero where only rounding is left."""
    values = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)[: min(z.shape)] ** 2 / (len(z) - 1)
    return np.where(values > _NO_WIDTH**2 * max(float((z**2).sum()), _NO_WIDTH), values, 0.0)


def _effective_rank(spectrum: Floats) -> float:
    total = float(spectrum.sum())
    share = spectrum / total + 1e-7 if total > 0 else np.zeros(0)
    return float(np.exp(-(share * np.log(share)).sum()))

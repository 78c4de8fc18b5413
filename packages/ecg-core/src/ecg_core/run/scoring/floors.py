"""Floors: what a trained model has to beat before its numbers mean anything.

Two of them, made in seconds and without a training step: the same backbone with new random weights, frozen, and features that a
cardiologist would measure. Both are read by the same linear probe in closed form (ridge regression on standardised features).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.task import Task
from ecg_core.data.store import Store
from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import ECGError
from ecg_core.evaluation.embeddings import ridge_scores
from ecg_core.evaluation.handcrafted import handcrafted_features
from ecg_core.run.inference.window_scores import ScoredRecordings, mean_by_record
from ecg_core.run.training.monitor import embed_windows

__all__ = ["MOST_WINDOWS", "Floors", "score_floors"]

MOST_WINDOWS = 1000  # of the training split, that the probe learns from
_AT_ONCE = 64


class Floors(NamedTuple):
    """Scores ``(recordings, classes)`` by name, and why others could not be made."""

    scores: dict[str, np.ndarray]
    notes: list[str]


def score_floors(task: Task, home: Store, store: Store, recordings: ScoredRecordings, *, target: str, seed: int = 0) -> Floors:
    """Score the recordings of a split by both floors.

    Args:
        task: Whose backbone is built anew; it is not changed.
        home: Store whose training split the probe learns from, at most 1000 windows of it.
        store: Store of the recordings.
        recordings: What is scored.
        target: Whose labels are learned.
        seed: Of the random weights and of the choice of windows.
    """
    learned = _some(home.indices("train", target=target), seed)
    labels = home.target_matrix(target, task.classes, learned)
    found, notes = {}, []
    for name, features in (
        ("random encoder", lambda s, rows: _random_features(task, s, rows, seed)),
        ("hand-crafted features", _measured),
    ):
        try:
            bank, asked = features(home, learned), features(store, recordings.windows)
            filled, wanted = _filled(bank, asked)
            scores = ridge_scores(filled, labels, wanted)
        except ECGError as error:
            notes.append(f"the floor of {name} could not be made: {error}")
            continue
        _, found[name], _ = mean_by_record(store.table["record_id"].iloc[recordings.windows].tolist(), scores)
    return Floors(found, notes)


def _some(rows: np.ndarray, seed: int) -> np.ndarray:
    if len(rows) <= MOST_WINDOWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_WINDOWS, replace=False))


def _random_features(task: Task, store: Store, rows: np.ndarray, seed: int) -> np.ndarray:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = BACKBONES.build(BACKBONES.to_config(task.backbone))
    backbone = materialize(backbone, torch.zeros(2, len(store.leads), store.n_samples), seed=seed)
    return embed_windows(backbone, store, rows, "cpu")


def _measured(store: Store, rows: np.ndarray) -> np.ndarray:
    parts = [rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)]
    return np.concatenate([handcrafted_features(store.signals(part), fs=store.fs) for part in parts])


def _filled(bank: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with the mean of the training windows where nothing could be measured."""
    known = np.isfinite(bank)
    means = np.where(known, bank, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, bank, means), np.where(np.isfinite(asked), asked, means)

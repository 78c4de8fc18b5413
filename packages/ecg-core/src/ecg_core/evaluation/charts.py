"""Charts of an evaluation as inline SVG: ROC, precision-recall, calibration, score histograms, learning curves.

Up to six classes get a colour and a dash pattern, those with the most positives first; further ones are drawn thin and grey.
A class without positives or without negatives has no curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.curves import Bools, precision_recall_points, reliability, roc_points
from ecg_core.evaluation.metrics import auprc, auroc, check_scores
from ecg_core.evaluation.ranking import Floats
from ecg_core.evaluation.svg import DASHES, PALETTE, Plot, nice_ticks

__all__ = [
    "calibration_chart",
    "learning_chart",
    "precision_recall_chart",
    "roc_chart",
    "score_histogram",
]

_FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_GREY = "currentColor"
_LEAST_IN_BIN = 10
_MOST_POINTS = 300


def roc_chart(targets: npt.ArrayLike, scores: npt.ArrayLike, classes: Sequence[str]) -> str:
    """True over false positive rate of each class, its AUROC in the legend; the diagonal is guessing."""
    plot = _unit_plot("False positive rate", "True positive rate (sensitivity)")
    plot.line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), colour=_GREY, dash="2 4", width=1, opacity=0.6)
    return _class_curves(plot, targets, scores, classes, roc_points, auroc, "ROC curves")


def precision_recall_chart(targets: npt.ArrayLike, scores: npt.ArrayLike, classes: Sequence[str]) -> str:
    """Precision over recall of each class, its AUPRC in the legend."""
    plot = _unit_plot("Recall (sensitivity)", "Precision")
    return _class_curves(plot, targets, scores, classes, precision_recall_points, auprc, "Precision-recall curves")


def calibration_chart(targets: npt.ArrayLike, scores: npt.ArrayLike, classes: Sequence[str]) -> str:
    """Observed fraction of positives over mean score, in tenths of [0, 1] that hold at least ten records.

    Raises:
        DataError: Scores are not probabilities, so there is nothing they promise.
    """
    truth, guess = check_scores(targets, scores)
    if guess.min() < 0 or guess.max() > 1:
        raise DataError(f"calibration needs probabilities in [0, 1], got scores from {guess.min():g} to {guess.max():g}")
    plot = _unit_plot("Mean score", "Observed fraction")
    plot.line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), colour=_GREY, dash="2 4", width=1, opacity=0.6)
    shown, _ = _shown(truth)
    for rank, c in enumerate(shown):
        score, fraction, records = reliability(truth[:, c], guess[:, c])
        enough = records >= _LEAST_IN_BIN
        plot.line(score[enough], fraction[enough], colour=PALETTE[rank], dash=DASHES[rank])
        plot.dots(score[enough], fraction[enough], colour=PALETTE[rank])
        plot.name(classes[c], colour=PALETTE[rank], dash=DASHES[rank])
    return plot.svg(f"Calibration of {', '.join(classes[c] for c in shown) or 'no class'}")


def score_histogram(target: npt.ArrayLike, score: npt.ArrayLike, name: str, *, bins: int = 30) -> str:
    """How the scores of one class's positives and negatives are distributed, each as a fraction of its own group.

    Args:
        target: ``(records,)`` of 0 and 1.
        score: ``(records,)``.
        name: Of the class.
        bins: Equal parts of the range of scores; of [0, 1] where the scores lie in it.
    """
    truth, guess = check_scores(np.asarray(target)[:, np.newaxis], np.asarray(score)[:, np.newaxis])
    within = guess.min() >= 0 and guess.max() <= 1
    ticks = list(_FIFTHS) if within else nice_ticks(float(guess.min()), float(guess.max()))
    edges = np.linspace(ticks[0], ticks[-1], bins + 1)
    groups = [("without", guess[~truth], _GREY), (f"with {name}", guess[truth], PALETTE[1])]
    heights = [np.histogram(values, edges)[0] / max(values.size, 1) for _, values, _ in groups]
    top = nice_ticks(0.0, float(max(h.max() for h in heights)), 3)
    plot = Plot(
        x=(ticks[0], ticks[-1]),
        y=(0, top[-1]),
        x_label=f"Score of {name}",
        y_label="Fraction",
        x_ticks=ticks,
        y_ticks=top,
        height=200,
    )
    for (label, values, colour), height in zip(groups, heights, strict=True):
        plot.area(edges, height, colour=colour, opacity=0.25)
        plot.name(label, value=f"({values.size})", colour=colour)
    return plot.svg(f"Scores of records with and without {name}")


def learning_chart(
    history: Sequence[Mapping[str, Any]], keys: Sequence[str] = ("loss", "val_loss"), *, label: str = "Loss"
) -> str:
    """Values over the course of a run; the legend holds the last of each.

    Args:
        history: Lines of ``metrics.jsonl``; a line that lacks a key, or holds no finite number there, is skipped for it.
        keys: What is drawn.
        label: Of the vertical axis.

    Raises:
        DataError: No line holds any of the keys.
    """
    axis = next((a for a in ("step", "epoch") if any(a in line for line in history)), None)
    series = {key: _series(history, axis, key) for key in keys}
    series = {key: points for key, points in series.items() if len(points)}
    if not series:
        raise DataError(f"no line of the history holds a number for {' or '.join(keys)}")
    both = np.concatenate(list(series.values()))
    x_ticks, y_ticks = (nice_ticks(float(column.min()), float(column.max())) for column in both.T)
    x_range = (float(both[:, 0].min()), max(float(both[:, 0].max()), float(both[:, 0].min()) + 1))
    x_ticks = [tick for tick in x_ticks if x_range[0] <= tick <= x_range[1]]
    plot = Plot(
        x=x_range,
        y=(y_ticks[0], y_ticks[-1]),
        x_label=(axis or "line").capitalize(),
        y_label=label,
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        height=260,
    )
    for rank, (key, points) in enumerate(series.items()):
        colour, dash = PALETTE[rank % len(PALETTE)], DASHES[rank % len(DASHES)]
        plot.line(*_thin(points).T, colour=colour, dash=dash)
        if len(points) <= 30:
            plot.dots(*points.T, colour=colour, radius=2.2)
        plot.name(key, value=f"{points[-1, 1]:.3g}", colour=colour, dash=dash)
    return plot.svg(f"{label} over {axis or 'lines'}: {', '.join(series)}")


def _unit_plot(x_label: str, y_label: str) -> Plot:
    return Plot(x=(0, 1), y=(0, 1), x_label=x_label, y_label=y_label, x_ticks=_FIFTHS, y_ticks=_FIFTHS)


def _class_curves(
    plot: Plot,
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    classes: Sequence[str],
    points: Callable[[Bools, Floats], tuple[Floats, Floats]],
    area: Callable[[npt.ArrayLike, npt.ArrayLike], Floats],
    title: str,
) -> str:
    truth, guess = check_scores(targets, scores)
    shown, others = _shown(truth)
    areas = area(truth, guess)
    for c in others:
        plot.line(*points(truth[:, c], guess[:, c]), colour=_GREY, width=0.8, opacity=0.35)
    for rank, c in reversed(list(enumerate(shown))):
        plot.line(*points(truth[:, c], guess[:, c]), colour=PALETTE[rank], dash=DASHES[rank])
    for rank, c in enumerate(shown):
        plot.name(classes[c], value=f"{areas[c]:.3f}", colour=PALETTE[rank], dash=DASHES[rank])
    if others:
        plot.name(f"{len(others)} more", colour=_GREY, opacity=0.35)
    named = [f"{classes[c]} {areas[c]:.3f}" for c in shown]
    return plot.svg(f"{title}: {', '.join(named) or 'no class has both positives and negatives'}")


def _shown(truth: Bools) -> tuple[list[int], list[int]]:
    """Columns that have a curve: those that get a colour, and the others."""
    positives = truth.sum(axis=0)
    drawable = [int(c) for c in np.argsort(-positives, kind="stable") if 0 < positives[c] < len(truth)]
    return sorted(drawable[: len(PALETTE)]), drawable[len(PALETTE) :]


def _series(history: Sequence[Mapping[str, Any]], axis: str | None, key: str) -> Floats:
    """``(points, 2)`` of axis value and value."""
    points = [
        (float(line[axis]) if axis is not None else float(number), float(line[key]))
        for number, line in enumerate(history)
        if _finite(line.get(key)) and (axis is None or _finite(line.get(axis)))
    ]
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _finite(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _thin(points: Floats) -> Floats:
    """Long series as the means of consecutive equal parts."""
    if len(points) <= _MOST_POINTS:
        return points
    return np.array([part.mean(axis=0) for part in np.array_split(points, _MOST_POINTS)])

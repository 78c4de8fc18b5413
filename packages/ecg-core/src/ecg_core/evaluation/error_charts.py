"""Charts of errors as inline SVG: how far events were missed in time, and numbers predicted against true ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.ranking import Floats
from ecg_core.evaluation.svg import PALETTE, Plot, nice_ticks

__all__ = ["agreement_chart", "error_histogram", "prediction_chart"]

_GREY = "currentColor"
_BIN_MS = 8.0
_MOST_DOTS = 1500


def error_histogram(errors: Sequence[tuple[float, float]], name: str, *, fs: float, tolerance_ms: float) -> str:
    """How many events of a kind were found how far from where they are.

    A bar holds a whole and odd number of samples, so that none is high for the grid's sake alone and one stands on 0.
    The axis shows 60 ms to either side, or all errors where some are larger.

    Args:
        errors: Pairs of an error in milliseconds and how many events have it.
        name: Of the kind.
        fs: Hz; errors are whole numbers of samples. NaN where it is not known.
        tolerance_ms: Largest error there can be.

    Raises:
        DataError: There is no error to draw.
    """
    if not errors:
        raise DataError(f"no {name} was found, so there are no errors to draw")
    at, counts = np.array(errors, dtype=np.float64).T
    step = 1000 / fs if fs > 0 else _BIN_MS
    wide = step * (2 * max(0, math.ceil((_BIN_MS / step - 1) / 2)) + 1)
    side = math.ceil((min(max(60.0, float(np.abs(at).max())), tolerance_ms) + step / 2) / wide - 0.5)
    edges = np.asarray(wide * (np.arange(-side, side + 2) - 0.5), dtype=np.float64)
    heights = np.histogram(at, edges, weights=counts)[0].astype(np.float64)
    ticks = nice_ticks(float(edges[0]), float(edges[-1]), 4)
    top = nice_ticks(0.0, float(heights.max()), 3)
    plot = Plot(
        x=(min(ticks[0], edges[0]), max(ticks[-1], edges[-1])),
        y=(0, top[-1]),
        x_label="Found minus true (ms)",
        y_label="Events",
        x_ticks=ticks,
        y_ticks=top,
        height=200,
    )
    plot.area(edges, heights, colour=PALETTE[0])
    plot.line(np.zeros(2), np.array([0.0, top[-1]]), colour=_GREY, dash="2 4", width=1, opacity=0.6)
    return plot.svg(f"Errors of {name} in milliseconds, {int(counts.sum())} events")


def prediction_chart(targets: npt.ArrayLike, predictions: npt.ArrayLike, name: str) -> str:
    """Predicted over true numbers, a dot for each record; the diagonal is where they are the same."""
    truth, guess, shown = _drawn(targets, predictions)
    ticks = nice_ticks(float(min(truth.min(), guess.min())), float(max(truth.max(), guess.max())))
    ends = (ticks[0], ticks[-1])
    plot = Plot(x=ends, y=ends, x_label=f"True {name}", y_label=f"Predicted {name}", x_ticks=ticks, y_ticks=ticks)
    plot.line(np.array(ends), np.array(ends), colour=_GREY, dash="2 4", width=1, opacity=0.6)
    plot.dots(truth[shown], guess[shown], colour=PALETTE[0], radius=_radius(len(truth)))
    return plot.svg(f"Predicted over true {name} of {len(truth)} records")


def agreement_chart(targets: npt.ArrayLike, predictions: npt.ArrayLike, name: str) -> str:
    """Difference over mean of predicted and true numbers, with the bias and the limits of agreement.

    Bland & Altman, Lancet 327:307, 1986: about 95 of 100 differences lie between the limits, where they are normal.
    """
    truth, guess, shown = _drawn(targets, predictions)
    middle, difference = (truth + guess) / 2, guess - truth
    bias, deviation = float(difference.mean()), float(difference.std())
    lines = (bias - 1.96 * deviation, bias, bias + 1.96 * deviation)
    x_ticks = nice_ticks(float(middle.min()), float(middle.max()))
    y_ticks = nice_ticks(min(lines[0], float(difference.min())), max(lines[2], float(difference.max())))
    plot = Plot(
        x=(x_ticks[0], x_ticks[-1]),
        y=(y_ticks[0], y_ticks[-1]),
        x_label=f"Mean of predicted and true {name}",
        y_label="Predicted minus true",
        x_ticks=x_ticks,
        y_ticks=y_ticks,
    )
    plot.dots(middle[shown], difference[shown], colour=PALETTE[0], radius=_radius(len(truth)))
    across = np.array([x_ticks[0], x_ticks[-1]])
    for height, dash in zip(lines, ("7 3", "", "7 3"), strict=True):
        plot.line(across, np.full(2, height), colour=PALETTE[1], dash=dash, width=1.4)
    plot.name("bias", value=f"{bias:+.3g}", colour=PALETTE[1])
    plot.name("limits", value=f"{lines[0]:+.3g}, {lines[2]:+.3g}", colour=PALETTE[1], dash="7 3")
    return plot.svg(f"Bland-Altman plot of {name}: bias {bias:.3g}, limits of agreement {lines[0]:.3g} and {lines[2]:.3g}")


def _drawn(targets: npt.ArrayLike, predictions: npt.ArrayLike) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Truth, predictions, and which records get a dot: all, or evenly spaced ones of very many."""
    truth, guess = np.asarray(targets, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != guess.shape or not truth.size:
        raise DataError(f"a chart needs one true and one predicted number for each record, got {truth.shape} and {guess.shape}")
    return truth, guess, np.linspace(0, len(truth) - 1, min(len(truth), _MOST_DOTS)).round().astype(np.intp)


def _radius(records: int) -> float:
    return 2.8 if records <= 200 else 1.8

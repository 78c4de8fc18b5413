"""Canvas: the only place that imports matplotlib; figures in mm, without pyplot and its global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecg_core.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MM", "POINTS", "new_figure"]

MM = 1 / 25.4
"""Inches per mm."""
POINTS = 72 / 25.4
"""Points per mm."""


def new_figure(width: float, height: float, *, purpose: str) -> Figure:
    """An empty figure of this size in mm, drawn by Agg.

    Args:
        width: In mm.
        height: In mm.
        purpose: What is drawn, for the message when matplotlib is absent, e.g. ``"drawing an ECG"``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(f"{purpose} needs matplotlib: pip install 'ecg-core[plots]'") from error
    figure = Figure(figsize=(width * MM, height * MM))
    FigureCanvasAgg(figure)
    return figure

"""Before and after: a recording as it was read and as a store holds it, one over the other, lead by lead on ECG paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ecg_core.data.record import Record
from ecg_core.explanation.canvas import POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_before_after"]

_PAPER, _MINOR, _MAJOR, _INK, _BEFORE = "#fffaf8", "#fbeae7", "#f4cfca", "#17181c", "#d1495b"
_ROWS = 3  # of leads, as on a printed twelve-lead ECG


def draw_before_after(axes: Axes, before: Record, after: Record, *, width: float, height: float) -> None:
    """Draw both into ``axes``, which measures ``width`` × ``height`` mm.

    The leads stand in columns of three, each showing its first seconds, as many as there is room for at 25 mm/s; 10 mm are
    1 mV. Each trace is drawn around its own median.

    Args:
        axes: Where.
        before: The same stretch of time as ``after``, with its leads.
        after: From the store.
        width: mm.
        height: mm.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Rectangle

    grid = height - 7
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    paper = Rectangle((0, 0), width, grid, facecolor=_PAPER, edgecolor="none", zorder=0)
    axes.add_patch(paper)
    for step, colour, line in ((1, _MINOR, 0.08), (5, _MAJOR, 0.14)):
        upright = [[(x, 0), (x, grid)] for x in np.arange(0, width + 0.5, step)]
        level = [[(0, y), (width, y)] for y in np.arange(0, grid + 0.5, step)]
        axes.add_collection(LineCollection(upright + level, colors=colour, linewidths=line * POINTS, zorder=0.1), autolim=False)

    rows = min(_ROWS, len(after.leads))
    columns = -(-len(after.leads) // rows)
    cell = width / columns
    for number, lead in enumerate(after.leads):
        x, y = number // rows * cell, grid - (number % rows + 0.5) * grid / rows
        for record, colour, line, layer in ((before, _BEFORE, 0.2, 2), (after, _INK, 0.27, 3)):
            shown = record.signal[record.leads.index(lead), : max(1, int((cell - 3) / 25 * record.fs))].astype(np.float64)
            middle = np.nanmedian(shown) if np.isfinite(shown).any() else 0.0
            times = x + 1 + 25 * np.arange(shown.size) / record.fs
            (trace,) = axes.plot(times, y + 10 * (shown - middle), color=colour, linewidth=line * POINTS, zorder=layer)
            trace.set_clip_path(paper)
        axes.text(x + 1.5, y + grid / rows / 2 - 3.5, lead, fontsize=3 * POINTS, fontweight="bold", color=_INK, zorder=4)
    labels = "    ".join(dict.fromkeys(", ".join(classes) for classes in after.labels.values() if classes))
    words: dict[str, Any] = {"fontsize": 3.2 * POINTS, "va": "center", "parse_math": False}
    axes.text(0, height - 3, _short(f"{after.record_id}    {labels}", 80), color=_INK, fontweight="bold", **words)
    axes.text(width - 70, height - 3, f"before ({before.fs:g} Hz)", color=_BEFORE, ha="right", **words)
    axes.text(width, height - 3, f"after ({after.fs:g} Hz)  25 mm/s  10 mm/mV", color=_INK, ha="right", **words)


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"

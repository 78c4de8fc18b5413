"""ECG paper: a record drawn true to scale, as a printout looks, with an explanation marked on it like with a highlighter."""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecg_core.data.files import write_atomic
from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_core.explanation.arrangement import Arrangement, Layout, Strip, arrange
from ecg_core.explanation.canvas import POINTS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

__all__ = ["draw_ecg", "figure_png", "save_png"]

Floats = npt.NDArray[np.float64]

_PAPER, _MINOR, _MAJOR, _INK, _GREY = "#fffaf8", "#f9dedb", "#efb3ae", "#17181c", "#4a4d55"
_HIGHLIGHT = ((1.0, 0.83, 0.15), (1.0, 0.45, 0.0))  # from little to much relevance
_AGAINST = ((0.55, 0.78, 1.0), (0.10, 0.42, 0.95))  # of what speaks against
_HIGHLIGHT_ALPHA = 0.62
_PEN: dict[str, Any] = {
    "color": _INK,
    "linewidth": 0.27 * POINTS,
    "solid_joinstyle": "round",
    "solid_capstyle": "round",
    "zorder": 3,
}
_SMALL: dict[str, Any] = {"fontsize": 2.9 * POINTS, "color": _INK, "va": "baseline", "parse_math": False}
_COLOUR_ERROR = 42  # of 255, in any channel, of all pixels but one in 10,000
_MARGIN = 5.0  # mm of blank paper around the grid
_TITLE_LINE, _FOOT, _CAPTION_LINE = 5.6, 6.0, 4.2  # mm: per line of the title, the line of facts, per line of the caption
_TITLE_CHARACTER, _CAPTION_CHARACTER = 2.6, 1.55  # mm: widths to wrap by


def draw_ecg(
    record: Record,
    *,
    layout: Layout = "auto",
    speed: float = 25.0,
    gain: float = 10.0,
    relevance: npt.ArrayLike | None = None,
    title: str = "",
    caption: str = "",
) -> Figure:
    """The record on ECG paper: thin lines every mm, thick lines every 5 mm, a pulse of 1 mV × 0.2 s before each row.

    Each lead is drawn around its median, as the AC coupling of a recorder would; gaps (NaN) stay gaps.

    Args:
        record: What is drawn; not modified.
        layout: ``"3x4"`` (four columns and lead II in full), ``"rows"`` (every lead in full) or ``"auto"``.
        speed: Paper speed in mm/s.
        gain: In mm/mV.
        relevance: ``(leads, samples)``, or ``(samples,)`` for all leads, in [-1, 1]; marked behind the trace, orange above 0 and
            blue below.
        title: Above the grid.
        caption: Below the grid; wrapped.

    Raises:
        DataError: The layout does not suit the record, or the relevance does not fit it.
        MissingExtraError: matplotlib is not installed.
    """
    sheet = arrange(record, layout=layout, speed=speed, gain=gain)
    marks = None if relevance is None else _check_relevance(relevance, record)
    above, under = _wrap(title, sheet.width / _TITLE_CHARACTER), _wrap(caption, sheet.width / _CAPTION_CHARACTER)
    below = _MARGIN + _FOOT + _CAPTION_LINE * len(under)
    width, height = sheet.width + 2 * _MARGIN, below + sheet.height + _TITLE_LINE * len(above) + _MARGIN

    figure = new_figure(width, height, purpose="drawing an ECG")
    figure.set_facecolor("white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-_MARGIN, width - _MARGIN), ylim=(-below, height - below))
    axes.axis("off")

    grid = _draw_grid(axes, sheet)
    for strip in sheet.strips:
        if marks is not None:
            _draw_relevance(
                axes, sheet, strip, marks[record.leads.index(strip.lead), strip.start : strip.stop], speed / record.fs
            )
    for row in range(sheet.rows):
        _draw_pulse(axes, sheet, row, speed=speed, gain=gain)
    for strip in sheet.strips:
        _draw_strip(axes, sheet, strip, record, grid, speed=speed, gain=gain)
    _draw_words(axes, sheet, above, [*_facts(record, speed, gain)], under)
    if marks is not None:
        _draw_legend(axes, sheet, signed=bool((marks < 0).any()))
    return figure


def figure_png(figure: Figure, *, dpi: float = 150) -> bytes:
    """The figure as a PNG file that knows its size in mm; the same figure gives the same bytes."""
    from PIL import Image

    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    # A palette of 256 colours is enough for paper, ink and one highlighter, and makes the file five times smaller. With two
    # highlighters it can spoil the rarer colour, and what a colour means is the point: then all colours are kept.
    full = Image.open(drawn).convert("RGB")
    few = full.quantize(256, dither=Image.Dither.NONE)
    off = np.abs(np.asarray(full, dtype=np.int16) - np.asarray(few.convert("RGB"), dtype=np.int16)).max(axis=-1)
    chosen = few if np.quantile(off, 0.9999) <= _COLOUR_ERROR else full
    chosen.save(packed, "png", optimize=True, dpi=(dpi, dpi))
    return packed.getvalue()


def save_png(figure: Figure, path: str | os.PathLike[str], dpi: float = 150) -> Path:
    """Write the figure as a PNG file, whole or not at all."""

    def write(file: Path) -> None:
        file.write_bytes(figure_png(figure, dpi=dpi))

    write_atomic(Path(path), write)
    return Path(path)


def _check_relevance(relevance: npt.ArrayLike, record: Record) -> Floats:
    array = np.asarray(relevance, dtype=np.float64)
    if array.shape not in (record.signal.shape, record.signal.shape[1:]):
        raise DataError(
            f"relevance must be (leads, samples) = {record.signal.shape} or (samples,) = {record.signal.shape[1:]}, "
            f"got {array.shape}"
        )
    if not ((array >= -1) & (array <= 1)).all():
        raise DataError(f"relevance must lie in [-1, 1], got values from {array.min():g} to {array.max():g}")
    return np.broadcast_to(array, record.signal.shape)


def _draw_grid(axes: Axes, sheet: Arrangement) -> Rectangle:
    """The paper, returned to clip huge traces by."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Rectangle

    paper = Rectangle((0, 0), sheet.width, sheet.height, facecolor=_PAPER, edgecolor="none", zorder=0)
    axes.add_patch(paper)
    for step, colour, width in ((1, _MINOR, 0.1), (5, _MAJOR, 0.17)):
        upright = [[(x, 0), (x, sheet.height)] for x in np.arange(0, sheet.width + 0.5, step)]
        level = [[(0, y), (sheet.width, y)] for y in np.arange(0, sheet.height + 0.5, step)]
        axes.add_collection(
            LineCollection(upright + level, colors=colour, linewidths=width * POINTS, zorder=step / 10), autolim=False
        )
    return paper


def _draw_relevance(axes: Axes, sheet: Arrangement, strip: Strip, marks: Floats, mm_per_sample: float) -> None:
    middle, half = sheet.baseline(strip.row), sheet.pitch / 2 - 0.75
    extent = (strip.x, strip.x + len(marks) * mm_per_sample, middle - half, middle + half)
    axes.imshow(_colours(marks), extent=extent, aspect="auto", interpolation="bilinear", zorder=1)


def _draw_pulse(axes: Axes, sheet: Arrangement, row: int, *, speed: float, gain: float) -> None:
    """1 mV for 0.2 s, between thick lines at 25 mm/s and 10 mm/mV."""
    right = sheet.left - 5
    x = right + np.array([-2.5, 0, 0, 0, 0, 2.5]) - 0.2 * speed * np.array([1, 1, 1, 0, 0, 0])
    axes.plot(x, sheet.baseline(row) + gain * np.array([0, 0, 1, 1, 0, 0]), **_PEN)


def _draw_strip(
    axes: Axes, sheet: Arrangement, strip: Strip, record: Record, grid: Rectangle, *, speed: float, gain: float
) -> None:
    from matplotlib.patheffects import withStroke

    lead = record.signal[record.leads.index(strip.lead)].astype(np.float64)
    finite = lead[np.isfinite(lead)]
    lead = lead - (np.median(finite) if finite.size else 0.0)
    baseline = sheet.baseline(strip.row)
    x = strip.x + np.arange(strip.stop - strip.start) / record.fs * speed
    (trace,) = axes.plot(x, baseline + gain * lead[strip.start : strip.stop], **_PEN)
    trace.set_clip_path(grid)
    if strip.x > sheet.left:
        axes.plot([strip.x, strip.x], [baseline - 2.5, baseline + 2.5], **_PEN)
    axes.text(
        strip.x + 1,
        baseline + sheet.pitch / 2 - 4,
        strip.label,
        fontsize=3.1 * POINTS,
        fontweight="bold",
        color=_INK,
        va="center",
        path_effects=[withStroke(linewidth=0.8 * POINTS, foreground=_PAPER)],
        zorder=2,
        parse_math=False,
    )


def _facts(record: Record, speed: float, gain: float) -> Iterator[str]:
    yield f"{speed:g} mm/s"
    yield f"{gain:g} mm/mV"
    yield f"{record.seconds:g} s at {record.fs:g} Hz"
    if record.record_id:
        yield f"record {record.record_id}"


def _wrap(text: str, characters: float) -> list[str]:
    return [line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, width=int(characters))]


def _draw_words(axes: Axes, sheet: Arrangement, title: list[str], facts: list[str], caption: list[str]) -> None:
    for number, line in enumerate(reversed(title)):
        height = sheet.height + 2.5 + number * _TITLE_LINE
        axes.text(0, height, line, **{**_SMALL, "fontsize": 4.2 * POINTS, "fontweight": "bold"})
    axes.text(0, -4.5, "     ".join(facts), **_SMALL | {"color": _GREY})
    for number, line in enumerate(caption, start=1):
        axes.text(0, -4.8 - number * _CAPTION_LINE, line, **_SMALL)


def _draw_legend(axes: Axes, sheet: Arrangement, *, signed: bool) -> None:
    right, length = sheet.width, 24
    marks = np.linspace(-1 if signed else 0, 1, 64)
    axes.imshow(_colours(marks), extent=(right - length, right, -5.2, -2.4), aspect="auto", zorder=1)
    words = "relevance  against −1 – 1 for" if signed else "relevance  0 – 1"
    axes.text(right - length - 1.5, -4.5, words, **_SMALL | {"color": _GREY, "ha": "right"})


def _colours(marks: Floats) -> Floats:
    """``(samples,)`` in [-1, 1] → ``(1, samples, RGBA)``."""
    signed = marks[np.newaxis, :, np.newaxis]
    shade = np.abs(signed)
    (low, high), (low_against, high_against) = (tuple(map(np.array, pair)) for pair in (_HIGHLIGHT, _AGAINST))
    colour = np.where(signed >= 0, low + shade * (high - low), low_against + shade * (high_against - low_against))
    return np.concatenate([colour, _HIGHLIGHT_ALPHA * shade], axis=-1)

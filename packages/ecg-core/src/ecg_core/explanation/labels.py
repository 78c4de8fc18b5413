"""Labels on ECG paper: what a model found in a record shaded over its leads, and below them what is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_core.explanation.arrangement import Arrangement, Strip, arrange
from ecg_core.explanation.canvas import POINTS
from ecg_core.explanation.paper import draw_ecg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_labels", "letters_of"]

# Okabe & Ito 2008, colour-blind safe; darker than on a page, because they are laid thinly over paper.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9")
_HATCHES = ("||||", "////", "....", "\\\\\\\\", "xxxx", "----")
_GREY, _INK = "#8a8d94", "#17181c"
_LANE, _GAP = 2.9, 0.4  # mm
_SHADE = 0.17
_CHARACTER = 1.75  # mm of a letter in a lane
_WORDS: dict[str, Any] = {"fontsize": 2.5 * POINTS, "va": "center", "color": _INK, "parse_math": False}


def draw_labels(
    record: Record,
    *,
    found: npt.ArrayLike,
    truth: npt.ArrayLike,
    classes: Sequence[str],
    background: int | None = 0,
    title: str = "",
    caption: str = "",
) -> Figure:
    """The record, each lead a row: found stretches are shaded, and two lanes below name what is found and what is true.

    A class has a colour, and in the lanes a letter, or a hatch where that has no room, so that it is told without colours too.

    Args:
        record: What is drawn; its leads are the rows.
        found: ``(samples,)`` class numbers.
        truth: ``(samples,)`` class numbers, -1 where nothing is known.
        classes: Names of the class numbers.
        background: The class that stays blank, such as ``"none"``; ``None`` if there is none.
        title: Above the grid.
        caption: Below the grid; wrapped.

    Raises:
        DataError: Labels are not one per sample, or are no number of a class.
        MissingExtraError: matplotlib is not installed.
    """
    labels = _checked(found, record, len(classes), 0, "found"), _checked(truth, record, len(classes), -1, "truth")
    sheet = arrange(record, layout="rows")
    letters = letters_of(classes)
    present = [c for c in np.unique(np.concatenate(labels)).tolist() if c >= 0 and c != background]
    legend = ", ".join(f"{letters[c]}: {classes[c]}" for c in present if letters[c] != classes[c])
    unknown = "; grey: not annotated" if (labels[1] < 0).any() else ""
    told = f"Shaded and upper lane: found; lower lane: true{unknown}. {legend}".rstrip(" .") + "."
    figure = draw_ecg(record, layout="rows", title=title, caption="\n".join(filter(None, (told, caption))))
    axes = figure.axes[0]
    for strip in sheet.strips:
        _draw_strip(axes, sheet, strip, labels, letters, record.fs, background)
    return figure


def letters_of(classes: Sequence[str]) -> tuple[str, ...]:
    """The shortest beginnings that tell classes apart.

    >>> letters_of(["none", "P", "QRS", "T"])
    ('n', 'P', 'Q', 'T')
    >>> letters_of(["AFIB", "AFL", "N"])
    ('AFI', 'AFL', 'N')
    """
    return tuple(
        next(
            (name[:n] for n in range(1, len(name)) if not any(o.startswith(name[:n]) for j, o in enumerate(classes) if j != i)),
            name,
        )
        for i, name in enumerate(classes)
    )


def _checked(labels: npt.ArrayLike, record: Record, classes: int, least: int, word: str) -> npt.NDArray[np.int64]:
    array = np.asarray(labels)
    if array.shape != (record.n_samples,):
        raise DataError(f"{word} must be one class number per sample, ({record.n_samples},), got {array.shape}")
    if array.size and not (least <= array.min() and array.max() < classes):
        raise DataError(f"{word} must be numbers of {classes} classes, from {least}, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def _draw_strip(
    axes: Axes,
    sheet: Arrangement,
    strip: Strip,
    labels: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    letters: Sequence[str],
    fs: float,
    background: int | None,
) -> None:
    from matplotlib.patches import Rectangle

    middle, half, scale = sheet.baseline(strip.row), sheet.pitch / 2, 25.0 / fs
    lower = middle - half + _GAP
    upper = lower + _LANE + _GAP
    found, truth = (list(_runs(values[strip.start : strip.stop])) for values in labels)
    top = upper + _LANE + _GAP
    for number, start, stop in found:
        if number != background:
            place, size = (strip.x + start * scale, top), ((stop - start) * scale, middle + half - _GAP - top)
            axes.add_patch(Rectangle(place, *size, fc=_COLOURS[number % len(_COLOURS)], ec="none", alpha=_SHADE, zorder=1))
    for word, runs, below in (("found", found, upper), ("true", truth, lower)):
        axes.text(strip.x - 1, below + _LANE / 2, word, **_WORDS | {"ha": "right"})
        for number, start, stop in runs:
            if number != background:
                letter = "" if number < 0 else letters[number]
                _draw_box(axes, strip.x + start * scale, below, (stop - start) * scale, number, letter)


def _draw_box(axes: Axes, x: float, y: float, width: float, number: int, letter: str) -> None:
    """A stretch in a lane; grey where nothing is known."""
    from matplotlib.patches import Rectangle

    colour, alpha = (_GREY, 0.2) if number < 0 else (_COLOURS[number % len(_COLOURS)], 0.45)
    axes.add_patch(Rectangle((x, y), width, _LANE, fc=colour, ec="none", alpha=alpha, zorder=2))
    if letter and width >= _CHARACTER * len(letter):
        axes.text(x + width / 2, y + _LANE / 2, letter, **_WORDS | {"ha": "center", "weight": "bold", "zorder": 4})
    elif number >= 0:
        hatch = _HATCHES[number % len(_HATCHES)]
        axes.add_patch(Rectangle((x, y), width, _LANE, fc="none", ec=colour, hatch=hatch, lw=0, zorder=2))


def _runs(values: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Class number, first sample and the sample after the last of each stretch."""
    firsts = np.flatnonzero(np.diff(values, prepend=values[0] - 1)) if len(values) else np.zeros(0, dtype=np.int64)
    for first, stop in zip(firsts.tolist(), [*firsts[1:].tolist(), len(values)], strict=False):
        yield int(values[first]), first, stop

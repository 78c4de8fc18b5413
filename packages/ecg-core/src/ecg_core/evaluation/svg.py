"""Plot: axes, lines, bars and a legend as one SVG string, without a plotting library.

Text stays text and takes the page's font and colour, so a picture follows dark mode, scales to a phone and needs no install.
It carries no ids, so any number of them can stand on one page, and no dates, so the same numbers give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from ecg_core.evaluation.ranking import Floats

__all__ = ["DASHES", "PALETTE", "Plot", "nice_ticks"]

# Okabe & Ito 2008, colour-blind safe; a page may re-tune them for dark mode through the variables.
PALETTE = tuple(
    f"var(--series-{i},{colour})"
    for i, colour in enumerate(("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9"), start=1)
)
DASHES = ("", "7 3", "2 3", "9 3 2 3", "", "7 3")

_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 14.0, 10.0, 40.0
_LEGEND_ROW, _LEGEND_LEFT, _LEGEND_COLUMNS, _LEGEND_CHARACTERS = 18.0, 20.0, 2, 19


class Plot:
    """One pair of axes.

    Args:
        x: Least and greatest value.
        y: Least and greatest value.
        x_label: Under the axis.
        y_label: Beside the axis.
        x_ticks: Values with a grid line and a number.
        y_ticks: The same.
        width: Of the whole picture, in pixels at its natural size.
        height: Of the whole picture without its legend.
    """

    def __init__(
        self,
        *,
        x: tuple[float, float],
        y: tuple[float, float],
        x_label: str,
        y_label: str,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        width: float = 360,
        height: float = 320,
    ) -> None:
        self.x, self.y = x, y
        self.width, self.height = width, height
        self.legend: list[tuple[str, str, str, float]] = []
        self.marks: list[str] = []
        self._draw_axes(x_label, y_label, x_ticks, y_ticks)

    def line(self, x: Floats, y: Floats, *, colour: str, dash: str = "", width: float = 1.8, opacity: float = 1.0) -> None:
        """A polyline; points that are not finite leave a gap, points closer than a pixel to the one before are left out."""
        pieces = [_thin(piece) for piece in _pieces(*self._place(x, y))]
        steps = ["M" + "L".join(f"{left:.1f} {down:.1f}" for left, down in piece) for piece in pieces]
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.marks.append(
            f'<path d="{"".join(steps)}" fill="none" style="stroke:{colour}" stroke-width="{width:g}" stroke-linejoin="round" '
            f'stroke-linecap="round" stroke-opacity="{opacity:g}"{dashes}/>'
        )

    def dots(self, x: Floats, y: Floats, *, colour: str, radius: float = 2.8) -> None:
        """A dot at each point."""
        for left, down in zip(*self._place(x, y), strict=True):
            self.marks.append(f'<circle cx="{left:.1f}" cy="{down:.1f}" r="{radius:g}" style="fill:{colour}"/>')

    def area(self, edges: Floats, heights: Floats, *, colour: str, opacity: float = 0.35) -> None:
        """A filled histogram outline: ``heights`` between consecutive ``edges``."""
        x, y = np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
        points = " ".join(f"{left:.1f},{down:.1f}" for left, down in zip(*self._place(x, y), strict=True))
        self.marks.append(
            f'<polygon points="{points}" style="fill:{colour};stroke:{colour}" fill-opacity="{opacity:g}" stroke-opacity="0.7"/>'
        )

    def name(self, text: str, *, colour: str, value: str = "", dash: str = "", opacity: float = 1.0) -> None:
        """An entry of the legend; a long text is cut, the value behind it is not."""
        room = _LEGEND_CHARACTERS - len(value)
        short = text if len(text) <= room else text[: max(room - 1, 1)] + "…"
        self.legend.append((f"{short} {value}".rstrip(), colour, dash, opacity))

    def svg(self, title: str) -> str:
        """The picture; ``title`` is what a screen reader says."""
        rows = math.ceil(len(self.legend) / _LEGEND_COLUMNS)
        height = self.height + rows * _LEGEND_ROW + (4 if rows else 0)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {height:g}" role="img" '
            f'font-size="12" fill="currentColor" style="font-family:inherit"><title>{escape(title)}</title>'
            f"{''.join(self.marks)}{''.join(self._legend_entries())}</svg>"
        )

    def _place(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Values → pixels."""
        across, down = self.width - _LEFT - _RIGHT, self.height - _TOP - _BOTTOM
        left = _LEFT + (np.asarray(x, dtype=np.float64) - self.x[0]) / (self.x[1] - self.x[0]) * across
        return left, _TOP + down - (np.asarray(y, dtype=np.float64) - self.y[0]) / (self.y[1] - self.y[0]) * down

    def _draw_axes(self, x_label: str, y_label: str, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> None:
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        lefts, downs = (
            self._place(np.array(x_ticks), np.full(len(x_ticks), self.y[0]))[0],
            self._place(np.full(len(y_ticks), self.x[0]), np.array(y_ticks))[1],
        )
        lines = "".join(f"M{left:.1f} {_TOP:g}V{bottom:g}" for left in lefts)
        lines += "".join(f"M{_LEFT:g} {down:.1f}H{right:g}" for down in downs)
        self.marks.append(f'<path d="{lines}" fill="none" stroke="currentColor" stroke-opacity="0.13"/>')
        self.marks += [
            _text(left, bottom + 15, number, anchor="middle") for left, number in zip(lefts, _numbers(x_ticks), strict=True)
        ]
        self.marks += [
            _text(_LEFT - 6, down + 4, number, anchor="end") for down, number in zip(downs, _numbers(y_ticks), strict=True)
        ]
        self.marks.append(_text((_LEFT + right) / 2, self.height - 8, x_label, anchor="middle"))
        middle = (_TOP + bottom) / 2
        self.marks.append(_text(11, middle, y_label, anchor="middle", more=f' transform="rotate(-90 11 {middle:g})"'))

    def _legend_entries(self) -> Iterable[str]:
        wide = (self.width - _LEGEND_LEFT) / _LEGEND_COLUMNS
        for number, (text, colour, dash, opacity) in enumerate(self.legend):
            left = _LEGEND_LEFT + (number % _LEGEND_COLUMNS) * wide
            down = self.height + 8 + number // _LEGEND_COLUMNS * _LEGEND_ROW
            dashes = f' stroke-dasharray="{dash}"' if dash else ""
            pen = f'style="stroke:{colour}" stroke-width="2.4" stroke-opacity="{opacity:g}"{dashes}'
            yield f'<path d="M{left:g} {down:g}h20" {pen}/>'
            yield _text(left + 26, down + 4, text)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values (steps of 1, 2 or 5 times a power of ten) that embrace ``low`` … ``high``."""
    span = high - low if high > low else max(abs(high), 1.0)
    raw = span / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if raw <= factor * magnitude * (1 + 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, max(last, first + 1) + 1)]


def _numbers(ticks: Sequence[float]) -> list[str]:
    """Ticks without needless zeros, from ten thousand on in thousands."""
    if max(map(abs, ticks)) >= 10_000:
        return [f"{tick / 1000:g}k" if tick else "0" for tick in ticks]
    return [f"{tick:g}" for tick in ticks]


def _pieces(x: Floats, y: Floats) -> list[Floats]:
    """``(points, 2)`` each, cut where a point is not finite."""
    points = np.stack([x, y], axis=1)
    good = np.isfinite(points).all(axis=1)
    cuts = np.flatnonzero(np.diff(good)) + 1
    return [piece for piece, keep in zip(np.split(points, cuts), np.split(good, cuts), strict=True) if len(keep) and keep[0]]


def _thin(points: Floats) -> Floats:
    """The points without those that share a pixel with the one before; the last is kept."""
    pixels = np.round(points)
    moved = np.ones(len(points), dtype=np.bool_)
    moved[1:-1] = (np.diff(pixels, axis=0) != 0).any(axis=1)[:-1]
    kept: Floats = points[moved]
    return kept


def _text(x: float, y: float, text: str, *, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'

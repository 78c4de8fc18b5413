"""Overview: a prepared store on one page: classes, ages, heart rates, flaws, refusals, recordings before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecg_core.data.quality import FLAGS
from ecg_core.data.record import Record
from ecg_core.data.splits import SPLITS
from ecg_core.data.store import Store
from ecg_core.explanation.before_after import draw_before_after
from ecg_core.explanation.canvas import POINTS, new_figure
from ecg_core.explanation.paper import save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

__all__ = ["Example", "draw_overview", "save_overview"]

_INK, _GREY, _LINE = "#17181c", "#5b5f69", "#d9dbe0"
_SPLIT = {"train": "#33608c", "val": "#e09f3e", "test": "#9e2a2b"}
_SEX = {"F": "#a4508b", "M": "#33608c", "unknown": "#b8bcc6"}
_BARS = 12  # classes shown of a target
_WIDTH = 300.0  # mm
_COLUMNS = ((40.0, 62.0), (138.0, 58.0), (222.0, 66.0))  # mm: where a panel begins, and its width
_TOP, _ROW, _GAP, _SIDE, _EXAMPLE = 24.0, 62.0, 20.0, 12.0, 118.0  # mm


@dataclass(frozen=True)
class Example:
    """A window of a store beside the recording it was made from.

    Args:
        before: As it was read, the same stretch of time and the same leads.
        after: As the store holds it.
    """

    before: Record
    after: Record


def draw_overview(store: Store, examples: Sequence[Example] = ()) -> Figure:
    """The page.

    Args:
        store: What it is about.
        examples: Windows to show before and after the pipeline.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    recordings = store.table.drop_duplicates("record_id")
    height = _TOP + 2 * (_ROW + _GAP) + len(examples) * (_EXAMPLE + 4)
    figure = new_figure(_WIDTH, height, purpose="drawing an overview of a store")
    figure.set_facecolor("white")
    _headline(figure, store, height)

    targets = [target for target in store.targets if recordings[target].map(len).any()]
    if len(targets) > 1:
        for target, (left, width) in zip(targets[:2], _COLUMNS[:2], strict=True):
            _classes(_panel(figure, height, row=0, left=left, width=width), recordings, target)
    else:
        axes = _panel(figure, height, row=0, left=_COLUMNS[0][0], width=sum(_COLUMNS[1]) - _COLUMNS[0][0])
        if targets:
            _classes(axes, recordings, targets[0])
        else:
            _nothing(axes, "Classes", "no target: prepare with --labels FILE")
    left, width = _COLUMNS[2]
    _ages(_panel(figure, height, row=0, left=left, width=width), recordings)
    _heart_rates(_panel(figure, height, row=1, left=_SIDE + 8, width=_COLUMNS[0][1] + 18), recordings)
    _quality(_panel(figure, height, row=1, left=_COLUMNS[1][0], width=_COLUMNS[1][1]), recordings)
    _rejects(_panel(figure, height, row=1, left=left, width=width), store)
    for number, example in enumerate(examples):
        top = _TOP + 2 * (_ROW + _GAP) + number * (_EXAMPLE + 4)
        axes = figure.add_axes(
            (_SIDE / _WIDTH, 1 - (top + _EXAMPLE - 6) / height, 1 - 2 * _SIDE / _WIDTH, (_EXAMPLE - 10) / height)
        )
        draw_before_after(axes, example.before, example.after, width=_WIDTH - 2 * _SIDE, height=_EXAMPLE - 10)
    return figure


def save_overview(store: Store, path: Path, examples: Sequence[Example] = ()) -> Path:
    """Draw the page and write it as a PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return save_png(draw_overview(store, examples), path, dpi=110)


def _headline(figure: Figure, store: Store, height: float) -> None:
    facts = store.facts
    figure.text(
        _SIDE / _WIDTH, 1 - 9 / height, store.path.name or str(store.path), fontsize=6 * POINTS, fontweight="bold", color=_INK,
        va="center", parse_math=False,
    )  # fmt: skip
    words = [
        f"{facts['recordings']:,} recordings",
        f"{facts['patients']:,} patients" if facts["patients"] else "patients unknown",
        f"{len(store):,} windows of {store.seconds:g} s",
        f"{store.fs:g} Hz",
        ", ".join(store.leads) if len(store.leads) <= 12 else f"{len(store.leads)} leads",
        store.encoding.dtype + ("" if store.encoding.compression == "none" else f" ({store.encoding.compression})"),
        " → ".join(step["name"] for step in store.pipeline) or "nothing done to the signal",
    ]
    figure.text(
        _SIDE / _WIDTH, 1 - 16 / height, "   ·   ".join(words), fontsize=3.1 * POINTS, color=_GREY, va="center", parse_math=False
    )


def _panel(figure: Figure, height: float, *, row: int, left: float, width: float) -> Axes:
    top = _TOP + 6 + row * (_ROW + _GAP)
    axes = figure.add_axes((left / _WIDTH, 1 - (top + _ROW) / height, width / _WIDTH, _ROW / height))
    axes.tick_params(labelsize=2.9 * POINTS, colors=_GREY, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.set_axisbelow(True)
    return axes


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=3.5 * POINTS, fontweight="bold", color=_INK, loc="left", pad=6, parse_math=False)


def _nothing(axes: Axes, title: str, why: str) -> None:
    _title(axes, title)
    axes.text(0.02, 0.9, why, fontsize=3 * POINTS, color=_GREY, transform=axes.transAxes, va="top", wrap=True)
    axes.set(xticks=[], yticks=[])
    axes.spines["bottom"].set_visible(False)


def _classes(axes: Axes, recordings: pd.DataFrame, target: str) -> None:
    rows = list(zip(recordings[target].tolist(), recordings["split"].tolist(), strict=True))
    count = Counter(name for labels, _ in rows for name in labels)
    shown = [name for name, _ in count.most_common(_BARS)]
    by_split = Counter((name, split) for labels, split in rows for name in labels)
    place = np.arange(len(shown))[::-1]
    begin = np.zeros(len(shown))
    for split in SPLITS:
        values = np.array([by_split[name, split] for name in shown])
        axes.barh(place, values, left=begin, height=0.72, color=_SPLIT[split], label=split)
        begin = begin + values
    for y, total in zip(place, begin, strict=True):
        axes.text(total + begin.max() * 0.015, y, f"{int(total):,}", fontsize=2.7 * POINTS, color=_GREY, va="center")
    axes.set_yticks(place, [_short(name, 18) for name in shown])
    axes.set_xlim(0, begin.max() * 1.15)
    axes.set_ylim(-0.6 - max(0, 4 - len(shown)), len(shown) - 0.4)
    axes.set_xticks([])
    axes.legend(fontsize=2.7 * POINTS, frameon=False, loc="lower right", labelcolor=_GREY, handlelength=1, handleheight=1)
    more = f" ({_BARS} of {len(count)})" if len(count) > _BARS else ""
    _title(axes, f"{target}{more}")


def _ages(axes: Axes, recordings: pd.DataFrame) -> None:
    age = pd.to_numeric(recordings["age"], errors="coerce").to_numpy(dtype=float)
    known = np.isfinite(age)
    if not known.any():
        _nothing(axes, "Age", "no recording states an age")
        return
    sex = np.array([value if value in ("F", "M") else "unknown" for value in recordings["sex"].tolist()])
    groups = [name for name in _SEX if (known & (sex == name)).any()]
    bins = [float(edge) for edge in np.arange(0, max(100, 5 * np.ceil(age[known].max() / 5)) + 1, 5)]
    words = [f"{name} ({int((sex == name).sum()):,})" for name in groups]
    axes.hist([age[known & (sex == n)] for n in groups], bins=bins, stacked=True, color=[_SEX[n] for n in groups], label=words)
    axes.set_xlabel("years", fontsize=2.9 * POINTS, color=_GREY)
    axes.grid(axis="y", color=_LINE, linewidth=0.5)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.2)
    axes.legend(fontsize=2.7 * POINTS, frameon=False, ncols=3, loc="upper left", labelcolor=_GREY, handlelength=1, handleheight=1)
    missing = f", unknown in {int((~known).sum()):,}" if (~known).any() else ""
    _title(axes, f"Age, median {np.median(age[known]):.0f}{missing}")


def _heart_rates(axes: Axes, recordings: pd.DataFrame) -> None:
    rate = recordings["heart_rate"].to_numpy(dtype=float) if "heart_rate" in recordings else np.array([])
    known = rate[np.isfinite(rate)]
    if not known.size:
        _nothing(axes, "Heart rate", "not looked for" if not rate.size else "no two beats found in any recording")
        return
    axes.axvspan(60, 100, color="#eef3ee", zorder=0)
    axes.hist(np.clip(known, 20, 220), bins=[float(edge) for edge in range(20, 225, 5)], color="#4f7d5c")
    axes.set_xlim(20, 220)
    axes.set_xlabel("beats per minute (shaded: 60 to 100)", fontsize=2.9 * POINTS, color=_GREY)
    axes.grid(axis="y", color=_LINE, linewidth=0.5)
    silent = int((~np.isfinite(rate)).sum())
    _title(axes, f"Heart rate, median {np.median(known):.0f}" + (f", none found in {silent:,}" if silent else ""))


def _quality(axes: Axes, recordings: pd.DataFrame) -> None:
    if "quality" not in recordings:
        _nothing(axes, "Quality flags", "not looked for")
        return
    flags = [{flag.split(":")[0] for flag in row} for row in recordings["quality"].tolist()]
    count = Counter(flag for row in flags for flag in row)
    place = np.arange(len(FLAGS))[::-1]
    share = np.array([count[name] / len(flags) for name in FLAGS])
    axes.barh(place, share, height=0.66, color="#b5651d")
    for y, name, value in zip(place, FLAGS, share, strict=True):
        axes.text(
            value + 0.015, y, f"{count[name]:,}" if count[name] else "none", fontsize=2.7 * POINTS, color=_GREY, va="center"
        )
    axes.set_yticks(place, [name.replace("_", " ") for name in FLAGS])
    axes.set_xlim(0, max(0.1, share.max() * 1.25))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.xaxis.set_major_locator(_few_ticks())
    _title(axes, f"Quality: {sum(map(bool, flags)):,} of {len(flags):,} flagged")


def _few_ticks() -> Locator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def _rejects(axes: Axes, store: Store) -> None:
    reasons = store.rejects["reason"].tolist()
    if not reasons:
        _nothing(axes, "Refused", "nothing was refused")
        return
    count = Counter(_kind(reason) for reason in reasons).most_common(6)
    place = np.arange(len(count))[::-1]
    axes.barh(place, [n for _, n in count], height=0.4, color="#8d99ae")
    for y, (kind, n) in zip(place, count, strict=True):
        axes.text(0, y + 0.27, f"{n:,}   {_short(kind, 58)}", fontsize=2.7 * POINTS, color=_INK, va="bottom", parse_math=False)
    axes.set(xticks=[], yticks=[], ylim=(-0.5 - max(0, 4 - len(count)), len(count) - 0.2))
    axes.spines["bottom"].set_visible(False)
    _title(axes, f"Refused: {len(reasons):,} (see rejects.csv)")


def _kind(reason: str) -> str:
    """What a reason says apart from which recording and which numbers, so that equal reasons can be counted."""
    words = reason.split(": ", 1)[-1] if reason.split(": ", 1)[0].endswith((".hea", ".npy", ".edf", ".dcm")) else reason
    words = words.split(";")[0]
    return " ".join("…" if "'" in word or any(c.isdigit() for c in word) else word for word in words.split())


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"

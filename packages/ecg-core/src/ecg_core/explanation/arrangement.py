"""Arrangement: which part of which lead stands where on a sheet of ECG paper, in mm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ecg_core.data.leads import STANDARD_12
from ecg_core.data.record import Record
from ecg_core.errors import DataError

__all__ = ["Arrangement", "Layout", "Strip", "arrange"]

Layout = Literal["auto", "3x4", "rows"]

_RIGHT = 5.0
_LEAST_WIDTH = 120.0  # room for the words below a short record
_PITCH = (25.0, 35.0)  # least and greatest distance between the baselines of two rows
_LINE_SECONDS = 10.0  # longer records continue on the next row
_MAX_ROWS = 48
_PULSE_SECONDS = 0.2
_RHYTHM = "II"


@dataclass(frozen=True)
class Strip:
    """A piece of one lead.

    Args:
        lead: Its name.
        start: First sample.
        stop: One past the last sample.
        row: Row of the sheet, 0 on top.
        x: Where it begins, in mm from the left edge of the grid.
        label: What stands at its beginning.
    """

    lead: str
    start: int
    stop: int
    row: int
    x: float
    label: str


@dataclass(frozen=True)
class Arrangement:
    """A sheet: its strips and its measures in mm, the grid being ``width`` × ``height``.

    Args:
        strips: In reading order.
        rows: Number of rows.
        pitch: From one baseline to the next.
        width: Of the grid.
        left: Room for the calibration pulse before each row.
    """

    strips: tuple[Strip, ...]
    rows: int
    pitch: float
    width: float
    left: float

    @property
    def height(self) -> float:
        """Of the grid, in whole big squares."""
        return 5 * math.ceil((self.rows * self.pitch + 5) / 5)

    def baseline(self, row: int) -> float:
        """Height of 0 mV above the bottom of the grid; it lies on a thick line."""
        return 5 * round((self.height - self.pitch / 2 - 2.5) / 5) - row * self.pitch


def arrange(record: Record, *, layout: Layout = "auto", speed: float = 25.0, gain: float = 10.0) -> Arrangement:
    """The sheet for a record.

    Args:
        record: What is drawn.
        layout: ``"3x4"``: the twelve leads in four columns, one after the other in time, and lead II in full below.
            ``"rows"``: every lead in full, a new row every 10 s. ``"auto"``: 3x4 for a standard 12-lead ECG of 10 s.
        speed: Paper speed in mm/s.
        gain: In mm/mV.

    Raises:
        DataError: The layout does not suit the record, or speed or gain are not positive.
    """
    if not (speed > 0 and gain > 0):
        raise DataError(f"speed (mm/s) and gain (mm/mV) must be positive, got {speed} and {gain}")
    if layout not in ("auto", "3x4", "rows"):
        raise DataError(f"layout must be 'auto', '3x4' or 'rows', got {layout!r}")
    if not record.n_samples:
        raise DataError(f"record {record.record_id!r} has no samples to draw")
    standard = set(STANDARD_12) <= set(record.leads)
    if layout == "3x4" and not standard:
        missing = [lead for lead in STANDARD_12 if lead not in record.leads]
        raise DataError(f"layout '3x4' needs the twelve standard leads, and {', '.join(missing)} are missing; use layout 'rows'")
    three_by_four = layout == "3x4" or (layout == "auto" and len(record.leads) == 12 and standard and 9 <= record.seconds <= 11)
    left = 5.0 * math.ceil((_PULSE_SECONDS * speed + 10) / 5 - 1e-6)
    strips = _columns(record, left, speed) if three_by_four else _lines(record, left)
    rows = max(strip.row for strip in strips) + 1
    end = max(strip.x + (strip.stop - strip.start) / record.fs * speed for strip in strips)
    width = max(5.0 * math.ceil((end + _RIGHT) / 5 - 1e-6), _LEAST_WIDTH)
    return Arrangement(strips, rows, _pitch(record, strips, rows, gain), width, left)


def _columns(record: Record, left: float, speed: float) -> tuple[Strip, ...]:
    """Three rows of four leads, a quarter of the time each, and the rhythm strip."""
    edges = [round(record.n_samples * quarter / 4) for quarter in range(5)]
    strips = [
        Strip(lead, edges[i // 3], edges[i // 3 + 1], i % 3, left + edges[i // 3] / record.fs * speed, lead)
        for i, lead in enumerate(STANDARD_12)
    ]
    strips.sort(key=lambda strip: strip.row)
    return (*strips, Strip(_RHYTHM, 0, record.n_samples, 3, left, _RHYTHM))


def _lines(record: Record, left: float) -> tuple[Strip, ...]:
    """Every lead in full; after 10 s all leads continue below."""
    length = max(1, round(_LINE_SECONDS * record.fs))
    if record.n_samples <= 1.1 * length:
        length = record.n_samples
    rows = math.ceil(record.n_samples / length) * len(record.leads)
    if rows > _MAX_ROWS:
        raise DataError(
            f"record {record.record_id!r} would need {rows} rows of paper ({record.seconds:g} s of {len(record.leads)} leads), "
            f"more than {_MAX_ROWS}; draw a part of it, e.g. record.crop(0, {length})"
        )
    strips: list[Strip] = []
    for start in range(0, record.n_samples, length):
        for lead in record.leads:
            label = lead if not start else f"{lead}  {start / record.fs:g} s"
            strips.append(Strip(lead, start, min(start + length, record.n_samples), len(strips), left, label))
    return tuple(strips)


def _pitch(record: Record, strips: tuple[Strip, ...], rows: int, gain: float) -> float:
    """Distance of the rows in big squares, wide enough that neighbouring rows rarely meet."""
    above, below = np.zeros(rows), np.zeros(rows)
    for strip in strips:
        trace = record.signal[record.leads.index(strip.lead)].astype(np.float64)
        trace = trace[np.isfinite(trace)]
        if trace.size:
            height = (trace - np.median(trace)) * gain
            above[strip.row] = max(above[strip.row], height.max())
            below[strip.row] = max(below[strip.row], -height.min())
    needed = max([2 * above[0] - 5, 2 * below[-1] - 5, *(below[:-1] + above[1:])])
    return float(min(max(5 * math.ceil(needed / 5), _PITCH[0]), _PITCH[1]))

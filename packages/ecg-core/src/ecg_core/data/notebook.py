"""A recording and a table of recordings in a notebook: facts, and every lead as a line, as small HTML that needs nothing."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ecg_core.data.record import Record
    from ecg_core.data.table import RecordTable

__all__ = ["record_html", "table_html"]

_SECONDS = 10.0  # of a recording that are drawn
_MM_PER_SECOND, _MM_PER_MV = 25.0, 10.0  # as on ECG paper
_ROW = 22.0  # mm between leads
_POINTS = 1500
_PEN = 'fill="none" stroke="currentColor" stroke-width=".35"'
_ROWS = 5


def record_html(record: Record) -> str:
    """The facts of a recording above its first ten seconds, at 25 mm/s and 10 mm/mV."""
    facts = {
        "patient": record.patient_id,
        "age": None if record.age is None else f"{record.age:g}",
        "sex": record.sex,
        **{name: ", ".join(classes) for name, classes in record.labels.items() if classes},
        "length": f"{record.seconds:g} s at {record.fs:g} Hz",
    }
    told = " · ".join(f"{escape(name)} {escape(str(value))}" for name, value in facts.items() if value is not None)
    return f"<div><b>{escape(record.record_id or 'record')}</b> {told}<br>{_lines(record)}</div>"


def table_html(table: RecordTable) -> str:
    """How many recordings were found and refused, and the first rows."""
    refused = f", {len(table.rejects):,} refused" if len(table.rejects) else ""
    return f"<div>{len(table):,} recordings{refused}{table.frame.head(_ROWS).to_html(notebook=True)}</div>"


def _lines(record: Record) -> str:
    count = min(record.n_samples, round(_SECONDS * record.fs))
    step = max(1, count // _POINTS)
    across = np.arange(0, count, step) / record.fs * _MM_PER_SECOND + 10
    width, height = max(_SECONDS, 1.0) * _MM_PER_SECOND + 10, _ROW * len(record.leads)
    parts = []
    for number, (lead, signal) in enumerate(zip(record.leads, record.signal, strict=True)):
        middle = (number + 0.5) * _ROW
        down = middle - np.clip(signal[:count:step] - np.nanmedian(signal), -2, 2) * _MM_PER_MV
        good = np.isfinite(down)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across[good], down[good], strict=True))
        parts.append(f'<text x="0" y="{middle:g}" font-size="4">{escape(lead)}</text><polyline points="{points}" {_PEN}/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" fill="currentColor" '
        f'style="max-width:{width:g}mm;width:100%"><title>{escape(record.record_id)}</title>'
        f"{''.join(parts)}</svg>"
    )

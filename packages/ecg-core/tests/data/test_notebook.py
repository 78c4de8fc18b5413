"""What a notebook shows of a recording and of a table: its facts, its lines, and no markup of its names."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable

HOSTILE = '<img src=x onerror="alert(1)">'


def test_a_recording_is_drawn_at_25_mm_per_second_and_10_mm_per_millivolt() -> None:
    signal = np.zeros((2, 1000), dtype=np.float32)
    signal[1, 200] = 1.0  # 1 mV at 2 s in the second lead
    html = Record(signal, 100.0, ("I", "II"), "r1", patient_id="p1", age=61.0, labels={"dx": ("AFIB",)})._repr_html_()
    lines = [
        line.get("points").split() for line in ElementTree.fromstring(html.replace("<br>", "<br/>")).iter() if line.get("points")
    ]
    assert len(lines) == 2
    assert lines[1][200] == f"{10 + 2 * 25:.1f},{1.5 * 22 - 10:.1f}"
    for words in ("r1", "patient p1", "age 61", "dx AFIB", "10 s at 100 Hz"):
        assert words in html


def test_a_long_recording_and_missing_samples_do_no_harm() -> None:
    signal = np.full((1, 100_000), np.nan, dtype=np.float32)
    signal[:, 5:] = 0.5
    html = Record(signal, 500.0, ("II",), "long")._repr_html_()
    assert len(html) < 40_000
    assert "nan" not in html


def test_names_become_no_markup() -> None:
    html = Record(np.zeros((1, 10), dtype=np.float32), 10.0, ("I",), HOSTILE, labels={HOSTILE: (HOSTILE,)})._repr_html_()
    assert not re.search(r"<img", html)


def test_a_table_tells_how_many_there_are_and_how_many_were_refused() -> None:
    rows = [{"record_id": HOSTILE if i == 0 else f"r{i}", "root": ".", "path": f"r{i}"} for i in range(12)]
    html = RecordTable.from_rows(rows, [("x", "no header")])._repr_html_()
    assert "12 recordings, 1 refused" in html
    assert "r4" in html
    assert "r5" not in html
    assert "<img" not in html

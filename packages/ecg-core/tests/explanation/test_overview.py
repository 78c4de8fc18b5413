"""The page about a store: its words are the store's numbers, and what it shows before the pipeline is what was read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_core.data.origin import origins, telling_windows
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS
from ecg_core.errors import DataError
from ecg_core.explanation.overview import Example, draw_overview, save_overview

pytest.importorskip("matplotlib")


class Beats(Reader):
    """Two leads of 20 s at 100 Hz, a beat every 0.8 s; recording r3 has a dead lead, r4 is refused."""

    def recognises(self, path: Path) -> bool:
        return False

    def scan(self, path: Path) -> RecordTable:
        rows = [
            {"record_id": f"r{i}", "patient_id": f"p{i}", "root": str(path), "path": f"r{i}", "age": 40.0 + i, "sex": "FM"[i % 2]}
            for i in range(8)
        ]
        return RecordTable.from_rows(rows)

    def read(self, row):
        t = np.arange(2000) / 100
        rng = np.random.default_rng(int(row["path"][1:]))
        x = np.exp(-((((t % 0.8) - 0.4) / 0.02) ** 2)) + 0.01 * rng.normal(size=(2, t.size))
        if row["path"] == "r3":
            x[1, 300:500] = 0.5
        if row["path"] == "r4":
            x[0] = np.nan
        facts = {name: row.get(name) for name in ("patient_id", "age", "sex")}
        return Record(x.astype(np.float32), 100, ("I", "II"), row["record_id"], **facts)


@pytest.fixture
def made(tmp_path):
    labels = pd.DataFrame({"record_id": [f"r{i}" for i in range(8)], "dx": ["AF", "AF;SR", "SR", "SR", "SR", "PVC", "SR", "SR"]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    with READERS.isolated():
        READERS.add(Beats, "beats")
        pipeline = []  # as read
        yield prepare(
            tmp_path, tmp_path / "store", fs=100, seconds=10, leads=("I", "II"), reader="beats", pipeline=pipeline,
            labels=tmp_path / "labels.csv",
        )  # fmt: skip


def words(figure) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


def test_the_page_says_what_the_store_holds(made):
    found = words(draw_overview(made))
    line = next(text for text in found if "recordings" in text)
    assert "7 recordings" in line
    assert "14 windows of 10 s" in line
    assert "nothing done to the signal" in line
    assert "Heart rate, median 75" in found
    assert "Age, median 43" in found
    assert "Quality: 1 of 7 flagged" in found
    assert "Refused: 1 (see rejects.csv)" in found
    assert {"SR", "AF", "PVC", "lead off"} <= set(found)


def test_the_bars_of_a_class_are_its_recordings_in_each_split(made):
    from matplotlib.patches import Rectangle

    figure = draw_overview(made)
    axes = next(a for a in figure.axes if a.get_title(loc="left") == "dx")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    total = dict.fromkeys(labels, 0.0)
    for bar in axes.findobj(Rectangle):
        middle = bar.get_y() + bar.get_height() / 2
        for label, y in zip(labels, axes.get_yticks(), strict=True):
            if bar.get_height() < 1 and abs(middle - y) < 1e-6:
                total[label] += bar.get_width()
    assert total == {"SR": 5, "AF": 2, "PVC": 1}  # r4, of sinus rhythm, is refused


def test_what_is_shown_before_the_pipeline_is_the_stretch_that_was_read(made, tmp_path):
    index = made.table.index[(made.table["record_id"] == "r2") & (made.table["segment"] == 1)][0]
    (before,) = origins(made, tmp_path, [int(index)])
    whole = Beats().read({"record_id": "r2", "path": "r2"})
    assert (before.signal == whole.signal[:, 1000:2000]).all()
    np.testing.assert_allclose(made.record(index).signal, before.signal, atol=1e-4)


def test_the_windows_that_are_shown_are_of_different_classes(made):
    assert [made.table["dx"].iloc[i] for i in telling_windows(made, 3)] == [("SR",), ("AF",), ("PVC",)]


def test_examples_are_drawn_one_over_the_other_and_the_file_is_whole(made, tmp_path):
    chosen = telling_windows(made)
    pairs = [Example(b, made.record(i)) for i, b in zip(chosen, origins(made, tmp_path, chosen), strict=True)]
    file = save_overview(made, tmp_path / "o.png", pairs)
    assert file.read_bytes().startswith(b"\x89PNG")
    found = words(draw_overview(made, pairs))
    assert found.count("before (100 Hz)") == 2


def test_a_store_without_classes_ages_or_facts_says_so(tmp_path):
    with READERS.isolated():
        READERS.add(Beats, "beats")
        store = prepare(tmp_path, tmp_path / "s", fs=100, seconds=5, leads=("I",), reader="beats", pipeline=[], facts=False)
    found = words(draw_overview(store))
    assert "no target: prepare with --labels FILE" in found
    assert found.count("not looked for") == 2


def test_a_recording_that_has_gone_is_named(made, tmp_path, monkeypatch):
    monkeypatch.setattr(Beats, "scan", lambda self, path: RecordTable.from_rows([]))
    with pytest.raises(DataError, match="record 'r0' of .* is no longer in .*; give the folder it came from"):
        origins(made, tmp_path, [0])

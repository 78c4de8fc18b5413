"""``ecg prep``: the table it prints holds the store's numbers, and what cannot be drawn is said in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_core.cli.prep import prep
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.store import Store
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS
from ecg_core.errors import ConfigError, DataError


class Waves(Reader):
    """Recordings r0 to r19 of 4 s; r3 has a dead lead from the second second on, r4 is refused."""

    def recognises(self, path: Path) -> bool:
        return False

    def scan(self, path: Path) -> RecordTable:
        rows = [{"record_id": f"r{i}", "patient_id": f"p{i // 2}", "root": str(path), "path": f"r{i}"} for i in range(20)]
        return RecordTable.from_rows(rows)

    def read(self, row):
        number = int(row["path"][1:])
        x = np.random.default_rng(number).normal(size=(2, 400)).astype(np.float32)
        if number == 3:
            x[1, 100:] = 0.5
        if number == 4:
            raise DataError("r4 is broken")
        return Record(x, 100, ("I", "II"), row["record_id"], patient_id=row["patient_id"])


@pytest.fixture
def folder(tmp_path):
    classes = ["AF" if i % 4 == 0 else "SR" for i in range(20)]
    pd.DataFrame({"record_id": [f"r{i}" for i in range(20)], "dx": classes}).to_csv(tmp_path / "l.csv", index=False)
    (tmp_path / "none.json").write_text("[]")
    with READERS.isolated():
        READERS.add(Waves, "waves")
        yield tmp_path


def run(folder: Path, out: str = "store", **words) -> Store:
    settings = {
        "fs": 100,
        "seconds": 2,
        "leads": "I,II",
        "reader": "waves",
        "labels": folder / "l.csv",
        "pipeline": folder / "none.json",
    }
    prep(folder, folder / out, **{**settings, **words})
    return Store(folder / out)


def line(said: str, word: str) -> list[int]:
    (found,) = [row for row in said.splitlines() if row.startswith(word)]
    return [int(number) for number in found.removeprefix(word).replace(",", "").split()]


def test_the_table_counts_what_the_store_holds(folder, capsys):
    store = run(folder, overview=False)
    said = capsys.readouterr().out
    counts = [len(store.indices(split)) for split in ("train", "val", "test")]
    assert line(said, "windows") == [*counts, 38]
    assert line(said, "recordings") == [*(count // 2 for count in counts), 19]
    assert line(said, "dx SR")[-1] == 15
    assert line(said, "dx AF")[-1] == 4
    assert "quality flags (leads): lead off 1; column quality of" in said
    assert "refused 1 recordings, reasons in" in said
    assert "e.g. r4 is broken" in said


def test_it_draws_an_overview_unless_told_not_to(folder, capsys):
    pytest.importorskip("matplotlib")
    run(folder)
    assert (folder / "store" / "overview.png").read_bytes().startswith(b"\x89PNG")
    run(folder, "other", overview=False)
    assert not (folder / "other" / "overview.png").exists()


def test_without_matplotlib_the_store_is_made_and_the_install_line_said(folder, capsys, monkeypatch):
    for name in ("matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    run(folder)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "no overview.png: drawing an overview of a store needs matplotlib: pip install 'ecg-core[plots]'" in said


def test_verifying_tells_how_many_windows_are_sound_or_which_is_not(folder, capsys):
    store = run(folder, overview=False, compression="zlib")
    prep(store.path, verify=True)
    assert f"38 windows of {store.path} are as they were written" in capsys.readouterr().out
    shard = next((store.path / "shards").iterdir())
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"the signal of record 'r\d+' was altered \(CRC-32 differs\); prepare the store again"):
        prep(store.path, verify=True)


def test_a_second_folder_is_wanted(folder):
    with pytest.raises(ConfigError, match="ecg prep takes two folders: the recordings, and the store to write"):
        prep(folder)

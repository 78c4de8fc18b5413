"""``ecg evaluate`` on the terminal: what it prints, and the words that turn parts on and off."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_core.cli.main import main
from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import BACKBONES, READERS
from ecg_core.run.training.finetune import finetune

torch = pytest.importorskip("torch")
FS = 60.0


class Beats(Reader):
    """``NAME.npy``: one lead of beats."""

    def recognises(self, path: Path) -> bool:
        return any(path.glob("*.npy"))

    def scan(self, path: Path) -> RecordTable:
        return RecordTable.from_rows(
            [{"record_id": f.stem, "root": str(path), "path": f.stem} for f in sorted(path.glob("*.npy"))]
        )

    def read(self, row) -> Record:
        return Record(np.load(Path(row["root"]) / f"{row['path']}.npy"), FS, ("II",), row["record_id"])


class Small(Backbone):
    """One convolution."""

    def __init__(self, *, in_leads: int | None = None) -> None:
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(4, 10, 4.5),)
        self.conv = torch.nn.Conv1d(in_leads or 1, 4, 10, stride=10)

    def forward_intermediates(self, x):
        return [self.conv(x).relu()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory):
    """Two runs on 60 recordings of fast and slow hearts, of old women and young men."""
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "beats").mkdir()
    rng, rows = np.random.default_rng(0), []
    for i in range(60):
        beats = np.arange(0.4, 9.6, 0.5 if i % 2 else 1.0)
        x = np.exp(-0.5 * ((np.arange(600) / FS - beats[:, None]) / 0.02) ** 2).sum(axis=0) + 0.02 * rng.normal(size=600)
        np.save(folder / "beats" / f"r{i:02d}.npy", x[None].astype(np.float32))
        fact = {"record_id": f"r{i:02d}", "patient_id": f"p{i:02d}", "age": 85 if i % 3 else 30, "sex": "FM"[i % 2]}
        rows.append({**fact, "dx": ("SLOW", "FAST")[i % 2], "split": ("train", "val", "test")[i // 20]})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    torch.set_num_threads(1)
    with READERS.isolated(), BACKBONES.isolated():
        READERS.add(Beats, "beats")
        BACKBONES.add(Small, "small")
        words = {"fs": FS, "seconds": 10.0, "leads": ("II",), "reader": "beats", "pipeline": []}
        store = prepare(folder / "beats", folder / "store", labels=folder / "labels.csv", **words)
        for name, seed in (("a", 0), ("b", 1)):
            words = {"target": "dx", "backbone": "small", "epochs": 1, "device": "cpu", "seed": seed}
            finetune(store, folder / name, **words)
        yield folder


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as end:
        main(["evaluate", *map(str, words)])
    assert end.value.code in (0, None), capsys.readouterr().err
    return capsys.readouterr().out


def test_an_evaluation_prints_decisions_floors_and_groups(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, runs / "a", "--repeats", 20)
    assert f"thresholds: greatest F1 on the validation split of {runs / 'store'}" in text
    assert "random encoder" in text
    assert "hand-crafted features  1.000 (1.000–1.000)" in text  # heart rates of 60 and 120
    assert "age: < 40 years" in text
    assert "not scored: fewer than 20 records" in text
    assert "leads  which" not in text


def test_words_turn_parts_on_and_off(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, runs / "a", "--repeats", 5, "--no-floors", "--leads-table", "--calibrate")
    assert "random encoder" not in text
    assert "calibration at temperature" in text
    assert "the store has 1 leads, so the lead sets 12, 8, 6, 3, 2, I are left out" in text


def test_another_run_is_shown_with_difference_interval_and_p_value(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, runs / "b", "--repeats", 20, "--no-floors")
    text = printed(capsys, runs / "a", "--repeats", 20, "--no-floors", "--compare", runs / "b")
    (line,) = [line for line in text.splitlines() if line.startswith("b (from scratch, full)")]
    stored = json.loads((runs / "a" / "evaluation-test.json").read_text(encoding="utf-8"))["comparisons"][0]
    apart = stored["auroc_difference"]
    assert f"{apart['value']:+.3f} ({apart['low']:+.3f} to {apart['high']:+.3f})" in line
    assert f"{apart['p']:.3f}" in line


def test_a_file_with_its_pipeline_says_what_it_takes_and_how_far_it_is_off(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", runs / "a", "--to", "torch", "--with-pipeline", "--recorded-fs", 60, "--out", tmp_path / "x.pt2"]
    with pytest.raises(SystemExit):
        main([*map(str, words)])
    said = " ".join(capsys.readouterr().out.split())
    assert "any number of windows of 600 samples as recorded at 60 Hz; the preprocessing is in the file" in said
    assert "probabilities differ from the model's by at most" in said
    with pytest.raises(SystemExit):
        main(["export", str(runs / "a"), "--with-pipeline"])
    assert "give both pipeline and recorded_fs" in " ".join(capsys.readouterr().err.split())

"""The road of a model that labels samples: annotated recordings, a store, a run, its evaluation, answers for long recordings."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.head import Head
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import BACKBONES, HEADS, READERS
from ecg_core.errors import ConfigError, DataError, OutputExistsError
from ecg_core.evaluation.samples import LabelledRecording
from ecg_core.run.inference.predict import predict
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.scoring.sample_page import labelled_windows
from ecg_core.run.training.finetune import finetune

FS, SAMPLES = 100, 1000


class Pulses(Reader):
    """``NAME.npy``: triangles of 100 ms on noise at 200 Hz, upright ones called ``N`` and inverted ones ``V``."""

    def recognises(self, path: Path) -> bool:
        return False

    def scan(self, path: Path) -> RecordTable:
        facts = {"root": str(path), "fs": 2.0 * FS, "leads": ("I", "II")}
        files = sorted(path.glob("*.npy"))
        rows = [{"record_id": f.stem, "path": f.stem, "n_samples": int(np.load(f)[0]), **facts} for f in files]
        return RecordTable.from_rows(rows)

    def read(self, row) -> Record:
        samples, seed = np.load(Path(row["root"]) / f"{row['path']}.npy").tolist()
        rng = np.random.default_rng(seed)
        x = rng.normal(0, 0.05, (2, samples))
        beats = np.arange(60, samples - 30, 150) + rng.integers(-20, 21, len(np.arange(60, samples - 30, 150)))
        inverted = rng.random(len(beats)) < 0.4
        for beat, down in zip(beats, inverted, strict=True):
            x[:, beat - 10 : beat + 11] += (-1 if down else 1) * (1 - np.abs(np.arange(-10, 11)) / 11)
        marks = {"r_peaks": beats, "beat/N": beats[~inverted], "beat/V": beats[inverted]}
        return Record(x.astype(np.float32), 2 * FS, ("I", "II"), row["record_id"], annotations=marks)


class Halves(Backbone):
    """Two convolutions, stride 2."""

    def __init__(self, in_leads: int | None = None) -> None:
        super().__init__()
        self.in_leads = in_leads
        self.stages = (Stage(8, 2),)
        self.layers = nn.Sequential(
            nn.Conv1d(in_leads or 1, 8, 9, padding=4), nn.ReLU(), nn.Conv1d(8, 8, 9, stride=2, padding=4), nn.ReLU()
        )

    def forward_intermediates(self, x):
        return [self.layers(x)]


class Steps(Head):
    reads = "features"

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.conv = nn.LazyConv1d(classes, 5, padding=2)

    def forward(self, x):
        return self.conv(x)


@pytest.fixture(autouse=True, scope="module")
def _registered():
    torch.set_num_threads(1)
    with READERS.isolated(), BACKBONES.isolated(), HEADS.isolated():
        READERS.add(Pulses, "pulses")
        BACKBONES.add(Halves, "halves")
        HEADS.add(Steps, "per_step", override=True)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pulses")
    for i in range(12):
        np.save(folder / f"r{i:02d}.npy", np.array([2 * SAMPLES + 300 * (i % 3), i]))
    return folder


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("trained")
    words = {"fs": 2 * FS, "seconds": 4, "leads": ("I", "II"), "reader": "pulses", "pipeline": [], "split": "8/2/2"}
    prepare(folder, place / "store", **words)
    finetune(place / "store", place / "run", target="beats", backbone="halves", epochs=40, batch_size=8, lr=1e-2, device="cpu")
    return place / "run"


def test_beats_are_found_told_apart_and_written_where_they_are(trained, folder, tmp_path):
    found = evaluate(trained, repeats=20)
    by_name = {event.name: event for event in found.events}
    assert list(by_name) == ["any beat", "beat N", "beat V"]
    assert by_name["any beat"].f1.value > 0.95
    assert min(by_name["beat N"].f1.value, by_name["beat V"].f1.value) > 0.9
    assert abs(by_name["any beat"].mean_ms) < 10
    assert (trained / "evaluation-test.json").is_file()
    assert list(pd.read_csv(trained / "events-test.csv")["event"]) == list(by_name)

    table = predict(trained, folder, tmp_path / "out.csv", reader="pulses").table
    assert list(table.columns) == ["record_id", "label", "start_s", "stop_s", "probability"]
    assert set(table["label"]) == {"N", "V"}
    truth = Pulses().read({"root": str(folder), "path": "r00", "record_id": "r00"}).annotations["r_peaks"]
    middles = (table.query("record_id == 'r00'")["start_s"] + table.query("record_id == 'r00'")["stop_s"]) / 2
    assert len(middles) == pytest.approx(len(truth), abs=1)
    assert np.abs(middles.to_numpy()[:, None] - truth / (2 * FS)).min(axis=1).max() < 0.05


def test_the_page_of_a_run_shows_windows_of_different_recordings_best_and_worst_first(trained, tmp_path):
    pytest.importorskip("matplotlib")
    found = evaluate(trained, html=tmp_path / "page.html", repeats=20, examples=4)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    titles = re.findall(r"<b>(Best|Worst): record (r\d+)", page)
    assert [kind for kind, _ in titles] == ["Best", "Worst"]  # the split has two recordings
    assert len({name for _, name in titles}) == 2
    scores = [float(number) for number in re.findall(r"Mean F1 of samples ([\d.]+);", page)]
    assert scores[0] >= scores[1]
    assert page.count("Errors of ") == len(found.events)
    assert "ecg evaluate" in page
    with pytest.raises(OutputExistsError, match="already exists"):
        evaluate(trained, html=tmp_path / "page.html")


def test_the_mean_f1_of_a_window_is_of_the_classes_that_are_true_in_it():
    truth = np.array([0] * 60 + [1] * 20 + [-1] * 20)
    found = np.array([0] * 50 + [1] * 30 + [2] * 20)
    one = LabelledRecording(np.tile(truth, 2), np.tile(found, 2), {}, {})
    windows = list(labelled_windows([one], [[7, 8]], 100, 3))
    assert [w.row for w in windows] == [7, 8]
    assert windows[0].f1 == pytest.approx((2 * 50 / (60 + 50) + 2 * 20 / (20 + 30)) / 2)
    hardly_known = LabelledRecording(np.array([0] * 20 + [-1] * 80), np.zeros(100, int), {}, {})
    assert not list(labelled_windows([hardly_known], [[0]], 100, 3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:wfdb", "ignore::DeprecationWarning:pandas")
def test_annotation_files_are_read_by_wfdb_and_kept_unless_replaced(trained, folder, tmp_path):
    wfdb = pytest.importorskip("wfdb", reason="reads the annotation files")
    predict(trained, folder, tmp_path / "marks", reader="pulses")
    assert len(list((tmp_path / "marks").iterdir())) == 12
    made = wfdb.rdann(str(tmp_path / "marks" / "r00"), "ecg")
    truth = Pulses().read({"root": str(folder), "path": "r00", "record_id": "r00"}).annotations
    assert made.fs == 2 * FS
    for symbol in "NV":
        places = np.array([p for p, s in zip(made.sample, made.symbol, strict=True) if s == symbol])
        assert all(np.abs(places - place).min() <= 0.05 * 2 * FS for place in truth[f"beat/{symbol}"])
    again = predict(trained, folder, tmp_path / "other", reader="pulses")
    assert not len(again.rejects)
    with pytest.raises(DataError, match="r00"):
        predict(trained, folder, tmp_path / "marks", reader="pulses")
    assert not len(predict(trained, folder, tmp_path / "marks", reader="pulses", force=True).rejects)


def test_a_long_recording_read_in_blocks_gets_the_answers_of_the_whole(trained, folder, monkeypatch):
    from ecg_core.run.inference import stitching

    whole = predict(trained, folder, reader="pulses").table
    monkeypatch.setattr("ecg_core.data.streamed._LONG", 100)
    monkeypatch.setattr(stitching, "_PIECE", 512)
    streamed = predict(trained, folder, reader="pulses").table
    pd.testing.assert_frame_equal(streamed, whole, atol=1e-5)


def _train(run: Path, **words) -> None:
    finetune(run.parent / "store", run.parent / "x", **words)


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda run, folder: predict(run, folder, windows=True), ConfigError, "answers for every sample, so it takes neither"),
        (lambda run, folder: predict(run, folder, overlap=0.5), ConfigError, "answers for every sample, so it takes neither"),
        (lambda run, folder: evaluate(run, compare=[run]), ConfigError, "a comparison is of models that tell classes"),
        (
            lambda run, folder: _train(run, target="beats", backbone="halves", mode="linear"),
            ConfigError,
            "labels every sample, and mode=linear trains on pooled embeddings; use mode=lora",
        ),
        (
            lambda run, folder: _train(run, target="beats", backbone="halves",
                                         model="classifier", head="toy_head"),
            ConfigError,
            "target 'beats' is about every sample, and ClassificationTask answers for whole windows",
        ),
        (
            lambda run, folder: _train(run, target="dx", backbone="halves"),
            DataError,
            r"no target 'dx'; its targets: r_peaks, beats",
        ),
    ],
)  # fmt: skip
def test_what_a_model_of_samples_cannot_do_is_said(trained, folder, act, error, words):
    with pytest.raises(error, match=words):
        act(trained, folder)


def test_windows_of_a_classifier_overlap(finetuned, recordings):
    run = finetuned()
    each = predict(run, recordings, windows=True, overlap=0.5).table
    assert each.query("record_id == 'r00'")["start_s"].tolist() == [0, 1, 2, 3, 4]
    assert (each["stop_s"] - each["start_s"] == 2).all()
    mean = predict(run, recordings, overlap=0.5).table.set_index("record_id")
    np.testing.assert_allclose(each.groupby("record_id")[["DOWN", "UP"]].mean(), mean[["DOWN", "UP"]], atol=1e-6)
    with pytest.raises(ConfigError, match="overlap is a share of a window"):
        predict(run, recordings, overlap=1.0)
    with pytest.raises(ConfigError, match=r"annotation files are written of models of samples; give a file, such as marks\.csv"):
        predict(run, recordings, "marks")
    predict(run, recordings, recordings.parent / "p.csv")
    with pytest.raises(OutputExistsError):
        predict(run, recordings, recordings.parent / "p.csv")

"""A model of samples in a file with its pipeline answers on its own time axis, also where its windows are stitched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecg_core.cli.export import export as command
from ecg_core.contracts.head import Head
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import HEADS, READERS, TRANSFORMS
from ecg_core.run.card import SignalContract
from ecg_core.run.inference.export import export
from ecg_core.run.inference.exported import Exported
from ecg_core.run.inference.predict import predict
from ecg_core.run.inference.stitching import Stitcher
from ecg_core.run.load import load
from ecg_core.run.training.finetune import finetune

LEADS, FS = ("I", "II"), 200.0

needs_onnx = pytest.mark.skipif(
    any(__import__("importlib.util").util.find_spec(p) is None for p in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs onnx, onnxscript and onnxruntime",
)


class FourthMeans(Transform):
    """A quarter of the sampling frequency: the mean of four neighbours."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return (x[..., ::4] + x[..., 1::4] + x[..., 2::4] + x[..., 3::4]) / 4

    def output_fs(self, fs: float) -> float:
        return fs / 4

    def output_length(self, n_samples: int, fs: float) -> int:
        return n_samples // 4


class Pulses(Reader):
    """``NAME.npy``: upright triangles of 200 ms are ``N``, inverted ones ``V``; 200 Hz."""

    def recognises(self, path: Path) -> bool:
        return False

    def scan(self, path: Path) -> RecordTable:
        facts = {"root": str(path), "fs": FS, "leads": LEADS}
        files = sorted(path.glob("*.npy"))
        rows = [{"record_id": f.stem, "path": f.stem, "n_samples": int(np.load(f)[0]), **facts} for f in files]
        return RecordTable.from_rows(rows)

    def read(self, row: Any) -> Record:
        samples, seed = np.load(Path(row["root"]) / f"{row['path']}.npy").tolist()
        random = np.random.default_rng(seed)
        x = random.normal(0, 0.05, (2, samples))
        beats = np.arange(60, samples - 60, 160)
        inverted = random.random(len(beats)) < 0.5
        for beat, down in zip(beats, inverted, strict=True):
            x[:, beat - 20 : beat + 21] += (-1 if down else 1) * (1 - np.abs(np.arange(-20, 21)) / 21)
        marks = {"r_peaks": beats, "beat/N": beats[~inverted], "beat/V": beats[inverted]}
        return Record(x.astype(np.float32), FS, LEADS, row["record_id"], annotations=marks)


class Steps(Head):
    """A convolution over the steps."""

    reads = "features"

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.conv = nn.LazyConv1d(classes, 9, padding=4)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pulses"
    folder.mkdir()
    for i in range(10):
        np.save(folder / f"r{i:02d}.npy", np.array([3200 + 180 * i, i]))
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Iterator[Path]:
    """Beats of windows of 4 s, learned at 50 Hz."""
    with READERS.isolated(), HEADS.isolated(), TRANSFORMS.isolated():
        READERS.add(Pulses, "pulses")
        HEADS.add(Steps, "per_step", override=True)
        TRANSFORMS.add(FourthMeans, "fourthmeans")
        words: dict[str, Any] = {"fs": FS / 4, "seconds": 4, "leads": LEADS, "reader": "pulses", "split": "8/1/1"}
        prepare(folder, tmp_path / "store", pipeline=[{"name": "fourthmeans"}], **words)
        backbone = {"name": "toy", "stride": 2, "width": 8}
        words = {"target": "beats", "backbone": backbone, "epochs": 40, "batch_size": 8, "lr": 3e-2, "device": "cpu"}
        yield finetune(tmp_path / "store", tmp_path / "run", **words).path


@pytest.mark.parametrize("to", [pytest.param("onnx", marks=needs_onnx), "torch"])
def test_answers_are_those_of_the_model_at_its_own_rate_and_the_contract_says_which(to: Any, run: Path) -> None:
    report = export(run, to=to, pipeline=True, recorded_fs=FS)
    assert report.parity <= report.tolerance == 1e-4
    assert (report.takes.fs, report.takes.samples, report.answers_fs) == (200.0, 800, 50.0)
    exported = load(report.path)
    assert isinstance(exported, Exported)
    assert (exported.takes, exported.answers_fs, exported.contract["holds"]["samples"]) == ("recorded", 50.0, 200)
    x = np.random.default_rng(0).normal(0, 0.3, (3, 2, 800)).astype(np.float32)
    found = exported.predict(Batch(x, fs=FS, leads=LEADS))
    task = load(run).module
    prepared = torch.from_numpy(x.reshape(3, 2, 200, 4).mean(axis=-1))
    torch.testing.assert_close(found, task.probabilities(task(prepared)).detach(), rtol=0, atol=1e-5)


def test_recordings_are_labelled_as_by_the_file_without_its_pipeline_at_the_same_times(run: Path, folder: Path, tmp_path: Path):
    """The means of four neighbours need no signal beyond a window, so nothing may differ, in any of its pieces."""
    plain = export(run, to="torch").path
    whole = export(run, to="torch", pipeline=True, recorded_fs=FS).path
    assert Exported(plain).answers_fs == 50.0
    # The stitching of both: windows of 200 samples that begin every 100, or of 800 that begin every 400.
    one, other = (predict(path, folder, tmp_path / path.stem, reader="pulses").table for path in (plain, whole))
    assert len(one) > 5
    assert list(one["label"]) == list(other["label"])
    np.testing.assert_allclose(one[["start_s", "stop_s"]], other[["start_s", "stop_s"]], atol=1e-9)
    np.testing.assert_allclose(one["probability"], other["probability"], atol=1e-5)
    for file in sorted((tmp_path / plain.stem).iterdir()):  # annotations, in samples as recorded
        assert file.read_bytes() == (tmp_path / whole.stem / file.name).read_bytes(), file.name


class Places:
    """Says of each answer at which time it stands, of a signal that is its own time in seconds."""

    def __init__(self, fs: float, answers_fs: float, window: int) -> None:
        self.fs, self.answers_fs, self.answers = fs, answers_fs, round(window * answers_fs / fs)

    def predict(self, batch: Batch) -> Tensor:
        begin = float(torch.as_tensor(batch.signal)[0, 0, 0])
        return (begin + torch.arange(self.answers) / self.answers_fs)[None, None]


@pytest.mark.parametrize(("fs", "answers_fs", "exact"), [(500.0, 250.0, True), (360.0, 250.0, True), (257.0, 250.0, False)])
@pytest.mark.parametrize("n_samples", [3600, 3601, 9973])
def test_every_answer_stands_at_its_time_whatever_the_rates(fs: float, answers_fs: float, exact: bool, n_samples: int) -> None:
    window = 3600
    scorer = Exported.__new__(Exported)
    scorer.contract, scorer.signal = {"answers_fs": answers_fs}, SignalContract(fs, LEADS, window, ())
    scorer.predict = Places(fs, answers_fs, window).predict  # type: ignore[method-assign]
    stitch = Stitcher(scorer, scorer.signal)
    time = np.arange(n_samples) / fs
    parts = list(stitch(n_samples, lambda start, stop: np.stack([time[start:stop]] * 2).astype(np.float32)))
    assert [start for start, _ in parts] == np.cumsum([0, *(part.shape[1] for _, part in parts)])[:-1].tolist()
    found = np.concatenate([part[0] for _, part in parts])
    assert abs(len(found) - n_samples * answers_fs / fs) <= 1
    apart = np.abs(found - np.arange(len(found)) / answers_fs)
    assert apart.max() <= 0.5 / answers_fs + 1e-5  # at worst half an answer
    if exact:  # all but the last window, which ends where the recording ends
        assert apart[: len(found) - stitch_window(fs, answers_fs, window)].max(initial=0.0) < 1e-5


def stitch_window(fs: float, answers_fs: float, window: int) -> int:
    """Answers for one window."""
    return round(window * answers_fs / fs)


def test_the_command_says_at_which_rate_the_file_answers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(run, to="torch", with_pipeline=True, recorded_fs=FS)
    said = " ".join(capsys.readouterr().out.split())
    assert "it answers for every sample of the signal it was trained on, at 50 Hz" in said
    assert "probabilities differ from the model's by at most" in said


@needs_onnx
def test_int8_leaves_the_pipeline_as_it_is(run: Path) -> None:
    import onnx

    report = export(run, int8=True, pipeline=True, recorded_fs=FS, tolerance=0.3)
    assert report.path.name == "model-200hz-int8.onnx"
    assert 0 < report.parity <= 0.3
    graph = onnx.load(report.path).graph
    whole = [tuple(each.dims) for each in graph.initializer if tuple(each.dims) == (800, 200)]
    assert [each.data_type for each in graph.initializer if tuple(each.dims) == (800, 200)] == [onnx.TensorProto.FLOAT]
    assert len(whole) == 1
    assert "QuantizeLinear" in {node.op_type for node in graph.node}
    exported = Exported(report.path)
    assert (exported.takes, exported.signal.samples, exported.answers_fs) == ("recorded", 800, 50.0)
    for count in (1, 3):
        assert exported.predict(Batch(torch.zeros(count, 2, 800), fs=FS, leads=LEADS)).shape[0] == count

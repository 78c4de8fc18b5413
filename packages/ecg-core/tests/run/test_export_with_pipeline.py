"""A file with its pipeline answers for recordings as its run does, says what it takes, and is refused where it cannot be made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_core.data.prepare import prepare
from ecg_core.discovery.registries import TRANSFORMS
from ecg_core.errors import ConfigError, DataError, RunError
from ecg_core.run.card import SignalContract
from ecg_core.run.inference.export import export
from ecg_core.run.inference.exported import Exported
from ecg_core.run.inference.graph_pipeline import GraphPipeline, recorded_contract
from ecg_core.run.inference.predict import predict
from ecg_core.run.inference.scorer import load_task
from ecg_core.run.load import load
from ecg_core.run.training.finetune import finetune

LEADS = ("I", "II")


class PairMeans(Transform):
    """Half the sampling frequency: the mean of two neighbours."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return (x[..., ::2] + x[..., 1::2]) / 2

    def output_fs(self, fs: float) -> float:
        return fs / 2

    def output_length(self, n_samples: int, fs: float) -> int:
        return n_samples // 2


class Centred(Transform):
    """Each lead less its mean: linear, and every sample looks at all."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x - namespace(x).mean(x, axis=-1, keepdims=True)


class Squashed(Transform):
    """A curve."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return namespace(x).tanh(x)


class Clipped(Transform):
    """Linear for what is not loud."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return namespace(x).clip(x, -50.0, 50.0)


class FirstLeadEverywhere(Transform):
    """Linear, and it mixes leads."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x[..., :1, :] + 0 * x


class ByHand(Transform):
    """A curve that leaves torch."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        if not isinstance(x, torch.Tensor):
            return np.tanh(x)
        return torch.from_numpy(np.tanh(x.numpy()))


class OneLead(Transform):
    """Leaves out leads."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x[..., :1, :]

    def output_leads(self, leads: tuple[str, ...]) -> tuple[str, ...]:
        return leads[:1]


class Shortened(Transform):
    """A sample less."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x[..., 1:]

    def output_length(self, n_samples: int, fs: float) -> int:
        return n_samples - 1


class Shaken(RandomTransform):
    """Another offset each time."""

    def __init__(self, *, p: float = 1.0) -> None:
        self.p = p

    def draw(self, shape: tuple[int, ...], generator: Any) -> dict[str, Any]:
        return {"offset": generator.uniform(-1, 1, size=(1, 1))}

    def apply(self, x: Any, *, fs: float, offset: Any, **drawn: Any) -> Any:
        return x + offset


TOYS = (PairMeans, Centred, Squashed, Clipped, FirstLeadEverywhere, ByHand, OneLead, Shortened, Shaken)


@pytest.fixture(autouse=True)
def transforms():
    with TRANSFORMS.isolated():
        for toy in TOYS:
            TRANSFORMS.add(toy, toy.__name__.lower())
        yield


def contract(*steps: str, fs: float = 25.0) -> SignalContract:
    return SignalContract(fs, LEADS, 50, tuple({"name": step} for step in steps))


@pytest.fixture
def run(recordings: Path, labels: Path, tmp_path: Path) -> Path:
    """Fine-tuned on recordings of 50 Hz that its pipeline brings to 25 Hz; windows of 6 s, as long as the recordings."""
    steps = [{"name": "pairmeans"}, {"name": "centred"}, {"name": "squashed"}]
    words = {"fs": 25.0, "seconds": 6.0, "leads": LEADS, "reader": "numpy", "labels": labels, "pipeline": steps}
    made = prepare(recordings, tmp_path / "piped", **words)
    words = {"target": "dx", "backbone": "toy", "head": "toy_head", "epochs": 2, "batch_size": 16, "device": "cpu"}
    return finetune(made, tmp_path / "run", **words).path


needs_onnx = pytest.mark.skipif(
    any(__import__("importlib.util").util.find_spec(p) is None for p in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs onnx, onnxscript and onnxruntime",
)


@pytest.mark.parametrize("to", [pytest.param("onnx", marks=needs_onnx), "torch"])
def test_recordings_are_predicted_as_by_the_run_and_without_its_transforms(to, run, recordings, monkeypatch):
    report = export(run, to=to, pipeline=True, recorded_fs=50)
    assert report.path.name == f"model-50hz.{'onnx' if to == 'onnx' else 'pt2'}"
    assert report.parity <= report.tolerance == 1e-4
    assert report.fixed_length
    expected = predict(run, recordings, reader="numpy").table
    for toy in TOYS:  # the file needs none of them
        monkeypatch.setattr(toy, "apply", None)
    found = predict(report.path, recordings, reader="numpy").table
    assert list(found.columns) == list(expected.columns)
    assert np.abs(found.iloc[:, 1:].to_numpy() - expected.iloc[:, 1:].to_numpy()).max() < 1e-5
    assert expected.iloc[:, 1:].to_numpy().std() > 1e-3  # there is something to differ in


def test_the_file_says_that_it_takes_recordings_and_what_it_holds(run):
    exported = load(export(run, to="torch", pipeline=True, recorded_fs=50).path)
    assert isinstance(exported, Exported)
    _, signal = load_task(run)
    assert exported.takes == "recorded"
    assert exported.signal == SignalContract(50.0, LEADS, 300, ())
    assert exported.contract["holds"] == json.loads(json.dumps(signal.to_dict()))
    plain = Exported(export(run, to="torch").path)
    assert plain.takes == "prepared"
    assert plain.signal.pipeline == signal.pipeline
    with pytest.raises(DataError, match="at 25 Hz; it holds its preprocessing, so give the signal as recorded"):
        exported.predict(Batch(torch.zeros(1, 2, 300), fs=25.0, leads=LEADS))
    with pytest.raises(DataError, match="takes windows of exactly 300 samples, got 150"):
        exported.predict(Batch(torch.zeros(1, 2, 150), fs=50.0, leads=LEADS))
    for count in (1, 4):
        assert exported.predict(Batch(torch.zeros(count, 2, 300), fs=50.0, leads=LEADS)).shape == (count, 3)


def test_a_recording_of_another_rate_is_refused_with_the_way_out():
    from ecg_core.data.record import Record
    from ecg_core.run.inference.prepared_signal import PreparedSignal

    class Fast:
        def read(self, row):
            return Record(np.random.default_rng(0).normal(size=(2, 400)).astype(np.float32), 200.0, LEADS, "r")

    with pytest.raises(DataError, match=r"'r' has 200 Hz, and the model takes 50 Hz as recorded; .* --recorded-fs 200`"):
        PreparedSignal.of(Fast(), {"n_samples": 400, "fs": 200.0, "leads": LEADS}, SignalContract(50.0, LEADS, 100, ()))


def test_linear_neighbours_are_one_matrix_and_curves_stand_between_them():
    made = GraphPipeline(contract("pairmeans", "centred", "squashed", "centred"), 50.0)
    assert [type(step).__name__ for step in made.steps] == ["_Linear", "_Operation", "_Linear"]
    matrix = made.steps[0].matrix
    assert matrix.shape == (100, 50)
    pairs = np.kron(np.eye(50), np.full((2, 1), 0.5))
    np.testing.assert_allclose(matrix, pairs - pairs.mean(axis=1, keepdims=True), atol=1e-7)


def test_what_is_linear_only_for_faint_signals_or_mixes_leads_is_no_matrix():
    for step in ("clipped", "firstleadeverywhere"):
        made = GraphPipeline(contract(step, fs=50.0), 50.0)
        assert [type(each).__name__ for each in made.steps] == ["_Operation"]


@pytest.mark.parametrize(
    ("steps", "recorded_fs", "error", "words"),
    [
        (("shaken", "pairmeans"), 50.0, RunError, "Shaken draws at random, so there is no graph of it; export without"),
        (("byhand", "pairmeans"), 50.0, RunError, r"ByHand is not linear and cannot stand in a graph \(.*\); export without"),
        (("onelead", "pairmeans"), 50.0, RunError, "OneLead changes the leads, which a file with its pipeline cannot"),
        (("pairmeans",), 100.0, RunError, "makes 50 Hz of 100 Hz and the model takes 25 Hz"),
        (
            ("pairmeans",),
            0.0,
            ConfigError,
            "recorded_fs must be .*, a positive number of Hz, got 0.0",
        ),
    ],
)
def test_a_pipeline_that_cannot_stand_in_a_graph_is_one_sentence(steps, recorded_fs, error, words):
    with pytest.raises(error, match=words):
        GraphPipeline(contract(*steps), recorded_fs)


def test_a_window_that_the_pipeline_does_not_fill_is_refused():
    with pytest.raises(RunError, match="2 s at 50 Hz become 99 samples, and a window has 100; export without the pipeline"):
        GraphPipeline(SignalContract(50.0, LEADS, 100, ({"name": "shortened"},)), 50.0)


def test_the_length_of_a_recording_is_that_of_a_window():
    assert recorded_contract(contract("pairmeans"), 257.0).samples == 514  # 2 s


def test_options_that_do_not_go_together_are_refused(run):
    with pytest.raises(ConfigError, match="give both pipeline and recorded_fs, for example --with-pipeline --recorded-fs 500"):
        export(run, pipeline=True)
    with pytest.raises(ConfigError, match="give both pipeline and recorded_fs"):
        export(run, recorded_fs=500)
    with pytest.raises(RunError, match=r"differ from the model's by up to .*, more than the tolerance of 0, so nothing was"):
        export(run, to="torch", pipeline=True, recorded_fs=50, tolerance=0.0)
    assert not (run / "model-50hz.pt2").exists()


@needs_onnx
def test_int8_with_its_pipeline_answers_for_recordings_nearly_as_the_run_does(run, recordings):
    report = export(run, int8=True, pipeline=True, recorded_fs=50, tolerance=0.2)
    plain = export(run, int8=True, tolerance=0.2)
    assert 0 < report.parity <= 0.2
    expected = predict(run, recordings, reader="numpy").table.iloc[:, 1:].to_numpy()
    found, coarse = (predict(each.path, recordings, reader="numpy").table.iloc[:, 1:].to_numpy() for each in (report, plain))
    assert 0 < np.abs(found - expected).max() < 0.1
    # Nothing is lost beside what the 8 bits of the model lose: a number at the edge of two steps may fall to the other side.
    assert np.abs(found - coarse).max() < 0.02
    with pytest.raises(RunError, match=r"more than the tolerance of 1e-09, so nothing was written; export without int8, or"):
        export(run, run / "other.onnx", int8=True, pipeline=True, recorded_fs=50, tolerance=1e-9)
    assert not (run / "other.onnx").exists()

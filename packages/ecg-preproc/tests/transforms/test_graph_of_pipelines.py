"""Pipelines of this package inside a graph give what they give to recordings, at any recorded sampling frequency."""

import numpy as np
import pytest
import torch

from ecg_core.errors import RunError
from ecg_core.run.card import SignalContract
from ecg_core.run.inference.graph_pipeline import GraphPipeline, prepared_by_run
from ecg_core.run.inference.quiet import quiet

LEADS = ("I", "II")
BAND, TO_100 = {"name": "bandpass", "low": 0.5, "high": 40.0}, {"name": "resample", "fs": 100.0}
PIPELINES = {
    "band": [BAND, TO_100],
    "z-score": [BAND, TO_100, {"name": "z_score_normalize"}],
    "min-max": [TO_100, {"name": "min_max_normalize", "per_lead": True}],
    "baseline": [{"name": "baseline_remove"}, TO_100],
    "mended": [{"name": "interpolate_gaps"}, {"name": "highpass", "low": 0.5}, {"name": "notch", "frequency": 30.0}, TO_100],
    "nested": [{"name": "compose", "transforms": [BAND, TO_100]}],
}


def recordings(fs: float, seconds: float) -> np.ndarray:
    random = np.random.default_rng(0)
    time = np.arange(round(seconds * fs)) / fs
    drift = random.normal(0, 3, (3, 2, 1)) + 2 * np.sin(2 * np.pi * 0.1 * time)
    return (random.normal(0, 0.5, (3, 2, len(time))) + drift).astype(np.float32)


@pytest.mark.parametrize("fs", [100.0, 250.0, 257.0, 360.0])
@pytest.mark.parametrize("name", PIPELINES)
def test_a_graph_prepares_recordings_as_a_run_does(name, fs):
    signal = SignalContract(100.0, LEADS, 300, tuple(PIPELINES[name]))
    recorded = recordings(fs, 3.0)
    made = GraphPipeline(signal, fs)(torch.from_numpy(recorded)).numpy()
    np.testing.assert_allclose(made, prepared_by_run(recorded, signal, fs), atol=2e-5)


def test_filters_and_resampling_become_one_matrix():
    made = GraphPipeline(SignalContract(100.0, LEADS, 300, (BAND, TO_100)), 250.0)
    assert [step.matrix.shape for step in made.steps] == [(750, 300)]


def test_spikes_are_not_mended_in_a_graph():
    signal = SignalContract(100.0, LEADS, 300, ({"name": "remove_spikes"},))
    with pytest.raises(RunError, match="RemoveSpikes is not linear and cannot stand in a graph"):
        GraphPipeline(signal, 100.0)


@pytest.mark.parametrize("name", ["band", "z-score", "min-max"])
def test_onnx_runtime_gives_the_same_for_any_number_of_recordings(name, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="runs the graph")
    pytest.importorskip("onnxscript", reason="writes the graph")
    signal = SignalContract(100.0, LEADS, 300, tuple(PIPELINES[name]))
    module = GraphPipeline(signal, 250.0).eval()
    x = torch.from_numpy(recordings(250.0, 3.0))
    with quiet():
        program = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        torch.onnx.export(program, dynamo=True, verbose=False).save(tmp_path / "x.onnx")
    session = runtime.InferenceSession(str(tmp_path / "x.onnx"), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        (found,) = session.run(None, {session.get_inputs()[0].name: x[:count].numpy()})
        np.testing.assert_allclose(found, prepared_by_run(x[:count].numpy(), signal, 250.0), atol=2e-5)

"""An exported file gives the probabilities of its model, knows its signal, and refuses what it cannot answer for."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch

from ecg_core.data.batch import Batch
from ecg_core.errors import CheckpointError, ConfigError, DataError, OutputExistsError, RunError
from ecg_core.run.inference.export import export
from ecg_core.run.inference.exported import Exported
from ecg_core.run.inference.predict import predict
from ecg_core.run.inference.scorer import load_task
from ecg_core.run.load import load

needs_onnx = pytest.mark.skipif(
    any(__import__("importlib.util").util.find_spec(p) is None for p in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs onnx, onnxscript and onnxruntime",
)
each_form = pytest.mark.parametrize("to", [pytest.param("onnx", marks=needs_onnx), "torch"])


def batch(run, count=3, samples=None):
    _, signal = load_task(run)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, len(signal.leads), samples or signal.samples, generator=generator)
    return Batch(x, fs=signal.fs, leads=signal.leads)


@each_form
def test_probabilities_of_any_number_of_windows_and_any_length_are_the_models(to, finetuned):
    run = finetuned()
    report = export(run, to=to)
    assert report.path.parent == run
    assert report.parity <= report.tolerance == 1e-4
    assert not report.fixed_length
    task, _ = load_task(run)
    exported = load(report.path)
    assert isinstance(exported, Exported)
    for count, samples in ((1, 100), (5, 100), (2, 173)):
        given = batch(run, count, samples)
        torch.testing.assert_close(exported.predict(given), task.predict(given), rtol=0, atol=1e-5)


@each_form
def test_the_file_carries_its_contract(to, finetuned):
    run = finetuned()
    task, signal = load_task(run)
    exported = Exported(export(run, to=to).path)
    assert exported.classes == task.classes
    assert exported.signal.to_dict() == signal.to_dict()
    assert "50 Hz" in repr(exported)


@each_form
def test_recordings_are_predicted_from_the_file_as_from_the_run(to, finetuned, recordings):
    run = finetuned()
    path = export(run, to=to).path
    a, b = (predict(who, recordings, reader="numpy").table for who in (run, path))
    assert list(a.columns) == list(b.columns)
    assert np.allclose(a.iloc[:, 1:], b.iloc[:, 1:], atol=1e-5)


@needs_onnx
def test_int8_takes_its_scales_from_the_training_windows(finetuned, store):
    run = finetuned()
    report = export(run, int8=True, tolerance=0.2)
    assert report.path.name == "model-int8.onnx"
    assert 0 < report.parity <= 0.2
    import onnx

    kinds = {node.op_type for node in onnx.load(report.path).graph.node}
    assert "QuantizeLinear" in kinds
    assert Exported(report.path).classes == load_task(run)[0].classes
    with pytest.raises(RunError, match=r"by up to .*, more than the tolerance of 1e-09, so nothing was written"):
        export(run, run / "other.onnx", int8=True, tolerance=1e-9)
    assert not (run / "other.onnx").exists()


def test_what_cannot_be_asked_is_refused(finetuned, tmp_path):
    run = finetuned()
    with pytest.raises(ConfigError, match="to must be one of onnx, torch, got 'tflite'"):
        export(run, to="tflite")
    with pytest.raises(ConfigError, match="int8 is made by ONNX Runtime; use to='onnx'"):
        export(run, to="torch", int8=True)
    with pytest.raises(ConfigError, match=r"ends in \.pt2, got model\.onnx"):
        export(run, tmp_path / "model.onnx", to="torch")
    path = export(run, to="torch").path
    with pytest.raises(OutputExistsError, match="already exists"):
        export(run, to="torch")
    with pytest.raises(RunError, match="is an exported file, which gives probabilities and nothing else"):
        export(path, tmp_path / "x.pt2", to="torch")


def test_other_signals_are_refused(finetuned):
    exported = Exported(export(finetuned(), to="torch").path)
    x = torch.zeros(1, 2, 100)
    with pytest.raises(DataError, match="takes I,II at 50 Hz, got I,II at 100 Hz"):
        exported.predict(Batch(x, fs=100.0, leads=("I", "II")))
    with pytest.raises(DataError, match="takes I,II at 50 Hz, got I,V1 at 50 Hz"):
        exported.predict(Batch(x, fs=50.0, leads=("I", "V1")))
    with pytest.raises(DataError, match="takes windows of at least 20 samples, got 5"):
        exported.predict(Batch(x[..., :5], fs=50.0, leads=("I", "II")))


def test_files_that_are_no_export_are_one_sentence(tmp_path, finetuned):
    with pytest.raises(CheckpointError, match="is missing"):
        load(tmp_path / "nothing.pt2")
    (tmp_path / "x.pt2").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="is no torch.export program"):
        load(tmp_path / "x.pt2")
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(program, tmp_path / "bare.pt2")
    with pytest.raises(CheckpointError, match="does not say which signal it takes, so it was not written by `ecg export`"):
        load(tmp_path / "bare.pt2")


@needs_onnx
def test_a_damaged_onnx_file_is_one_sentence(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="is no ONNX model that onnxruntime can run"):
        load(tmp_path / "x.onnx")


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        import os

        return (os.mkdir, (self.mark,))


def test_a_program_cannot_bring_code_along(finetuned, tmp_path):
    path, mark = export(finetuned(), to="torch").path, tmp_path / "mark"
    torch.save({"x": Evil(str(mark))}, tmp_path / "evil.pt")
    evil = {"zip": (tmp_path / "evil.pt").read_bytes(), "pickle": pickle.dumps(Evil(str(mark)))}
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    unpickled = [name for name in entries if name.endswith(".pt") or "weight_0" in name]
    assert unpickled
    for kind, content in evil.items():
        for name in unpickled:
            changed = tmp_path / f"{kind}.pt2"
            with zipfile.ZipFile(changed, "w") as archive:
                for entry, value in entries.items():
                    archive.writestr(entry, content if entry == name else value)
            try:
                load(changed)
            except CheckpointError as error:
                assert "is no torch.export program" in str(error)
            assert not mark.exists()


def test_the_contract_is_plain_json(finetuned):
    path = export(finetuned(), to="torch").path
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if "ecg_contract" in n)
        assert json.loads(archive.read(name))["signal"]["unit"] == "mV"

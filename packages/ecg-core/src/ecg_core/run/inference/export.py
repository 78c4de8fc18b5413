"""Export: a trained model as one file that runs elsewhere, compared with the model before it is written."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ecg_core import __version__
from ecg_core.contracts.task import Task
from ecg_core.data.batch import Batch
from ecg_core.data.files import checked_output, write_atomic
from ecg_core.data.step_target import StepTarget
from ecg_core.data.store import Store
from ecg_core.errors import ConfigError, RunError
from ecg_core.run.card import SignalContract
from ecg_core.run.from_hub import HubAddress, local
from ecg_core.run.inference.exported import CONTRACT, Exported, needed
from ecg_core.run.inference.graph_pipeline import GraphPipeline, prepared_by_run, recorded_contract
from ecg_core.run.inference.int8 import calibration_windows, join, quantise
from ecg_core.run.inference.quiet import quiet
from ecg_core.run.inference.scorer import asked, load_task

__all__ = ["ExportReport", "export"]

Form = Literal["onnx", "torch"]

_SUFFIX = {"onnx": ".onnx", "torch": ".pt2"}


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how it compares.

    Args:
        path: The file.
        parity: Largest difference of a probability from the model's.
        tolerance: What was allowed.
        fixed_length: Whether it takes windows of one length only; any number of them in either case.
        size: Bytes.
        takes: The signal it takes; of a file with its pipeline, as recorded.
        answers_fs: Sampling frequency of the answers of a model of samples, Hz; ``None`` of another.
    """

    path: Path
    parity: float
    tolerance: float
    fixed_length: bool
    size: int
    takes: SignalContract
    answers_fs: float | None = None


class _Probabilities(nn.Module):
    """A task as a module of one tensor."""

    def __init__(self, task: Task, prepare: nn.Module) -> None:
        super().__init__()
        self.task, self.prepare = task, prepare

    def forward(self, signal: Tensor) -> Tensor:
        return self.task.probabilities(self.task(self.prepare(signal)))


class _Prepared(nn.Module):
    """The pipeline alone, under the name that the input of a model has."""

    def __init__(self, prepare: nn.Module) -> None:
        super().__init__()
        self.prepare = prepare

    def forward(self, signal: Tensor) -> Tensor:
        prepared: Tensor = self.prepare(signal)
        return prepared


class _Job(NamedTuple):
    """What is to be written.

    ``signal`` is what the model expects and ``takes`` what the file will; they differ where ``prepare`` is the pipeline.
    """

    task: Task
    signal: SignalContract
    takes: SignalContract
    prepare: nn.Module
    target: StepTarget | None
    to: Form

    @property
    def recorded(self) -> bool:
        """Whether the file takes signals as recorded."""
        return isinstance(self.prepare, GraphPipeline)


def export(
    run: str | Path,
    out: str | Path | None = None,
    *,
    to: Form = "onnx",
    int8: bool = False,
    pipeline: bool = False,
    recorded_fs: float | None = None,
    data: str | Path | Store | None = None,
    tolerance: float | None = None,
    force: bool = False,
) -> ExportReport:
    """Write a fine-tuned run as an ONNX model or a torch.export program that gives probabilities of windows.

    Any number of windows, and any length the backbone takes where the exporter can express it; else windows of the length it was
    trained with. The file carries its contract (sampling frequency, leads, unit, window, preprocessing, classes), and
    :func:`ecg_core.load` runs it. With ``pipeline`` the file holds the preprocessing and takes recordings as long as a
    window; a model of samples then answers at the sampling frequency it was trained with, which the contract says. Nothing is
    written unless its probabilities agree with the model's.

    Args:
        run: Fine-tuning run, a model card, or a model of the hub (``hf://owner/name``).
        out: File to write; the run's ``model.onnx`` or ``model.pt2`` unless given.
        to: ``"onnx"`` or ``"torch"``.
        int8: Weights and activations as 8-bit integers, with scales from windows of the training split (ONNX only). A pipeline
            is left in float32.
        pipeline: Put the preprocessing into the graph: the file then takes signals as recorded, in mV.
        recorded_fs: Sampling frequency of these recordings, Hz.
        data: The store of those windows; the one the run was trained on unless given.
        tolerance: Largest difference of a probability; ``None`` means 1e-4, and 0.05 for ``int8``.
        force: Replace an existing file.

    Raises:
        ConfigError: ``to`` is unknown, ``int8`` comes without ONNX, or ``pipeline`` without ``recorded_fs``.
        RunError: The run has no classifier, the file's probabilities differ by more than the tolerance, or the pipeline cannot
            stand in a graph.
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
    """
    if to not in _SUFFIX:
        raise ConfigError(f"to must be one of {', '.join(_SUFFIX)}, got {to!r}")
    if int8 and to != "onnx":
        raise ConfigError("int8 is made by ONNX Runtime; use to='onnx'")
    if pipeline != (recorded_fs is not None):
        raise ConfigError(
            "a file with its pipeline takes recordings of one sampling frequency; give both pipeline and recorded_fs, "
            "for example --with-pipeline --recorded-fs 500"
        )
    allowed = (0.05 if int8 else 1e-4) if tolerance is None else tolerance
    if out is None and HubAddress.of(run) is not None:
        raise ConfigError(f"{run} is no folder to write into; say where the file goes with --out")
    run = local(run)
    task, signal = load_task(run)
    target = asked(task, run)
    folder = Path(run).parent if Path(run).suffix == ".json" else Path(run)
    kind = (f"-{recorded_fs:g}hz" if pipeline else "") + ("-int8" if int8 else "")
    path = folder / f"model{kind}{_SUFFIX[to]}" if out is None else Path(out)
    checked_output(path, force=force)
    if path.suffix != _SUFFIX[to]:
        raise ConfigError(f"a file for to={to!r} ends in {_SUFFIX[to]}, got {path.name}")
    if to == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            needed(package)
    windows = calibration_windows(run, data, signal) if int8 else None
    if recorded_fs is None:
        job = _Job(task, signal, signal, nn.Identity(), target, to)
    else:
        takes = recorded_contract(signal, recorded_fs)
        job = _Job(task, signal, takes, GraphPipeline(signal, recorded_fs), target, to)
    with tempfile.TemporaryDirectory() as temporary:
        made, parity, fixed = _smallest_restriction(job, windows, Path(temporary), allowed)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = made.read_bytes()

        def write(temporary_file: Path) -> None:
            temporary_file.write_bytes(content)

        write_atomic(path, write)
    return ExportReport(path, parity, allowed, fixed, len(content), job.takes, signal.fs if task.per_step else None)


def _smallest_restriction(job: _Job, windows: np.ndarray | None, folder: Path, allowed: float) -> tuple[Path, float, bool]:
    """Any length if that can be exported and agrees, else the length of training; with its pipeline always that one."""
    differences = []
    for fixed in (True,) if job.recorded else (False, True):
        made = folder / f"{'fixed' if fixed else 'any'}{_SUFFIX[job.to]}"
        try:
            with quiet():
                if windows is None:
                    _write(job, made, fixed=fixed)
                else:
                    _write_int8(job, made, windows, fixed=fixed)
        except Exception as error:  # exporters raise classes of their own for what they cannot express
            if fixed:
                raise RunError(f"this model cannot be exported ({type(error).__name__}: {str(error).splitlines()[0]})") from None
            continue
        parity = _parity(job, made, windows)
        if parity <= allowed:
            return made, parity, fixed
        differences.append(parity)
    raise RunError(
        f"the exported probabilities differ from the model's by up to {min(differences):.2g}, more than the tolerance of "
        f"{allowed:g}, so nothing was written; " + ("export without int8, or " if windows is not None else "") + "allow more"
    )


def _write(job: _Job, path: Path, *, fixed: bool) -> None:
    _export(job, _Probabilities(job.task, job.prepare), job.takes, path, fixed=fixed)


def _write_int8(job: _Job, path: Path, windows: np.ndarray, *, fixed: bool) -> None:
    """The model of prepared signals in 8 bits; before it, where that was asked for, the pipeline as it is."""
    model = path.with_suffix(".model.onnx") if job.recorded else path
    _export(job, _Probabilities(job.task, nn.Identity()), job.signal, model, fixed=fixed)
    quantise(model, windows)
    if job.recorded:
        pipeline = path.with_suffix(".pipeline.onnx")
        _export(job, _Prepared(job.prepare), job.takes, pipeline, fixed=fixed)
        join(pipeline, model, path)


def _export(job: _Job, module: nn.Module, takes: SignalContract, path: Path, *, fixed: bool) -> None:
    x = torch.zeros(2, len(takes.leads), takes.samples)
    dynamic: dict[int, Any] = {0: torch.export.Dim("batch")}
    if not fixed:
        dynamic[2] = torch.export.Dim.DYNAMIC
    program = torch.export.export(module.eval(), (x,), dynamic_shapes=(dynamic,))
    task = job.task
    text = json.dumps(
        {
            "schema": 1,
            "signal": job.takes.to_dict(),
            "takes": "recorded" if job.recorded else "prepared",
            "holds": job.signal.to_dict() if job.recorded else None,
            "classes": list(task.classes),
            "per_step": task.per_step,
            "answers_fs": job.signal.fs if task.per_step else None,
            "crop_answer": task.crop_answer,
            "target": None if job.target is None else job.target.name,
            "min_samples": job.takes.samples if fixed else max(task.backbone.min_samples, _least(program)),
            "fixed_length": fixed,
            "made_with": {"ecg-core": __version__, "torch": torch.__version__},
        }
    )
    if job.to == "torch":
        torch.export.save(program, path, extra_files={CONTRACT: text})
        return
    made = torch.onnx.export(program, dynamo=True, verbose=False)
    assert made is not None
    made.model.metadata_props[CONTRACT] = text
    made.save(path)


def _least(program: torch.export.ExportedProgram) -> int:
    """Samples of the shortest window that the program was traced for: torch tells one step from several."""
    length = next(node.meta["val"] for node in program.graph.nodes if node.name == "signal").shape[2]
    return int(program.range_constraints[length.node.expr].lower)


@torch.no_grad()
def _parity(job: _Job, path: Path, windows: np.ndarray | None) -> float:
    """Largest difference of a probability, on noise as loud as an ECG of several counts and lengths; for int8 on its windows.

    With its pipeline, on recordings with drift and mains hum, which the run prepares as it always does; for int8, whose scales
    are those of an ECG, on its windows as if they had been recorded so.
    """
    task, signal = job.task, job.signal
    made = Exported(path)
    if job.recorded and windows is not None:
        return _difference(job, made, _at_rate(windows, job.takes.samples))
    if job.recorded:
        return max(_difference(job, made, _recordings(job.takes, count)) for count in (1, 3))
    generator = torch.Generator().manual_seed(0)
    lengths = [signal.samples] if made.contract["fixed_length"] else [signal.samples, signal.samples + 37]
    shapes = [(count, len(signal.leads), length) for length in lengths for count in (1, 3)]
    inputs = [torch.randn(shape, generator=generator) for shape in shapes] if windows is None else [torch.from_numpy(windows)]
    differences = []
    for x in inputs:
        found = made.predict(Batch(x, fs=signal.fs, leads=signal.leads))
        differences.append(float((found - task.probabilities(task(x))).abs().max()))
    return max(differences)


def _difference(job: _Job, made: Exported, recorded: np.ndarray) -> float:
    """Of the file on recordings from the run on the same recordings."""
    prepared = prepared_by_run(recorded, job.signal, job.takes.fs)
    expected = job.task.probabilities(job.task(torch.from_numpy(prepared.astype(np.float32))))
    found = made.predict(Batch(recorded, fs=job.takes.fs, leads=job.takes.leads))
    return float((found - expected).abs().max())


def _at_rate(windows: np.ndarray, samples: int) -> np.ndarray:
    """``(windows, leads, …)`` drawn with straight lines, read off at so many ``samples``."""
    places = np.linspace(0, windows.shape[-1] - 1, samples)
    rows = [np.interp(places, np.arange(windows.shape[-1]), row) for row in windows.reshape(-1, windows.shape[-1])]
    return np.asarray(np.stack(rows).reshape(*windows.shape[:-1], samples), dtype=np.float32)


def _recordings(takes: SignalContract, count: int) -> np.ndarray:
    """Noise of 0.3 mV on an offset and a drift of some mV, with mains hum."""
    random = np.random.default_rng(count)
    shape = (count, len(takes.leads), 1)
    time = np.arange(takes.samples) / takes.fs
    offset, drift, hum = random.normal(0, 2, shape), random.normal(0, 1, shape), random.normal(0, 0.2, shape)
    noise = random.normal(0, 0.3, (*shape[:2], takes.samples))
    made = noise + offset + drift * np.sin(2 * np.pi * 0.15 * time) + hum * np.sin(2 * np.pi * 50 * time)
    return np.asarray(made, dtype=np.float32)

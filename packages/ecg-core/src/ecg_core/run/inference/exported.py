"""Exported: a model file that runs without the packages that made it, and still knows its signal and its classes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from ecg_core.contracts.task import CropAnswer
from ecg_core.data.batch import Batch
from ecg_core.errors import CheckpointError, DataError, missing_extra
from ecg_core.run.card import SignalContract

__all__ = ["CONTRACT", "SUFFIXES", "Exported", "needed"]

CONTRACT = "ecg_contract"
"""Under this word the file holds its contract, as JSON: metadata of an ONNX model, an extra file of a torch.export program."""

SUFFIXES = (".onnx", ".pt2")


def needed(package: str) -> Any:
    """An optional package.

    Raises:
        MissingExtraError: It is not installed; the install line is given.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from None


@contextlib.contextmanager
def _no_pickled_code() -> Iterator[None]:
    """torch.export unpickles what it finds in a file; here the restricted reader does, which makes nothing but tensors."""
    usual = torch.load

    def restricted(*args: Any, **kwargs: Any) -> Any:
        return usual(*args, **{**kwargs, "weights_only": True})

    with mock.patch.object(torch, "load", restricted):
        yield


class Exported:
    """A model from ``ecg export``: probabilities of windows, by ONNX Runtime or a torch.export program.

    Args:
        path: ``.onnx`` or ``.pt2``.

    Raises:
        CheckpointError: The file is missing or damaged, or was not written by ``ecg export``.
        MissingExtraError: It is an ONNX model and onnxruntime is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise CheckpointError(f"{self.path} is missing")
        self._run, text = (self._onnx if self.path.suffix == ".onnx" else self._program)()
        try:
            self.contract: Mapping[str, Any] = json.loads(text)
            s = self.contract["signal"]
            self.signal = SignalContract(float(s["fs"]), tuple(s["leads"]), int(s["samples"]), tuple(s["pipeline"]), s["unit"])
            self.classes = tuple(map(str, self.contract["classes"]))
            self.per_step = bool(self.contract.get("per_step", False))
            self.crop_answer: CropAnswer = "max" if self.contract.get("crop_answer") == "max" else "mean"
        except (ValueError, KeyError, TypeError):
            raise CheckpointError(
                f"{self.path} does not say which signal it takes, so it was not written by `ecg export`; export it from its run"
            ) from None

    def __repr__(self) -> str:
        leads = ",".join(self.signal.leads)
        return f"Exported({str(self.path)!r}: {', '.join(self.classes)} from {leads} at {self.signal.fs:g} Hz)"

    @property
    def takes(self) -> str:
        """``"recorded"`` of a file that holds its preprocessing, ``"prepared"`` of one that does not."""
        return str(self.contract.get("takes", "prepared"))

    @property
    def answers_fs(self) -> float:
        """Sampling frequency of the answers of a model of samples, Hz: that of the signal the model was trained on."""
        return float(self.contract.get("answers_fs") or self.signal.fs)

    @property
    def min_samples(self) -> int:
        """Samples of the shortest window; equal to ``signal.samples`` where the length is fixed."""
        return int(self.contract["min_samples"])

    def predict(self, batch: Batch) -> Tensor:
        """Probabilities, ``(batch, classes)`` or per step ``(batch, classes, samples)`` at ``answers_fs``.

        Raises:
            DataError: The batch has other leads, another sampling frequency, or a length the file does not take.
        """
        if batch.leads != self.signal.leads or batch.fs != self.signal.fs:
            whole = "it holds its preprocessing, so give the signal as recorded"
            raise DataError(
                f"{self.path.name} takes {','.join(self.signal.leads)} at {self.signal.fs:g} Hz, got {','.join(batch.leads)} at "
                f"{batch.fs:g} Hz; {whole if self.takes == 'recorded' else 'prepare the signal as its contract says'}"
            )
        samples, fixed = batch.signal.shape[2], bool(self.contract["fixed_length"])
        if samples < self.min_samples or (fixed and samples != self.min_samples):
            word = "exactly" if fixed else "at least"
            raise DataError(f"{self.path.name} takes windows of {word} {self.min_samples} samples, got {samples}")
        return self._run(torch.as_tensor(batch.signal, dtype=torch.float32))

    def _onnx(self) -> tuple[Any, str]:
        runtime = needed("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        try:
            session = runtime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of classes that onnxruntime keeps to itself
            told = str(error).splitlines()[0]
            raise CheckpointError(f"{self.path} is no ONNX model that onnxruntime can run ({told})") from None
        name = session.get_inputs()[0].name

        def run(x: Tensor) -> Tensor:
            return torch.from_numpy(session.run(None, {name: x.cpu().numpy()})[0])

        return run, session.get_modelmeta().custom_metadata_map.get(CONTRACT, "null")

    def _program(self) -> tuple[Any, str]:
        extra = {CONTRACT: ""}
        try:
            with _no_pickled_code():
                program = torch.export.load(self.path, extra_files=extra)
        except Exception as error:
            raise CheckpointError(f"{self.path} is no torch.export program ({str(error).splitlines()[0]})") from None
        module = program.module()

        @torch.no_grad()
        def run(x: Tensor) -> Tensor:
            found: Tensor = module(x)
            return found

        return run, extra[CONTRACT] or "null"

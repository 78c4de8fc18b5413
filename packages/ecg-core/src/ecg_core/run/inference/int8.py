"""Int8: an ONNX model with 8-bit weights and activations, and its preprocessing before it, which stays as it is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.store import Store
from ecg_core.errors import ECGError, RunError
from ecg_core.run.card import SignalContract
from ecg_core.run.directory import RunDirectory

__all__ = ["calibration_windows", "join", "quantise"]

_CALIBRATION = 64  # windows whose ranges set the scales


def calibration_windows(run: str | Path, data: str | Path | Store | None, signal: SignalContract) -> np.ndarray:
    """Windows of the training split, evenly spaced, ``(windows, leads, samples)`` float32."""
    if data is None:
        try:
            trained = RunDirectory(Path(run)).facts["data"]
            store = Store(trained["path"]).as_divided_for(trained, Path(run))
        except ECGError as error:
            raise RunError(f"int8 takes its scales from recordings, and there are none: {error}; give --data STORE") from None
    else:
        store = data if isinstance(data, Store) else Store(data)
        signal.check(store, Path(run))
    train = store.indices("train")
    chosen = train[np.linspace(0, len(train) - 1, min(len(train), _CALIBRATION)).round().astype(np.int64)]
    found = np.asarray(store.batch(chosen).signal, dtype=np.float32)
    begin = max(0, found.shape[-1] - signal.samples) // 2
    return found[..., begin : begin + signal.samples]  # a model of crops takes no more


def quantise(path: Path, windows: np.ndarray) -> None:
    """In place, to 8-bit integers with a scale per channel of a weight."""
    import onnx

    quantization = import_module("onnxruntime.quantization")

    class Windows(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        def __init__(self, name: str) -> None:
            self.rest = iter([{name: windows[i : i + 8]} for i in range(0, len(windows), 8)])

        def get_next(self) -> Any:
            return next(self.rest, None)

    model = onnx.load(path)
    name = model.graph.input[0].name
    quantization.quantize_static(
        path, path.with_suffix(".int8.onnx"), Windows(name), per_channel=True, quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"], extra_options={"ActivationSymmetric": False},
    )  # fmt: skip
    quantised = onnx.load(path.with_suffix(".int8.onnx"))
    known = {entry.key for entry in quantised.metadata_props}
    for entry in model.metadata_props:
        if entry.key not in known:
            quantised.metadata_props.add(key=entry.key, value=entry.value)
    onnx.save(quantised, path)


def join(first: Path, second: Path, out: Path) -> None:
    """Write one model in which the output of ``first`` is the input of ``second``; what ``first`` says of itself is kept."""
    import onnx

    before, after = onnx.load(first), onnx.load(second)
    joint = [(before.graph.output[0].name, after.graph.input[0].name)]
    # Names of both graphs must differ; those of the second get a word before them.
    renamed = onnx.compose.add_prefix(after, "model/")
    made = onnx.compose.merge_models(before, renamed, io_map=[(name, f"model/{other}") for name, other in joint])
    del made.metadata_props[:]
    made.metadata_props.extend(before.metadata_props)
    onnx.save(made, out)

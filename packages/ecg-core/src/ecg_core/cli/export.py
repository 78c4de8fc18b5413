"""``ecg export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ecg_core.cli.output import next_command, shell_path, tell, working


def export(
    run: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    to: Literal["onnx", "torch"] = "onnx",
    int8: bool = False,
    with_pipeline: Annotated[bool, Parameter(negative=())] = False,
    recorded_fs: float | None = None,
    data: Path | None = None,
    tolerance: float | None = None,
    force: bool = False,
) -> None:
    """Write a trained model as one file that runs elsewhere, once it agrees with the model.

    Args:
        run: Fine-tuning run.
        out: File to write; model.onnx or model.pt2 in the run unless given.
        to: onnx, or torch for a torch.export program.
        int8: Weights and activations as 8-bit integers (onnx).
        with_pipeline: Put the preprocessing into the file, which then takes signals as recorded; needs --recorded-fs.
        recorded_fs: Sampling frequency of the recordings, Hz.
        data: Store of the windows that set the scales of int8; the run's own unless given.
        tolerance: Largest difference of a probability; 1e-4 unless given, and 0.05 for int8.
        force: Replace an existing file.
    """
    from ecg_core.run.inference.export import export as write

    with working("export"):
        report = write(
            run,
            out,
            to=to,
            int8=int8,
            pipeline=with_pipeline,
            recorded_fs=recorded_fs,
            data=data,
            tolerance=tolerance,
            force=force,
        )
    length = "of the length it was trained with" if report.fixed_length else "of any length"
    if with_pipeline:
        length = f"of {report.takes.samples} samples as recorded at {report.takes.fs:g} Hz; the preprocessing is in the file"
    tell(f"{report.path}: {report.size / 1e6:.1f} MB, any number of windows {length}")
    if report.answers_fs is not None and with_pipeline:
        tell(f"it answers for every sample of the signal it was trained on, at {report.answers_fs:g} Hz")
    tell(f"probabilities differ from the model's by at most {report.parity:.1g} (tolerance {report.tolerance:g})")
    next_command(f"ecg predict {shell_path(report.path)} RECORDINGS -o predictions.csv")

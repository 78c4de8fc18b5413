"""``ecg weights``: models that others published, made into backbones of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ecg_core.cli.output import next_command, shell_path, tell
from ecg_core.cli.spec import pipeline as transforms_in
from ecg_core.errors import ConfigError

__all__ = ["weights"]


def weights(
    action: Literal["list", "show", "import"],
    file: Path | None = None,
    out: Path | None = None,
    /,
    *,
    layout: str | None = None,
    fs: float | None = None,
    seconds: float | None = None,
    leads: str = "",
    pipeline: Path | None = None,
    force: bool = False,
) -> None:
    """List the published models whose files are read, show what a file holds, or import one.

    Nothing is downloaded, and a file that names anything but tensors and plain records is not opened.

    Args:
        action: list, show or import.
        file: A checkpoint: .safetensors, .pt, .pth, .ckpt.
        out: Folder to write; `ecg finetune --from` takes it.
        layout: Whose file it is (`ecg weights list`); found out from its names unless given.
        fs: Hz of the signals it was trained on, where its files do not tell (MoCo).
        seconds: Length of its windows, likewise.
        leads: Its leads in their order, comma-separated, likewise; the standard twelve unless given.
        pipeline: File with the transforms its recordings were prepared by, likewise; resampled alone unless given.
        force: Replace an existing folder.
    """
    if action == "list":
        _list()
        return
    if file is None:
        raise ConfigError(f"ecg weights {action} takes a file, e.g. `ecg weights {action} model.pth`")
    if action == "show":
        _show(file)
        return
    if out is None:
        raise ConfigError(f"ecg weights import takes a folder to write, e.g. `ecg weights import {shell_path(file)} imported/`")
    from ecg_core.data.leads import STANDARD_12
    from ecg_ssl.weights.importing import import_weights

    report = import_weights(
        file,
        out,
        layout_name=layout,
        fs=fs,
        seconds=seconds,
        leads=tuple(leads.split(",")) if leads else None,
        pipeline=None if pipeline is None else transforms_in(pipeline),
        force=force,
    )
    chosen = report.layout
    tell(f"{file.name} is {chosen.title}, published at {chosen.source}")
    tell(f"licence of these weights: {chosen.licence}")
    for line in report.lines():
        tell(line)
    tell(f"{out} holds its backbone for {','.join(chosen.leads)} at {chosen.fs:g} Hz, and how to prepare data for it")
    steps, prepared = shell_path(out / "pipeline.json"), "prepared/"
    named = "" if tuple(chosen.leads) == STANDARD_12 else f" --leads {','.join(chosen.leads)}"
    next_command(
        f"ecg prep RECORDINGS {prepared} --pipeline {steps} --fs {chosen.fs:g} --seconds {chosen.seconds:g}{named}",
        f"ecg finetune {prepared} --from {shell_path(out / 'backbone.json')} --target TARGET --mode linear --out runs/imported",
    )


def _list() -> None:
    from ecg_ssl.weights.layouts import LAYOUTS

    wide = max(len(name) for name in LAYOUTS)
    for one in LAYOUTS.values():
        tell(f"{one.name:<{wide}}  {one.title}; {one.licence}; {one.source}")
    next_command("ecg weights import FILE imported/")


def _show(file: Path) -> None:
    from ecg_ssl.weights.checkpoint_file import open_checkpoint

    for part in open_checkpoint(file):
        tell(f"{part.place or 'the file itself'}: {len(part.tensors)} tensors, {part.values:,} values")
        for name, tensor in list(part.tensors.items())[:12]:
            tell(f"  {name} {tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}")
        if len(part.tensors) > 12:
            tell(f"  … and {len(part.tensors) - 12} more")
    next_command(f"ecg weights import {shell_path(file)} imported/")

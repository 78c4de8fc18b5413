"""From a published file to a backbone that ``ecg finetune --from`` takes: every tensor accounted for, or nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import materialize
from ecg_core.data.files import checked_output, new_folder, sha256, write_json
from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import CheckpointError, OutputExistsError
from ecg_core.run.card import SignalContract, save_model
from ecg_ssl.weights.checkpoint_file import Part, open_checkpoint
from ecg_ssl.weights.layout import Layout
from ecg_ssl.weights.layouts import LAYOUTS, layout

__all__ = ["ImportReport", "import_weights", "recognise"]


@dataclass(frozen=True)
class ImportReport:
    """What became of every tensor.

    Args:
        layout: Whose file it is.
        place: Where in the file the state dict was; empty for the file itself.
        matched: Official names that were taken as they are.
        reshaped: Official names that were stacked, transposed or checked on the way: fixed positions, lead vectors …
        left_out: Official names that are no part of the encoder.
        missing: Names of ours that the file does not give.
        unexpected: Names that the encoder of ours does not have.
        misshapen: Names of ours whose tensor has another shape here.
    """

    layout: Layout
    place: str
    matched: tuple[str, ...]
    reshaped: tuple[str, ...]
    left_out: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every weight of the encoder came from the file and every tensor of the encoder's was used."""
        return not (self.missing or self.unexpected or self.misshapen)

    def lines(self) -> list[str]:
        """For people: counts, and the first names of what is not simply matched."""
        rows = (
            ("matched", self.matched),
            ("reshaped or checked", self.reshaped),
            ("left out, no part of the encoder", self.left_out),
            ("missing in the file", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.misshapen),
        )
        found = []
        for word, names in rows:
            if names:
                some = "" if word == "matched" else f": {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
                found.append(f"{len(names):5} {word}{some}")
        return found


def import_weights(
    path: str | Path,
    out: str | Path,
    *,
    layout_name: str | None = None,
    fs: float | None = None,
    seconds: float | None = None,
    leads: Sequence[str] | None = None,
    pipeline: Sequence[str | Mapping[str, Any]] | None = None,
    force: bool = False,
) -> ImportReport:
    """Read a published file and write a backbone: ``backbone.json``, ``backbone.safetensors`` and ``pipeline.json``.

    ``pipeline.json`` holds how the model's recordings were prepared, for ``ecg prep --pipeline``; a run that starts from the
    backbone refuses data that were prepared otherwise. The licence and the file's SHA-256 stand in the card.

    Args:
        path: ``.safetensors``, or a PyTorch file.
        out: Folder to write.
        layout_name: Whose file it is; found out from its names unless given.
        fs: Hz of the signals that it was trained on, where anybody may have trained such a model (MoCo); known of all others.
        seconds: Length of its windows, likewise.
        leads: Its leads in their order, likewise; the standard twelve unless given.
        pipeline: How its recordings were prepared, likewise, as transforms of ours; resampled alone unless given.
        force: Replace an existing folder.

    Raises:
        CheckpointError: The file cannot be read, is of no known model, or does not give every weight: nothing is written then.
        ConfigError: There is no such layout, or the signal is unknown and not told, or known and told.
        OutputExistsError: The folder is there already.
    """
    path, out = Path(path), Path(out)
    checked_output(out, force=force)
    if out.exists() and any(out.iterdir()) and not (out / "pipeline.json").is_file():
        raise OutputExistsError(f"{out} does not hold imported weights, so it is never replaced; choose another output")
    chosen, part, state, left = recognise(open_checkpoint(path), path, layout_name)
    chosen = chosen.told(fs=fs, seconds=seconds, leads=leads, pipeline=pipeline)
    backbone, report = _filled(chosen, part, state, left, path)
    if not report.whole:
        raise CheckpointError(
            f"{path} does not give every weight of {chosen.title}, so nothing was written:\n" + "\n".join(report.lines())
        )
    length = chosen.windows
    signal = SignalContract(chosen.fs, tuple(chosen.leads), length, tuple(chosen.pipeline))
    facts: dict[str, Any] = {
        "imported": {
            "layout": chosen.name,
            "model": chosen.title,
            "source": chosen.source,
            "licence": chosen.licence,
            "file": path.name,
            "sha256": sha256(path),
        }
    }
    with new_folder(out) as folder:
        save_model(folder, "backbone", backbone, kind="backbones", signal=signal, **facts)
        write_json(folder / "pipeline.json", list(chosen.pipeline))
    return report


def recognise(
    parts: list[Part], path: Path, layout_name: str | None = None
) -> tuple[Layout, Part, dict[str, Tensor], tuple[str, ...]]:
    """Whose file it is: the layout, the part of the file, the encoder's official state dict, and the names left out.

    Raises:
        CheckpointError: It is of no known model, or not of the named one.
    """
    for part in parts:
        for one in LAYOUTS.values() if layout_name is None else [layout(layout_name)]:
            found = one.find(part.tensors)
            if found is not None:
                return one, part, found[0], tuple(found[1])
    held = "; ".join(f"{part.place or 'the file itself'}: {', '.join(list(part.tensors)[:3])} …" for part in parts[:3])
    who = f"no {layout(layout_name).title} file" if layout_name else "of no model that is known here"
    raise CheckpointError(f"{path} is {who} (it holds {held}); models whose files are read: {', '.join(LAYOUTS)}")


def _filled(
    chosen: Layout, part: Part, state: Mapping[str, Tensor], left: tuple[str, ...], path: Path
) -> tuple[Backbone, ImportReport]:
    try:
        ours = dict(chosen.convert(state))
        config = chosen.config(state)
    except (ValueError, KeyError, IndexError) as error:
        raise CheckpointError(f"{path} looks like {chosen.title} and is not: {error}") from None
    if config.get("in_leads", len(chosen.leads)) != len(chosen.leads):
        raise CheckpointError(
            f"{path} is of {config['in_leads']} leads, and {len(chosen.leads)} are named ({','.join(chosen.leads)}); name its "
            "leads in their order"
        )
    with torch.random.fork_rng(devices=[]):
        backbone: Backbone = BACKBONES.build(config)
    materialize(backbone, torch.zeros(2, len(chosen.leads), max(chosen.windows, backbone.min_samples)))
    here = backbone.state_dict()
    taken = {id(tensor) for tensor in ours.values()}
    report = ImportReport(
        chosen,
        part.place,
        matched=tuple(name for name, tensor in state.items() if id(tensor) in taken),
        reshaped=tuple(name for name, tensor in state.items() if id(tensor) not in taken),
        left_out=left,
        missing=tuple(name for name in here if name not in ours),
        unexpected=tuple(name for name in ours if name not in here),
        misshapen=tuple(name for name in here if name in ours and ours[name].shape != here[name].shape),
    )
    if report.whole:
        backbone.load_state_dict({name: tensor.to(here[name].dtype) for name, tensor in ours.items()})
    return backbone.eval(), report

"""save_pretrained: a trained model as a folder that others can load and read about."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ecg_core.data.files import checked_output, new_folder, read_json, sha256, write_json
from ecg_core.errors import CheckpointError, OutputExistsError
from ecg_core.hub.model_card import model_card
from ecg_core.hub.model_facts import ModelFacts
from ecg_core.hub.without_paths import public_run

__all__ = ["save_pretrained", "write_folder"]


def save_pretrained(
    run: str | Path,
    folder: str | Path,
    *,
    name: str | None = None,
    licence: str | None = None,
    data_licence: str | None = None,
    force: bool = False,
) -> Path:
    """Write a model as a folder: its card, weights, signal, and a README.md that says all that is known of it.

    Beside the card (``model.json`` or ``backbone.json``, with the signal it expects) and its safetensors there are
    ``pipeline.json`` for ``ecg prep``, and of a run ``run.json`` and ``thresholds.json``, without the paths of this machine.
    :func:`ecg_core.load` and every command that takes a run take the folder.

    Args:
        run: A run, a card, or a folder that ``ecg weights import`` wrote.
        folder: To write.
        name: Of the model; that of the run's folder unless given.
        licence: Of the weights, such as ``"cc-by-4.0"``; those it began with lend theirs unless given.
        data_licence: Of the data it was trained on.
        force: Replace an existing folder.

    Returns:
        The folder.

    Raises:
        RunError: There is no trained model.
        CheckpointError: Card or weights are damaged.
        OutputExistsError: The folder is there already.
    """
    facts = ModelFacts.of(run, name=name, licence=licence, data_licence=data_licence)
    out = checked_output(Path(folder), force=force)
    if out.is_file() or (out.exists() and any(out.iterdir()) and not (out / "README.md").is_file()):
        raise OutputExistsError(f"{out} does not hold a saved model, so it is never replaced; choose another output")
    if facts.card.path.parent.resolve() == out.resolve():
        raise OutputExistsError(f"{out} is where the model lies; choose another output")
    with new_folder(out) as temporary:
        write_folder(facts, temporary)
    return out


def write_folder(facts: ModelFacts, folder: Path) -> None:
    """Fill an existing folder.

    Raises:
        CheckpointError: The weights are missing or are not those of the card.
    """
    card = facts.card
    weights = card.path.parent / card.facts["weights"]["file"]
    if not weights.is_file() or sha256(weights) != card.facts["weights"]["sha256"]:
        raise CheckpointError(f"{weights} is missing or is not what {card.path.name} describes; train or import it again")
    stem = "model" if card.kind == "models" else "backbone"
    shutil.copyfile(weights, folder / f"{stem}.safetensors")
    described: dict[str, Any] = {**card.facts, "weights": {**card.facts["weights"], "file": f"{stem}.safetensors"}}
    if facts.origin is not None:
        described.setdefault("imported", vars(facts.origin))
    write_json(folder / f"{stem}.json", described)
    write_json(folder / "pipeline.json", [dict(step) for step in card.signal.pipeline])
    if facts.directory is not None:
        write_json(folder / "run.json", public_run(facts.directory))
        thresholds = facts.directory.path / "thresholds.json"
        if thresholds.is_file():
            write_json(folder / "thresholds.json", facts.public(read_json(thresholds)))
    (folder / "README.md").write_text(model_card(facts), encoding="utf-8")

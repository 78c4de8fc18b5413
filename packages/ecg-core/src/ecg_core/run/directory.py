"""The run directory: the unit every command takes and gives. ``run.json`` says what it is."""

from __future__ import annotations

import platform
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from ecg_core import __version__
from ecg_core.data.files import checked_output, read_json, write_json
from ecg_core.data.splits import SPLITS
from ecg_core.data.store import Store
from ecg_core.discovery.provenance import check_entries, current
from ecg_core.errors import ECGError, OutputExistsError, RunError
from ecg_core.run.settings import Settings

__all__ = ["RunDirectory", "check_packages"]

_SCHEMA = 1
_NEEDED = ("schema", "kind", "config", "settings", "data")

# What a run, and the commands that take one, write into its folder.
_WRITTEN = (
    "run.json", "metrics.jsonl", "backbone.json", "backbone.safetensors", "model.json", "model.safetensors", "report.html",
    "thresholds.json",
    *(f"{name}-{split}.{suffix}" for name, suffix in (("evaluation", "json"), ("predictions", "csv")) for split in SPLITS),
)  # fmt: skip


# Of which kind the component is that a run of each kind trains.
_LEARNERS = {"pretrain": "ssl", "finetune": "models"}


class RunDirectory:
    """A folder with ``run.json``, ``metrics.jsonl``, ``checkpoints/`` and, in the end, a model and its card.

    Args:
        path: An existing run directory.

    Raises:
        RunError: It is not one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file = self.path / "run.json"
        if not file.is_file():
            what = "is not a run directory (no run.json)" if self.path.exists() else "does not exist"
            raise RunError(f"{self.path} {what}; give the --out of `ecg pretrain` or `ecg finetune`")
        try:
            self.facts: dict[str, Any] = dict(read_json(file))
        except (ValueError, TypeError) as error:
            raise RunError(f"{file} is damaged ({type(error).__name__}); train again with --force") from None
        absent = [name for name in _NEEDED if name not in self.facts]
        if absent:
            raise RunError(f"{file} is damaged (no {', '.join(absent)}); train again with --force")
        if self.facts["schema"] != _SCHEMA:
            raise RunError(f"{file} has schema {self.facts['schema']!r}, this version reads {_SCHEMA}; update ecg-core")
        self.kind: str = self.facts["kind"]

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        kind: Literal["pretrain", "finetune"],
        config: Mapping[str, Any],
        settings: Settings,
        store: Store,
        force: bool,
        resume: bool,
        provenance: Sequence[Mapping[str, str]] = (),
        **facts: Any,
    ) -> RunDirectory:
        """Begin a run, or find the one to go on with.

        Raises:
            OutputExistsError: Something is there, and neither ``force`` nor ``resume`` was given.
            RunError: ``resume``, but the run was started with other settings or other data.
        """
        if path.is_file():
            raise OutputExistsError(f"{path} is a file; a run is a folder, choose another output")
        if resume and not force and path.is_dir() and not (path / "run.json").is_file() and any(path.glob("[!.]*")):
            raise RunError(f"{path} holds no run to go on with (no run.json); choose another output, or start with --force")
        checked_output(path, force=force, resume=resume, option="--resume to go on, --force to start again")
        wanted = {
            "schema": _SCHEMA,
            "kind": kind,
            "config": dict(config),
            "settings": settings.to_dict(),
            "data": {"path": str(store.path), "fingerprint": store.fingerprint, "fold": store.fold},
            "provenance": [dict(entry) for entry in provenance],
            **facts,
        }
        if resume and (path / "run.json").is_file():
            found = cls(path)
            for word in ("kind", "config", "settings", *facts):
                before, now = _normal(found.facts.get(word)), _normal(wanted[word])
                if before != now and word == "config":  # a newer version of a package may spell the same differently
                    before = _normal(found.current_config())
                if before != now:
                    raise RunError(
                        f"{path} was started with another {word} ({_difference(before, now)}); "
                        "resume with the same command, or start again with --force"
                    )
            if found.facts["data"]["fingerprint"] != store.fingerprint:
                raise RunError(
                    f"{store.path} is not the data {path} was started with; "
                    "resume with the same data, or start again with --force"
                )
            return found
        if force:
            _clear(path)
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / "run.json", {**wanted, "environment": _environment()})
        return cls(path)

    @property
    def card(self) -> Path:
        """Card of the run's product: a backbone after pre-training, a model after fine-tuning.

        Raises:
            RunError: There is none yet.
        """
        path = self.path / ("model.json" if self.kind == "finetune" else "backbone.json")
        if not path.is_file():
            raise RunError(f"{self.path} holds no trained model yet; finish it with --resume")
        return path

    def current_config(self) -> dict[str, Any]:
        """The configuration of what is trained, in the words of the packages that are installed now.

        Raises:
            UnknownComponentError: A package it needs is not installed; the install line is given.
        """
        entries = self.facts.get("provenance", [])
        try:
            check_entries(entries)
            return current(_LEARNERS[self.kind], self.facts["config"], entries, str(self.path / "run.json"))
        except (ValueError, KeyError) as error:
            if isinstance(error, ECGError):
                raise
            raise RunError(f"{self.path / 'run.json'} is damaged ({error}); train again with --force") from None

    def finish(self, **facts: Any) -> None:
        """Record how the run ended."""
        self.facts |= {"finished": True, **facts}
        write_json(self.path / "run.json", self.facts)

    def __repr__(self) -> str:
        done = "finished" if self.facts.get("finished") else "unfinished"
        return f"RunDirectory({str(self.path)!r}, {self.kind}, {done})"

    def _repr_html_(self) -> str:
        """What a notebook shows: what was trained, on what, how far, and what to call next."""
        facts = self.facts
        rows = {
            "run": self.path,
            "kind": self.kind,
            "trained": facts["config"].get("name", ""),
            "began with": facts.get("source") or "random weights",
            "data": facts["data"].get("path", ""),
            "target": facts.get("target"),
            "epochs": facts.get("epochs") if facts.get("finished") else "unfinished",
            "validation AUROC": facts.get("val_auroc"),
        }
        cells = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(f'{value:.3f}' if isinstance(value, float) else str(value))}</td></tr>"
            for name, value in rows.items()
            if value is not None
        )
        return f"<table>{cells}</table>"


def check_packages(path: Path, *, resume: bool) -> None:
    """Before anything of a run that is to go on is built: are the packages there that it was started with?

    Raises:
        UnknownComponentError: One is not; the install line is given.
    """
    if resume and (path / "run.json").is_file():
        RunDirectory(path).current_config()


def _normal(value: Any) -> Any:
    return (
        [_normal(v) for v in value]
        if isinstance(value, (list, tuple))
        else ({k: _normal(v) for k, v in value.items()} if isinstance(value, Mapping) else value)
    )


def _difference(before: Any, now: Any) -> str:
    """The first thing that differs, in words; where values are nested, from the inside."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        name = next(k for k in {**before, **now} if before.get(k) != now.get(k))
        return f"{name} {_difference(before.get(name), now.get(name))}"
    return f"{before!r}, now {now!r}"


def _clear(path: Path) -> None:
    """Remove what a run writes, and only that."""
    for name in _WRITTEN:
        (path / name).unlink(missing_ok=True)
    for pattern in ("step-*", ".step-*.tmp", ".step-*.old"):
        for checkpoint in (path / "checkpoints").glob(pattern):
            shutil.rmtree(checkpoint)
    for events in (path / "tensorboard").glob("events.out.tfevents.*"):
        events.unlink()


def _environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "ecg-core": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "threads": str(torch.get_num_threads()),
        "command": shlex.join(["ecg", *sys.argv[1:]]) if Path(sys.argv[0]).name in ("ecg", "__main__.py") else "",
    }

"""The run directory: the unit every command takes and gives. ``run.json`` says what it is."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from ecg_core import __version__
from ecg_core.data.files import checked_output, read_json, write_json
from ecg_core.data.store import Store
from ecg_core.errors import RunError
from ecg_core.run.settings import Settings

__all__ = ["RunDirectory"]

_SCHEMA = 1


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
            self.facts: dict[str, Any] = read_json(file)
            self.kind: str = self.facts["kind"]
        except (ValueError, KeyError) as error:
            raise RunError(f"{file} is damaged ({type(error).__name__}); train again with --force") from None

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
        **facts: Any,
    ) -> RunDirectory:
        """Begin a run, or find the one to go on with.

        Raises:
            OutputExistsError: Something is there, and neither ``force`` nor ``resume`` was given.
            RunError: ``resume``, but the run was started with other settings or other data.
        """
        checked_output(path, force=force, resume=resume, option="--resume to go on, --force to start again")
        wanted = {
            "schema": _SCHEMA,
            "kind": kind,
            "config": dict(config),
            "settings": settings.to_dict(),
            "data": {"path": str(store.path), "fingerprint": store.fingerprint},
            **facts,
        }
        if resume and (path / "run.json").is_file():
            found = cls(path)
            for word in ("kind", "config", "settings", *facts):
                if _normal(found.facts.get(word)) != _normal(wanted[word]):
                    raise RunError(
                        f"{path} was started with another {word}; resume with the same command, or start again with --force"
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

    def finish(self, **facts: Any) -> None:
        """Record how the run ended."""
        self.facts |= {"finished": True, **facts}
        write_json(self.path / "run.json", self.facts)

    def __repr__(self) -> str:
        done = "finished" if self.facts.get("finished") else "unfinished"
        return f"RunDirectory({str(self.path)!r}, {self.kind}, {done})"


def _normal(value: Any) -> Any:
    return (
        [_normal(v) for v in value]
        if isinstance(value, (list, tuple))
        else ({k: _normal(v) for k, v in value.items()} if isinstance(value, Mapping) else value)
    )


def _clear(path: Path) -> None:
    """Remove what a run writes, and only that."""
    for pattern in (
        "run.json",
        "metrics.jsonl",
        "backbone.*",
        "model.*",
        "evaluation-*.json",
        "predictions-*.csv",
        "report*.html",
    ):
        for file in path.glob(pattern):
            file.unlink()
    for checkpoint in path.glob("checkpoints/step-*"):
        for file in checkpoint.iterdir():
            file.unlink()
        checkpoint.rmdir()


def _environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "ecg-core": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "threads": str(torch.get_num_threads()),
        "command": " ".join(["ecg", *sys.argv[1:]]) if Path(sys.argv[0]).name in ("ecg", "__main__.py") else "",
    }

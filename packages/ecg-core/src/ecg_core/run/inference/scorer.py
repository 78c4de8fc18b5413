"""Scorer: what gives probabilities of windows, a task or an exported file, and the signal it expects."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from torch import Tensor

from ecg_core.contracts.task import CropAnswer, Task
from ecg_core.data.batch import Batch
from ecg_core.data.step_target import STEP_KINDS, StepTarget
from ecg_core.errors import RunError
from ecg_core.run.card import SignalContract, load_card
from ecg_core.run.from_hub import local
from ecg_core.run.inference.exported import SUFFIXES, Exported
from ecg_core.run.load import card_of, load

__all__ = ["LoadedScorer", "Scorer", "asked", "load_scorer", "load_task"]


class Scorer(Protocol):
    """What gives probabilities of windows."""

    classes: tuple[str, ...]
    per_step: bool
    crop_answer: CropAnswer

    def predict(self, batch: Batch) -> Tensor:
        """Probabilities, ``(batch, classes)`` or per step ``(batch, classes, samples)``."""


class LoadedScorer(NamedTuple):
    """A scorer, the signal it expects and, of a model of samples, what it was asked."""

    scorer: Scorer
    signal: SignalContract
    target: StepTarget | None = None


def load_scorer(run: str | Path) -> LoadedScorer:
    """The task of a fine-tuning run, or an exported file.

    Raises:
        RunError: ``run`` holds a backbone alone.
    """
    path = local(run)
    if path.suffix in SUFFIXES:
        exported = Exported(path)
        return LoadedScorer(exported, exported.signal, _steps(exported, exported.contract.get("target")))
    task, signal = load_task(path)
    return LoadedScorer(task, signal, asked(task, path))


def load_task(run: str | Path) -> tuple[Task, SignalContract]:
    """The task of a fine-tuning run and the signal it expects.

    Raises:
        RunError: ``run`` holds a backbone alone, or is an exported file.
    """
    loaded = load(run)
    if isinstance(loaded, Exported):
        raise RunError(f"{run} is an exported file, which gives probabilities and nothing else; give the run it came from")
    if not isinstance(loaded.module, Task):
        raise RunError(
            f"{run} holds a pre-trained backbone, which answers no question yet; run `ecg finetune … --from {run}` first"
        )
    return loaded.module, loaded.signal


def asked(task: Task, run: str | Path) -> StepTarget | None:
    """What a task of samples was trained to answer, if it was trained on a store."""
    return _steps(task, load_card(card_of(local(run))).facts.get("target")) if task.per_step else None


def _steps(scorer: Scorer, target: object) -> StepTarget | None:
    known = scorer.per_step and isinstance(target, str) and target.partition("/")[0] in STEP_KINDS
    return StepTarget.of(str(target), scorer.classes) if known else None

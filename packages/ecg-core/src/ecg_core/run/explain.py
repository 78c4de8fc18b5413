"""Explain: where in the ECG a model looked, drawn on ECG paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch

from ecg_core.contracts.task import Task
from ecg_core.data.batch import Batch
from ecg_core.data.files import checked_output
from ecg_core.data.record import Record
from ecg_core.errors import ConfigError
from ecg_core.explanation.grad_cam import grad_cam, normalise_relevance, upsample_relevance
from ecg_core.explanation.paper import draw_ecg, save_png
from ecg_core.run.predict import find_record, load_task, windows_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Explanation", "explain", "explain_window"]


class Explanation(NamedTuple):
    """What was asked, what the model says, and where it looked.

    ``relevance`` is ``(leads, samples)`` in [0, 1] over ``record``, the window as the model saw it.
    """

    record: Record
    target: str
    probability: float
    relevance: np.ndarray

    def draw(self) -> Figure:
        """The window on ECG paper with its relevance."""
        labels = ", ".join(dict.fromkeys(label for values in self.record.labels.values() for label in values))
        return draw_ecg(
            self.record,
            relevance=self.relevance,
            title=f"{self.record.record_id}: {self.target} {self.probability:.0%}",
            caption=f"Marked: where Grad-CAM finds support for {self.target}." + (f" Labels: {labels}." if labels else ""),
        )


def explain(
    run: str | Path,
    record: str | Path | Record,
    out: str | Path | None = None,
    *,
    target: str | None = None,
    method: Literal["grad_cam"] = "grad_cam",
    reader: str = "auto",
    force: bool = False,
) -> Explanation:
    """Grad-CAM of one class over the first window of a recording.

    Args:
        run: Fine-tuning run (or model card).
        record: A recording, or its path without suffix.
        out: PNG to write.
        target: Class to explain; ``None`` takes the most probable one.
        method: Only Grad-CAM so far.
        reader: Name of a registered reader, or ``"auto"``.
        force: Replace an existing file.

    Raises:
        ConfigError: The model has no such class.
        DataError: The recording cannot be used.
    """
    if method != "grad_cam":
        raise ConfigError(f"method must be grad_cam, got {method!r}")
    if out is not None:
        checked_output(Path(out), force=force)
    task, signal = load_task(run)
    if target is not None and target not in task.classes:
        raise ConfigError(f"{run} does not know the class {target!r}; it knows {', '.join(task.classes)}")
    found = record if isinstance(record, Record) else find_record(Path(record), reader)
    explanation = explain_window(task, windows_of(found, signal)[0], target)
    if out is not None:
        save_png(explanation.draw(), out)
    return explanation


def explain_window(task: Task, window: Record, target: str | None = None) -> Explanation:
    """Grad-CAM of one class over one prepared window.

    A backbone that keeps leads apart is explained lead by lead; one that mixes them in its first layer can only say when,
    so all leads get the same relevance.
    """
    task.eval()
    x = torch.from_numpy(np.ascontiguousarray(window.signal))[None]
    with torch.no_grad():
        features = task.backbone.forward_lead_features(x)
        logits = task.scores(features.mean(dim=1))[0]
    number = int(logits.argmax()) if target is None else task.classes.index(target)
    cam = grad_cam(lambda f: task.scores(f.mean(dim=1)), features, number)
    stage = task.backbone.stages[-1]
    upsampled = upsample_relevance(cam, window.n_samples, stride=stage.stride, centre=stage.centre)
    relevance = normalise_relevance(upsampled)[0].numpy()
    relevance = np.broadcast_to(relevance, window.signal.shape)
    with torch.no_grad():
        probability = float(task.predict(Batch(x, fs=window.fs, leads=window.leads))[0, number])
    return Explanation(window, task.classes[number], probability, relevance)

"""Explain: where in the ECG a model looked, drawn on ECG paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from ecg_core.contracts.task import Task
from ecg_core.data.batch import Batch
from ecg_core.data.files import checked_output, write_atomic
from ecg_core.data.record import Record
from ecg_core.errors import ConfigError, DataError, ECGError
from ecg_core.explanation.grad_cam import normalise_relevance
from ecg_core.explanation.methods import METHODS, method_named
from ecg_core.explanation.paper import draw_ecg, save_png
from ecg_core.explanation.target import evaluating
from ecg_core.run.inference.predict import windows_of
from ecg_core.run.inference.recordings import find_record, table_of
from ecg_core.run.inference.scorer import load_task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Explanation", "explain", "explain_folder", "explain_window"]


class Explanation(NamedTuple):
    """What was asked, what the model says, and where it looked.

    ``relevance`` is ``(leads, samples)`` in [0, 1], or in [-1, 1] for methods that find evidence against the target too, over
    ``record``, the window as the model saw it; the largest is 1 in size. ``method`` is a key of ``METHODS``. Of a model that
    answers with amounts ``number`` is true, and ``probability`` is the amount.
    """

    record: Record
    target: str
    probability: float
    relevance: np.ndarray
    method: str = "grad_cam"
    number: bool = False

    @property
    def answer(self) -> str:
        """What the model says, in words: a probability, or an amount in the unit of its labels."""
        return f"{self.probability:.4g}" if self.number else f"probability {self.probability:.0%}"

    @property
    def lead_shares(self) -> dict[str, float]:
        """Share of all relevance, whichever its sign, that lies on each lead; all 0 where there is none."""
        of_leads = np.abs(self.relevance).sum(axis=1)
        total = float(of_leads.sum())
        return {lead: float(value) / total if total else 0.0 for lead, value in zip(self.record.leads, of_leads, strict=True)}

    def draw(self) -> Figure:
        """The window on ECG paper with its relevance."""
        labels = ", ".join(dict.fromkeys(label for values in self.record.labels.values() for label in values))
        method = method_named(self.method)
        caption = method.says.format(target=self.target)
        if method.smooth:
            caption += f" Averaged over {1000 * method.smooth:g} ms; the strongest 0.5% look alike."
        shares = sorted(self.lead_shares.items(), key=lambda item: -item[1])
        if shares[0][1] > shares[-1][1] + 1e-6:  # otherwise leads were not told apart
            caption += f" Most of it in {', '.join(f'{lead} ({share:.0%})' for lead, share in shares[:3])}."
        return draw_ecg(
            self.record,
            relevance=_smoothed(self.relevance, round(method.smooth * self.record.fs)),
            title=f"{self.record.record_id}: {self.target}, {self.answer}",
            caption=caption + (f" Labels: {labels}." if labels else ""),
        )


def explain(
    run: str | Path,
    record: str | Path | Record,
    out: str | Path | None = None,
    *,
    target: str | None = None,
    method: str = "grad_cam",
    reader: str = "auto",
    force: bool = False,
) -> Explanation:
    """Where in the first window of a recording a model looked for one class.

    Args:
        run: Fine-tuning run (or model card).
        record: A recording, or its path without suffix.
        out: PNG to write.
        target: Class to explain; ``None`` takes the most probable one.
        method: A key of ``ecg_core.explanation.methods.METHODS``, such as ``"integrated_gradients"``.
        reader: Name of a registered reader, or ``"auto"``.
        force: Replace an existing file.

    Raises:
        ConfigError: The model has no such class, or there is no such method, or it does not suit the model.
        DataError: The recording cannot be used.
    """
    method_named(method)
    if out is not None:
        checked_output(Path(out), force=force)
    task, signal = load_task(run)
    _check_target(task, run, target)
    found = record if isinstance(record, Record) else find_record(Path(record), reader)
    explanation = explain_window(task, windows_of(found, signal)[0], target, method=method)
    if out is not None:
        save_png(explanation.draw(), out)
    return explanation


def explain_folder(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    target: str | None = None,
    method: str = "grad_cam",
    reader: str = "auto",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """A picture of every recording of a folder, and a table of what they show.

    Args:
        run: Fine-tuning run (or model card).
        source: Folder of recordings.
        out: Folder for ``RECORD.png`` and ``explanations.csv``.
        target: Class to explain; ``None`` takes the most probable one of each recording.
        method: As of :func:`explain`.
        reader: Name of a registered reader, or ``"auto"``.
        force: Replace existing pictures.
        progress: Called with (recordings done, recordings in all).

    Returns:
        ``record_id``, ``target``, ``probability`` and a column ``share/LEAD`` of all relevance per lead; of a recording that
        cannot be used its name and, as ``reason``, why.

    Raises:
        ConfigError: As :func:`explain`.
        DataError: None of the recordings can be used.
    """
    method_named(method)
    task, signal = load_task(run)
    _check_target(task, run, target)
    checked_output(Path(out) / "explanations.csv", force=force)
    chosen, table = table_of(Path(source), reader)
    rows: list[dict[str, object]] = [
        {"record_id": str(r["path"]), "reason": str(r["reason"])} for r in table.rejects.to_dict("records")
    ]
    for number, row in enumerate(table.rows()):
        if progress is not None:
            progress(number, len(table))
        try:
            found = explain_window(task, windows_of(chosen.read(row), signal)[0], target, method=method)
        except ConfigError:
            raise
        except (ECGError, OSError, ValueError) as error:
            rows.append({"record_id": row["record_id"], "reason": str(error)})
            continue
        picture = Path(out) / f"{row['record_id']}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        checked_output(picture, force=force)
        save_png(found.draw(), picture)
        shares = {f"share/{lead}": share for lead, share in found.lead_shares.items()}
        rows.append({"record_id": row["record_id"], "target": found.target, "probability": found.probability, **shares})
    explained = pd.DataFrame(rows)
    if "target" not in explained:
        told = f", e.g. {rows[0]['record_id']}: {rows[0]['reason']}" if rows else ""
        raise DataError(f"none of the {len(rows)} recordings in {source} can be used{told}")
    write_atomic(Path(out) / "explanations.csv", lambda p: explained.to_csv(p, index=False, float_format="%.6f"))
    return explained


def _check_target(task: Task, run: str | Path, target: str | None) -> None:
    if task.per_step:
        raise ConfigError(f"{run} labels every sample, so its answer says where it is; see it with `ecg predict`")
    if target is not None and target not in task.classes:
        raise ConfigError(f"{run} does not know the class {target!r}; it knows {', '.join(task.classes)}")


def explain_window(task: Task, window: Record, target: str | None = None, *, method: str = "grad_cam") -> Explanation:
    """Where in one prepared window a model looked for one class.

    By Grad-CAM and its kin a backbone that keeps leads apart is explained lead by lead; one that mixes them in its first layer
    can only say when, so all leads get the same relevance. The other methods tell leads apart in every model.

    Raises:
        ConfigError: There is no such method, or it does not suit the model.
    """
    chosen = method_named(method)
    name = next(known for known, one in METHODS.items() if one is chosen)
    x = torch.from_numpy(np.ascontiguousarray(window.signal))[None]
    with torch.no_grad(), evaluating(task):
        logits = task(x)[0]
        probabilities = task.predict(Batch(x, fs=window.fs, leads=window.leads))[0]
    number = int(logits.argmax()) if target is None else task.classes.index(target)
    try:
        found = chosen.relevance(task, x, number, window.fs)
    except ValueError as error:
        raise ConfigError(f"method {name} does not suit this model: {error}") from error
    relevance = normalise_relevance(found.detach(), signed=chosen.signed)[0].numpy()
    return Explanation(window, task.classes[number], float(probabilities[number]), relevance, name, task.numbers)


def _smoothed(relevance: np.ndarray, width: int) -> np.ndarray:
    """A moving average over ``width`` samples, scaled so that a few spikes do not leave the rest pale."""
    if width < 2:
        return relevance
    kernel = np.full(width, 1 / width)
    smooth = np.stack([np.convolve(row, kernel, mode="same") for row in relevance])
    largest = np.quantile(np.abs(smooth), 0.995)
    return np.clip(smooth / largest, -1, 1) if largest else smooth

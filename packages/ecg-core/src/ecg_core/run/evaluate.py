"""Evaluate: a fine-tuned run on a split of a store, with intervals, as numbers and as a page to read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ecg_core.contracts.task import Task
from ecg_core.data.files import checked_output, read_json, write_atomic, write_json
from ecg_core.data.store import Store
from ecg_core.errors import DataError, RunError
from ecg_core.evaluation.evaluation import Evaluation, evaluate_scores
from ecg_core.evaluation.report import ReportExample, write_report
from ecg_core.explanation.paper import figure_png
from ecg_core.run.directory import RunDirectory
from ecg_core.run.explain import explain_window
from ecg_core.run.progress import read_metrics
from ecg_core.run.scorer import load_task
from ecg_core.run.scoring import mean_by_record, score_windows

__all__ = ["evaluate"]


def evaluate(
    run: str | Path,
    *,
    data: str | Path | Store | None = None,
    split: str = "test",
    html: str | Path | None = None,
    compare: Sequence[str | Path] = (),
    examples: int = 4,
    repeats: int = 1000,
    seed: int = 0,
    force: bool = False,
) -> Evaluation:
    """Score the recordings of a split; write ``evaluation-SPLIT.json`` and ``predictions-SPLIT.csv`` into the run.

    Args:
        run: Fine-tuning run.
        data: The store; ``None`` takes the one the run was trained on. Of that one, the run's fold is taken.
        split: ``"test"``, ``"val"`` or ``"train"``.
        html: Report to write, one self-contained file.
        compare: Other runs, already evaluated on the same split, to set beside this one in the report.
        examples: Recordings shown in the report.
        repeats: Bootstrap repeats; patients are resampled, not recordings.
        seed: Of the bootstrap.
        force: Replace an existing report.

    Raises:
        RunError: The run is no fine-tuning, or the data are not those it expects.
        DataError: The split holds no labelled recording, or the store was opened with another fold than the run's.
    """
    directory = RunDirectory(run)
    if html is not None:
        checked_output(Path(html), force=force)
    task, signal = load_task(run)
    trained = directory.facts["data"]
    store = data if isinstance(data, Store) else Store(data or trained["path"])
    store = store.as_divided_for(trained, directory.path)
    signal.check(store, directory.path)
    target = str(directory.facts["target"])
    indices = store.indices(split, target=target)
    if not len(indices):
        raise DataError(f"the {split} split of {store.path} has no recording with a label for {target!r}")
    facts = {"run": str(directory.path), "data": store.fingerprint, "split": split, "target": target}
    baselines = _baselines(compare, split, facts)
    rows = store.table.iloc[indices]
    names, scores, first = mean_by_record(rows["record_id"].tolist(), score_windows(task, store, indices))
    targets = store.target_matrix(target, task.classes, indices)[first]
    patients = [p if isinstance(p, str) else None for p in rows["patient_id"].iloc[first]]
    evaluation = evaluate_scores(
        targets,
        scores,
        classes=task.classes,
        patients=patients if any(p is not None for p in patients) else None,
        repeats=repeats,
        seed=seed,
    )
    write_json(directory.path / f"evaluation-{split}.json", {**facts, **evaluation.to_dict()})
    predictions = pd.DataFrame({"record_id": names, **{c: scores[:, i] for i, c in enumerate(task.classes)}})
    write_atomic(directory.path / f"predictions-{split}.csv", lambda p: predictions.to_csv(p, index=False, float_format="%.6f"))
    if html is not None:
        write_report(
            Path(html),
            evaluation,
            title=f"{target} on {store.path.name}",
            facts=_facts(directory, store, task, split),
            targets=targets,
            scores=scores,
            baselines=baselines,
            history=read_metrics(directory.path / "metrics.jsonl"),
            examples=_examples(task, store, indices[first], targets, scores, examples),
            data_card=_data_card(store),
            command=_command(directory, store, split, html),
        )
    return evaluation


def _facts(directory: RunDirectory, store: Store, task: Task, split: str) -> dict[str, str]:
    facts = directory.facts
    best = facts.get("best_epoch") or "–"
    counts = {name: len(store.indices(name, target=facts["target"])) for name in ("train", "val", "test")}
    patients = store.facts["patients"]
    backbone = facts["config"]["backbone"]["name"]
    source = f"pre-trained in {facts['source']}" if facts.get("source") else "new (random initial weights)"
    chain = " → ".join(t["name"] for t in store.pipeline)
    return {
        "Question": f"{facts['target']}: {', '.join(task.classes)}",
        "Backbone": f"{backbone}, {sum(p.numel() for p in task.backbone.parameters()):,} parameters, {source}",
        "Training": f"{facts['mode']}, {facts.get('epochs', '?')} epochs, best on validation patients: epoch {best}",
        "Recordings": f"{store.facts['recordings']:,} usable from {store.facts['source']}; {store.facts['rejects']:,} refused",
        "Patients": f"{patients:,}" if patients else "unknown: every recording counts as its own patient",
        "Labelled windows": f"{counts['train']:,} train, {counts['val']:,} val, {counts['test']:,} test (this page: {split})",
        "Signal": f"{store.seconds:g} s at {store.fs:g} Hz, {len(store.leads)} leads, mV; {chain}",
        "Data fingerprint": store.fingerprint[:16],
    }


def _data_card(store: Store) -> dict[str, str]:
    reasons = store.rejects["reason"].str.replace(r"^.*?: ", "", regex=True).value_counts().head(5)
    refused = "; ".join(f"{count} × {reason}" for reason, count in reasons.items())
    return {"Store": str(store.path), "Refused recordings": refused or "none", "Windows": f"{len(store):,}"}


def _baselines(runs: Sequence[str | Path], split: str, here: dict[str, str]) -> dict[str, Evaluation]:
    """Evaluations of other runs by title; two runs of the same name are told apart by their paths."""
    directories = [RunDirectory(run) for run in runs]
    names = [directory.path.name for directory in directories]
    return {
        _title(d, d.path.name if names.count(d.path.name) == 1 else str(d.path)): _evaluated(d, split, here) for d in directories
    }


def _title(directory: RunDirectory, name: str) -> str:
    facts = directory.facts
    start = (
        "pre-trained" if facts.get("source") else ("random encoder, frozen" if facts.get("mode") == "linear" else "from scratch")
    )
    return f"{name} ({start}, {facts.get('mode')})"


def _evaluated(directory: RunDirectory, split: str, here: dict[str, str]) -> Evaluation:
    run = directory.path
    file = run / f"evaluation-{split}.json"
    if not file.is_file():
        raise RunError(f"{run} has no evaluation-{split}.json to compare with; run `ecg evaluate {run} --split {split}` first")
    stored = read_json(file)
    for word in ("data", "target"):
        if stored.get(word) != here[word]:
            raise RunError(
                f"{run} was evaluated on another {word}, so its numbers cannot stand beside these; evaluate it on the same store"
            )
    return Evaluation.from_dict(stored)


def _command(directory: RunDirectory, store: Store, split: str, html: str | Path) -> str:
    trained = directory.facts.get("environment", {}).get("command", "")
    same = store.path == Path(directory.facts["data"]["path"])
    words = ["ecg", "evaluate", directory.path, *(() if same else ("--data", store.path)), "--split", split, "--html", html]
    return "\n".join(filter(None, [trained, shlex.join(map(str, words))]))


def _examples(
    task: Task, store: Store, indices: np.ndarray, targets: np.ndarray, scores: np.ndarray, count: int
) -> list[ReportExample]:
    """The surest hits and the worst misses, alternating, each class at most once per kind."""
    positive = np.where(targets > 0, scores, np.nan)
    chosen: list[tuple[int, int, str]] = []
    for kind, ranked in (("Surest hit", -positive), ("Worst miss", positive)):
        used: set[int] = set()
        order = np.argsort(np.where(np.isnan(ranked), np.inf, ranked), axis=None)
        for row, column in zip(*np.unravel_index(order, ranked.shape), strict=True):
            if np.isnan(positive[row, column]) or len(used) >= (count + 1) // 2:
                break
            if int(column) not in used:
                used.add(int(column))
                chosen.append((int(row), int(column), kind))
    made = []
    for row, column, kind in chosen[:count]:
        explanation = explain_window(task, store.record(indices[row]), task.classes[column])
        labels = tuple(c for c, t in zip(task.classes, targets[row], strict=True) if t > 0)
        made.append(
            ReportExample(
                caption=f"{kind} for {task.classes[column]}: record {explanation.record.record_id}",
                picture=figure_png(explanation.draw(), dpi=110),
                labels=labels,
                scores=dict(zip(task.classes, scores[row].tolist(), strict=True)),
            )
        )
    return made

"""What a report tells about a run beside its numbers: facts, examples on ECG paper, and the commands that made them."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from ecg_core.contracts.task import Task
from ecg_core.data.numbers import numbers_of
from ecg_core.data.protocols import protocol_sizes
from ecg_core.data.store import Store
from ecg_core.evaluation.page import ReportExample
from ecg_core.explanation.paper import figure_png
from ecg_core.run.directory import RunDirectory
from ecg_core.run.inference.explain import explain_window
from ecg_core.run.inference.window_scores import ScoredRecordings

__all__ = ["report_command", "report_data_card", "report_examples", "report_facts"]


def report_facts(directory: RunDirectory, store: Store, task: Task, split: str) -> dict[str, str]:
    """What was trained on what, in the order it should be read."""
    facts = directory.facts
    best = facts.get("best_epoch") or "–"
    target = str(facts["target"])
    counts = {name: _labelled(store, name, target, numbers=task.numbers) for name in ("train", "val", "test")}
    patients = store.facts["patients"]
    backbone = facts["config"].get("backbone", facts["config"])["name"]  # a model with a name of its own states no parts
    source = f"pre-trained in {facts['source']}" if facts.get("source") else "new (random initial weights)"
    chain = " → ".join(t["name"] for t in store.pipeline)
    by = f"protocol {facts['protocol']['name']}, " if facts.get("protocol") else ""
    return {
        "Question": f"{target}, a number" if task.numbers else f"{target}: {', '.join(task.classes)}",
        "Backbone": f"{backbone}, {sum(p.numel() for p in task.backbone.parameters()):,} parameters, {source}",
        "Training": f"{by}{facts['mode']}, {facts.get('epochs', '?')} epochs, best on validation patients: epoch {best}",
        "Recordings": f"{store.facts['recordings']:,} usable from {store.facts['source']}; {store.facts['rejects']:,} refused",
        "Patients": f"{patients:,}" if patients else "unknown: every recording counts as its own patient",
        "Labelled windows": f"{counts['train']:,} train, {counts['val']:,} val, {counts['test']:,} test (this page: {split})",
        "Signal": f"{store.seconds:g} s at {store.fs:g} Hz, {len(store.leads)} leads, mV; {chain}",
        "Data fingerprint": store.fingerprint[:16],
    }


def _labelled(store: Store, split: str, target: str, *, numbers: bool) -> int:
    """Windows of a split that have a label."""
    if numbers:
        return int((~np.isnan(numbers_of(store, target)[store.indices(split)])).sum())
    return len(store.indices(split, target=target))


def report_data_card(store: Store) -> dict[str, str]:
    """Where the data lie and what was refused."""
    reasons = store.rejects["reason"].str.replace(r"^.*?: ", "", regex=True).value_counts().head(5)
    sizes = protocol_sizes(store)
    refused = "; ".join(f"{count} × {reason}" for reason, count in reasons.items())
    found = {"Store": str(store.path), "Refused recordings": refused or "none", "Windows": f"{len(store):,}"}
    return {**found, "Protocol": sizes.removeprefix("protocol ")} if sizes else found


def report_command(directory: RunDirectory, store: Store, split: str, html: str | Path) -> str:
    """The commands that make the numbers again, one a line."""
    trained = directory.facts.get("environment", {}).get("command", "")
    same = store.path == Path(directory.facts["data"]["path"])
    words = ["ecg", "evaluate", directory.path, *(() if same else ("--data", store.path)), "--split", split, "--html", html]
    return "\n".join(filter(None, [trained, shlex.join(map(str, words))]))


def report_examples(task: Task, store: Store, recordings: ScoredRecordings, count: int) -> list[ReportExample]:
    """The surest hits and the worst misses, alternating, each class at most once per kind."""
    indices, targets, scores = recordings.first, recordings.targets, recordings.scores
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

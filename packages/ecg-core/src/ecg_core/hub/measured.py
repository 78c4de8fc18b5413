"""Measured: the numbers of ``evaluation-*.json`` as a part of a model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ecg_core.hub.markdown import interval, table
from ecg_core.hub.model_facts import ModelFacts
from ecg_core.run.progress import read_metrics

__all__ = ["measured", "metric_words"]


def metric_words(facts: ModelFacts) -> list[str]:
    """The hub's words for what was measured."""
    stored = list((facts.evaluations or {}).values())
    if any("macro_auroc" in one for one in stored):
        return ["roc_auc", "average_precision", "f1"]
    if any("macro_f1" in one for one in stored):
        return ["f1"]
    return ["mae", "r_squared"] if any("mae" in one for one in stored) else []


def measured(facts: ModelFacts) -> list[str]:
    """One part per split that was evaluated; of a pre-training, its last validation; or that nothing was measured."""
    lines: list[str] = []
    for split, stored in (facts.evaluations or {}).items():
        lines += [*_one(facts, split, stored), ""]
    if lines:
        return lines[:-1]
    if facts.directory is None or facts.directory.kind != "pretrain":
        return ["Not known: it has not been evaluated (`ecg evaluate`).", *_chosen_by(facts)]
    last = _last_validation(facts)
    if last:
        epoch = last.pop("epoch")
        rows = [(name, f"{value:.4g}") for name, value in last.items()]
        return [
            f"No question was asked of it yet. On the validation windows, after epoch {epoch}, none of them learned from:",
            "",
            *table(("number", "value"), rows),
        ]
    return ["Not known: nothing was kept for validation."]


def _chosen_by(facts: ModelFacts) -> list[str]:
    """The number that chose the epoch, said for what it is."""
    word = facts.run.get("monitor")
    value = facts.run.get(word) if word else None
    if not isinstance(value, float):
        return []
    return [
        "",
        f"While it was trained, `{word}` on the validation recordings was at best {value:.3f}. That number chose the epoch, so "
        "it is better than the same number on new recordings.",
    ]


def _one(facts: ModelFacts, split: str, stored: Mapping[str, Any]) -> Iterator[str]:
    of_run = stored.get("data") == facts.run.get("data", {}).get("fingerprint")
    where = "the data it was trained on" if of_run else f"other data (fingerprint `{str(stored.get('data'))[:16]}`)"
    patients = stored.get("n_patients")
    of = "unknown patients" if patients is None else f"{patients:,} patients"
    yield f"### {split.capitalize()} split of {where}"
    yield ""
    yield f"{stored['n_records']:,} recordings of {of}."
    level, repeats = stored.get("level"), stored.get("repeats")
    if level is not None:
        yield f"Intervals: {level:.0%}, bootstrap over patients, {repeats:,} repeats."
    if split == "train":
        yield "**The model has learned from these recordings; the numbers say nothing of others.**"
    yield ""
    if "macro_auroc" in stored:
        yield from _classes(facts, stored)
    elif "macro_f1" in stored:
        yield from _samples(stored)
    else:
        names = {"mae": "mean absolute error", "r2": "R²", "bias": "bias", "deviation": "SD of errors"}
        rows = [(said, interval(stored.get(word))) for word, said in names.items()]
        yield from table((str(stored.get("name")), "value (95% interval)"), rows)
    for word, said in (("warnings", "**Warning:**"), ("notes", "Note:")):
        for sentence in stored.get(word, ()):
            yield ""
            yield f"{said} {facts.public(sentence)}."


def _classes(facts: ModelFacts, stored: Mapping[str, Any]) -> Iterator[str]:
    decisions = stored.get("decisions")
    rows = [("macro AUROC", interval(stored["macro_auroc"])), ("macro AUPRC", interval(stored["macro_auprc"]))]
    if decisions:
        rows.append(("macro F1", interval(decisions["macro_f1"])))
    yield from table(("", "value"), rows)
    yield ""
    head = ["class", "positives", "AUROC", "AUPRC"]
    decided = [None] * len(stored["per_class"]) if not decisions else decisions["per_class"]
    if decisions:
        head += ["threshold", "F1", "sensitivity", "specificity"]
    cells = []
    for result, taken in zip(stored["per_class"], decided, strict=True):
        row: list[Any] = [result["name"], result["positives"], interval(result["auroc"]), interval(result["auprc"])]
        if taken:
            threshold = taken["threshold"]
            row += ["highest score" if threshold is None else f"{threshold:.3f}"]
            row += [interval(taken[word]) for word in ("f1", "sensitivity", "specificity")]
        cells.append(row)
    yield from table(head, cells)
    if decisions and decisions["thresholds"].get("source"):
        yield ""
        yield f"Thresholds: {facts.public(decisions['thresholds']['source'])}; they are in `thresholds.json`."
    floors = [one for one in stored.get("comparisons", ()) if one.get("floor")]
    if floors:
        yield ""
        yield "What it has to beat, on the same recordings:"
        yield ""
        yield from table(
            ("floor", "its macro AUROC", "this model is better by"),
            [(one["name"], interval(one["auroc"]), interval(one["auroc_difference"])) for one in floors],
        )


def _samples(stored: Mapping[str, Any]) -> Iterator[str]:
    yield f"Macro F1 of samples: {interval(stored['macro_f1'])}."
    yield ""
    words = ("f1", "sensitivity", "ppv")
    rows = [(one["name"], f"{one['samples']:,}", *(interval(one[w]) for w in words)) for one in stored["per_class"]]
    yield from table(("class", "samples", "F1", "sensitivity", "PPV"), rows)
    if stored["events"]:
        yield ""
        yield f"Events, within {stored['tolerance_ms']:g} ms:"
        yield ""
        events = [(one["name"], one["found"], one["missed"], *(interval(one[w]) for w in words)) for one in stored["events"]]
        yield from table(("event", "found", "missed", "F1", "sensitivity", "PPV"), events)


def _last_validation(facts: ModelFacts) -> dict[str, Any]:
    if facts.directory is None:
        return {}
    lines = [line for line in read_metrics(facts.directory.path / "metrics.jsonl") if line.get("validation")]
    last = lines[-1] if lines else {}
    return {k: v for k, v in last.items() if k not in ("step", "validation") and isinstance(v, (int, float))}

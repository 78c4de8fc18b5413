"""Evaluate: a fine-tuned run on a split of a store, with intervals, as numbers and as a page to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_core.contracts.task import Task
from ecg_core.data.files import checked_output, write_atomic, write_json
from ecg_core.data.store import Store
from ecg_core.errors import ConfigError, DataError
from ecg_core.evaluation.bootstrap import bootstrap
from ecg_core.evaluation.evaluation import Evaluation, evaluate_scores
from ecg_core.evaluation.paired import Comparison, compare_scores
from ecg_core.evaluation.regression import NumberResult
from ecg_core.evaluation.report import write_report
from ecg_core.evaluation.samples import SampleEvaluation
from ecg_core.evaluation.subgroups import age_bands, score_subgroups
from ecg_core.run.directory import RunDirectory
from ecg_core.run.from_hub import HubAddress, working_copy
from ecg_core.run.inference.scorer import load_task
from ecg_core.run.inference.window_scores import ScoredRecordings, score_recordings
from ecg_core.run.progress import read_metrics
from ecg_core.run.scoring.evaluate_numbers import evaluate_run_of_numbers
from ecg_core.run.scoring.evaluate_samples import evaluate_run_of_samples
from ecg_core.run.scoring.floors import score_floors
from ecg_core.run.scoring.leaks import check_apart, pretraining_warnings
from ecg_core.run.scoring.reduced_leads import score_lead_sets
from ecg_core.run.scoring.report_parts import report_command, report_data_card, report_examples, report_facts
from ecg_core.run.scoring.rivals import Rival, evaluated_rivals
from ecg_core.run.scoring.thresholds import (
    calibrated,
    home_store,
    run_temperature,
    run_thresholds,
    store_thresholds,
    validation_recordings,
)
from ecg_core.run.training.protocols import protocol_sentences

__all__ = ["evaluate"]


def evaluate(
    run: str | Path,
    *,
    data: str | Path | Store | None = None,
    split: str = "test",
    html: str | Path | None = None,
    compare: Sequence[str | Path] = (),
    floors: bool = True,
    leads_table: bool = False,
    calibrate: bool = False,
    examples: int = 4,
    repeats: int = 1000,
    seed: int = 0,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation | SampleEvaluation | NumberResult:
    """Score the recordings of a split; write ``evaluation-SPLIT.json`` and ``predictions-SPLIT.csv`` into the run.

    Decisions are taken at the thresholds of greatest F1 on the validation recordings of the data the run was trained on; they are
    written to ``thresholds.json``. Age, sex and source of the recordings, where the store knows them, give subgroups.

    Args:
        run: Fine-tuning run; of one of the hub, ``hf://owner/name``, a copy is made, which takes what is written.
        data: The store; ``None`` takes the one the run was trained on. Of that one, the run's fold is taken.
        split: ``"test"``, ``"val"`` or ``"train"``.
        html: Report to write, one self-contained file.
        compare: Other runs, already evaluated on the same split, whose differences from this one are wanted.
        floors: Set a random encoder and hand-crafted features beside the model, each under a linear probe.
        leads_table: Score the model on fewer leads too.
        calibrate: Divide the logits by the temperature that fits the validation recordings best.
        examples: Recordings shown in the report.
        repeats: Bootstrap repeats; patients are resampled, not recordings.
        seed: Of the bootstrap and of the floors.
        force: Replace an existing report.
        progress: Called with (windows scored, in all), and with (0, 0) when only the statistics are left.

    Raises:
        RunError: The run is no fine-tuning, or the data are not those it expects.
        DataError: The split holds no labelled recording, or the store was opened with another fold than the run's.
        LeakError: The run learned from recordings or patients of the split.
    """
    if data is None and HubAddress.of(run) is not None:
        raise ConfigError(f"the data {run} was trained on are not on the hub; give a store to evaluate it on with --data")
    run = working_copy(run)
    directory = RunDirectory(run)
    if html is not None:
        checked_output(Path(html), force=force)
    task, signal = load_task(run)
    trained = directory.facts["data"]
    store = data if isinstance(data, Store) else Store(data or trained["path"])
    store = store.as_divided_for(trained, directory.path)
    signal.check(store, directory.path)
    target = str(directory.facts["target"])
    if task.per_step or task.numbers:
        if compare:
            raise ConfigError("a comparison is of models that tell classes of recordings apart; leave it out")
        home = home_store(directory, store)
        if home is not None:  # numbers may be facts of the table, of which no target tells who has one
            check_apart(home, store, target=None if task.numbers else target, split=split, run=directory.path)
        warnings = pretraining_warnings(directory, store, store.indices(split), split)
        words: dict[str, Any] = {"target": target, "split": split, "repeats": repeats, "seed": seed, "warnings": warnings}
        words |= {"html": None if html is None else Path(html), "examples": examples}
        if task.numbers:
            return evaluate_run_of_numbers(directory, task, store, **words)
        return evaluate_run_of_samples(directory, task, signal, store, **words)
    windows = store.indices(split, target=target)
    if not len(windows):
        raise DataError(f"the {split} split of {store.path} has no recording with a label for {target!r}")
    home = home_store(directory, store)
    if home is not None:
        check_apart(home, store, target=target, split=split, run=directory.path)
    facts = {"run": str(directory.path), "data": store.fingerprint, "split": split, "target": target}
    rivals = evaluated_rivals(compare, split, facts)

    recordings = score_recordings(task, store, split, target, progress=progress)
    validation, source = validation_recordings(directory, task, store, home, progress=progress)
    if progress is not None:
        progress(0, 0)
    temperature = run_temperature(task, validation) if calibrate else None
    if temperature is not None:
        recordings, validation = (calibrated(task, each, temperature) for each in (recordings, validation))
    thresholds = run_thresholds(task, validation, source)
    truth, scores, patients = recordings.targets, recordings.scores, recordings.patients
    drawn = bootstrap(truth, scores, patients=patients, repeats=repeats, seed=seed)
    words = {"classes": task.classes, "patients": patients, "repeats": repeats, "seed": seed}
    evaluation = evaluate_scores(truth, scores, thresholds=thresholds, temperature=temperature, drawn=drawn, **words)

    trained_by = directory.facts.get("protocol")
    notes, others = [*protocol_sentences(trained_by), *_notes(split, thresholds.rule)], dict[str, tuple[np.ndarray, bool]]()
    if floors and home is None:
        notes.append("the data of the run are no longer there, so there are no floors")
    elif floors and home is not None:
        made = score_floors(task, home, store, recordings, target=target, seed=seed)
        notes += made.notes
        others |= {name: (found, True) for name, found in made.scores.items()}
    others |= {rival.title: (rival.scores_of(recordings.names, task.classes), False) for rival in rivals}
    comparisons: tuple[Comparison, ...] = tuple(
        compare_scores(truth, scores, found, name=name, floor=floor, drawn=drawn, **words)
        for name, (found, floor) in others.items()
    )
    lead_sets, left_out = score_lead_sets(task, store, recordings, repeats=repeats, seed=seed) if leads_table else ((), [])
    evaluation = replace(
        evaluation,
        comparisons=comparisons,
        subgroups=score_subgroups(truth, scores, _groups(store, recordings, target), **words),
        lead_sets=lead_sets,
        warnings=tuple(pretraining_warnings(directory, store, windows, split)),
        notes=(*notes, *left_out),
    )
    named = {} if trained_by is None else {"protocol": trained_by}
    write_json(directory.path / f"evaluation-{split}.json", {**facts, **named, **evaluation.to_dict()})
    store_thresholds(directory, thresholds, temperature)
    predictions = pd.DataFrame({"record_id": recordings.names, **{c: scores[:, i] for i, c in enumerate(task.classes)}})
    write_atomic(directory.path / f"predictions-{split}.csv", lambda p: predictions.to_csv(p, index=False, float_format="%.9g"))
    if html is not None:
        _write_page(Path(html), directory, task, store, split, evaluation, recordings, rivals, examples)
    return evaluation


def _write_page(
    html: Path,
    directory: RunDirectory,
    task: Task,
    store: Store,
    split: str,
    evaluation: Evaluation,
    recordings: ScoredRecordings,
    rivals: Sequence[Rival],
    examples: int,
) -> None:
    write_report(
        html,
        evaluation,
        title=f"{directory.facts['target']} on {store.path.name}",
        facts=report_facts(directory, store, task, split),
        targets=recordings.targets,
        scores=recordings.scores,
        baselines={rival.title: rival.evaluation for rival in rivals},
        history=read_metrics(directory.path / "metrics.jsonl"),
        examples=report_examples(task, store, recordings, examples),
        data_card=report_data_card(store),
        command=report_command(directory, store, split, html),
    )


def _groups(store: Store, recordings: ScoredRecordings, target: str) -> dict[str, list[str | None]]:
    """Age band, sex and source of each recording, as far as the store knows them."""
    rows = store.table.iloc[recordings.first]

    def words(column: str) -> list[str | None]:
        values = [v[0] if isinstance(v, tuple) and len(v) == 1 else v for v in rows[column].tolist()]
        return [v if isinstance(v, str) and v else None for v in values]

    found: dict[str, list[str | None]] = {}
    if "age" in rows:
        found["age"] = age_bands([None if pd.isna(age) else float(age) for age in rows["age"].tolist()])
    if "sex" in rows:
        found["sex"] = words("sex")
    # What the readers of collections call it; of one source alone there is nothing to tell apart.
    found |= {c: words(c) for c in ("source", "database") if c in rows and c != target and len(set(words(c))) > 1}
    return found


def _notes(split: str, rule: str) -> list[str]:
    if split == "val" and rule == "threshold":
        return ["the thresholds were chosen on these very recordings, so F1 and its kin are better than they will be elsewhere"]
    return []

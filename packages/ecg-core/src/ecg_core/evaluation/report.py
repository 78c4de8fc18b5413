"""Report: an evaluation as one HTML file that opens anywhere, for the reader who was not there.

No network, no scripts, no install beyond the core. Every sentence is made from the numbers beside it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.charts import calibration_chart, precision_recall_chart, roc_chart, score_histogram
from ecg_core.evaluation.decision_tables import calibration_table, confusion_tables, decision_table
from ecg_core.evaluation.evaluation import Evaluation
from ecg_core.evaluation.group_tables import lead_table, subgroup_table
from ecg_core.evaluation.metrics import check_scores
from ecg_core.evaluation.page import (
    ReportExample,
    alarms,
    command_lines,
    example_figures,
    fact_list,
    figure,
    learning_curves,
    sentence,
    write_page,
)
from ecg_core.evaluation.tables import class_notes, class_table, comparison_table

__all__ = ["ReportExample", "write_report"]

_HISTOGRAMS = 6


def write_report(
    path: str | os.PathLike[str],
    evaluation: Evaluation,
    *,
    title: str,
    facts: Mapping[str, str],
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    baselines: Mapping[str, Evaluation] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    examples: Sequence[ReportExample] = (),
    data_card: Mapping[str, str] | None = None,
    command: str = "",
) -> Path:
    """Write the report, whole or not at all.

    Args:
        path: The HTML file.
        evaluation: What is reported.
        title: Headline.
        facts: What was trained on what, in the order it should be read.
        targets: ``(records, classes)`` of 0 and 1, those of the evaluation.
        scores: ``(records, classes)``, those of the evaluation; probabilities get a calibration picture.
        baselines: Evaluations of other models on the same records, by name.
        history: Lines of ``metrics.jsonl``.
        examples: Records drawn on ECG paper.
        data_card: Further facts on the data: splits, rejects, sources.
        command: The commands that make these numbers again, one a line.

    Raises:
        DataError: Targets and scores are not those of the evaluation, or a picture is neither PNG nor SVG.
    """
    truth, guess = check_scores(targets, scores)
    if truth.shape != (evaluation.n_records, len(evaluation.classes)):
        raise DataError(
            f"targets must be those of the evaluation, {evaluation.n_records} records of {len(evaluation.classes)} classes, "
            f"got shape {truth.shape}"
        )
    decisions = evaluation.decisions
    sections = [
        ("What was trained on what", fact_list(facts)),
        ("Compared with", comparison_table(evaluation, baselines or {})),
        ("Class by class", class_table(evaluation) + class_notes(evaluation)),
        ("Decisions", "" if decisions is None else decision_table(decisions) + confusion_tables(decisions)),
        ("Curves", _curves(truth, guess, evaluation.classes)),
        ("Calibration", "" if evaluation.calibration is None else calibration_table(evaluation.calibration)),
        ("Groups", subgroup_table(evaluation.subgroups, len(evaluation.classes))),
        ("Fewer leads", lead_table(evaluation.lead_sets)),
        ("How the scores are spread", _histograms(truth, guess, evaluation.classes)),
        ("Learning curves", learning_curves(history)),
        ("Example records", example_figures(examples)),
        ("Data", fact_list({**_counts(evaluation), **(data_card or {})})),
        ("Make these numbers again", command_lines(command)),
    ]
    head = f"{alarms(evaluation.warnings)}{_headline(evaluation)}{_notes(evaluation)}"
    return write_page(path, title=title, head=head, sections=sections)


def _headline(evaluation: Evaluation) -> str:
    roc, pr = evaluation.macro_auroc, evaluation.macro_auprc
    defined = [result for result in evaluation.per_class if result.name not in evaluation.undefined]
    if not defined:
        return "<p>No class has both positive and negative records, so there is no AUROC and no AUPRC to report.</p>"
    level = f"{100 * evaluation.level:g}% interval"
    chance = sum(result.positives for result in defined) / (len(defined) * evaluation.n_records)
    over = f"averaged over {len(defined)} classes" if len(defined) > 1 else f"for {escape(defined[0].name)}"
    return (
        '<div class="tiles">'
        f'<div class="tile"><span>{"Macro " if len(defined) > 1 else ""}AUROC</span><b>{roc.value:.3f}</b>'
        f"<span>{level} <i>{roc.low:.3f} – {roc.high:.3f}</i></span></div>"
        f'<div class="tile"><span>{"Macro " if len(defined) > 1 else ""}AUPRC</span><b>{pr.value:.3f}</b>'
        f"<span>{level} <i>{pr.low:.3f} – {pr.high:.3f}</i></span></div>{_f1_tile(evaluation)}</div>"
        "<p>Given one record with a class and one without it, the model scores the one with it higher "
        f"{100 * roc.value:.1f}% of the time ({level} {100 * roc.low:.1f} to {100 * roc.high:.1f}), {over}; "
        f"guessing gives 50%. The average precision is {pr.value:.3f} ({pr.low:.3f} to {pr.high:.3f}); "
        f"guessing gives {chance:.3f}.</p>"
        f'<p class="quiet">{_how(evaluation)}</p>'
    )


def _f1_tile(evaluation: Evaluation) -> str:
    if evaluation.decisions is None or math.isnan(evaluation.decisions.macro_f1.value):
        return ""
    f1 = evaluation.decisions.macro_f1
    return (
        f'<div class="tile"><span>{"Macro " if len(evaluation.classes) > 1 else ""}F1</span><b>{f1.value:.3f}</b>'
        f"<span>{100 * evaluation.level:g}% interval <i>{f1.low:.3f} – {f1.high:.3f}</i></span></div>"
    )


def _notes(evaluation: Evaluation) -> str:
    return "".join(f'<p class="quiet">{escape(sentence(text))}</p>' for text in evaluation.notes)


def _how(evaluation: Evaluation) -> str:
    if evaluation.n_patients is None:
        return (
            f"Intervals come from {evaluation.repeats:,} resamplings of the {evaluation.n_records:,} records. Nobody said whose "
            "records they are; where patients come more than once, these intervals are too narrow."
        )
    return (
        f"Intervals come from {evaluation.repeats:,} resamplings of the {evaluation.n_patients:,} patients, each with all their "
        f"records ({evaluation.n_records:,} in all)."
    )


def _counts(evaluation: Evaluation) -> dict[str, str]:
    patients = "unknown" if evaluation.n_patients is None else f"{evaluation.n_patients:,}"
    return {"Records evaluated": f"{evaluation.n_records:,}", "Patients": patients, "Classes": ", ".join(evaluation.classes)}


def _curves(truth: npt.NDArray[np.bool_], guess: npt.NDArray[np.float64], classes: Sequence[str]) -> str:
    pictures = [
        ("ROC", roc_chart(truth, guess, classes), "Up and to the left is better; the diagonal is guessing."),
        ("Precision and recall", precision_recall_chart(truth, guess, classes), "Up and to the right is better."),
    ]
    if guess.min() >= 0 and guess.max() <= 1:
        told = "On the diagonal, a score of 0.3 comes true in 30 of 100 records. Points hold at least ten records."
        pictures.append(("Calibration", calibration_chart(truth, guess, classes), told))
    note = (
        "" if len(pictures) == 3 else '<p class="quiet">The scores are not probabilities, so there is no calibration picture.</p>'
    )
    return f'<div class="charts">{"".join(figure(*picture) for picture in pictures)}</div>{note}'


def _histograms(truth: npt.NDArray[np.bool_], guess: npt.NDArray[np.float64], classes: Sequence[str]) -> str:
    positives = truth.sum(axis=0)
    columns = sorted([int(c) for c in np.argsort(-positives, kind="stable") if 0 < positives[c] < len(truth)][:_HISTOGRAMS])
    pictures = "".join(figure(classes[c], score_histogram(truth[:, c], guess[:, c], classes[c])) for c in columns)
    more = (
        f'<p class="quiet">The {_HISTOGRAMS} classes with the most positive records.</p>' if len(columns) < len(classes) else ""
    )
    return f'<div class="charts">{pictures}</div>{more}' if pictures else ""

"""Report: an evaluation as one HTML file that opens anywhere, for the reader who was not there.

No network, no scripts, no install beyond the core. Every sentence is made from the numbers beside it.
"""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecg_core.data.files import write_atomic
from ecg_core.errors import DataError
from ecg_core.evaluation.charts import calibration_chart, learning_chart, precision_recall_chart, roc_chart, score_histogram
from ecg_core.evaluation.decision_tables import calibration_table, confusion_tables, decision_table
from ecg_core.evaluation.evaluation import Evaluation
from ecg_core.evaluation.group_tables import lead_table, subgroup_table
from ecg_core.evaluation.metrics import check_scores
from ecg_core.evaluation.tables import class_notes, class_table, comparison_table

__all__ = ["ReportExample", "write_report"]

_HISTOGRAMS = 6
_NOT_A_DEVICE = "Research use only. Not a medical device."


@dataclass(frozen=True)
class ReportExample:
    """One record to look at.

    Args:
        caption: What is to be seen.
        picture: A PNG file as bytes, or an SVG as a string.
        labels: Classes it carries.
        scores: Scores by class.
    """

    caption: str
    picture: bytes | str
    labels: Sequence[str] = ()
    scores: Mapping[str, float] = field(default_factory=dict)


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
        ("What was trained on what", _facts(facts)),
        ("Compared with", comparison_table(evaluation, baselines or {})),
        ("Class by class", class_table(evaluation) + class_notes(evaluation)),
        ("Decisions", "" if decisions is None else decision_table(decisions) + confusion_tables(decisions)),
        ("Curves", _curves(truth, guess, evaluation.classes)),
        ("Calibration", "" if evaluation.calibration is None else calibration_table(evaluation.calibration)),
        ("Groups", subgroup_table(evaluation.subgroups, len(evaluation.classes))),
        ("Fewer leads", lead_table(evaluation.lead_sets)),
        ("How the scores are spread", _histograms(truth, guess, evaluation.classes)),
        ("Learning curves", _learning(history)),
        ("Example records", "".join(_example(example) for example in examples)),
        ("Data", _facts({**_counts(evaluation), **(data_card or {})})),
        ("Make these numbers again", f"<pre tabindex=0>{escape(command.strip())}</pre>" if command.strip() else ""),
    ]
    body = "".join(f"<section><h2>{escape(name)}</h2>{content}</section>" for name, content in sections if content)
    style = resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p class="warn">{_NOT_A_DEVICE}</p>{_warnings(evaluation)}'
        f"{_headline(evaluation)}{_notes(evaluation)}</header>"
        f'<main>{body}</main><footer class="quiet"><p>{_NOT_A_DEVICE} '
        "The numbers describe these records and this model; they say nothing about other hospitals, devices or patients.</p>"
        "</footer></body></html>\n"
    )

    def write(file: Path) -> None:
        file.write_text(page, encoding="utf-8", newline="\n")

    write_atomic(Path(path), write)
    return Path(path)


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


def _warnings(evaluation: Evaluation) -> str:
    """What the reader must know before any number."""
    return "".join(f'<p class="alarm">{escape(_sentence(text))}</p>' for text in evaluation.warnings)


def _notes(evaluation: Evaluation) -> str:
    return "".join(f'<p class="quiet">{escape(_sentence(text))}</p>' for text in evaluation.notes)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


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


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    return f"<dl>{rows}</dl>" if rows else ""


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
    return f'<div class="charts">{"".join(_figure(*picture) for picture in pictures)}</div>{note}'


def _histograms(truth: npt.NDArray[np.bool_], guess: npt.NDArray[np.float64], classes: Sequence[str]) -> str:
    positives = truth.sum(axis=0)
    columns = sorted([int(c) for c in np.argsort(-positives, kind="stable") if 0 < positives[c] < len(truth)][:_HISTOGRAMS])
    pictures = "".join(_figure(classes[c], score_histogram(truth[:, c], guess[:, c], classes[c])) for c in columns)
    more = (
        f'<p class="quiet">The {_HISTOGRAMS} classes with the most positive records.</p>' if len(columns) < len(classes) else ""
    )
    return f'<div class="charts">{pictures}</div>{more}' if pictures else ""


def _learning(history: Sequence[Mapping[str, Any]]) -> str:
    keys = dict.fromkeys(key for line in history for key, value in line.items() if isinstance(value, float))
    losses = [key for key in keys if key in ("loss", "val_loss")]
    others = [key for key in keys if key.startswith("val_") and key not in losses]
    pictures = []
    for name, drawn in (("Loss", losses), ("Validation", others)):
        try:
            pictures.append(_figure(name, learning_chart(history, drawn, label=name), "The legend holds the last value."))
        except DataError:  # no finite number to draw
            continue
    return f'<div class="charts">{"".join(pictures)}</div>' if pictures else ""


def _figure(name: str, svg: str, told: str = "") -> str:
    return f"<figure><h3>{escape(name)}</h3>{svg}{f'<figcaption>{escape(told)}</figcaption>' if told else ''}</figure>"


def _example(example: ReportExample) -> str:
    labelled = f"Labelled {', '.join(example.labels) or 'with none of the classes'}."
    ranked = sorted(example.scores.items(), key=lambda item: -item[1])
    scored = f" Scores: {', '.join(f'{name} {score:.2f}' for name, score in ranked)}." if ranked else ""
    told = escape(f"{example.caption} {labelled}{scored}")
    return (
        f'<figure class="example"><div class="sheet" tabindex="0" role="region" aria-label="ECG, scrolls sideways">'
        f'<img src="{_data_uri(example.picture)}" alt="ECG on paper. {told}"></div>'
        f"<figcaption><b>{escape(example.caption)}</b> {escape(labelled)}{escape(scored)}</figcaption></figure>"
    )


def _data_uri(picture: bytes | str) -> str:
    """The picture inside an image element, where no script of an SVG can run."""
    if isinstance(picture, str) and "<svg" in picture:
        kind, content = "svg+xml", picture.encode("utf-8")
    elif isinstance(picture, bytes) and picture.startswith(b"\x89PNG\r\n\x1a\n"):
        kind, content = "png", picture
    else:
        raise DataError(f"an example's picture must be PNG bytes or an SVG string, got {picture[:20]!r}")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"

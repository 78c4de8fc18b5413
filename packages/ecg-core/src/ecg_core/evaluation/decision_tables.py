"""Tables of decisions as HTML: rates at thresholds, and who was taken for what."""

from __future__ import annotations

from html import escape

from ecg_core.evaluation.calibration import Calibration, ClassCalibration
from ecg_core.evaluation.decisions import Decisions
from ecg_core.evaluation.tables import estimate_cell, html_table
from ecg_core.evaluation.text import threshold_words

__all__ = ["calibration_table", "confusion_tables", "decision_table"]

_MOST_CLASSES = 15


def decision_table(decisions: Decisions) -> str:
    """Threshold, F1, sensitivity, specificity and positive predictive value, one row per class and two for the means."""
    rows = "".join(
        f'<tr><th scope="row">{escape(d.name)}</th><td>{threshold_words(d.threshold)}</td>'
        + "".join(f"<td>{estimate_cell(e, bar=False)}</td>" for e in (d.f1, d.sensitivity, d.specificity, d.ppv))
        + "</tr>"
        for d in decisions.per_class
    )
    macros = (decisions.macro_f1, decisions.macro_sensitivity, decisions.macro_specificity, decisions.macro_ppv)
    means = "".join(f"<td>{estimate_cell(e, bar=False)}</td>" for e in macros)
    rows += f'<tr class="mean"><th scope="row">Mean</th><td></td>{means}</tr>'
    rows += (
        f'<tr><th scope="row">Together (micro)</th><td></td><td>{estimate_cell(decisions.micro_f1, bar=False)}</td>'
        "<td></td><td></td><td></td></tr>"
    )
    argmax = decisions.thresholds.rule == "argmax"
    caption = "The class with the highest score is given." if argmax else "A class is given from its threshold on."
    table = html_table(caption, ("Class", "Threshold", "F1", "Sensitivity", "Specificity", "PPV"), rows)
    notes = [] if argmax else [f"Thresholds: {decisions.thresholds.source}."]
    notes += [decisions.thresholds.note] if decisions.thresholds.note else []
    return table + "".join(f'<p class="quiet">{escape(note)}</p>' for note in notes)


def confusion_tables(decisions: Decisions) -> str:
    """True by given classes of a multi-class model; otherwise the four counts of each class's 2×2 table."""
    if decisions.confusion and len(decisions.thresholds.classes) <= _MOST_CLASSES:
        return _matrix(decisions)
    rows = "".join(
        f'<tr><th scope="row">{escape(d.name)}</th>'
        + "".join(f"<td>{count:,}</td>" for count in (d.true_positives, d.false_negatives, d.false_positives, d.true_negatives))
        + "</tr>"
        for d in decisions.per_class
    )
    heads = ("Class", "Has it, found", "Has it, missed", "Has it not, alarm", "Has it not, left alone")
    return html_table("The 2×2 table of each class, in records.", heads, rows)


def calibration_table(calibration: Calibration) -> str:
    """ECE in both kinds of bins and the Brier score, one row per class and one for the mean."""
    rows = "".join(_calibration_row(c.name, c) for c in calibration.per_class)
    rows += _calibration_row("Mean", calibration, kind=' class="mean"')
    caption = "How far scores are from what comes true: 0 is perfect. ECE is the expected calibration error in ten bins."
    table = html_table(caption, ("Class", "ECE, equal width", "ECE, equal mass", "Brier score"), rows)
    if calibration.temperature is None:
        return table
    told = f"Logits were divided by the temperature {calibration.temperature:.3f}, fitted on the validation records."
    return f'{table}<p class="quiet">{escape(told)}</p>'


def _calibration_row(name: str, found: ClassCalibration | Calibration, *, kind: str = "") -> str:
    cells = "".join(f"<td>{estimate_cell(e, bar=False)}</td>" for e in (found.ece_width, found.ece_mass, found.brier))
    return f'<tr{kind}><th scope="row">{escape(name)}</th>{cells}</tr>'


def _matrix(decisions: Decisions) -> str:
    names = decisions.thresholds.classes
    rows = ""
    for name, row in zip(names, decisions.confusion, strict=True):
        total = max(sum(row), 1)
        cells = "".join(f'<td style="--share:{100 * count / total:.0f}%">{count:,}</td>' for count in row)
        rows += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    caption = "Rows are true classes, columns given ones, in records; the darker, the larger the share of its row."
    table = html_table(caption, ("True \\ given", *names), rows, kind="matrix")
    if not decisions.without_one_class:
        return table
    told = f"{decisions.without_one_class:,} records with no or several true classes are in no row."
    return f'{table}<p class="quiet">{told}</p>'

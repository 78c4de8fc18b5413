"""An evaluation as text for a terminal: tables with aligned columns, then what a careful reader needs to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ecg_core.evaluation.decisions import Decisions
from ecg_core.evaluation.paired import Comparison, p_words
from ecg_core.evaluation.subgroups import Subgroup

if TYPE_CHECKING:
    from ecg_core.evaluation.evaluation import Evaluation, LeadSet

__all__ = ["aligned", "evaluation_text", "group_score", "threshold_words"]

_MOST_CLASSES = 12  # a confusion matrix of more does not fit a line


def evaluation_text(evaluation: Evaluation) -> str:
    """Class by class, the means, decisions, other models, groups and leads; parts that were not made are left out."""
    rows = [(r.name, str(r.positives), str(r.auroc), str(r.auprc)) for r in evaluation.per_class]
    means = [("macro", "", str(evaluation.macro_auroc), str(evaluation.macro_auprc))]
    if evaluation.micro_auroc is not None:
        means.append(("micro", "", str(evaluation.micro_auroc), str(evaluation.micro_auprc)))
    lines = aligned([("class", "positives", "AUROC", "AUPRC"), *rows, *means])
    for part in (
        _decisions(evaluation.decisions),
        _calibration(evaluation),
        _comparisons(evaluation.comparisons),
        _subgroups(evaluation.subgroups),
        _lead_sets(evaluation.lead_sets),
    ):
        if part:
            lines += ["", *part]
    if len(lines) > len(rows) + len(means) + 1:
        lines.append("")
    lines += [f"warning: {sentence}" for sentence in evaluation.warnings]
    lines += [f"note: {sentence}" for sentence in evaluation.notes]
    whose = "each record as a patient of its own" if evaluation.n_patients is None else f"{evaluation.n_patients} patients"
    lines.append(
        f"{evaluation.n_records} records, {whose}; {100 * evaluation.level:g}% intervals from {evaluation.repeats} "
        "bootstrap repeats"
    )
    if evaluation.undefined:
        lines.append(f"left out of the means, for want of a positive or a negative: {', '.join(evaluation.undefined)}")
    return "\n".join(lines)


def _decisions(decisions: Decisions | None) -> list[str]:
    if decisions is None:
        return []
    heads = ("decision", "threshold", "F1", "sensitivity", "specificity", "PPV")
    rows = [
        (d.name, threshold_words(d.threshold), *map(str, (d.f1, d.sensitivity, d.specificity, d.ppv)))
        for d in decisions.per_class
    ]
    macros = (decisions.macro_f1, decisions.macro_sensitivity, decisions.macro_specificity, decisions.macro_ppv)
    rows += [("macro", "", *map(str, macros)), ("micro", "", str(decisions.micro_f1), "", "", "")]
    lines = [*aligned([heads, *rows]), f"thresholds: {decisions.thresholds.source}"]
    if decisions.thresholds.note:
        lines.append(f"note: {decisions.thresholds.note}")
    return lines + _confusion(decisions)


def threshold_words(threshold: float | None) -> str:
    """A threshold as it is printed."""
    return "highest" if threshold is None else f"{threshold:.3f}"


def _confusion(decisions: Decisions) -> list[str]:
    names = decisions.thresholds.classes
    if not decisions.confusion or len(names) > _MOST_CLASSES:
        return []
    rows = [(f"true {name}", *map(str, row)) for name, row in zip(names, decisions.confusion, strict=True)]
    lines = ["", *aligned([("confusion", *(f"given {name}" for name in names)), *rows])]
    if decisions.without_one_class:
        lines.append(f"{decisions.without_one_class} records with no or several true classes are in no row")
    return lines


def _calibration(evaluation: Evaluation) -> list[str]:
    found = evaluation.calibration
    if found is None:
        return []
    how = f" at temperature {found.temperature:.3f}" if found.temperature is not None else ""
    return [
        f"calibration{how}: ECE {found.ece_width} in bins of equal width, {found.ece_mass} of equal mass; "
        f"Brier score {found.brier}; means over classes"
    ]


def _comparisons(comparisons: Sequence[Comparison]) -> list[str]:
    if not comparisons:
        return []
    heads = ("compared with", "AUROC", "this minus that", "p", "AUPRC", "this minus that", "p")
    rows = [tuple(_comparison_row(c)) for c in comparisons]
    return [*aligned([heads, *rows]), "differences are paired: the same draws of patients for both"]


def _comparison_row(c: Comparison) -> Iterator[str]:
    yield c.name
    for estimate, apart in ((c.auroc, c.auroc_difference), (c.auprc, c.auprc_difference)):
        yield str(estimate)
        yield str(apart).partition(", p")[0]
        yield p_words(apart.p)


def _subgroups(groups: Sequence[Subgroup]) -> list[str]:
    if not groups:
        return []
    rows = [
        (f"{g.attribute}: {g.name}", str(g.records), str(g.positives), group_score(g), str(len(g.classes) or "")) for g in groups
    ]
    return aligned([("group", "records", "labels", "AUROC", "classes"), *rows])


def group_score(group: Subgroup) -> str:
    """The macro AUROC of a group, or why there is none."""
    return f"not scored: {group.note}" if group.auroc is None else str(group.auroc)


def _lead_sets(sets: Sequence[LeadSet]) -> list[str]:
    if not sets:
        return []
    words = {"all": "as trained", "zeros": "the others set to zero", "tokens": "the others left out"}
    rows = [(s.name, ", ".join(s.leads), words.get(s.how, s.how), str(s.auroc), str(s.auprc)) for s in sets]
    return aligned([("leads", "which", "how", "AUROC", "AUPRC"), *rows])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    name, *widths = (max(len(cell) for cell in column) for column in zip(*rows, strict=True))
    return [
        "  ".join([row[0].ljust(name), *(cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))]) for row in rows
    ]

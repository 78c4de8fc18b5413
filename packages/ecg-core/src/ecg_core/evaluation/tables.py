"""Tables of an evaluation as HTML: class by class, beside other models, with the notes a careful reader needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from ecg_core.evaluation.evaluation import ClassResult, Estimate, Evaluation

__all__ = ["class_notes", "class_table", "comparison_table"]

_FEW = 10  # positives below which an interval is called uncertain


def comparison_table(evaluation: Evaluation, baselines: Mapping[str, Evaluation]) -> str:
    """This model and the others, and a warning where they were not evaluated on the same records; empty without others."""
    if not baselines:
        return ""
    rows = [("This model", evaluation), *baselines.items()]
    cells = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{other.n_records:,}</td>'
        f"<td>{_estimate(other.macro_auroc)}</td><td>{_estimate(other.macro_auprc)}</td></tr>"
        for name, other in rows
    )
    differing = [
        name
        for name, other in baselines.items()
        if (other.n_records, other.classes) != (evaluation.n_records, evaluation.classes)
    ]
    note = f"<p>Not the same records or classes, so not comparable: {escape(', '.join(differing))}.</p>" if differing else ""
    return _table("Means over classes, with their intervals.", ("Model", "Records", "AUROC", "AUPRC"), cells) + note


def class_table(evaluation: Evaluation) -> str:
    """One row per class and one for the mean."""
    rows = "".join(_class_row(result) for result in evaluation.per_class)
    rows += (
        f'<tr class="mean"><th scope="row">Mean</th><td></td><td>{_estimate(evaluation.macro_auroc)}</td>'
        f"<td>{_estimate(evaluation.macro_auprc)}</td></tr>"
    )
    caption = f"{100 * evaluation.level:g}% intervals in small print; the bar below runs from 0 to 1."
    return _table(caption, ("Class", "Positives", "AUROC", "AUPRC"), rows)


def class_notes(evaluation: Evaluation) -> str:
    """Which classes are undefined, rare or not always drawn."""
    return "".join(f'<p class="quiet">{escape(note)}</p>' for note in _sentences(evaluation))


def _class_row(result: ClassResult) -> str:
    return (
        f'<tr><th scope="row">{escape(result.name)}</th><td>{result.positives:,}</td>'
        f"<td>{_estimate(result.auroc)}</td><td>{_estimate(result.auprc)}</td></tr>"
    )


def _estimate(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return '<span class="quiet">undefined</span>'
    low, high, value = (100 * number for number in (estimate.low, estimate.high, estimate.value))
    whisker = (
        '<svg class="whisker" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<path d="M0 4H100" stroke="currentColor" stroke-opacity=".18" stroke-width="2"/>'
        f'<path d="M{low:.1f} 4H{high:.1f}" stroke="currentColor" stroke-width="3"/>'
        f'<path d="M{value:.1f} 0V8" stroke="currentColor" stroke-width="2"/></svg>'
    )
    return f"{estimate.value:.3f} <small>{estimate.low:.3f} – {estimate.high:.3f}</small>{whisker}"


def _table(caption: str, heads: Sequence[str], rows: str) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _sentences(evaluation: Evaluation) -> Iterator[str]:
    empty = [r.name for r in evaluation.per_class if r.name in evaluation.undefined and r.positives == 0]
    full = [r.name for r in evaluation.per_class if r.name in evaluation.undefined and r.positives]
    rare = [r.name for r in evaluation.per_class if 0 < r.positives < _FEW and r.name not in evaluation.undefined]
    absent = [
        f"{r.name} ({evaluation.repeats - r.auroc.usable:,})"
        for r in evaluation.per_class
        if 0 < r.auroc.usable < evaluation.repeats and r.name not in evaluation.undefined
    ]
    if empty:
        yield f"Without a positive record, so undefined and left out of the means: {', '.join(empty)}."
    if full:
        yield f"Without a negative record, so undefined and left out of the means: {', '.join(full)}."
    if rare:
        yield f"Fewer than {_FEW} positive records, so the interval itself is uncertain: {', '.join(rare)}."
    if absent:
        left_out = f"Not drawn in some of the {evaluation.repeats:,} resamplings, which were left out of the interval"
        yield f"{left_out}: {', '.join(absent)}."

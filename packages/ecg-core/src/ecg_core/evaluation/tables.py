"""Tables of an evaluation as HTML: class by class, beside other models, with the notes a careful reader needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from ecg_core.evaluation.estimate import Estimate
from ecg_core.evaluation.evaluation import ClassResult, Evaluation
from ecg_core.evaluation.paired import Comparison, Difference, p_words

__all__ = ["class_notes", "class_table", "comparison_table", "estimate_cell", "html_table"]

_FEW = 10  # positives below which an interval is called uncertain


def comparison_table(evaluation: Evaluation, baselines: Mapping[str, Evaluation]) -> str:
    """This model, the floors and the others, with paired differences where they are known; empty without others.

    There is a warning where others were not evaluated on the same records.
    """
    others = {name: other for name, other in baselines.items() if name not in {c.name for c in evaluation.comparisons}}
    if not others and not evaluation.comparisons:
        return ""
    cells = _model_row("This model", evaluation.n_records, evaluation.macro_auroc, evaluation.macro_auprc)
    cells += "".join(_compared_row(comparison, evaluation.n_records) for comparison in evaluation.comparisons)
    cells += "".join(_model_row(name, o.n_records, o.macro_auroc, o.macro_auprc) for name, o in others.items())
    differing = [
        name
        for name, other in baselines.items()
        if (other.n_records, other.classes) != (evaluation.n_records, evaluation.classes)
    ]
    notes = []
    if any(c.floor for c in evaluation.comparisons):
        notes.append(
            "Floors learn nothing but a linear probe: a random encoder is this backbone with new weights, hand-crafted features "
            "are rate, irregularity, amplitudes and intervals. A model that does not beat them has learned nothing that counts."
        )
    if evaluation.comparisons:
        notes.append(
            "A difference is this model's number minus the other's, on the same draws of patients; p is two-sided. "
            "A positive difference is in favour of this model."
        )
    if differing:
        notes.append(f"Not the same records or classes, so not comparable: {', '.join(differing)}.")
    heads = ["Model", "Records", "AUROC", "Difference", "AUPRC", "Difference"]
    heads = heads if evaluation.comparisons else [head for head in heads if head != "Difference"]
    table = html_table("Means over classes, with their intervals.", heads, _without_empty(cells, bool(evaluation.comparisons)))
    return table + "".join(f'<p class="quiet">{escape(note)}</p>' for note in notes)


def class_table(evaluation: Evaluation) -> str:
    """One row per class, one for the mean and one for all of them taken together."""
    rows = "".join(_class_row(result) for result in evaluation.per_class)
    rows += (
        f'<tr class="mean"><th scope="row">Mean</th><td></td><td>{estimate_cell(evaluation.macro_auroc)}</td>'
        f"<td>{estimate_cell(evaluation.macro_auprc)}</td></tr>"
    )
    if evaluation.micro_auroc is not None and evaluation.micro_auprc is not None:
        rows += (
            f'<tr><th scope="row">Together (micro)</th><td></td><td>{estimate_cell(evaluation.micro_auroc)}</td>'
            f"<td>{estimate_cell(evaluation.micro_auprc)}</td></tr>"
        )
    caption = f"{100 * evaluation.level:g}% intervals in small print; the bar below runs from 0 to 1."
    return html_table(caption, ("Class", "Positives", "AUROC", "AUPRC"), rows)


def class_notes(evaluation: Evaluation) -> str:
    """Which classes are undefined, rare or not always drawn."""
    return "".join(f'<p class="quiet">{escape(note)}</p>' for note in _sentences(evaluation))


def estimate_cell(estimate: Estimate, *, bar: bool = True) -> str:
    """A value, its interval in small print and, with ``bar``, a picture of it on a line from 0 to 1."""
    if math.isnan(estimate.value):
        return '<span class="quiet">undefined</span>'
    low, high, value = (100 * number for number in (estimate.low, estimate.high, estimate.value))
    whisker = (
        '<svg class="whisker" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<path d="M0 4H100" stroke="currentColor" stroke-opacity=".18" stroke-width="2"/>'
        f'<path d="M{low:.1f} 4H{high:.1f}" stroke="currentColor" stroke-width="3"/>'
        f'<path d="M{value:.1f} 0V8" stroke="currentColor" stroke-width="2"/></svg>'
    )
    return f"{estimate.value:.3f} <small>{estimate.low:.3f} – {estimate.high:.3f}</small>{whisker if bar else ''}"


def html_table(caption: str, heads: Sequence[str], rows: str, *, kind: str = "") -> str:
    """A table whose ``rows`` are markup already; it scrolls by itself where the page is narrow."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    named = f' class="{kind}"' if kind else ""
    told = escape(caption)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{told}"><table{named}><caption><span>{told}</span></caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


_NO_DIFFERENCE = "<td>–</td>"


def _model_row(name: str, records: int, auroc: Estimate, auprc: Estimate) -> str:
    return (
        f'<tr><th scope="row">{escape(name)}</th><td>{records:,}</td><td>{estimate_cell(auroc)}</td>{_NO_DIFFERENCE}'
        f"<td>{estimate_cell(auprc)}</td>{_NO_DIFFERENCE}</tr>"
    )


def _compared_row(comparison: Comparison, records: int) -> str:
    name = f"{escape(comparison.name)}{' <small>floor</small>' if comparison.floor else ''}"
    return (
        f'<tr><th scope="row">{name}</th><td>{records:,}</td><td>{estimate_cell(comparison.auroc)}</td>'
        f"<td>{_difference_cell(comparison.auroc_difference)}</td><td>{estimate_cell(comparison.auprc)}</td>"
        f"<td>{_difference_cell(comparison.auprc_difference)}</td></tr>"
    )


def _without_empty(cells: str, differences: bool) -> str:
    return cells if differences else cells.replace(_NO_DIFFERENCE, "")


def _difference_cell(found: Difference) -> str:
    if math.isnan(found.value):
        return '<span class="quiet">undefined</span>'
    sure = found.low > 0 or found.high < 0
    value = f"<b>{found.value:+.3f}</b>" if sure else f"{found.value:+.3f}"
    return f"{value} <small>{found.low:+.3f} to {found.high:+.3f}</small><small>p {escape(p_words(found.p))}</small>"


def _class_row(result: ClassResult) -> str:
    return (
        f'<tr><th scope="row">{escape(result.name)}</th><td>{result.positives:,}</td>'
        f"<td>{estimate_cell(result.auroc)}</td><td>{estimate_cell(result.auprc)}</td></tr>"
    )


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

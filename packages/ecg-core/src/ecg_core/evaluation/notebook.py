"""An evaluation in a notebook: the table of its classes, as small HTML in the notebook's own style."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ecg_core.evaluation.text import threshold_words

if TYPE_CHECKING:
    from ecg_core.evaluation.evaluation import Evaluation

__all__ = ["evaluation_html"]


def evaluation_html(evaluation: Evaluation) -> str:
    """One row per class and one for the mean; warnings above, the rest of the text folded away."""
    decisions = evaluation.decisions
    heads = ["class", "positives", "AUROC", "AUPRC", *(["threshold", "F1"] if decisions else [])]
    rows = []
    for place, result in enumerate(evaluation.per_class):
        row = [result.name, f"{result.positives:,}", str(result.auroc), str(result.auprc)]
        if decisions:
            decided = decisions.per_class[place]
            row += [threshold_words(decided.threshold), str(decided.f1)]
        rows.append(row)
    mean = ["macro", "", str(evaluation.macro_auroc), str(evaluation.macro_auprc)]
    rows.append(mean + (["", str(decisions.macro_f1)] if decisions else []))
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    warned = "".join(f"<p><strong>Warning: {escape(sentence)}</strong></p>" for sentence in evaluation.warnings)
    return (
        f"<div>{warned}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<details><summary>{evaluation.n_records:,} records, {100 * evaluation.level:g}% intervals</summary>"
        f"<pre>{escape(str(evaluation))}</pre></details></div>"
    )

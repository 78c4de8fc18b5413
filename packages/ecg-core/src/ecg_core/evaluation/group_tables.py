"""Tables of parts as HTML: subgroups of the records, and subsets of the leads."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ecg_core.evaluation.evaluation import LeadSet
from ecg_core.evaluation.subgroups import Subgroup
from ecg_core.evaluation.tables import estimate_cell, html_table

__all__ = ["lead_table", "subgroup_table"]

_HOW = {"all": "as trained", "zeros": "the others set to zero", "tokens": "the others left out"}


def subgroup_table(groups: Sequence[Subgroup], classes: int) -> str:
    """One row per group with its own interval, attribute by attribute; empty without groups."""
    if not groups:
        return ""
    rows, before = "", ""
    for group in groups:
        if group.attribute != before:
            before = group.attribute
            rows += f'<tr class="part"><th scope="rowgroup" colspan="5">{escape(before.capitalize())}</th></tr>'
        score = (
            f'<span class="quiet">not scored: {escape(group.note)}</span>' if group.auroc is None else estimate_cell(group.auroc)
        )
        counted = "" if group.auroc is None else f"{len(group.classes)} of {classes}"
        rows += (
            f'<tr><th scope="row">{escape(group.name)}</th><td>{group.records:,}</td><td>{group.positives:,}</td>'
            f"<td>{counted}</td><td>{score}</td></tr>"
        )
    caption = (
        "Mean AUROC over the classes with at least five positive and five negative records in the group. "
        "Groups whose classes differ are not comparable."
    )
    return html_table(caption, ("Group", "Records", "Labels", "Classes", "AUROC"), rows)


def lead_table(sets: Sequence[LeadSet]) -> str:
    """The model on fewer leads; empty without sets."""
    rows = "".join(
        f'<tr><th scope="row">{escape(s.name)} <small>{escape(", ".join(s.leads))}</small></th>'
        f"<td>{escape(_HOW.get(s.how, s.how))}</td><td>{estimate_cell(s.auroc)}</td><td>{estimate_cell(s.auprc)}</td></tr>"
        for s in sets
    )
    caption = "The same model, given only some of its leads; it was not trained for that."
    return html_table(caption, ("Leads", "How", "AUROC", "AUPRC"), rows) if sets else ""

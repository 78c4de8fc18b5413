"""Report of a model of samples: how well waves, beats or rhythms are told and found, as one HTML file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ecg_core.evaluation.error_charts import error_histogram
from ecg_core.evaluation.estimate import Estimate
from ecg_core.evaluation.page import (
    ReportExample,
    alarms,
    command_lines,
    example_figures,
    fact_list,
    figure,
    learning_curves,
    tile,
    write_page,
)
from ecg_core.evaluation.samples import EventResult, SampleEvaluation
from ecg_core.evaluation.tables import estimate_cell, html_table

__all__ = ["write_sample_report"]

_TILES = 5  # beside the mean of the classes


def write_sample_report(
    path: str | os.PathLike[str],
    evaluation: SampleEvaluation,
    *,
    title: str,
    facts: Mapping[str, str],
    history: Sequence[Mapping[str, Any]] = (),
    examples: Sequence[ReportExample] = (),
    data_card: Mapping[str, str] | None = None,
    command: str = "",
    warnings: Sequence[str] = (),
) -> Path:
    """Write the report, whole or not at all.

    Args:
        path: The HTML file.
        evaluation: What is reported.
        title: Headline.
        facts: What was trained on what, in the order it should be read.
        history: Lines of ``metrics.jsonl``.
        examples: Recordings drawn with what is true and what was found.
        data_card: Further facts on the data.
        command: The commands that make these numbers again, one a line.
        warnings: What must be known before any number.

    Raises:
        DataError: A picture is neither PNG nor SVG.
    """
    patients = "unknown" if evaluation.n_patients is None else f"{evaluation.n_patients:,}"
    counts = {"Recordings evaluated": f"{evaluation.n_records:,}", "Patients": patients}
    sections = [
        ("Events", _event_table(evaluation)),
        ("Errors in time", _histograms(evaluation)),
        ("Sample by sample", _class_table(evaluation)),
        ("Example recordings", example_figures(examples)),
        ("What was trained on what", fact_list(facts)),
        ("Learning curves", learning_curves(history)),
        ("Data", fact_list({**counts, **(data_card or {})})),
        ("Make these numbers again", command_lines(command)),
    ]
    return write_page(path, title=title, head=alarms(warnings) + _headline(evaluation), sections=sections)


def _headline(evaluation: SampleEvaluation) -> str:
    level = f"{100 * evaluation.level:g}% interval"
    begun = [event for event in evaluation.events if not event.name.endswith(" offset")]  # one tile for a wave
    tiles = [_tile("Macro F1, samples", evaluation.macro_f1, level)]
    tiles += [_tile(f"F1 of {event.name}", event.f1, level) for event in begun[:_TILES]]
    told = ["A sample is right where its likeliest class is the annotated one; samples of which nothing is known take no part."]
    if evaluation.events:
        told.append(
            f"An event is found where a detection lies within {evaluation.tolerance_ms:g} ms of it, one for each; "
            "F1 weighs missed events and false alarms alike."
        )
    told += [_worst(evaluation.events)]
    sentences = f'<p>{escape(" ".join(filter(None, told)))}</p><p class="quiet">{_how(evaluation)}</p>'
    return f'<div class="tiles">{"".join(tiles)}</div>{sentences}'


def _tile(name: str, estimate: Estimate, level: str) -> str:
    if math.isnan(estimate.value):
        return tile(name, "–", "undefined")
    return tile(name, f"{estimate.value:.3f}", f"{level} <i>{estimate.low:.3f} – {estimate.high:.3f}</i>")


def _worst(events: Sequence[EventResult]) -> str:
    """Which kind is found worst, in counts that add up."""
    known = [event for event in events if not math.isnan(event.f1.value)]
    if len(known) < 2:
        return ""
    worst = min(known, key=lambda event: event.f1.value)
    return (
        f"Hardest is {worst.name}: {worst.missed:,} of {worst.found + worst.missed:,} events missed, "
        f"{worst.alarms:,} false {'alarm' if worst.alarms == 1 else 'alarms'}."
    )


def _how(evaluation: SampleEvaluation) -> str:
    drawn = f"Intervals come from {evaluation.repeats:,} resamplings of the"
    if evaluation.n_patients is None:
        return (
            f"{drawn} {evaluation.n_records:,} recordings. Nobody said whose recordings they are; where patients come more than "
            "once, these intervals are too narrow."
        )
    return f"{drawn} {evaluation.n_patients:,} patients, each with all their recordings ({evaluation.n_records:,} in all)."


def _event_table(evaluation: SampleEvaluation) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(e.name)}</th><td>{e.found:,}</td><td>{e.missed:,}</td><td>{e.alarms:,}</td>'
        f"<td>{estimate_cell(e.f1)}</td><td>{estimate_cell(e.sensitivity)}</td><td>{estimate_cell(e.ppv)}</td>"
        f"<td>{_error(e)}</td></tr>"
        for e in evaluation.events
    )
    heads = ("Event", "Found", "Missed", "False alarms", "F1", "Sensitivity", "PPV", "Error (ms)")
    caption = (
        f"Events found within {evaluation.tolerance_ms:g} ms, with {100 * evaluation.level:g}% intervals in small print; "
        "the error is found minus true, its mean ± standard deviation."
    )
    return html_table(caption, heads, rows) if rows else ""


def _error(event: EventResult) -> str:
    if math.isnan(event.mean_ms):
        return '<span class="quiet">–</span>'
    spread = "" if math.isnan(event.sd_ms) else f" ± {event.sd_ms:.1f}"
    return f'<span class="one">{event.mean_ms:+.1f}{spread}</span>'


def _histograms(evaluation: SampleEvaluation) -> str:
    drawn = "".join(
        figure(
            event.name,
            error_histogram(event.errors, event.name, fs=evaluation.fs, tolerance_ms=evaluation.tolerance_ms),
            f"Half of them within {_median(event.errors):.3g} ms.",
        )
        for event in evaluation.events
        if event.errors
    )
    told = '<p class="quiet">Right of 0 the detection comes late, left of it early. What was missed has no error.</p>'
    return f'{told}<div class="charts">{drawn}</div>' if drawn else ""


def _median(errors: Sequence[tuple[float, float]]) -> float:
    """The least distance that at least half of the errors do not exceed."""
    total, seen = sum(count for _, count in errors), 0.0
    for distance, count in sorted((abs(error), count) for error, count in errors):
        seen += count
        if 2 * seen >= total:
            return distance
    return math.nan


def _class_table(evaluation: SampleEvaluation) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(r.name)}</th><td>{r.samples:,}</td><td>{estimate_cell(r.f1)}</td>'
        f"<td>{estimate_cell(r.sensitivity)}</td><td>{estimate_cell(r.ppv)}</td></tr>"
        for r in evaluation.per_class
    )
    rows += (
        f'<tr class="mean"><th scope="row">Mean</th><td></td><td>{estimate_cell(evaluation.macro_f1)}</td><td></td><td></td></tr>'
    )
    caption = f"Samples that carry each class, with {100 * evaluation.level:g}% intervals in small print."
    return html_table(caption, ("Class", "Samples", "F1", "Sensitivity", "PPV"), rows)

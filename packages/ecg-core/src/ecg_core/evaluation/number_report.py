"""Report of a model that answers with numbers: errors, agreement and the worst records, as one HTML file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.error_charts import agreement_chart, prediction_chart
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
from ecg_core.evaluation.regression import NumberResult
from ecg_core.evaluation.tables import html_table

__all__ = ["write_number_report"]


def write_number_report(
    path: str | os.PathLike[str],
    result: NumberResult,
    *,
    title: str,
    facts: Mapping[str, str],
    targets: npt.ArrayLike,
    predictions: npt.ArrayLike,
    history: Sequence[Mapping[str, Any]] = (),
    examples: Sequence[ReportExample] = (),
    data_card: Mapping[str, str] | None = None,
    command: str = "",
    warnings: Sequence[str] = (),
) -> Path:
    """Write the report, whole or not at all.

    Args:
        path: The HTML file.
        result: What is reported.
        title: Headline.
        facts: What was trained on what, in the order it should be read.
        targets: ``(records,)``, those of the result.
        predictions: ``(records,)``, those of the result.
        history: Lines of ``metrics.jsonl``.
        examples: Records drawn on ECG paper.
        data_card: Further facts on the data.
        command: The commands that make these numbers again, one a line.
        warnings: What must be known before any number.

    Raises:
        DataError: Targets and predictions are not those of the result, or a picture is neither PNG nor SVG.
    """
    truth, guess = np.asarray(targets, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if truth.shape != (result.n_records,) or guess.shape != truth.shape:
        raise DataError(
            f"targets and predictions must be those of the result, {result.n_records} of each, "
            f"got {truth.shape} and {guess.shape}"
        )
    counts = {"Records evaluated": f"{result.n_records:,}", "Patients": f"{result.n_patients:,}"}
    sections = [
        ("What was trained on what", fact_list(facts)),
        ("Errors", _table(result)),
        ("Agreement", _charts(result, truth, guess)),
        ("Records with the largest errors", example_figures(examples)),
        ("Learning curves", learning_curves(history)),
        ("Data", fact_list({**counts, **(data_card or {})})),
        ("Make these numbers again", command_lines(command)),
    ]
    return write_page(path, title=title, head=alarms(warnings) + _headline(result, truth), sections=sections)


def _headline(result: NumberResult, truth: np.ndarray) -> str:
    tiles = "".join(
        tile(name, _value(estimate.value, form), _interval(estimate, form))
        for name, estimate, form in (
            ("Mean absolute error", result.mae, ".3g"),
            ("R²", result.r2, ".3f"),
            ("Bias", result.bias, "+.3g"),
        )
    )
    low, high = _limits(result)
    always = float(np.abs(truth - np.median(truth)).mean())
    return (
        f'<div class="tiles">{tiles}</div><p>The model is off by {result.mae.value:.3g} on average; always answering with the '
        f"median of these records, {np.median(truth):.4g}, would be off by {always:.3g}. About 95 of 100 predictions lie "
        f"between {_value(low, '+.3g')} and {_value(high, '+.3g')} from the true {escape(result.name)}, if errors are normal.</p>"
        f'<p class="quiet">In the unit of the labels. Intervals come from resamplings of the {result.n_patients:,} patients, '
        f"each with all their records ({result.n_records:,} in all); a record of an unknown patient counts as one of "
        "its own.</p>"
    )


def _interval(estimate: Estimate, form: str) -> str:
    if not np.isfinite(estimate.value):
        return "undefined"
    return f"95% interval <i>{_value(estimate.low, form)} to {_value(estimate.high, form)}</i>"


def _limits(result: NumberResult) -> tuple[float, float]:
    return (
        result.bias.value - 1.96 * result.deviation.value,
        result.bias.value + 1.96 * result.deviation.value,
    )


def _table(result: NumberResult) -> str:
    words = (
        ("Mean absolute error", result.mae, "how far off on average"),
        ("R²", result.r2, "share of the labels' variance explained"),
        ("Bias", result.bias, "mean of predicted minus true"),
        ("SD of errors", result.deviation, "of predicted minus true"),
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}<small>{escape(told)}</small></th><td>{_value(e.value)}</td>'
        f"<td>{_value(e.low)} to {_value(e.high)}</td></tr>"
        for name, e, told in words
    )
    low, high = _limits(result)
    rows += (
        '<tr><th scope="row">Limits of agreement<small>bias ± 1.96 SD (Bland and Altman 1986)</small></th>'
        f"<td>{_value(low)} to {_value(high)}</td><td></td></tr>"
    )
    return html_table(f"Of {result.name}, in the unit of the labels.", ("", "Value", "95% interval"), rows)


def _value(number: float, form: str = ".4g") -> str:
    return f"{number:{form}}".replace("-", "−") if np.isfinite(number) else "–"


def _charts(result: NumberResult, truth: np.ndarray, guess: np.ndarray) -> str:
    pictures = (
        ("Predicted against true", prediction_chart(truth, guess, result.name), "On the diagonal the prediction is right."),
        (
            "Bland–Altman plot",
            agreement_chart(truth, guess, result.name),
            "A slope or a funnel says that the error depends on the value itself.",
        ),
    )
    return f'<div class="charts">{"".join(figure(*picture) for picture in pictures)}</div>'

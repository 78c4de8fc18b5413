"""Results through JSON: nothing is lost, and what an older version wrote is still read."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from ecg_core.evaluation.estimate import Estimate
from ecg_core.evaluation.evaluation import Evaluation, LeadSet, evaluate_scores
from ecg_core.evaluation.paired import compare_scores
from ecg_core.evaluation.stored import pack, unpack
from ecg_core.evaluation.subgroups import score_subgroups
from ecg_core.evaluation.thresholds import Thresholds, choose_thresholds

CLASSES = ("NORM", "MI", "WPW")

# As the version before thresholds, calibration and comparisons wrote it.
OLD = {
    "run": "runs/dx", "data": "f" * 64, "split": "test", "target": "dx",
    "n_records": 40, "n_patients": None, "level": 0.95, "repeats": 10, "seed": 0,
    "macro_auroc": {"value": 0.75, "low": 0.5, "high": 1.0, "usable": 10},
    "macro_auprc": {"value": 0.25, "low": 0.125, "high": 0.5, "usable": 10},
    "undefined": ["WPW"],
    "per_class": [
        {
            "name": "MI", "positives": 4,
            "auroc": {"value": 0.75, "low": 0.5, "high": 1.0, "usable": 10},
            "auprc": {"value": 0.25, "low": 0.125, "high": 0.5, "usable": 10},
        },
        {
            "name": "WPW", "positives": 0,
            "auroc": {"value": None, "low": None, "high": None, "usable": 0},
            "auprc": {"value": None, "low": None, "high": None, "usable": 0},
        },
    ],
}  # fmt: skip


def whole(problem: str = "multi_label") -> Evaluation:
    rng = np.random.default_rng(0)
    targets = (rng.random((120, 3)) < [0.5, 0.2, 0.0]).astype(int)
    scores = 1 / (1 + np.exp(-(rng.normal(size=targets.shape) + targets)))
    argmax = problem == "multi_class"
    thresholds = Thresholds.argmax(CLASSES) if argmax else choose_thresholds(targets, scores, classes=CLASSES)
    found = evaluate_scores(targets, scores, classes=CLASSES, repeats=20, thresholds=thresholds, temperature=1.2)
    words = {"classes": CLASSES, "repeats": 20}
    return replace(
        found,
        comparisons=(compare_scores(targets, scores, scores[::-1], name="floor", floor=True, **words),),
        subgroups=score_subgroups(targets, scores, {"sex": ["F"] * 110 + ["M"] * 10}, **words),
        lead_sets=(LeadSet("I", ("I",), "zeros", found.macro_auroc, found.macro_auprc),),
        warnings=("seen before",),
        notes=("a note",),
    )


@pytest.mark.parametrize("problem", ["multi_label", "multi_class"])
def test_everything_comes_back_from_json(problem: str):
    found = whole(problem)
    text = json.dumps(found.to_dict(), allow_nan=False)
    again = Evaluation.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    assert str(again) == str(found)
    assert again.comparisons == found.comparisons or str(again.comparisons) == str(found.comparisons)


def test_a_file_of_an_older_version_is_read_and_lacks_only_what_it_never_had():
    old = Evaluation.from_dict(OLD)
    assert old.macro_auroc == Estimate(0.75, 0.5, 1.0, 10)
    assert old.undefined == ("WPW",)
    assert math.isnan(old.per_class[1].auprc.value)
    assert (old.micro_auroc, old.decisions, old.calibration, old.comparisons, old.warnings) == (None, None, None, (), ())
    assert "micro" not in str(old)
    assert "0.750 (0.500–1.000)" in old._repr_html_()
    assert {**old.to_dict(), **{word: OLD[word] for word in ("run", "data", "split", "target")}} == OLD


def test_the_table_has_columns_for_decisions_where_they_were_taken():
    row = whole().table().set_index("class").loc["MI"]
    decided = whole().decisions.per_class[1]
    assert row["f1"] == decided.f1.value
    assert row["threshold"] == decided.threshold
    assert "f1" not in Evaluation.from_dict(OLD).table()


def test_every_part_is_printed_and_a_notebook_shows_it_without_markup_of_names():
    found = whole()
    text = str(found)
    for words in ("warning: seen before", "note: a note", "decision", "compared with", "sex: F", "the others set to zero"):
        assert words in text
    assert "fewer than 20 records" in text
    assert "calibration at temperature 1.200" in text
    assert "confusion" in str(whole("multi_class"))
    hostile = replace(found, per_class=(replace(found.per_class[0], name="<script>"), *found.per_class[1:]))
    assert "<script>" not in hostile._repr_html_()
    assert "<strong>Warning: seen before</strong>" in found._repr_html_()


def test_numbers_names_and_nothing_are_kept_apart():
    assert pack((1, math.inf, None, "x", (2.5,))) == [1, None, None, "x", [2.5]]
    assert unpack(Estimate, {"value": None, "low": 1, "high": 2, "usable": 3, "later": "word"}).low == 1.0
    with pytest.raises(KeyError, match="high"):
        unpack(Estimate, {"value": 1.0, "low": 1.0, "usable": 3})

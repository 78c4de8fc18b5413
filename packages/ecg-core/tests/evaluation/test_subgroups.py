"""Subgroups: each is the evaluation of its own records, and who is too few is named."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.errors import DataError
from ecg_core.evaluation.evaluation import evaluate_scores
from ecg_core.evaluation.subgroups import age_bands, score_subgroups

CLASSES = ("NORM", "MI")


def scored(records: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = (rng.random((records, 2)) < [0.5, 0.3]).astype(int)
    return targets, rng.random(targets.shape) + 0.3 * targets


def test_a_group_is_the_evaluation_of_its_records():
    targets, scores = scored()
    sex = ["F" if i % 3 else "M" for i in range(200)]
    patients = [f"p{i // 2}" for i in range(200)]
    groups = score_subgroups(targets, scores, {"sex": sex}, classes=CLASSES, patients=patients, repeats=80, seed=2)
    assert [g.name for g in groups] == ["F", "M"]
    for group in groups:
        here = np.array([s == group.name for s in sex])
        alone = evaluate_scores(
            targets[here],
            scores[here],
            classes=CLASSES,
            patients=[p for p, kept in zip(patients, here, strict=True) if kept],
            repeats=80,
            seed=2,
        )
        assert group.auroc == alone.macro_auroc
        assert (group.records, group.positives) == (here.sum(), targets[here].sum())
        assert group.classes == CLASSES


def test_bands_end_before_their_upper_bound():
    assert age_bands([0, 39.99, 40, 59.9, 60, 79.9, 80, 104, None, float("nan")]) == [
        "< 40 years", "< 40 years", "40 to 59 years", "40 to 59 years", "60 to 79 years", "60 to 79 years",
        "80 years and over", "80 years and over", None, None,
    ]  # fmt: skip


def test_bands_come_in_order_of_age():
    targets, scores = scored()
    ages = age_bands([85.0] * 60 + [20.0] * 70 + [65.0] * 70)
    groups = score_subgroups(targets, scores, {"age": ages}, classes=CLASSES, repeats=5)
    assert [g.name for g in groups] == ["< 40 years", "60 to 79 years", "80 years and over"]


def test_a_group_too_small_is_named_and_not_scored():
    targets, scores = scored()
    source = ["A"] * 181 + ["B"] * 19
    a, b = score_subgroups(targets, scores, {"source": source}, classes=CLASSES, repeats=5)
    assert a.auroc is not None
    assert (b.name, b.records, b.auroc, b.note) == ("B", 19, None, "fewer than 20 records")


def test_a_class_with_too_few_positives_or_negatives_in_a_group_does_not_count_there():
    targets, scores = scored()
    sex = ["F"] * 100 + ["M"] * 100
    targets[:100, 1] = np.arange(100) < 4  # of women, four have the class
    targets[100:, :] = 1
    women, men = score_subgroups(targets, scores, {"sex": sex}, classes=CLASSES, repeats=5)
    assert women.classes == ("NORM",)
    assert (men.auroc, men.note) == (None, "no class with 5 positive and 5 negative records")


def test_what_nobody_knows_is_no_attribute_and_who_is_unknown_is_a_group_without_score():
    targets, scores = scored()
    groups = score_subgroups(targets, scores, {"age": [None] * 200, "sex": ["F"] * 150 + [None] * 50}, classes=CLASSES, repeats=5)
    assert [(g.attribute, g.name, g.records, g.note) for g in groups] == [
        ("sex", "F", 150, ""),
        ("sex", "unknown", 50, "the store does not say"),
    ]


def test_of_many_sources_the_largest_are_shown():
    targets, scores = scored(300)
    source = [f"s{min(i // 20, 13):02d}" for i in range(300)]
    groups = score_subgroups(targets, scores, {"source": source}, classes=CLASSES, repeats=2)
    assert len(groups) == 12
    assert "s13" in {g.name for g in groups}  # which has forty records


def test_groups_of_other_records_are_refused():
    with pytest.raises(DataError, match="sex must name one group per record, got 2 names for 200 records"):
        score_subgroups(*scored(), {"sex": ["F", "M"]}, classes=CLASSES)

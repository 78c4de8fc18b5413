"""The report: what it says is in the numbers, nothing it is given becomes markup, and nothing is fetched."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ecg_core.errors import DataError
from ecg_core.evaluation.evaluation import Evaluation, LeadSet, evaluate_scores
from ecg_core.evaluation.paired import compare_scores
from ecg_core.evaluation.report import ReportExample, write_report
from ecg_core.evaluation.subgroups import score_subgroups
from ecg_core.evaluation.thresholds import Thresholds, choose_thresholds

CLASSES = ("NORM", "<script>alert(1)</script>", "WPW", "RARE")
HOSTILE = '<img src=x onerror="alert(1)">&\'"'
PNG = b"\x89PNG\r\n\x1a\n0000"


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    VOID = ("meta", "img", "path", "br")

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.random((400, 4)) < [0.5, 0.2, 0.0, 0.0]
    targets[:3, 3] = True
    return targets, 1 / (1 + np.exp(-(rng.normal(size=targets.shape) + 2 * targets - 1)))


@pytest.fixture(scope="module")
def evaluation(scored) -> Evaluation:
    return evaluate_scores(*scored, classes=CLASSES, patients=np.arange(400) // 2, repeats=100)


@pytest.fixture
def write(tmp_path: Path, scored, evaluation):
    def write(**options: object) -> str:
        given = {"title": "A report", "facts": {}, "targets": scored[0], "scores": scored[1], **options}
        return write_report(tmp_path / "report.html", evaluation, **given).read_text(encoding="utf-8")

    return write


def everything() -> dict[str, object]:
    return {
        "title": HOSTILE,
        "facts": {HOSTILE: HOSTILE},
        "history": [{"step": 1, "loss": 0.5, f"val_{HOSTILE}": 0.5}, {"step": 2, "loss": 0.4, "val_auroc": 0.8}],
        "examples": [ReportExample(HOSTILE, PNG, (HOSTILE,), {HOSTILE: 0.5}), ReportExample("b", f"<svg>{HOSTILE}</svg>")],
        "data_card": {HOSTILE: HOSTILE},
        "command": f"ecg {HOSTILE}",
    }


def test_the_headline_is_the_evaluation_in_words(write, evaluation):
    text = " ".join(Page(write()).text.split())
    roc, pr = evaluation.macro_auroc, evaluation.macro_auprc
    assert (
        f"the model scores the one with it higher {100 * roc.value:.1f}% of the time "
        f"(95% interval {100 * roc.low:.1f} to {100 * roc.high:.1f}), averaged over 3 classes; guessing gives 50%." in text
    )
    assert f"The average precision is {pr.value:.3f} ({pr.low:.3f} to {pr.high:.3f})" in text
    chance = np.mean([result.positives for result in evaluation.per_class if result.positives]) / 400
    assert f"guessing gives {chance:.3f}." in text
    assert "100 resamplings of the 200 patients" in text


def test_every_class_has_a_row_with_its_numbers(write, evaluation):
    text = Page(write()).text
    for result in evaluation.per_class[:2]:
        assert f"{result.name}{result.positives}{result.auroc.value:.3f} {result.auroc.low:.3f} – {result.auroc.high:.3f}" in text


def test_undefined_rare_and_undrawn_classes_are_named(write, evaluation):
    text = Page(write()).text
    assert "Without a positive record, so undefined and left out of the means: WPW." in text
    assert "Fewer than 10 positive records, so the interval itself is uncertain: RARE." in text
    absent = evaluation.repeats - evaluation.per_class[3].auroc.usable
    assert absent > 0
    assert f"which were left out of the interval: RARE ({absent})." in text


def test_research_use_only_stands_above_and_below(write):
    assert Page(write()).text.count("Research use only. Not a medical device.") == 2


def test_nothing_it_is_given_becomes_markup(write):
    page = Page(write(**everything()))
    assert not page.open
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert {value.split(",")[0] for tag, name, value in page.attributes if (tag, name) == ("img", "src")} == {
        "data:image/png;base64",
        "data:image/svg+xml;base64",
    }
    for words in (HOSTILE, CLASSES[1]):
        assert words in page.text


def test_nothing_is_fetched_and_nothing_runs(write):
    source = write(**everything())
    page = Page(source)
    assert ("meta", "content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in page.attributes
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(page.tags)
    assert not re.search(r"@import|url\(", source)
    assert [v for _, n, v in page.attributes if n in ("src", "href") and not v.startswith("data:")] == []


def test_pictures_have_words_for_those_who_cannot_see_them(write):
    source = write(**everything())
    page = Page(source)
    assert page.tags.count("img") == len([1 for tag, name, value in page.attributes if (tag, name) == ("img", "alt") and value])
    for svg in re.findall(r"<svg(?!>).*?</svg>", source):
        assert "<title>" in svg or 'aria-hidden="true"' in svg
    assert {value for tag, name, value in page.attributes if (tag, name) == ("th", "scope")} == {"col", "row"}


def test_parts_without_content_are_left_out(write):
    text = Page(write()).text
    for heading in (
        "Compared with",
        "Learning curves",
        "Example records",
        "Make these numbers again",
        "What was trained on what",
    ):
        assert heading not in text


def rich(scored, evaluation, *, argmax: bool = False) -> Evaluation:
    """An evaluation with every part there is, and hostile names in all of them."""
    targets, scores = scored
    thresholds = Thresholds.argmax(CLASSES) if argmax else choose_thresholds(targets, scores, classes=CLASSES, source=HOSTILE)
    words = {"classes": CLASSES, "repeats": 20}
    made = evaluate_scores(targets, scores, thresholds=thresholds, temperature=1.5, **words)
    return replace(
        made,
        comparisons=(
            compare_scores(targets, scores, scores[::-1], name="random encoder", floor=True, **words),
            compare_scores(targets, scores, scores, name=HOSTILE, **words),
        ),
        subgroups=score_subgroups(targets, scores, {"sex": ["F"] * 390 + [HOSTILE] * 10}, **words),
        lead_sets=(LeadSet(HOSTILE, ("I",), "zeros", made.macro_auroc, made.macro_auprc),),
        warnings=(f"seen before: {HOSTILE}",),
        notes=(HOSTILE,),
    )


def written(tmp_path: Path, scored, found: Evaluation) -> str:
    path = write_report(tmp_path / "rich.html", found, title="t", facts={}, targets=scored[0], scores=scored[1])
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("argmax", [False, True])
def test_every_part_is_there_and_nothing_in_it_becomes_markup(tmp_path, scored, evaluation, argmax):
    source = written(tmp_path, scored, rich(scored, evaluation, argmax=argmax))
    page = Page(source)
    assert not page.open
    assert not {"script", "link", "iframe", "object", "base", "form", "img"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    for heading in ("Compared with", "Decisions", "Calibration", "Groups", "Fewer leads"):
        assert heading in page.text
    assert "nan" not in page.text.replace("scanning", "")


def test_decisions_stand_with_their_thresholds_and_counts(tmp_path, scored, evaluation):
    found = rich(scored, evaluation)
    text = Page(written(tmp_path, scored, found)).text
    norm = found.decisions.per_class[0]
    assert f"NORM{norm.threshold:.3f}{norm.f1.value:.3f} {norm.f1.low:.3f} – {norm.f1.high:.3f}" in text
    counts = (norm.true_positives, norm.false_negatives, norm.false_positives, norm.true_negatives)
    assert f"NORM{''.join(map(str, counts))}" in text
    assert "the default 0.5 is used there" in text
    assert "Logits were divided by the temperature 1.500" in text


def test_a_multi_class_report_holds_the_confusion_matrix(tmp_path, scored, evaluation):
    found = rich(scored, evaluation, argmax=True)
    text = Page(written(tmp_path, scored, found)).text
    assert f"NORM{''.join(map(str, found.decisions.confusion[0]))}" in text
    assert f"{found.decisions.without_one_class:,} records with no or several true classes" in text


def test_differences_stand_with_interval_and_p_value_and_a_sure_one_is_bold(tmp_path, scored, evaluation):
    found = rich(scored, evaluation)
    source = written(tmp_path, scored, found)
    apart = found.comparisons[0].auroc_difference
    assert apart.low > 0  # real scores against scores of other records
    assert f"<b>{apart.value:+.3f}</b> <small>{apart.low:+.3f} to {apart.high:+.3f}</small><small>p " in source
    assert "+0.000 <small>+0.000 to +0.000</small><small>p 1.000</small>" in source


def test_what_an_encoder_has_seen_is_said_before_the_numbers(tmp_path, scored, evaluation):
    text = Page(written(tmp_path, scored, rich(scored, evaluation))).text
    assert text.index("Seen before:") < text.index("Macro AUROC")


def test_groups_have_their_own_numbers_or_the_reason_why_not(tmp_path, scored, evaluation):
    found = rich(scored, evaluation)
    text = Page(written(tmp_path, scored, found)).text
    women = found.subgroups[1] if found.subgroups[0].auroc is None else found.subgroups[0]
    assert f"F390{women.positives}{len(women.classes)} of 4{women.auroc.value:.3f}" in text
    assert "not scored: fewer than 20 records" in text


def test_baselines_are_compared_and_other_records_are_called_not_comparable(write, scored, evaluation):
    targets, scores = scored
    other = evaluate_scores(targets[:350], scores[:350], classes=CLASSES, repeats=5)
    text = Page(write(baselines={"twin": evaluation, "smaller": other})).text
    assert "This model400" in text
    assert "Not the same records or classes, so not comparable: smaller." in text
    assert "not comparable" not in Page(write(baselines={"twin": evaluation})).text


def test_scores_that_are_no_probabilities_get_no_calibration_picture(write, scored):
    assert "Mean score" in Page(write()).text
    text = Page(write(scores=scored[1] * 10 - 5)).text
    assert "Mean score" not in text
    assert "The scores are not probabilities, so there is no calibration picture." in text


def test_without_patients_the_reader_is_warned(tmp_path, scored):
    alone = evaluate_scores(*scored, classes=CLASSES, repeats=5)
    path = write_report(tmp_path / "r.html", alone, title="t", facts={}, targets=scored[0], scores=scored[1])
    assert "where patients come more than once, these intervals are too narrow" in Page(path.read_text()).text


def test_without_any_defined_class_there_is_no_claim(tmp_path):
    targets, scores = np.zeros((5, 1)), np.linspace(0, 1, 5)[:, np.newaxis]
    nothing = evaluate_scores(targets, scores, classes=["MI"], repeats=5)
    text = Page(write_report(tmp_path / "r.html", nothing, title="t", facts={}, targets=targets, scores=scores).read_text()).text
    assert "No class has both positive and negative records" in text
    assert "nan" not in text


def test_the_same_arguments_give_the_same_bytes(write):
    assert write(**everything()) == write(**everything())


def test_targets_of_another_evaluation_are_refused_and_the_old_report_stays(write, tmp_path, scored):
    before = write()
    with pytest.raises(DataError, match=r"400 records of 4 classes, got shape \(10, 4\)"):
        write(targets=scored[0][:10], scores=scored[1][:10])
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == before


def test_a_picture_that_is_neither_png_nor_svg_is_refused(write):
    with pytest.raises(DataError, match="an example's picture must be PNG bytes or an SVG string, got b'GIF89a'"):
        write(examples=[ReportExample("x", b"GIF89a")])

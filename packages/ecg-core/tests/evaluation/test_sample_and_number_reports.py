"""Reports of samples and of numbers say what the evaluation says, in one file without network."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ecg_core.errors import DataError
from ecg_core.evaluation.number_report import write_number_report
from ecg_core.evaluation.page import ReportExample
from ecg_core.evaluation.regression import evaluate_numbers
from ecg_core.evaluation.sample_report import write_sample_report
from ecg_core.evaluation.samples import LabelledRecording, SampleEvaluation, evaluate_samples

FS = 250.0
HOSTILE = '<script>alert("x")</script>'


class Text(HTMLParser):
    """The words of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.parts).split())


def recording(errors: list[int], missed: int = 0, patient: str | None = None) -> LabelledRecording:
    places = 200 + 400 * np.arange(len(errors) + missed)
    truth = np.zeros(400 * (len(places) + 1), dtype=int)
    truth[places] = 1
    found = truth.copy()
    return LabelledRecording(truth, found, {"r_peaks": places}, {"r_peaks": places[: len(errors)] + errors}, patient)


@pytest.fixture
def evaluation() -> SampleEvaluation:
    made = [recording([0, 1, -1], patient="a"), recording([0, 5], missed=1, patient="b")]
    return evaluate_samples(made, classes=("none", "R"), kinds={"r_peaks": "R peak"}, fs=FS, repeats=50)


def test_the_errors_of_a_kind_are_counted_and_survive_json(evaluation):
    (event,) = evaluation.events
    assert event.errors == ((-4.0, 1.0), (0.0, 2.0), (4.0, 1.0), (20.0, 1.0))
    assert SampleEvaluation.from_dict(evaluation.to_dict()) == evaluation
    old = evaluation.to_dict()
    del old["events"][0]["errors"]  # as it was written before errors were kept
    assert SampleEvaluation.from_dict(old).events[0].errors == ()


def test_a_report_of_samples_says_what_the_evaluation_says(evaluation, tmp_path):
    page = write_sample_report(
        tmp_path / "x.html", evaluation, title="Beats", facts={"Question": "r_peaks"}, history=[{"step": 1, "loss": 0.5}]
    ).read_text(encoding="utf-8")
    text = Text(page).text
    event = evaluation.events[0]
    assert f"F1 of R peak {event.f1.value:.3f} 95% interval {event.f1.low:.3f} – {event.f1.high:.3f}" in text
    assert "Macro F1, samples 1.000" in text
    assert "R peak 5 1 0" in text  # found, missed, false alarms
    assert f"{event.mean_ms:+.1f} ± {event.sd_ms:.1f}" in text
    assert "Half of them within 4 ms." in text  # distances 0, 0, 4, 4, 20
    assert "50 resamplings of the 2 patients, each with all their recordings (2 in all)" in text
    assert "Errors of R peak in milliseconds, 5 events" in text


def test_unknown_patients_undefined_kinds_and_warnings_are_said(tmp_path):
    nothing = LabelledRecording(np.zeros(500, int), np.zeros(500, int), {}, {})
    kinds = {"beat/V": "beat V", "beat/N": "beat N"}
    found = evaluate_samples([nothing], classes=("none", "V"), kinds=kinds, fs=FS, repeats=5)
    page = write_sample_report(tmp_path / "x.html", found, title="x", facts={}, warnings=["it has seen them"])
    text = Text(page.read_text(encoding="utf-8")).text
    assert "It has seen them. " in text
    assert "F1 of beat V – undefined" in text
    assert "Nobody said whose recordings they are" in text
    assert "Errors in time" not in text
    assert "Hardest" not in text


def test_the_hardest_kind_is_named_with_counts_that_add_up(tmp_path):
    one = LabelledRecording(
        np.zeros(5000, int),
        np.zeros(5000, int),
        {"a": np.array([500, 1500, 2500]), "b": np.array([700])},
        {"a": np.array([500, 3500]), "b": np.array([700])},
    )
    found = evaluate_samples([one], classes=("none", "R"), kinds={"a": "A", "b": "B"}, fs=FS, repeats=5)
    page = write_sample_report(tmp_path / "x.html", found, title="x", facts={})
    text = Text(page.read_text(encoding="utf-8")).text
    assert "Hardest is A: 2 of 3 events missed, 1 false alarm." in text


@pytest.fixture
def numbers():
    truth = np.array([50.0, 60, 70, 80, 90])
    guess = truth + [2, 0, -2, 2, 3]
    return truth, guess, evaluate_numbers(truth, guess, name="rate", repeats=50)


def test_a_report_of_numbers_says_what_the_result_says(numbers, tmp_path):
    truth, guess, result = numbers
    page = write_number_report(
        tmp_path / "x.html", result, title="Rate", facts={}, targets=truth, predictions=guess, command="ecg evaluate x"
    )
    text = Text(page.read_text(encoding="utf-8")).text
    assert "Mean absolute error 1.8 95% interval" in text
    assert "always answering with the median of these records, 70, would be off by 12." in text  # (20+10+0+10+20)/5
    spread = np.std(guess - truth)
    assert f"between −{abs(1 - 1.96 * spread):.3g} and +{1 + 1.96 * spread:.3g} from the true rate" in text
    assert "Bland-Altman plot of rate: bias 1," in text
    assert "ecg evaluate x" in text


def test_numbers_of_another_result_are_refused(numbers, tmp_path):
    truth, guess, result = numbers
    with pytest.raises(DataError, match=r"must be those of the result, 5 of each, got \(4,\) and \(5,\)"):
        write_number_report(tmp_path / "x.html", result, title="x", facts={}, targets=truth[:4], predictions=guess)
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("kind", ["samples", "numbers"])
def test_nothing_that_is_reported_becomes_markup_and_nothing_is_fetched(kind, evaluation, numbers, tmp_path):
    words = {
        "title": HOSTILE,
        "facts": {HOSTILE: HOSTILE},
        "history": [{"step": 1, f"val_{HOSTILE}": 0.5}],
        "examples": [ReportExample(HOSTILE, f"<svg>{HOSTILE}</svg>", None, note=HOSTILE)],
        "data_card": {HOSTILE: HOSTILE},
        "command": HOSTILE,
        "warnings": [HOSTILE],
    }
    path: Path = tmp_path / "x.html"
    if kind == "samples":
        write_sample_report(path, evaluation, **words)
    else:
        truth, guess, result = numbers
        write_number_report(path, result, targets=truth, predictions=guess, **words)
    page = path.read_text(encoding="utf-8")
    assert "script" not in Text(page).tags
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "default-src 'none'" in page
    assert "Labelled" not in Text(page).text

"""conformance(): the rules of the kit itself, seen from a test file that a stranger writes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ecg_kit_toys.site import write_distribution

from ecg_core.discovery.index import get_index
from ecg_core.errors import ConfigError, UnknownComponentError
from ecg_core.testing import check_names, conformance, run_conformance
from ecg_core.testing.example import Example

METADATA = "Summary: A ramp.\nLicense-Expression: MIT\nRequires-Dist: ecg-core>=0.1,<0.2\n"
RAMP = '''
from ecg_core.config.configurable import Configurable


class Ramp(Configurable):
    """Up.

    Args:
        warmup: Share of the steps.
    """

    def __init__(self, *, warmup: float = 0.1) -> None:
        self.warmup = warmup

    def __call__(self, step, steps):
        return PEAK * min(1.0, (step + 1) / (self.warmup * steps + 1))


PEAK = 1.0
'''


@pytest.fixture
def ramp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``ecg-x-ramp`` installed; call it with another peak to break it."""
    folder = tmp_path / "site"
    write_distribution(folder, "ecg-x-ramp", "[ecg_core.schedulers]\nramp = ecg_x_ramp:Ramp\n", METADATA)
    (folder / "ecg_x_ramp.py").write_text(RAMP)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    importlib.invalidate_caches()
    yield lambda peak: (folder / "ecg_x_ramp.py").write_text(RAMP.replace("PEAK = 1.0", f"PEAK = {peak}"))
    sys.modules.pop("ecg_x_ramp", None)
    monkeypatch.undo()
    get_index(refresh=True)


QUICK = ("-k", "schedulers or census")  # without the imports of the distribution, each in a process of its own


def run(tmp_path: Path, test: str, *words: str) -> str:
    """What pytest says of a test file."""
    file = tmp_path / "test_it.py"
    file.write_text(f"from ecg_core.testing import conformance\n\n{test}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    done = subprocess.run([*command, str(file), *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_one_line_is_enough_and_the_count_is_printed(ramp, tmp_path):
    checks = len(check_names("distributions")) + len(check_names("schedulers"))
    said = run(tmp_path, 'test_conformance = conformance("ecg-x-ramp")')
    assert f"ecg-x-ramp 0.1.0: {checks} checks (distributions 1 × 15, schedulers 1 × 10)" in said
    assert " failed" not in said
    assert conformance("ecg-x-ramp").checks == checks


def test_the_count_is_in_the_name_of_the_last_case(ramp, tmp_path):
    said = run(tmp_path, 'test_conformance = conformance("ecg-x-ramp")', "--collect-only")
    assert said.splitlines()[-3].endswith("[census:ecg-x-ramp:25-checks]")


@pytest.mark.parametrize("words", [("-n", "2"), QUICK, ("-k", "census")])
def test_the_census_holds_when_the_work_is_shared_or_chosen(ramp, tmp_path, words):
    said = run(tmp_path, 'test_conformance = conformance("ecg-x-ramp")', *words)
    assert "passed" in said
    assert " failed" not in said


def test_a_check_that_was_lost_on_the_way_fails_the_census(ramp, tmp_path):
    lose = 'import pytest\n\n@pytest.fixture(autouse=True)\ndef lose(request):\n    if "peak" in request.node.name:\n'
    lose += '        pytest.skip("a conftest that swallows tests")\n\n'
    said = run(tmp_path, f'{lose}test_conformance = conformance("ecg-x-ramp")', *QUICK)
    assert "10 checks were chosen and 9 ran" in said


def test_a_component_that_is_not_found_fails_the_census(ramp, tmp_path):
    said = run(tmp_path, 'test_conformance = conformance("ecg-x-ramp", components=["ramp", "slide"])', "-k", "census")
    assert "ecg-x-ramp ships ramp, but components= states ramp, slide" in said
    assert "1 failed" in said


def test_a_failure_names_component_provider_check_and_what_to_do(ramp, tmp_path):
    ramp(0.5)
    said = run(tmp_path, 'test_conformance = conformance("ecg-x-ramp")', *QUICK)
    assert (
        "schedulers 'ramp' of ecg-x-ramp 0.1.0 fails the_peak_is_reached: "
        "over 1000 steps the largest factor is 0.500; the rate that was asked for is never used"
    ) in said
    assert "component:    ecg_x_ramp:Ramp" in said
    assert "the contract: Somewhere in a long run the factor is 1 (to a hundredth), so that ``lr`` means what it says." in said
    assert 'expected_failures={"ramp::the_peak_is_reached": "the reason"}' in said
    assert "kit.py" not in said.split("FAILURES")[1].split("short test summary")[0]


def test_what_a_component_raises_is_shown_with_its_own_traceback(ramp, tmp_path):
    ramp("None")
    said = run(tmp_path, 'test_conformance = conformance("ecg-x-ramp")', *QUICK)
    assert "return PEAK * min(1.0" in said
    assert ": TypeError: unsupported operand type(s)" in said


def test_an_expected_failure_is_expected_and_its_reason_is_shown(ramp, tmp_path):
    ramp(0.5)
    test = 'test_conformance = conformance("ecg-x-ramp", expected_failures={"ramp::the_peak_is_reached": "half is the point"})'
    said = run(tmp_path, test, "-rx", *QUICK)
    assert "1 xfailed" in said
    assert "half is the point" in said
    assert " failed" not in said


def test_an_expected_failure_that_passes_fails(ramp, tmp_path):
    test = 'test_conformance = conformance("ecg-x-ramp", expected_failures={"ramp::the_peak_is_reached": "half"})'
    said = run(tmp_path, test, *QUICK)
    assert "XPASS(strict)" in said
    assert "1 failed" in said


def test_an_expected_failure_without_a_reason_is_refused(ramp):
    with pytest.raises(ConfigError, match=r"the expected failure ramp::the_peak_is_reached needs a reason"):
        conformance("ecg-x-ramp", expected_failures={"ramp::the_peak_is_reached": " "})


def test_an_expected_failure_that_names_no_check_is_refused(ramp):
    with pytest.raises(ConfigError, match=r"name no check: ramp::the_peek; write 'component::check'"):
        conformance("ecg-x-ramp", expected_failures={"ramp::the_peek": "a reason"})


def test_an_unknown_distribution_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UnknownComponentError, match=r"no installed distribution 'ecg-absent'.*ecg-core"):
        conformance("ecg-absent")


def test_an_empty_distribution_is_an_error_that_says_what_is_missing(tmp_path, monkeypatch):
    write_distribution(tmp_path, "ecg-x-empty", "[ecg_core.backbones]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UnknownComponentError, match=r"ecg-x-empty ships nothing the contract kit checks; give its pyproject"):
        conformance("ecg-x-empty")
    monkeypatch.undo()
    get_index(refresh=True)


def test_a_word_that_conformance_params_does_not_know_is_an_error(toys):
    component = toys["schedulers", "Ramp"]
    cls = Example.of(component).cls
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cls, "conformance_params", classmethod(lambda cls: {"sample": 3}))
        with pytest.raises(ConfigError, match=r"states 'sample'; expected any of arguments, leads, samples"):
            Example.of(component)


def test_run_conformance_needs_no_test_file(ramp):
    ramp(0.5)
    outcome = run_conformance("ecg-x-ramp")
    assert (outcome.failed, outcome.ok) == (1, False)
    assert dict(outcome.kinds) == {"distributions": 15, "schedulers": 10}
    assert outcome.passed + outcome.failed + outcome.skipped == 25
    ((name, message),) = outcome.failures
    assert name == "schedulers:ramp::the_peak_is_reached"
    assert "the largest factor is 0.500" in message


def test_run_conformance_of_an_unknown_distribution_says_so():
    outcome = run_conformance("ecg-absent")
    assert not outcome.ok
    assert "no installed distribution 'ecg-absent'" in outcome.failures[0][1]


def test_the_module_prints_counts_or_json_and_ends_with_1_on_a_failure(ramp):
    ramp(0.5)
    done = subprocess.run(
        [sys.executable, "-m", "ecg_core.testing", "ecg-x-ramp", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (outcome,) = json.loads(done.stdout)
    assert outcome["failures"][0][0] == "schedulers:ramp::the_peak_is_reached"


def test_the_module_reads_expected_failures_of_one_distribution_from_a_file(ramp, tmp_path):
    ramp(0.5)
    stated = tmp_path / "expected.json"
    stated.write_text('{"ramp::the_peak_is_reached": "it is half as high"}', encoding="utf-8")
    command = [sys.executable, "-m", "ecg_core.testing", "ecg-x-ramp", "--json", "--expected-failures", str(stated)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (outcome,) = json.loads(done.stdout)
    assert (outcome["failed"], outcome["failures"]) == (0, [])
    ramp(1.0)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1  # strict: it passes, so the line has to go
    done = subprocess.run([*command[:4], "ecg-core", *command[4:]], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is for one distribution, got ecg-x-ramp ecg-core; check each by itself" in done.stderr


def test_what_needs_an_extra_that_is_not_installed_is_skipped_with_the_install_line(monkeypatch):
    from ecg_core.discovery.index import get_index
    from ecg_core.errors import MissingExtraError
    from ecg_core.testing import kit
    from ecg_core.testing.checks import NotApplicable

    def reads(example):
        raise MissingExtraError("reading EDF needs edfio: pip install 'ecg-preproc[edf]'")

    monkeypatch.setattr(kit, "checks_of", lambda kind: {"reads": reads})
    case = kit.Case(get_index().plugins["ecg-core"].components[0], "reads")
    with pytest.raises(NotApplicable, match="reading EDF needs edfio: pip install"):
        case.run()

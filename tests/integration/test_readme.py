"""What the README says is true: its commands parse, its code runs, its set-up lines are what CI runs."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ecg_core.cli.app import app

_spec = importlib.util.spec_from_file_location("readme", Path(__file__).with_name("readme.py"))
readme = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(readme)


def test_there_are_commands_to_check() -> None:
    words = {line.split()[1] for line in readme.commands("ecg")}
    assert words == {
        "data",
        "doctor",
        "plugins",
        "demo",
        "prep",
        "pretrain",
        "finetune",
        "evaluate",
        "embed",
        "explain",
        "export",
        "predict",
    }


@pytest.mark.parametrize("line", readme.commands("ecg"))
def test_every_command_of_the_readme_is_understood(line: str) -> None:
    app().parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)


def test_every_command_of_the_page_on_data_is_understood() -> None:
    text = (readme.ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    lines = [line.split("#")[0].strip() for line in text.splitlines() if line.startswith("ecg ")]
    assert len(lines) >= 5
    for line in lines:
        app().parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)


def test_the_code_of_the_readme_runs_in_order(tmp_path: Path) -> None:
    road, parts = [block for block in readme.blocks("python") if "import" in block][:2]
    small = road.replace("epochs=50", "epochs=1").replace('mode="linear"', 'mode="linear", epochs=2')
    code = "import ecg_core\necg_core.demo('wfdb', records=24, fs=100)\n" + small + parts
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "r00008.png").is_file()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    shown = readme.TEXT.split("<!-- tests:begin -->")[1].split("<!-- tests:end -->")[0]
    assert "python3 -m pip install nox && python3 -m nox -s tests" in shown
    assert "tests:begin" in (readme.ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_pictures_and_pages_the_readme_links_to_exist() -> None:
    import re

    for link in re.findall(r"\]\(([^)#]+)\)", readme.TEXT):
        assert (readme.ROOT / link).exists(), link

"""docs/hub.md runs as it stands, and the commands that need the hub are understood."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg_core.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "hub.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_page_runs_from_top_to_bottom(
    ecg: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in "".join(_blocks("bash")).splitlines():
        said = ecg(*shlex.split(line)[1:])
        assert said.code == 0, (line, said.error)
    capsys.readouterr()
    for block in _blocks("python"):
        exec(compile(block, "docs/hub.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["['README.md', 'model.json', 'model.safetensors', 'pipeline.json', 'run.json', 'thresholds.json']", "True"]
    assert all(line in PAGE for line in printed)
    readme = Path("shared/dx/README.md").read_text(encoding="utf-8")
    assert 'license: "cc-by-4.0"' in readme
    assert "| licence | synthetic, free |" in readme
    assert "### Test split of the data it was trained on" in readme
    assert "median age" in readme


def test_every_command_that_needs_the_hub_is_understood() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("ecg ") and "hf://" in line]
    assert len(lines) >= 8
    for line in lines:
        app("hub" if line.startswith("ecg hub") else None).parse_args(
            shlex.split(line)[1:], exit_on_error=False, print_error=False
        )

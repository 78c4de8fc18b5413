"""docs/finetuning.md runs as it stands: its commands in order, then its Python."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from ecg_core import load

PAGE = (Path(__file__).parents[2] / "docs" / "finetuning.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def _commands() -> Iterator[list[str]]:
    for block in _blocks("bash"):
        for line in block.splitlines():
            yield shlex.split(line)[1:]


def test_the_page_runs_from_top_to_bottom(
    ecg: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in _commands():
        said = ecg(*words)
        assert said.code == 0, (words, said.error)
    names: dict = {}
    for block in _blocks("python"):
        exec(compile(block, "docs/finetuning.md", "exec"), names)
    printed = capsys.readouterr().out
    for wanted in re.findall(r"print\(.*\)  # (.*)", PAGE):
        assert wanted in printed
    facts = {run.name: json.loads((run / "run.json").read_text()) for run in Path("runs").iterdir()}
    assert all(f["finished"] for name, f in facts.items())
    trained = {name: f["trained_parameters"] for name, f in facts.items() if "trained_parameters" in f}
    assert trained["probe"] < trained["lora"] < trained["last"] < trained["scratch"] == trained["gradual"]
    assert facts["fifth"]["patients"] < facts["probe"]["patients"]
    plain = set(load("runs/scratch").module.state_dict())
    assert set(load("runs/lora").module.state_dict()) == plain
    ages = pd.read_csv("ages.csv")["age"]
    assert ages.between(0, 120).all()

"""docs/evaluation.md runs, and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[4] / "docs" / "evaluation.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_runs_and_what_stands_behind_a_line_is_what_it_prints(block: str, capsys) -> None:
    exec(compile(block, "docs/evaluation.md", "exec"), {})
    said = [comment.split(":")[0].strip() for comment in re.findall(r"^print\(.*\)  # (.*)$", block, flags=re.MULTILINE)]
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert said == [] or lines == said

"""The table of readers in the README names every reader that this package registers, and the extra it asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2]
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
READERS = PROJECT["entry-points"]["ecg_core.readers"]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", README, re.MULTILINE))


def test_every_registered_reader_stands_in_the_readme_and_no_other():
    assert set(ROWS) == set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_asks_for_the_extra_that_the_readme_names(name: str):
    module = READERS[name].partition(":")[0].replace(".", "/")
    asked = set(re.findall(r"ecg-preproc\[(\w+)\]", (PACKAGE / "src" / f"{module}.py").read_text(encoding="utf-8")))
    named = set(re.findall(r"ecg-preproc\[(\w+)\]", ROWS[name]))
    assert named == asked
    assert named <= set(PROJECT["optional-dependencies"])

"""The page on predicting tokens says what is so."""

import re
from pathlib import Path

import pytest

from ecg_core.discovery.registries import SSL

PAGE = Path(__file__).parents[3] / "docs" / "token_prediction.md"


@pytest.fixture(scope="module")
def page():
    if not PAGE.is_file():
        pytest.skip("the documentation is not here")
    return PAGE.read_text(encoding="utf-8")


def test_every_method_on_the_page_can_be_built_by_its_name_and_has_a_section(page):
    named = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    assert named == re.findall(r"^## `(\w+)`", page, flags=re.MULTILINE)
    assert all(name in SSL for name in named)


def test_the_code_on_the_page_runs(page):
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})

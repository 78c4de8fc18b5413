"""The page on methods that know patients says what is so."""

import re
from pathlib import Path

import pytest

from ecg_core.discovery.registries import SSL

PAGE = Path(__file__).parents[3] / "docs" / "patients.md"
SIZES = {2: "two", 4: "four"}


@pytest.fixture(scope="module")
def page():
    if not PAGE.is_file():
        pytest.skip("the documentation is not here")
    return PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_method_that_needs_patients_and_says_what_its_batches_hold(page):
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| [^|]* \| ([^|]*) \|", page, flags=re.MULTILINE)
    said = {name: batch for cell, batch in rows for name in re.findall(r"\w+", cell)}
    methods = {name: getattr(SSL.get(name), "cls", SSL.get(name)) for name in SSL}
    assert set(said) == {name for name, method in methods.items() if "patient" in method.requires}
    for name, batch in said.items():
        grouping = methods[name].grouping
        expected = "of different patients" if grouping is None else f"{SIZES[grouping.size]} {grouping.what}"
        assert expected in batch, name


def test_the_code_on_the_page_runs(page, capsys):
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})
    assert capsys.readouterr().out.count("tensor") == 3

"""Names of checks are public: strangers write them into expected_failures. A rename or a removal shows here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecg_core.testing.checks import CHECKED_KINDS, checks_of, sentence

PINNED = json.loads((Path(__file__).parent / "check_names.json").read_text(encoding="utf-8"))
PAGE = Path(__file__).parents[4] / "docs" / "conformance.md"
AT_LEAST = {"distributions": 12, "backbones": 22, "ssl": 20, "transforms": 20, "readers": 8, "heads": 8, "models": 8}


@pytest.mark.parametrize("kind", CHECKED_KINDS)
def test_no_name_of_a_check_was_changed_or_removed_and_new_ones_are_pinned(kind):
    assert sorted(checks_of(kind)) == PINNED[kind]


@pytest.mark.parametrize(("kind", "count"), AT_LEAST.items())
def test_there_are_as_many_checks_as_were_promised(kind, count):
    assert len(checks_of(kind)) >= count


@pytest.mark.parametrize("kind", CHECKED_KINDS)
def test_every_check_has_a_sentence(kind):
    assert [name for name, function in checks_of(kind).items() if not sentence(function).endswith(".")] == []


@pytest.mark.parametrize("kind", CHECKED_KINDS)
def test_the_page_for_authors_has_every_check_with_its_sentence(kind):
    if not PAGE.is_file():
        pytest.skip("the documentation is not here")
    page = PAGE.read_text(encoding="utf-8")
    rows = [
        f"| `{name}` | {sentence(function).replace('``', '`').replace('|', chr(92) + '|')} |"
        for name, function in checks_of(kind).items()
    ]
    assert f"{len(rows)} checks" in page
    assert [row for row in rows if row not in page] == []

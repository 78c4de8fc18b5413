"""docs/plugins.md says what is: its groups, statuses, variables and commands are those of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from ecg_core.cli.app import app
from ecg_core.discovery import registries
from ecg_core.discovery.health import HOOKS, USABLE, Status
from ecg_core.discovery.kinds import CONTRACTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
COMMANDS = [line.split(" #")[0].strip() for line in PAGE.split("```")[1].splitlines() if line.startswith("ecg ")]


def _first_column(heading: str) -> list[str]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)


def test_the_page_has_every_group_with_its_registry_and_contract() -> None:
    assert _first_column("Groups") == [f"ecg_core.{kind}" for kind in (*CONTRACTS, HOOKS)]
    for kind, contract in CONTRACTS.items():
        (row,) = re.findall(rf"^\| `ecg_core.{kind}` \| `(\w+)` \| (.+) \|$", PAGE, flags=re.MULTILINE)
        assert getattr(registries, row[0]).kind == kind
        assert contract is None or row[1] == f"`ecg_core.{contract.rpartition(':')[2]}`"


def test_the_page_has_every_status_and_says_which_can_be_built() -> None:
    assert sorted(_first_column("Status")) == sorted(get_args(Status))
    assert f"Only `{USABLE[0]}`, `{USABLE[1]}` and `{USABLE[2]}` can be built." in PAGE


def test_the_page_has_every_environment_variable_that_discovery_reads() -> None:
    sources = (ROOT / "packages" / "ecg-core" / "src" / "ecg_core" / "discovery").glob("*.py")
    read = {
        name for file in sources for name in re.findall(r'environ(?:\.get\(|\[)"(ECG_\w+)"', file.read_text(encoding="utf-8"))
    }
    assert read == set(_first_column("Environment"))


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_page_is_understood(line: str) -> None:
    app().parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)


def test_every_page_is_linked_from_the_table_of_contents_and_every_link_leads_somewhere() -> None:
    contents = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in re.findall(r"\]\(([^)]+)\)", contents)}
    pages = {p.resolve() for p in (ROOT / "docs").rglob("*.md")} - {(ROOT / "docs" / "README.md").resolve()}
    assert pages <= linked
    for page in (*pages, *(p for p in linked if p.suffix == ".md")):
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{page.name} links to {link}"

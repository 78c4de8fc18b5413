"""Every check of the kit notices the one thing it is for: a table of toys, each broken in one way."""

from __future__ import annotations

import pytest
from ecg_kit_toys.everything import HEALTHY, TABLE
from ecg_kit_toys.table import EVERYTHING

from ecg_core.testing.checks import CHECKED_KINDS, CheckFailed, NotApplicable, checks_of
from ecg_core.testing.kit import Case

# Too slow to be run over every toy of another check: they start an interpreter or trace a graph.
SLOW = ("compile", "export", "process", "worker", "where_torch", "help", "built_in")


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_component_that_breaks_one_rule_fails_that_check_and_the_message_says_how(row, toys):
    component = toys[row.kind, row.target.__qualname__]
    with pytest.raises(CheckFailed) as caught:
        Case(component, row.check).run()
    said = str(caught.value)
    assert row.says in said
    assert f"'{component.name}' of ecg-kit-toys 0.1.0" in said
    assert f'expected_failures={{"{component.name}::{row.check}"' in said


@pytest.mark.parametrize("row", [r for r in TABLE.values() if EVERYTHING not in r.also], ids=lambda r: f"{r.kind}:{r.check}")
def test_a_component_that_breaks_one_rule_passes_the_other_checks(row, toys):
    component = toys[row.kind, row.target.__qualname__]
    failed = [name for name in _quick(row.kind) if name != row.check and not _holds(component, name)]
    assert set(failed) == set(row.also)


@pytest.mark.parametrize("kind", dict.fromkeys(kind for kind, _ in HEALTHY))
def test_sound_components_pass_every_check_and_no_check_is_idle(kind, toys):
    idle = set(checks_of(kind))
    for component in (toys[k, target.__qualname__] for k, target in HEALTHY if k == kind):
        for name in checks_of(kind):
            try:
                Case(component, name).run()
                idle.discard(name)
            except NotApplicable:
                continue
    assert idle == set()


@pytest.mark.parametrize("kind", [k for k in CHECKED_KINDS if k != "distributions"])
def test_the_table_has_a_toy_for_every_check(kind):
    assert {row.check for row in TABLE.values() if row.kind == kind} == set(checks_of(kind))


def _quick(kind: str) -> list[str]:
    return [name for name in checks_of(kind) if not any(word in name for word in SLOW)]


def _holds(component, name: str) -> bool:
    try:
        Case(component, name).run()
    except NotApplicable:
        return True
    except CheckFailed:
        return False
    return True

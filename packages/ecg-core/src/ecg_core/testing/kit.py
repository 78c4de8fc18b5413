"""conformance: one pytest test over a distribution, every component of it, and every check of its kind."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ecg_core.discovery.health import USABLE
from ecg_core.discovery.index import Component, Plugin, get_index
from ecg_core.discovery.names import distribution_key
from ecg_core.errors import ConfigError, MissingExtraError, UnknownComponentError
from ecg_core.testing.checks import CHECKED_KINDS, CheckFailed, NotApplicable, check, check_names, checks_of, sentence
from ecg_core.testing.example import Example
from ecg_core.testing.outcome import Outcome, run_conformance

__all__ = ["Case", "Example", "Outcome", "check", "check_names", "conformance", "run_conformance"]


@dataclass(frozen=True)
class Case:
    """One check of one component, or of the distribution itself."""

    subject: Component | Plugin
    name: str

    @property
    def kind(self) -> str:
        """Kind of the component; ``"distributions"`` for the distribution itself."""
        return self.subject.kind if isinstance(self.subject, Component) else "distributions"

    @property
    def key(self) -> str:
        """How ``expected_failures`` names it, ``component::check``."""
        return f"{self.subject.name}::{self.name}"

    @property
    def id(self) -> str:
        """How pytest names it, ``kind:component::check``."""
        return f"{self.kind}:{self.key}"

    def run(self) -> None:
        """Run the check.

        Raises:
            CheckFailed: The component breaks its contract; the message names component, provider, check and cause.
            NotApplicable: The check has nothing to look at here.
        """
        __tracebackhide__ = True
        function = checks_of(self.kind)[self.name]
        try:
            if isinstance(self.subject, Plugin):
                function(self.subject)
            elif self.subject.status not in USABLE:
                raise CheckFailed(f"it is {self.subject.status}: {self.subject.detail}")
            else:
                function(Example.of(self.subject))
        except NotApplicable:
            raise
        except MissingExtraError as error:  # it is looked at where what it needs is installed
            raise NotApplicable(str(error)) from None
        except CheckFailed as failure:
            raise CheckFailed(self._explained(function, str(failure))) from failure.__cause__
        except Exception as error:  # whatever a stranger's component raises
            raise CheckFailed(self._explained(function, f"{type(error).__name__}: {error}")) from error

    def _explained(self, function: Callable[..., None], cause: str) -> str:
        s = self.subject
        who = f"{self.kind} '{s.name}' of {s.provider} {s.version}" if isinstance(s, Component) else f"{s.name} {s.version}"
        what = f"  component:    {s.target}\n" if isinstance(s, Component) else ""
        where = f"{Path(inspect.getfile(function)).name}:{inspect.getsourcelines(function)[1]}"
        return (
            f"{who} fails {self.name}: {cause.strip().replace(chr(10), chr(10) + ' ' * 4)}\n"
            f"  the contract: {sentence(function)}\n{what}"
            f"  the check:    ecg_core/testing/{where}\n"
            f'  mend it, or say why it cannot hold: expected_failures={{"{self.key}": "the reason"}}'
        )


def conformance(
    distribution: str, *, expected_failures: Mapping[str, str] | None = None, components: Collection[str] | None = None
) -> Callable[..., None]:
    """A pytest test that runs the contract kit over a distribution and every component of it.

    The last case, ``census``, prints and asserts how many checks there were and that none was lost on the way.

    Args:
        distribution: Name of an installed distribution that ships components or hooks.
        expected_failures: ``{"component::check": "reason"}``; the distribution itself goes by its name. Strict: a check that
            passes nevertheless fails the test.
        components: Names of all its components. Stated, one that is no longer found (or was not thought of) fails the census.

    Returns:
        A test function; assign it to a name that starts with ``test_``. Its ``checks`` is their number.

    Raises:
        UnknownComponentError: The distribution is not installed or ships nothing that can be checked.
        ConfigError: An expected failure has no reason, or names no check.
    """
    plugin = _installed(distribution)
    cases = _cases(plugin)
    reasons = _reasons(cases, expected_failures or {})
    marks = {case: [pytest.mark.xfail(reason=reasons[case], strict=True)] if case in reasons else [] for case in cases}
    census = pytest.param(None, id=f"census:{plugin.name}:{len(cases)}-checks")
    ran: Counter[str] = Counter()

    @pytest.mark.parametrize("case", [*(pytest.param(c, id=c.id, marks=marks[c]) for c in cases), census])
    def test(case: Case | None, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
        __tracebackhide__ = _hidden
        if case is None:
            problems = _lost(plugin, cases, components, request, ran)
            with capsys.disabled():
                print(f"\n{_census(plugin, cases, ran)}")
            if problems:
                pytest.fail("; ".join(problems), pytrace=False)
            return
        ran["checked"] += 1
        try:
            case.run()
        except NotApplicable as reason:
            ran["checked"] -= 1
            ran["skipped"] += 1
            pytest.skip(str(reason))
        except CheckFailed as failure:
            if failure.__cause__ is None:  # the component did what it should not: no traceback says more than the message
                pytest.fail(str(failure), pytrace=False)
            raise failure.with_traceback(None) from failure.__cause__  # it raised: its own traceback is the news

    test.__doc__ = f"{len(cases)} checks of {plugin.name} and its {len(plugin.components)} components."
    test.checks = len(cases)  # type: ignore[attr-defined]
    return test


def _hidden(info: pytest.ExceptionInfo[BaseException]) -> bool:
    """Keep our own frames out of a failure; a skip is reported where it was decided."""
    return not info.errisinstance(pytest.skip.Exception)


def _installed(distribution: str) -> Plugin:
    plugin = get_index(refresh=True).plugins.get(distribution_key(distribution))
    if plugin is None:
        known = ", ".join(get_index().plugins) or "none"
        raise UnknownComponentError(f"no installed distribution '{distribution}' ships components; those that do: {known}")
    if not plugin.components and not plugin.hooks:
        raise UnknownComponentError(
            f"{plugin.name} ships nothing the contract kit checks; "
            f"give its pyproject.toml an entry point in a group such as ecg_core.backbones and reinstall it"
        )
    return plugin


def _cases(plugin: Plugin) -> list[Case]:
    cases = [Case(plugin, name) for name in check_names("distributions")]
    for component in plugin.components:
        # An entry of an unknown group is what the distribution's own checks report.
        cases += [Case(component, name) for name in (check_names(component.kind) if component.kind in CHECKED_KINDS else ())]
    return cases


def _reasons(cases: list[Case], expected: Mapping[str, str]) -> dict[Case, str]:
    named = {key: [case for case in cases if key in (case.key, case.id)] for key in expected}
    nothing = [key for key, found in named.items() if not found]
    if nothing:
        raise ConfigError(f"expected failures that name no check: {', '.join(nothing)}; write 'component::check'")
    empty = [key for key, reason in expected.items() if not reason.strip()]
    if empty:
        raise ConfigError(f"the expected failure {empty[0]} needs a reason")
    return {case: expected[key] for key, found in named.items() for case in found}


def _lost(
    plugin: Plugin, cases: list[Case], components: Collection[str] | None, request: pytest.FixtureRequest, ran: Counter[str]
) -> list[str]:
    """What is missing: components that should be there, cases that a fresh look finds, cases that were chosen and not run."""
    problems = []
    found = sorted({c.name for c in plugin.components})
    if components is not None and sorted(components) != found:
        problems.append(f"{plugin.name} ships {', '.join(found)}, but components= states {', '.join(sorted(components))}")
    now = [case.id for case in _cases(_installed(plugin.name))]
    if now != [case.id for case in cases]:
        changed = sorted(set(now) ^ {case.id for case in cases})
        problems.append(f"{plugin.name} changed while it was checked: {', '.join(changed[:5])}")
    node: Any = request.node
    mine = [item for item in request.session.items if getattr(item, "originalname", "") == node.originalname]
    mine = [item for item in mine if item.path == node.path]
    alone = not hasattr(request.config, "workerinput")  # with xdist each process runs a share
    if alone and mine and mine[-1] is node and ran.total() != len(mine) - 1:
        problems.append(f"{len(mine) - 1} checks were chosen and {ran.total()} ran")
    return problems


def _census(plugin: Plugin, cases: list[Case], ran: Counter[str]) -> str:
    per_kind = Counter(case.kind for case in cases)
    parts = []
    for kind, count in per_kind.items():
        subjects = len({case.subject.name for case in cases if case.kind == kind})
        parts.append(f"{kind} {subjects} × {count // subjects}")
    here = f"; in this process {ran['checked']} ran and {ran['skipped']} did not apply" if ran.total() else ""
    return f"{plugin.name} {plugin.version}: {len(cases)} checks ({', '.join(parts)}){here}"

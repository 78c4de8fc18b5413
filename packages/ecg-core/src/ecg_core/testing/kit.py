"""conformance: parametrise a test over every component of a distribution and every check of its kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest

from ecg_core.config.configurable import Variant
from ecg_core.discovery.index import Component, get_index
from ecg_core.discovery.registry import Registry, registry_of
from ecg_core.errors import UnknownComponentError

__all__ = ["Example", "check", "check_names", "conformance"]

_CHECKS: dict[str, dict[str, Callable[[Example], None]]] = {}


@dataclass(frozen=True)
class Example:
    """A component with the smallest sensible way to build and feed it.

    The author of a component states these by a class method ``conformance_params()`` that returns a mapping with any of
    ``arguments`` (for the constructor), ``leads`` and ``samples``; checks never guess what a parameter name means.
    """

    component: Component
    arguments: Mapping[str, Any] = field(default_factory=dict)
    leads: int = 12
    samples: int = 500
    fs: float = 100.0

    @classmethod
    def of(cls, component: Component) -> Example:
        """The example its author states, or the defaults."""
        source: Any = registry_of(component.kind).get(component.qualified)
        owner = source.cls if isinstance(source, Variant) else source
        stated = owner.conformance_params() if hasattr(owner, "conformance_params") else {}
        return cls(component, **stated)

    @property
    def registry(self) -> Registry[Any]:
        """The registry of its kind."""
        return registry_of(self.component.kind)

    def build(self, **more: Any) -> Any:
        """The component, built with its stated arguments and these."""
        return self.registry.build(self.component.qualified, **{**self.arguments, **more})


def check(kind: str) -> Callable[[Callable[[Example], None]], Callable[[Example], None]]:
    """Register a check; its function name is its public name."""

    def decorate(function: Callable[[Example], None]) -> Callable[[Example], None]:
        _CHECKS.setdefault(kind, {})[function.__name__] = function
        return function

    return decorate


def check_names(kind: str) -> tuple[str, ...]:
    """Public names of the checks of a kind of component."""
    _load_checks()
    return tuple(_CHECKS.get(kind, {}))


def conformance(distribution: str, *, expected_failures: Mapping[str, str] | None = None) -> Callable[..., None]:
    """A pytest test that runs the contract kit over every component of a distribution.

    Args:
        distribution: Name of an installed distribution that ships components.
        expected_failures: ``{"component::check": "reason"}``. Strict: a check that passes nevertheless fails the test.

    Returns:
        A test function; assign it to a name that starts with ``test_``.

    Raises:
        UnknownComponentError: The distribution is not installed or ships nothing that can be checked.
    """
    _load_checks()
    plugin = get_index(refresh=True).plugins.get(distribution)
    if plugin is None:
        known = ", ".join(get_index().plugins) or "none"
        raise UnknownComponentError(f"no installed distribution '{distribution}' ships components; those that do: {known}")
    reasons = dict(expected_failures or {})
    cases = []
    for component in plugin.components:
        for name in _CHECKS.get(component.kind, {}):
            key = f"{component.name}::{name}"
            reason = reasons.pop(key, None)
            if reason == "":
                raise ValueError(f"the expected failure {key} needs a reason")
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            cases.append(pytest.param(component, name, id=f"{component.kind}:{key}", marks=marks))
    if reasons:
        raise ValueError(f"expected failures that name no check: {', '.join(reasons)}")
    if not cases:
        raise UnknownComponentError(f"{distribution} ships nothing the contract kit checks (kinds: {', '.join(_CHECKS)})")

    @pytest.mark.parametrize(("component", "name"), cases)
    def test(component: Component, name: str) -> None:
        assert component.status == "ok", f"{component.qualified} is {component.status}: {component.detail}"
        _CHECKS[component.kind][name](Example.of(component))

    test.__doc__ = f"{len(cases)} checks over {len(plugin.components)} components of {distribution}."
    test.checks = len(cases)  # type: ignore[attr-defined]
    return test


def _load_checks() -> None:
    for module in ("backbone_checks", "head_checks", "ssl_checks", "transform_checks", "reader_checks"):
        import_module(f"ecg_core.testing.{module}")


def signature_is_closed(function: Callable[..., Any]) -> bool:
    """Whether a constructor takes no ``**kwargs``, so that an unknown word is Python's own TypeError."""
    return all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in inspect.signature(function).parameters.values())

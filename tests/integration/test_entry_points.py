"""Entry points and code say the same of each of our packages, in both directions (docs/adr/0008)."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from ecg_core.config.configurable import Variant
from ecg_core.discovery.index import Component, get_index
from ecg_core.discovery.kinds import CONTRACTS, FIRST_PARTY
from ecg_core.discovery.registry import registry_of

OURS = [pytest.param(c, id=f"{c.kind}:{c.name}") for name in FIRST_PARTY for c in get_index().plugins[name].components]


@cache
def _contracts() -> dict[str, type]:
    def loaded(target: str) -> Any:
        module, _, name = target.partition(":")
        return getattr(importlib.import_module(module), name)

    return {kind: loaded(target) for kind, target in CONTRACTS.items() if target is not None}


def _kind_of(thing: Any) -> str | None:
    """Kind of a public, concrete component class or of a variant of one; ``None`` for anything else."""
    cls = thing.cls if isinstance(thing, Variant) else thing
    if not inspect.isclass(cls) or inspect.isabstract(cls) or cls.__name__.startswith("_"):
        return None
    return next((kind for kind, contract in _contracts().items() if issubclass(cls, contract) and cls is not contract), None)


def _defined(package: str) -> Iterator[tuple[str, Any]]:
    """``(module:name, thing)`` of every component that a module of the package defines."""
    root = importlib.import_module(package)
    for info in pkgutil.walk_packages(root.__path__, prefix=f"{package}."):
        if info.name.endswith("__main__") or info.name.startswith("ecg_core.testing"):
            continue
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            here = getattr(thing, "__module__", None) == info.name or isinstance(thing, Variant)
            if here and not name.startswith("_") and _kind_of(thing) is not None:
                yield f"{info.name}:{name}", thing


def _targets_of_hooks(package: str) -> set[str]:
    """What the hooks of a package register under other names."""
    if importlib.util.find_spec(f"{package}.hooks") is None:
        return set()
    found: set[str] = set()
    importlib.import_module(f"{package}.hooks").ecg_register_components(lambda kind, name, target: found.add(target))
    return found


def _loaded(component: Component) -> Any:
    module, _, name = component.target.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("distribution", FIRST_PARTY)
def test_every_component_in_the_code_is_declared_under_exactly_one_name_of_its_kind(distribution: str) -> None:
    declared = get_index().plugins[distribution].components
    names = Counter((c.kind, c.target) for c in declared)
    of_variants = {_loaded(c).cls for c in declared if isinstance(_loaded(c), Variant)}
    variants = {id(_loaded(c)): c.target for c in declared if isinstance(_loaded(c), Variant)}
    other_names = _targets_of_hooks(distribution.replace("-", "_"))
    for target, thing in _defined(distribution.replace("-", "_")):
        if thing in of_variants:
            continue  # its named sizes are what is declared (docs/adr/0005)
        if variants.get(id(thing), target) != target:
            continue  # imported from where it is declared
        if isinstance(thing, Variant) and target in other_names:
            continue  # a hook leads to it, and it is not listed
        assert names[_kind_of(thing), target] == 1, f"{target} is declared {names[_kind_of(thing), target]} times"


@pytest.mark.parametrize("distribution", FIRST_PARTY)
def test_there_is_something_to_declare(distribution: str) -> None:
    assert any(True for _ in _defined(distribution.replace("-", "_")))


@pytest.mark.parametrize("component", OURS)
def test_every_declaration_leads_to_a_component_of_its_kind(component: Component) -> None:
    thing = _loaded(component)
    if component.kind in _contracts():
        assert _kind_of(thing) == component.kind
    else:
        assert callable(thing)


@pytest.mark.parametrize("component", OURS)
def test_a_component_is_declared_where_it_is_defined(component: Component) -> None:
    module, _, name = component.target.partition(":")
    thing = _loaded(component)
    if module.startswith("ecg_"):  # losses and optimizers are torch's own
        assert isinstance(thing, Variant) or (thing.__module__, thing.__qualname__) == (module, name)


@pytest.mark.parametrize("component", OURS)
def test_decorating_an_installed_component_with_its_own_name_changes_nothing(component: Component) -> None:
    registry, thing = registry_of(component.kind), _loaded(component)
    before = registry.names()
    with registry.isolated():
        assert registry.register(component.name)(thing) is thing
        assert registry.get(component.name) is thing
        assert registry.names() == before
    assert registry.get(component.name) is thing

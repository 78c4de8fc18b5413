"""What every distribution must satisfy: honest metadata, and imports that leave the process as they found it."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import metadata, packages_distributions
from pathlib import Path

from ecg_core.discovery.health import USABLE
from ecg_core.discovery.index import Plugin
from ecg_core.discovery.modules import attribute, imported, located
from ecg_core.discovery.names import distribution_key
from ecg_core.discovery.probe import Probe, probe_distribution
from ecg_core.testing.checks import applies, check, require

__all__: list[str] = []


@lru_cache(maxsize=8)
def _probes(plugin: Plugin, block: tuple[str, ...] = ()) -> tuple[Probe, ...]:
    """What each import of the distribution did, in a process of its own; once for all checks."""
    return probe_distribution(plugin, block=block)


def _hooks(plugin: Plugin, block: tuple[str, ...] = ()) -> list[Probe]:
    applies(plugin.hooks, "it has no hook module")
    return [probe for probe in _probes(plugin, block) if probe.what.startswith("plugins:")]


def _shippers(package: str) -> set[str]:
    """Normalised names of the distributions that ship a top-level package."""
    return {distribution_key(name) for name in packages_distributions().get(package, ())}


@check("distributions")
def entry_points_are_valid_and_unique(plugin: Plugin) -> None:
    """Every entry point stands in a known group, reads ``module:Class``, and is declared once."""
    entries = (*plugin.hooks, *plugin.components)
    bad = [
        f"{c.kind}.{c.name} is {c.status}: {c.detail}" for c in entries if c.status in ("invalid", "unknown-kind", "duplicate")
    ]
    require(not bad, f"{'; '.join(bad)}; correct [project.entry-points] in its pyproject.toml and reinstall it")


@check("distributions")
def modules_are_found(plugin: Plugin) -> None:
    """The module of every entry point is installed, and the installed entry points are those of its source."""
    bad = [f"{c.kind}.{c.name}: {c.detail}" for c in (*plugin.hooks, *plugin.components) if c.status in ("missing", "stale")]
    require(not bad, "; ".join(bad))


@check("distributions")
def every_import_succeeds(plugin: Plugin) -> None:
    """Everything it names can be imported: nothing raises, leaves the interpreter, crashes it or hangs."""
    bad = [f"{p.what} ({p.target}): {p.detail}" for p in _probes(plugin) if p.outcome != "ok"]
    require(not bad, "; ".join(bad))


@check("distributions")
def hook_modules_import_without_torch(plugin: Plugin) -> None:
    """A hook module can be imported where torch is not installed."""
    bad = [f"{p.target}: {p.detail}" for p in _hooks(plugin, ("torch",)) if p.outcome != "ok"]
    require(not bad, f"without torch {'; '.join(bad)}; import it inside the hook")


@check("distributions")
def hook_modules_are_light(plugin: Plugin) -> None:
    """Importing a hook module loads neither torch, NumPy, pandas, SciPy nor matplotlib; `ecg` imports it to know what it does."""
    bad = [f"{p.target} loads {', '.join(p.heavy)}" for p in _hooks(plugin) if p.heavy]
    require(not bad, f"{'; '.join(bad)}; import them inside the hooks")


@check("distributions")
def hooks_are_spelt_right(plugin: Plugin) -> None:
    """Every hook it implements exists, is marked, and takes arguments that this hook has."""
    bad = [f"{p.target}: {problem}" for p in _hooks(plugin) for problem in p.problems]
    require(not bad, "; ".join(bad))


@check("distributions")
def a_range_of_ecg_core_is_required(plugin: Plugin) -> None:
    """It requires ``ecg-core`` with a lower and an upper bound, and the installed version is inside."""
    applies(plugin.name != "ecg-core", "it is ecg-core")
    stated = plugin.requires_core or ""
    advice = 'write dependencies = ["ecg-core>=0.1,<0.2"] in its pyproject.toml'
    require(
        ">" in stated or "==" in stated or "~=" in stated, f"ecg-core is required as {stated!r}, without a lower bound; {advice}"
    )
    require(
        "<" in stated or "==" in stated or "~=" in stated, f"ecg-core is required as {stated!r}, without an upper bound; {advice}"
    )
    bad = [c.detail for c in plugin.components if c.status == "incompatible"]
    require(not bad, "; ".join(bad[:1]))


@check("distributions")
def targets_are_where_they_are_defined(plugin: Plugin) -> None:
    """An entry point names the module that defines its class, or one that re-exports it on purpose, in ``__all__``."""
    fine = {probe.what for probe in _probes(plugin) if probe.outcome == "ok"}
    bad = []
    for c in (c for c in plugin.components if f"{c.kind}:{c.name}" in fine):
        module, _, path = c.target.partition(":")
        found = imported(c.target)
        home = str(getattr(found, "__module__", module)) if isinstance(found, type) else module
        listed = path in getattr(imported(module), "__all__", ())
        if not (home == module or home.startswith(f"{module}.") or listed):
            bad.append(f"{c.kind}.{c.name} names {c.target}, which is {home}:{attribute(found, '__qualname__', path)}")
    require(not bad, f"{'; '.join(bad)}; name the module that defines it, or list it in __all__")


@check("distributions")
def components_are_of_their_kind(plugin: Plugin) -> None:
    """What an entry point names can be called, and derives from the contract of its group."""
    probes = [p for p in _probes(plugin) if not p.what.startswith("plugins:")]
    applies(probes, "it has no component that could be imported")
    bad = [f"{p.what} ({p.target}): {problem}" for p in probes for problem in p.problems]
    require(not bad, "; ".join(bad))


@check("distributions")
def imports_are_silent(plugin: Plugin) -> None:
    """Importing it prints nothing and warns of nothing."""
    printed = [f"{p.target} prints {p.printed.strip()[:80]!r}" for p in _probes(plugin) if p.printed.strip()]
    warned = [f"{p.target} warns {p.warned[0]!r}" for p in _probes(plugin) if p.warned]
    require(not printed + warned, "; ".join(printed + warned))


@check("distributions")
def imports_leave_the_process_as_it_was(plugin: Plugin) -> None:
    """Importing it changes no random state, default type, thread count, warnings filter, working directory or environment."""
    bad = [f"{p.target} changes {', '.join(p.changed)}" for p in _probes(plugin) if p.changed]
    require(not bad, f"{'; '.join(bad)}; do it where it is needed, and put it back")


@check("distributions")
def py_typed_is_there_where_it_claims_to_be_typed(plugin: Plugin) -> None:
    """A distribution with the classifier ``Typing :: Typed`` ships ``py.typed`` in its packages."""
    classifiers = metadata(plugin.name).get_all("Classifier") or []
    applies("Typing :: Typed" in classifiers, "it does not claim to be typed (classifier 'Typing :: Typed')")
    for name in sorted({c.module.split(".")[0] for c in (*plugin.components, *plugin.hooks) if c.status in USABLE}):
        spec = located(name)
        places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
        # An entry may also name a class of a library, such as torch, which answers for itself.
        own = [place for place in places if plugin.name in _shippers(name)]
        bare = [place for place in own if not (place / "py.typed").is_file()]
        require(not bare, f"{name} has no py.typed, so a type checker ignores its annotations; add the empty file")


@check("distributions")
def summary_and_licence_are_stated(plugin: Plugin) -> None:
    """Its metadata say in one line what it is, and under which licence it may be used."""
    facts = metadata(plugin.name)

    def stated(field: str) -> list[str]:
        return [text for text in map(str, facts.get_all(field) or []) if text.strip() not in ("", "UNKNOWN")]

    require(stated("Summary"), 'it has no summary; write description = "…" in its pyproject.toml')
    licence = stated("License-Expression") + stated("License")
    licence += [text for text in stated("Classifier") if text.startswith("License ::")]
    require(licence, 'it states no licence, so nobody knows whether they may use it; write license = "MIT" in its pyproject.toml')


@check("distributions")
def names_are_canonical(plugin: Plugin) -> None:
    """Names of components are lower-case words: ``[a-z][a-z0-9_]*``."""
    bad = [c.name for c in plugin.components if not re.fullmatch(r"[a-z][a-z0-9_]*", c.name)]
    require(not bad, f"{', '.join(map(repr, bad))} should be lower-case letters, digits and '_', such as 'resnet18'")


@check("distributions")
def no_first_party_name_is_taken(plugin: Plugin) -> None:
    """No component has the name of one of ours, which would win."""
    bad = [c.detail for c in plugin.components if c.status == "shadowed"]
    require(not bad, f"{'; '.join(bad)}; choose another name")

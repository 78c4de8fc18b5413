"""From a name to the one component it means, or to a sentence that says why there is none.

In this order: a qualified name; ``ECG_PREFER``; what this process registered; the single one of ours; the only provider;
and, only when all of these know nothing, what hook modules register at run time and the old names they declare.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

from ecg_core.discovery.first_party import shipped_by
from ecg_core.discovery.health import USABLE
from ecg_core.discovery.index import Component, get_index, matching
from ecg_core.discovery.installed_hooks import installed_hooks
from ecg_core.discovery.kinds import FIRST_PARTY, singular
from ecg_core.discovery.names import comparison_key, distribution_key, near_names
from ecg_core.discovery.preferences import preferences
from ecg_core.errors import AmbiguousComponentError, UnknownComponentError

__all__ = ["chosen", "described_at_run_time", "preferred", "renamed", "unknown"]


def preferred(name: str, candidates: Sequence[Component]) -> Component | None:
    """The candidate of the provider that ``ECG_PREFER`` names for this name, if it is among them."""
    provider = preferences().get(comparison_key(name))
    return next((c for c in candidates if c.provider == provider), None)


def chosen(name: str, candidates: Sequence[Component]) -> Component | None:
    """The candidate a plain name means: ours, or the only one; ``None`` without any.

    Raises:
        AmbiguousComponentError: Several strangers ship it.
    """
    ours = [c for c in candidates if c.provider in FIRST_PARTY]
    if len(ours) == 1:
        return ours[0]
    if len(candidates) > 1:
        shipped = ", ".join(f"{c.qualified} ({c.version})" for c in candidates)
        raise AmbiguousComponentError(
            f"{candidates[0].kind} '{name}' is shipped by {len(candidates)} plugins: {shipped}. "
            f"Name one of them in full, e.g. '{candidates[0].qualified}'."
        )
    return next(iter(candidates), None)


def described_at_run_time(kind: str, name: str) -> Component | None:
    """The component of this name that a hook module registers; asked only when nothing installed has it."""
    manager = installed_hooks()
    if manager is None:
        return None
    found = [c for c in matching(manager.registered(), name) if c.kind == kind and c.status in USABLE]
    return preferred(name, found) or chosen(name, found)


def renamed(kind: str, name: str, *, warned: set[str]) -> str | None:
    """What an old name is called now, with one ``FutureWarning`` per process; ``None`` if nobody declares it.

    Raises:
        AmbiguousComponentError: Several strangers declare the same old name for different components.
    """
    manager = installed_hooks()
    declared = manager.aliases() if manager is not None else ()
    provider, _, plain = name.rpartition(":")
    key = comparison_key(plain)
    found = [(hook, alias) for hook, alias in declared if alias.kind == kind and comparison_key(alias.old) == key]
    found = [(hook, alias) for hook, alias in found if distribution_key(provider) in ("", hook.provider)]
    found = [(hook, alias) for hook, alias in found if hook.provider in FIRST_PARTY] or found
    if not found:
        return None
    if len({alias.new for _, alias in found}) > 1:
        meanings = ", ".join(f"{hook.provider} ('{alias.new}')" for hook, alias in found)
        raise AmbiguousComponentError(f"{kind} '{name}' is an old name by several plugins: {meanings}; write the new name")
    hook, alias = found[0]
    if key not in warned:
        warned.add(key)
        warnings.warn(
            f"the {singular(kind)} '{alias.old}' is called '{alias.new}' since {hook.provider} {alias.since}; "
            f"the old name goes away in {alias.remove_in}, write '{alias.new}'",
            FutureWarning,
            stacklevel=_callers_level(),
        )
    return alias.new


def unknown(kind: str, name: str, known: Sequence[str]) -> UnknownComponentError:
    """The error for a name that means nothing here: what is wrong with it, what is near, what to install."""
    index = get_index()
    listed = f"Installed {kind}: `ecg plugins list --kind {kind}`."
    provider, _, plain = name.rpartition(":")
    same = [c for c in index.components(kind) if comparison_key(c.name) == comparison_key(plain)]
    broken = [c for c in same if c.status not in USABLE and distribution_key(provider) in ("", c.provider)]
    if broken:
        c = broken[0]
        return UnknownComponentError(f"{kind} '{name}' from {c.provider} {c.version} is {c.status}: {c.detail}. {listed}")
    ours = shipped_by(kind, name)
    if ours is not None and ours not in index.plugins:
        return UnknownComponentError(f"{singular(kind)} '{name}' is in {ours}, which is not installed: pip install {ours}")
    near = [c.qualified for c in same if c.status in USABLE] or near_names(plain, known)
    hint = f" Did you mean {', '.join(repr(n) for n in near)}?" if near else ""
    return UnknownComponentError(f"no {singular(kind)} named '{name}'.{hint} {listed}")


def _callers_level() -> int:
    """How many frames up the first one outside this package is, so that a warning points at the user's line."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("ecg_core."):
        level, frame = level + 1, frame.f_back
    return level

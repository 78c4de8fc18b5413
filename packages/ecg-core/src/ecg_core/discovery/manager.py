"""PluginManager: loads the hook modules of plugins and calls their hooks, each plugin apart from the others."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from ecg_core.discovery import hooks
from ecg_core.discovery.health import reference_health
from ecg_core.discovery.hook_problems import hook_problems
from ecg_core.discovery.hooks import Alias, Diagnostic, RunEvent
from ecg_core.discovery.index import Component, PluginIndex, get_index
from ecg_core.discovery.modules import imported
from ecg_core.discovery.names import distribution_key
from ecg_core.errors import PluginWarning

if TYPE_CHECKING:
    from ecg_core.run.run import Run

__all__ = ["PluginFailure", "PluginManager", "plugin_manager"]

R = TypeVar("R")


@dataclass(frozen=True)
class PluginFailure:
    """What a hook module did wrong.

    Args:
        hook: The hook module.
        doing: ``"import"``, ``"declare"`` or the hook that was called.
        message: One sentence.
        cause: The exception, if there was one.
    """

    hook: Component
    doing: str
    message: str
    cause: BaseException | None = None

    def __str__(self) -> str:
        return f"{self.hook.provider} {self.hook.version}: {self.message}"


class PluginManager(pluggy.PluginManager):
    """Hook modules in the order of the index: ours first, then by name; never by the order of installation.

    A module that cannot be imported, or that declares a hook wrongly, is left out as a whole; one that raises when it is
    called is left out of that call. Both are remembered in :attr:`failures` and told once as a :class:`PluginWarning`.

    Args:
        index: Which plugins there are.
    """

    def __init__(self, index: PluginIndex) -> None:
        super().__init__("ecg_core")
        self.add_hookspecs(hooks)
        self.index = index
        self._failures: dict[tuple[str, str], PluginFailure] = {}
        self._loaded: dict[Component, Any] = {}
        self._dynamic: tuple[Component, ...] | None = None
        self._lock = threading.RLock()

    @property
    def failures(self) -> Mapping[tuple[str, str], PluginFailure]:
        """What went wrong so far, by ``(qualified name of the hook module, what it was doing)``."""
        return MappingProxyType(self._failures)

    def load(self) -> PluginManager:
        """Import every healthy hook module; returns the manager."""
        with self._lock:
            for hook in self.index.hooks():
                if hook.status == "ok":
                    self.admit(hook)
        return self

    def admit(self, hook: Component) -> bool:
        """Import one hook module and take it in as a whole or not at all; whether it is in."""
        try:
            module = imported(hook.target)
            problems = hook_problems(module)
        except (Exception, SystemExit) as error:
            self._fail(hook, "import", f"hook module {hook.target} failed to import: {type(error).__name__}: {error}", error)
            return False
        if problems:
            self._fail(hook, "declare", f"hook module {hook.target} is left out: {'; '.join(problems)}")
            return False
        try:
            if self.register(module, name=hook.qualified) is None:
                return False  # blocked by name
        except Exception as error:
            if self.has_plugin(hook.qualified):
                self.unregister(name=hook.qualified)
            self._fail(hook, "declare", f"hook module {hook.target} is left out: {error}", error)
            return False
        self._loaded[hook] = module
        return True

    def listens(self, name: str) -> bool:
        """Whether any plugin implements a hook."""
        return bool(getattr(self.hook, name).get_hookimpls())

    def call_each(self, called: str, /, **arguments: Any) -> list[tuple[Component, Any]]:
        """Call a hook of every plugin and collect ``(hook module, result)``; results that are ``None`` are left out.

        An exception, ``SystemExit`` included, is recorded and costs only its own plugin's result.
        """
        return [(hook, result) for hook in list(self._loaded) for result in self._ask(hook, called, _as_it_is, **arguments) or ()]

    def _ask(self, hook: Component, called: str, read: Callable[[Any], R], /, **arguments: Any) -> list[R] | None:
        """What one hook module answers, ``None`` if it failed; ``read`` consumes and checks the answer under the same ``try``."""
        others = [module for other, module in self._loaded.items() if other != hook]
        try:
            return [read(result) for result in self.subset_hook_caller(called, others)(**arguments)]
        except (Exception, SystemExit) as error:
            self._fail(hook, called, f"{called} of {hook.target} failed: {type(error).__name__}: {error}", error)
            return None

    def _gathered(self, called: str, kind: type[R]) -> list[tuple[Component, R]]:
        """What a hook that gives several things of one type gave, plugin by plugin."""
        read = functools.partial(_all_of, kind)
        answers = ((hook, self._ask(hook, called, read) or ()) for hook in list(self._loaded))
        return [(hook, item) for hook, several in answers for items in several for item in items]

    # ------------------------------------------------------------------ the hooks, with types

    def aliases(self) -> list[tuple[Component, Alias]]:
        """Old names, with who declares them."""
        return self._gathered("ecg_aliases", Alias)

    def diagnostics(self) -> list[tuple[Component, Diagnostic]]:
        """What plugins tell ``ecg doctor``."""
        return self._gathered("ecg_doctor", Diagnostic)

    def registered(self) -> tuple[Component, ...]:
        """Components that hook modules name at run time; of a module that raises half-way, none."""
        with self._lock:
            if self._dynamic is None:
                found: list[Component] = []
                for hook in list(self._loaded):
                    mine: list[Component] = []
                    register = functools.partial(_note, mine, hook)
                    if self._ask(hook, "ecg_register_components", _as_it_is, register=register) is not None:
                        found += mine
                self._dynamic = tuple(found)
            return self._dynamic

    def run_event(self, run: Run, event: RunEvent) -> None:
        """Tell every plugin that watches runs."""
        self.call_each("ecg_run_event", run=run, event=event)

    def migrate_config(
        self, provider: str, kind: str, name: str, config: Mapping[str, Any], from_version: str
    ) -> dict[str, Any] | None:
        """What a provider makes of a configuration that an earlier version of it wrote; ``None`` if it leaves it as it is.

        No other provider is asked, and none can change ``config`` itself.
        """
        words = {"kind": kind, "name": name, "config": MappingProxyType(dict(config)), "from_version": from_version}
        for hook in list(self._loaded):
            if hook.provider == distribution_key(provider):
                for migrated in self._ask(hook, "ecg_migrate_config", _plain_dict, **words) or ():
                    return migrated
        return None

    # ------------------------------------------------------------------ inside

    def _fail(self, hook: Component, doing: str, message: str, cause: BaseException | None = None) -> None:
        failure = PluginFailure(hook, doing, message, cause)
        known = (hook.qualified, doing) in self._failures
        self._failures[hook.qualified, doing] = failure
        if not known:
            sentence = str(failure) if message.endswith((".", "?")) else f"{failure}."
            warnings.warn(f"{sentence} Everything else works on; `ecg plugins check` tells more.", PluginWarning, stacklevel=2)


def _note(found: list[Component], hook: Component, kind: str, name: str, target: str) -> None:
    """What a plugin's ``register`` does: note one component under its provider."""
    component = Component(kind, name, target, hook.provider, hook.version)
    status, detail = reference_health(component.kind, component.name, component.target, hook.provider)
    if status in ("unknown-kind", "invalid"):
        raise ValueError(detail)
    found.append(replace(component, status=status, detail=detail))


def _as_it_is(result: Any) -> Any:
    return result


def _plain_dict(result: Any) -> dict[str, Any]:
    if not isinstance(result, Mapping):
        raise TypeError(f"it gave a {type(result).__name__}, expected the new configuration as a mapping, or None")
    return dict(result)


def _all_of(kind: type[R], result: Any) -> list[R]:
    return [_one_of(kind, item) for item in result]


def _one_of(kind: type[R], item: Any) -> R:
    if not isinstance(item, kind):
        raise TypeError(f"it gave a {type(item).__name__}, expected {kind.__name__}")
    return item


_lock = threading.Lock()
_current: PluginManager | None = None


def plugin_manager() -> PluginManager:
    """The manager of this process, its hook modules imported; a new one after the index was refreshed."""
    global _current
    with _lock:
        index = get_index()
        if _current is None or _current.index is not index:
            _current = PluginManager(index).load()
        return _current

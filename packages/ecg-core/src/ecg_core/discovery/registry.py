"""Registry: from a name to the class behind it, and from an object back to its configuration."""

from __future__ import annotations

import fnmatch
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

from ecg_core.config.configurable import Variant
from ecg_core.discovery import configuration
from ecg_core.discovery.index import Component, get_index
from ecg_core.discovery.modules import imported, is_target
from ecg_core.discovery.names import comparison_key
from ecg_core.discovery.resolution import chosen, described_at_run_time, preferred, renamed, unknown
from ecg_core.discovery.torch_backends import keep_torch_importable
from ecg_core.errors import AmbiguousComponentError, ComponentLoadError, ConfigError

__all__ = ["Registry", "registry_of"]

T = TypeVar("T")
C = TypeVar("C")


class Registry(Generic[T]):
    """Finds components of one kind by name: installed ones through the static index, local ones through ``register``.

    Listing, ``in``, ``len`` and iteration import nothing; ``get`` and ``build`` import the one module they need.

    Args:
        kind: Plural used in entry point groups and messages, such as ``"backbones"``.
        supplied: Arguments that whoever builds supplies at run time, such as the parameters an optimizer steps; they belong to
            no configuration.
    """

    _all: dict[str, Registry[Any]] = {}

    def __init__(self, kind: str, *, supplied: Sequence[str] = ()) -> None:
        self.kind = kind
        self.supplied = frozenset(supplied)
        self._local: dict[str, tuple[str, Any, bool]] = {}
        self._warned: set[str] = set()  # old names whose deprecation was told
        Registry._all[kind] = self

    # ------------------------------------------------------------------ finding

    def get(self, name: str) -> Callable[..., T]:
        """The class (or named variant) behind a name, loading exactly its module.

        Raises:
            UnknownComponentError: Nobody ships it; near names are given.
            AmbiguousComponentError: Several strangers ship it.
            ComponentLoadError: Its module cannot be imported; the cause is chained.
            PluginError: ``ECG_PLUGINS_STRICT=1`` is set, and something about an installed plugin is wrong.
        """
        get_index().insist_on_health()
        found = self._resolve(name)
        return cast("Callable[..., T]", self._load(found) if isinstance(found, Component) else found)

    def build(self, spec: str | Mapping[str, Any], /, **kwargs: Any) -> T:
        """An object from a name or ``{"name": …, **arguments}``; ``kwargs`` win over the arguments.

        Raises:
            RegistryError: The name leads to nothing, to several things, or to a module that cannot be imported.
            ConfigError: It is no configuration of this kind, or the component has an argument called ``name`` or ``kind``.
        """
        return configuration.build(self, spec, kwargs)

    def describe(self, name: str) -> Component:
        """What the index knows of a component; imports nothing.

        A component registered in this process is described as shipped by ``"this process"``.
        """
        found = self._resolve(name)
        if isinstance(found, Component):
            return found
        cls = found.cls if isinstance(found, Variant) else found
        return Component(self.kind, name, f"{cls.__module__}:{cls.__qualname__}", configuration.THIS_PROCESS, "")

    def to_config(self, obj: T) -> dict[str, Any]:
        """``{"name": …, **arguments}`` from which :meth:`build` makes the same object.

        The name is ``"provider:name"`` exactly where the plain one leads to somebody else's component.

        Raises:
            ConfigError: Nobody registered its class or noted its arguments, or an argument cannot be written; its place is named.
        """
        return configuration.to_config(self, obj)

    def names(self, pattern: str = "*", *, provider: str | None = None) -> list[str]:
        """Sorted names, without importing anything."""
        installed = {c.name for c in get_index().components(self.kind) if c.status == "ok" and provider in (None, c.provider)}
        local = {display for display, _, _ in self._local.values()} if provider is None else set()
        return sorted(fnmatch.filter(installed | local, pattern))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (comparison_key(name) in self._local or bool(get_index().find(self.kind, name)))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    # ------------------------------------------------------------------ registering

    def register(self, name: str | None = None, *, override: bool = False) -> Callable[[C], C]:
        """Decorator that makes a class known in this process and returns it unchanged."""

        def decorate(cls: C) -> C:
            self.add(cls, name, override=override)
            return cls

        return decorate

    def add(self, cls: Any, name: str | None = None, *, override: bool = False) -> None:
        """Make a class or variant known in this process. The same class again (a notebook cell re-run) replaces itself.

        Raises:
            AmbiguousComponentError: Another class of this process has the name, and ``override`` is not given.
            ConfigError: The name cannot be one.
        """
        display = name or str(cls.__name__).lower()
        key = comparison_key(display)
        if not key or ":" in display:
            raise ConfigError(f"{self.kind}: {display!r} cannot be a name; use letters, digits and '_'")
        if key in self._local and not override and _identity(self._local[key][1]) != _identity(cls):
            raise AmbiguousComponentError(
                f"{self.kind} '{display}' is already registered in this process as {_identity(self._local[key][1])}; "
                "choose another name or pass override=True"
            )
        self._local[key] = (display, cls, override)

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Forget, at the end of the block, what was registered inside it."""
        before = dict(self._local)
        try:
            yield
        finally:
            self._local = before

    # ------------------------------------------------------------------ inside

    def _resolve(self, name: str, *, aliases: bool = True) -> Component | Any:
        """The component (or, for one of this process, the class) a name means; :mod:`resolution` states the order.

        Raises:
            UnknownComponentError: Nobody ships it.
            AmbiguousComponentError: Several do, and none of them is ours.
        """
        if not isinstance(name, str):
            raise ConfigError(f"{self.kind}: a name is a string, got {name!r}")
        candidates = get_index().find(self.kind, name)
        found = next(iter(candidates), None) if ":" in name else self._plain_name(name, candidates)
        if found is None:
            found = described_at_run_time(self.kind, name)
        if found is None and aliases:
            new = renamed(self.kind, name, warned=self._warned)
            if new is not None:
                return self._resolve(new, aliases=False)
        if found is None:
            raise unknown(self.kind, name, self.names())
        return found

    def _plain_name(self, name: str, candidates: Sequence[Component]) -> Component | Any | None:
        wanted = preferred(name, candidates)
        local = self._local.get(comparison_key(name))
        if wanted is not None or local is None:
            return wanted or chosen(name, candidates)
        _, cls, override = local
        if candidates and not override and not any(is_target(c.target, cls) for c in candidates):
            raise AmbiguousComponentError(
                f"{self.kind} '{name}' is registered in this process and also shipped by {candidates[0].provider}; "
                f"register it with override=True or name the installed one '{candidates[0].qualified}'"
            )
        return cls

    def _load(self, component: Component) -> Any:
        keep_torch_importable()
        try:
            return imported(component.target)
        except (Exception, SystemExit) as error:
            raise ComponentLoadError(
                f"{self.kind} '{component.name}' from {component.provider} {component.version} ({component.target}) failed to "
                f"import: {type(error).__name__}: {error}. Other components are unaffected; `ecg plugins list` shows them."
            ) from error


def registry_of(kind: str) -> Registry[Any]:
    """The registry of a kind.

    Raises:
        ConfigError: There is no such kind.
    """
    importlib.import_module("ecg_core.discovery.registries")  # where they are all made
    if kind not in Registry._all:
        raise ConfigError(f"'{kind}' is no kind of component; expected one of {', '.join(sorted(Registry._all))}")
    return Registry._all[kind]


def _identity(cls: Any) -> str:
    cls = cls.cls if isinstance(cls, Variant) else cls
    return f"{cls.__module__}:{cls.__qualname__}"

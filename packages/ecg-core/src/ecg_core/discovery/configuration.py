"""Between components and their configurations: ``build`` makes the one from the other, ``to_config`` goes back.

A configuration is ``{"name": …, **arguments}``; a component inside another one carries its ``kind`` too. It names
registered components and nothing else, so no configuration can import or call what nobody registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from ecg_core.config.configurable import Configurable, Variant, construction_of, remember, snapshot
from ecg_core.config.plain import is_component, plain
from ecg_core.config.signature import call, signature_of
from ecg_core.discovery.health import USABLE
from ecg_core.discovery.index import Component, get_index
from ecg_core.discovery.installed_hooks import installed_hooks
from ecg_core.discovery.kinds import KINDS, singular
from ecg_core.discovery.modules import is_target
from ecg_core.discovery.names import near_names
from ecg_core.errors import ConfigError, RegistryError

if TYPE_CHECKING:
    from ecg_core.discovery.registry import Registry

__all__ = ["RESERVED", "THIS_PROCESS", "build", "check_kinds", "to_config"]

RESERVED = ("name", "kind")
"""Words a configuration needs for itself, so that no argument can have them."""


THIS_PROCESS = "this process"
"""How :meth:`Registry.describe` calls the provider of what was registered here."""


class Registered(NamedTuple):
    """What a registry called to make an object that does not remember its arguments by itself: a class of torch, a function."""

    kind: str
    name: str


def build(registry: Registry[Any], spec: str | Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """See :meth:`Registry.build`."""
    if isinstance(spec, str):
        name, arguments = spec, {}
    elif isinstance(spec, Mapping) and isinstance(spec.get("name"), str):
        name = spec["name"]
        if spec.get("kind", registry.kind) != registry.kind:
            raise ConfigError(f"'{name}' is configured as one of {spec['kind']}, expected one of {registry.kind}")
        arguments = {k: _built(v) for k, v in spec.items() if k not in RESERVED}
    else:
        raise ConfigError(f"{registry.kind}: expected a name or a mapping with a 'name', got {spec!r}")
    source = registry.get(name)
    _check_words(registry, name, source)
    arguments |= given
    _check_arguments(source, arguments)
    if isinstance(source, Variant) or (isinstance(source, type) and issubclass(source, Configurable)):
        return call(source, arguments)
    found = registry.describe(name)
    address = Registered(registry.kind, name if found.provider == THIS_PROCESS else found.qualified)
    noted = snapshot({k: v for k, v in arguments.items() if k not in registry.supplied})
    made = call(source, arguments)
    remember(made, address, noted)
    return made


def _check_arguments(source: Any, arguments: Mapping[str, Any]) -> None:
    """Python's own error for a misspelt argument, with the nearest that there is (as Python 3.13 says it by itself)."""
    signature = signature_of(source)
    if signature is None or any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        return
    for word in arguments:
        near = [] if word in signature.parameters or word.startswith("*") else near_names(word, signature.parameters, most=1)
        if near:
            cls = source.cls if isinstance(source, Variant) else source
            called = f"{cls.__qualname__}.__init__()" if isinstance(cls, type) else f"{cls.__qualname__}()"
            raise TypeError(f"{called} got an unexpected keyword argument '{word}'. Did you mean '{near[0]}'?")


def to_config(registry: Registry[Any], obj: Any) -> dict[str, Any]:
    """See :meth:`Registry.to_config`."""
    return _written(registry, obj, "")


def _written(registry: Registry[Any], obj: Any, where: str) -> dict[str, Any]:
    made = construction_of(obj)
    if made is None:
        raise ConfigError(
            f"{registry.kind}: nobody noted how this {type(obj).__name__} was made: it does not derive from Configurable, and no "
            f"registry built it; build it by its name, or derive its class from ecg_core.Configurable"
        )
    name = _name_of(registry, made.source, type(obj))
    defaults = made.source.defaults if isinstance(made.source, Variant) else {}
    config: dict[str, Any] = {"name": name}
    for word, value in made.arguments.items():
        if word in registry.supplied or (word in defaults and _same(value, defaults[word])):
            continue
        if word.startswith("*"):
            raise ConfigError(f"{where or name}.{word}: one name has two values, by position and by keyword; rename one of them")
        config[word] = plain(value, f"{where or name}.{word}", _component)
    return config


def check_kinds(value: Any) -> None:
    """Building a component runs its constructor, which makes an object; calling a command would do what the command does.

    Raises:
        ValueError: A configuration names a command, or a kind that does not exist.
    """
    if isinstance(value, Mapping):
        kind = value.get("kind", "models")
        if kind == "commands" or kind not in KINDS:
            raise ValueError(f"it names a component of kind {kind!r}")
    if isinstance(value, (Mapping, list)):
        for inner in value.values() if isinstance(value, Mapping) else value:
            check_kinds(inner)


def _component(value: Any, where: str) -> Mapping[str, Any] | None:
    """The configuration of a component among the arguments of another one; ``None`` for what is no component."""
    made = construction_of(value)
    if made is not None:
        for addresses in (_known, _known_at_run_time):  # hook modules are asked when nothing else knows it
            for registry in _registries():
                if any(True for _ in addresses(registry, made.source)):
                    return {"kind": registry.kind} | _written(registry, value, where)
        raise ConfigError(f"{where}: {type(value).__name__} is not a registered component, so a configuration cannot name it")
    if is_component(value) and value["kind"] not in KINDS:
        raise ConfigError(f"{where}: a dictionary with 'kind' and 'name' is a component, and '{value['kind']}' is no kind of one")
    return None


def _name_of(registry: Registry[Any], source: Any, cls: type) -> str:
    """The shortest name that leads back to the very same source: the plain one, or ``"provider:name"``.

    Raises:
        ConfigError: Nobody registered it, or its name leads to something else.
    """
    taken = []
    for address in chain(_known(registry, source), _known_at_run_time(registry, source)):
        if isinstance(address, Component):
            return address.name if _leads_to(registry, address.name, address) else address.qualified
        if _leads_to(registry, address, None):
            return address
        taken.append(address)
    if taken:
        raise ConfigError(
            f"{registry.kind}: {cls.__name__} is registered in this process as '{taken[0]}', and that name leads to a package's "
            "component; register it with override=True or under another name"
        )
    if any((c.__module__, c.__qualname__) == (cls.__module__, cls.__qualname__) for c in _local_classes(registry)):
        raise ConfigError(
            f"{registry.kind}: {cls.__qualname__} was defined again after this object was made; build the object anew"
        )
    raise ConfigError(
        f"{registry.kind}: {cls.__module__}.{cls.__qualname__} is not registered, so a configuration cannot name it; "
        f"add an entry point or decorate it with register_{singular(registry.kind)}"
    )


def _known(registry: Registry[Any], source: Any) -> Iterator[str | Component]:
    """Where a source can be found: names of this process, then components of installed packages."""
    if isinstance(source, Registered):
        if source.kind == registry.kind:
            yield source.name if ":" not in source.name else registry.describe(source.name)
        return
    yield from (display for display, registered, _ in registry._local.values() if registered == source)
    yield from (c for c in get_index().components(registry.kind) if c.status in USABLE and is_target(c.target, source))


def _known_at_run_time(registry: Registry[Any], source: Any) -> Iterator[Component]:
    manager = None if isinstance(source, Registered) else installed_hooks()
    if manager is not None:
        yield from (c for c in manager.registered() if c.kind == registry.kind and is_target(c.target, source))


def _local_classes(registry: Registry[Any]) -> Iterator[Any]:
    yield from (found.cls if isinstance(found, Variant) else found for _, found, _ in registry._local.values())


def _leads_to(registry: Registry[Any], name: str, wanted: Component | None) -> bool:
    """Whether a plain name means this component; ``None`` stands for what this process registered under it."""
    try:
        found = registry.describe(name)
    except RegistryError:
        return False
    return (
        found.provider == THIS_PROCESS if wanted is None else (found.provider, found.target) == (wanted.provider, wanted.target)
    )


def _check_words(registry: Registry[Any], name: str, source: Callable[..., Any]) -> None:
    signature = signature_of(source)
    for word in RESERVED:
        if signature is not None and word in signature.parameters:
            raise ConfigError(
                f"{registry.kind} '{name}' ({registry.describe(name).target}) has an argument called '{word}', a word that "
                "configurations need for themselves; give the argument another name"
            )


def _built(value: Any) -> Any:
    """The inverse of writing an argument."""
    if is_component(value):
        if value["kind"] == "commands":  # building is calling, and a command does things
            raise ConfigError(f"a configuration cannot name a command, got '{value['name']}'; it names components only")
        from ecg_core.discovery.registry import registry_of

        return registry_of(value["kind"]).build(value)
    if isinstance(value, Mapping):
        return {k: _built(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_built(v) for v in value]
    return value


def _same(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # arrays answer with an array
        return a is b


def _registries() -> Iterator[Registry[Any]]:
    from ecg_core.discovery.registry import Registry

    yield from (registry for kind, registry in Registry._all.items() if kind != "commands")

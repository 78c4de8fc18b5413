"""All toys: importing this fills the table."""

from __future__ import annotations

from importlib import import_module

from ecg_kit_toys.table import HEALTHY, TABLE

_MODULES = (
    "backbones",
    "backbones_state",
    "tokens",
    "heads",
    "small",
    "commands",
    "heavy_command",
    "models",
    "methods",
    "methods_state",
    "transforms",
    "transforms_signal",
    "readers",
)
for _module in _MODULES:
    import_module(f"ecg_kit_toys.{_module}")


def name_of(target) -> str:
    """The entry point's name of a toy."""
    return target.__qualname__.lower()


def entry_points() -> str:
    """The text of ``entry_points.txt`` that ships every toy under its name in lower case."""
    every = [*HEALTHY, *((row.kind, row.target) for row in TABLE.values())]
    lines = []
    for kind in dict.fromkeys(kind for kind, _ in every):
        lines.append(f"[ecg_core.{kind}]")
        lines += sorted({f"{name_of(t)} = {t.__module__}:{t.__qualname__}" for k, t in every if k == kind})
    return "\n".join(lines) + "\n"

"""The other side of :mod:`ecg_core.discovery.probe`: imports one target after another and writes down what each did."""

from __future__ import annotations

import importlib
import importlib.abc
import json
import os
import random
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pluggy

from ecg_core.discovery import hooks
from ecg_core.discovery.health import HOOKS
from ecg_core.discovery.hook_problems import hook_problems
from ecg_core.discovery.index import Component
from ecg_core.discovery.kinds import CONTRACTS
from ecg_core.discovery.modules import imported
from ecg_core.discovery.torch_backends import keep_torch_importable
from ecg_core.discovery.versions import numbers
from ecg_core.errors import PluginWarning

__all__ = ["main"]

HEAVY = ("torch", "numpy", "pandas", "scipy", "matplotlib")
_PRINTED_AT_MOST = 2000


class _Blocker(importlib.abc.MetaPathFinder):
    """Refuses packages, as if they were not installed."""

    def __init__(self, packages: Sequence[str]) -> None:
        self.packages = packages

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.split(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)
        return None


def main(request: Mapping[str, Any]) -> None:
    """Import everything that is asked for and write one line about each to the report."""
    sys.meta_path.insert(0, _Blocker(request["block"]))
    descriptor = os.open(request["report"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # the index of the parent tells it
        keep_torch_importable()
    ready = False
    for wanted in request["imports"]:
        component = Component(**wanted["component"])
        if component.kind != HOOKS and not ready:
            _load_what_components_may_need(request["block"])
            ready = True
        _write(descriptor, {"begins": wanted["what"]})
        _write(descriptor, {"what": wanted["what"], "target": component.target, **_observed(component)})
    os._exit(0)  # what plugins left running in threads or atexit is not what is asked for


def _write(descriptor: int, line: Mapping[str, Any]) -> None:
    os.write(descriptor, (json.dumps(line) + "\n").encode())


def _load_what_components_may_need(block: Sequence[str]) -> None:
    """So that neither their time nor what they change is laid at a component's door."""
    for package in (
        *HEAVY[:3],
        "rich.progress",
        "ecg_core.contracts.task",
        "ecg_core.contracts.ssl",
        "ecg_core.contracts.transform",
    ):
        if package not in block:
            try:
                importlib.import_module(package)
            except ImportError:
                continue


def _observed(component: Component) -> dict[str, Any]:
    before, heavy = _global_state(), {name for name in HEAVY if name in sys.modules}
    found, outcome, detail = None, "ok", ""
    with _noise() as noise:
        began = time.process_time()
        try:
            found = imported(component.target)
        except SystemExit as error:
            outcome, detail = "exit", f"importing {component.module} left the interpreter (SystemExit: {error})"
        except BaseException as error:
            outcome, detail = "exception", f"{type(error).__name__}: {error}"
        seconds = time.process_time() - began
    after = _global_state()
    return {
        "outcome": outcome,
        "detail": detail,
        "seconds": round(seconds, 4),
        "heavy": [name for name in HEAVY if name in sys.modules and name not in heavy],
        "printed": noise["printed"],
        "warned": noise["warned"],
        "changed": [what for what in after if what in before and after[what] != before[what]],
        "problems": _problems(component, found) if outcome == "ok" else [],
    }


def _problems(component: Component, found: Any) -> list[str]:
    """What is wrong with the object behind a target."""
    if component.kind == HOOKS:
        return hook_problems(found) or _overdue(component, found)
    if not callable(found):
        return [f"it is a {type(found).__name__}, which cannot be called"]
    contract = CONTRACTS.get(component.kind)
    if contract is None:
        return []
    cls, base = getattr(found, "cls", found), imported(contract)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        return [f"it does not derive from ecg_core.{base.__name__}, the contract of {component.kind}"]
    return []


def _overdue(hook: Component, module: Any) -> list[str]:
    """Old names that should be gone by now."""
    plugins = pluggy.PluginManager("ecg_core")
    plugins.add_hookspecs(hooks)
    plugins.register(module)
    try:
        aliases = [alias for some in plugins.hook.ecg_aliases() for alias in some]
        return [
            f"the old name '{a.old}' was to go away in {a.remove_in}, and this is {hook.version}; remove the alias"
            for a in aliases
            if numbers(hook.version) >= numbers(a.remove_in)
        ]
    except (Exception, SystemExit) as error:
        return [f"ecg_aliases failed: {type(error).__name__}: {error}"]


@contextmanager
def _noise() -> Iterator[dict[str, Any]]:
    """What is written to the descriptors of standard output and error, by whatever language, and the warnings given."""
    import tempfile

    heard: dict[str, Any] = {"printed": "", "warned": []}
    show = warnings.showwarning

    def note(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        heard["warned"].append(f"{category.__name__}: {message}")

    with tempfile.TemporaryFile() as file:
        saved = os.dup(1), os.dup(2)
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        warnings.showwarning = note
        try:
            yield heard
        finally:
            warnings.showwarning = show
            for written in (sys.stdout, sys.stderr):
                written.flush()
            for number, before in enumerate(saved, start=1):
                os.dup2(before, number)
                os.close(before)
            file.seek(0)
            heard["printed"] = file.read(_PRINTED_AT_MOST).decode(errors="replace")


def _global_state() -> dict[str, Any]:
    """What an import has to leave alone, by name."""
    state: dict[str, Any] = {
        "the working directory": os.getcwd(),
        "environment variables": dict(os.environ),
        "Python's random state": hash(random.getstate()),
        "the warnings filters": [(f[0], str(f[1]), str(f[2])) for f in warnings.filters],
    }
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        state["NumPy's random state"] = hash(numpy.random.get_state()[1].tobytes())
    if torch is not None:
        state |= {
            "torch's random state": hash(torch.get_rng_state().numpy().tobytes()) if numpy is not None else 0,
            "torch's default dtype": str(torch.get_default_dtype()),
            "torch's thread count": torch.get_num_threads(),
            "torch's gradient mode": torch.is_grad_enabled(),
            "torch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
        }
    return state

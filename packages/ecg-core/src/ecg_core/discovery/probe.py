"""Import everything a distribution ships, in a process of its own, and say what each import did.

A component that raises, exits, crashes the interpreter, hangs, prints or changes global state is told apart from the others,
and this process is not touched. The child (:mod:`ecg_core.discovery.probe_child`) writes what it does to a file, line by line, so
that the last line names the culprit of a crash; a new child then goes on behind it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ecg_core.discovery.health import USABLE
from ecg_core.discovery.index import Component, Plugin
from ecg_core.errors import PluginError

__all__ = ["Outcome", "Probe", "probe_distribution"]

_START = 60.0  # seconds the child may take before its first import: torch comes from a cold disk

Outcome = Literal["ok", "exception", "exit", "crash", "timeout"]


@dataclass(frozen=True)
class Probe:
    """What one import did.

    Args:
        what: ``"plugins:<name>"`` for a hook module, else ``"<kind>:<name>"``.
        target: ``"module:Class"``.
        outcome: ``"ok"``, ``"exception"``, ``"exit"`` (it left the interpreter), ``"crash"`` or ``"timeout"``.
        detail: One sentence, unless the outcome is ok.
        seconds: CPU seconds of the import; without those of torch, numpy and pandas for a component, which may need them.
        heavy: Of torch, numpy, pandas, scipy and matplotlib, those the import loaded (of a hook module: those it should not).
        printed: What it wrote to standard output and standard error.
        warned: Texts of the warnings it gave.
        changed: Global state it left changed, in words.
        problems: What is wrong with the object behind the target: misspelt hooks, another base class than its kind's.
    """

    what: str
    target: str
    outcome: Outcome = "ok"
    detail: str = ""
    seconds: float = 0.0
    heavy: tuple[str, ...] = ()
    printed: str = ""
    warned: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def probe_distribution(
    plugin: Plugin, *, timeout: float = 120.0, block: tuple[str, ...] = (), stop: threading.Event | None = None
) -> tuple[Probe, ...]:
    """Probe every healthy hook module and component of a distribution, in this order.

    Args:
        plugin: The distribution.
        timeout: Seconds one import may take.
        block: Packages that cannot be imported meanwhile, such as ``("torch",)``.
        stop: Set it from another thread to end early, with the probes there are.

    Raises:
        PluginError: Not even torch, NumPy and our own contracts could be imported.
    """
    stop = stop or threading.Event()
    left = [c for c in (*plugin.hooks, *plugin.components) if c.status in USABLE]
    found: list[Probe] = []
    while left and not stop.is_set():
        done = _run_child(left, timeout, block, stop)
        found += done
        left = left[len(done) :]
    return tuple(found)


def _run_child(components: list[Component], timeout: float, block: tuple[str, ...], stop: threading.Event) -> list[Probe]:
    """Probes of the first components, up to the one that ended the child."""
    with tempfile.TemporaryDirectory(prefix="ecg-probe-") as folder, tempfile.TemporaryFile() as errors:
        report = Path(folder) / "report"
        request = {
            "path": sys.path,
            "block": block,
            "report": str(report),
            "imports": [{"what": f"{c.kind}:{c.name}", "component": asdict(c)} for c in components],
        }
        code = "import sys, json; request = json.load(sys.stdin); sys.path[:] = request['path']; "
        code += "from ecg_core.discovery.probe_child import main; main(request)"
        child = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is gone already; what it said tells why
            child.stdin.write(json.dumps(request).encode())
            child.stdin.close()
        timed_out = not _finishes(child, report, timeout, stop)
        lines = [json.loads(line) for line in _complete_lines(report)]
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
    if not lines and not stop.is_set():
        raise PluginError(f"the probing process could not start: {said[-1] if said else f'exit code {child.returncode}'}")
    done = [_probe(line) for line in lines if "outcome" in line]
    if len(done) < len(components) and not stop.is_set():
        done.append(_culprit(components[len(done)], child.returncode, timed_out, timeout))
    return done


def _finishes(child: subprocess.Popen[bytes], report: Path, timeout: float, stop: threading.Event) -> bool:
    """Wait for the child as long as no single import takes longer than the time; whatever it started ends with it."""
    size, deadline = 0, time.monotonic() + _START + timeout
    while child.poll() is None and time.monotonic() < deadline and not stop.is_set():
        now = report.stat().st_size if report.exists() else 0
        if now != size:
            size, deadline = now, time.monotonic() + timeout
        time.sleep(0.01)
    finished = child.poll() is not None
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:  # pragma: no cover - Windows
            child.kill()
    child.wait()
    return finished


def _complete_lines(report: Path) -> list[str]:
    text = report.read_text(encoding="utf-8", errors="replace") if report.exists() else ""
    return text.split("\n")[:-1]


def _probe(line: dict[str, Any]) -> Probe:
    plain: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in line.items()}
    return Probe(**plain)


def _culprit(component: Component, code: int, timed_out: bool, timeout: float) -> Probe:
    probe = Probe(f"{component.kind}:{component.name}", component.target)
    module = component.module
    if timed_out:
        return replace(probe, outcome="timeout", detail=f"importing {module} did not end within {timeout:g} s")
    if code < 0:
        name = signal.Signals(-code).name
        return replace(probe, outcome="crash", detail=f"importing {module} crashed the interpreter ({name})")
    return replace(probe, outcome="exit", detail=f"importing {module} left the interpreter with exit code {code}")

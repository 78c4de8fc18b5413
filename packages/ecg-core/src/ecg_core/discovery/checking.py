"""What is wrong with the installed plugins: their metadata, their modules, their hooks, and what importing them does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from ecg_core.discovery.index import Plugin, get_index
from ecg_core.discovery.names import distribution_key, near_names
from ecg_core.discovery.probe import Probe, probe_distribution
from ecg_core.errors import UnknownComponentError

__all__ = ["Checked", "Finding", "check_plugins", "chosen_plugins"]

# CPU seconds an import may take before it is worth a word: every miss of a name imports the hook modules.
_SLOW_HOOK, _SLOW_COMPONENT = 0.1, 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Args:
        level: ``"failure"``, or ``"warning"`` for what works but will surprise somebody.
        where: ``"kind:name"`` of a component or ``"plugins:name"`` of a hook module.
        cause: One word: a status of the index, an outcome of a probe, ``"contract"``, ``"hooks"``, ``"heavy"``, ``"noise"``, …
        message: One sentence.
    """

    level: Literal["failure", "warning"]
    where: str
    cause: str
    message: str


@dataclass(frozen=True)
class Checked:
    """A distribution after its check."""

    plugin: Plugin
    probes: tuple[Probe, ...]
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether anything is a failure."""
        return any(f.level == "failure" for f in self.findings)


def chosen_plugins(names: Sequence[str]) -> tuple[Plugin, ...]:
    """The plugins of these names; all of them for none.

    Raises:
        UnknownComponentError: One of them is not installed or ships nothing.
    """
    index = get_index()
    for name in names:
        if distribution_key(name) not in index.plugins:
            near = near_names(name, index.plugins)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise UnknownComponentError(
                f"no installed distribution '{name}' ships components.{hint} Those that do: {', '.join(index.plugins)}"
            )
    wanted = {distribution_key(name) for name in names}
    return tuple(p for p in index.plugins.values() if not names or p.name in wanted)


def check_plugins(
    plugins: Sequence[Plugin], *, timeout: float, jobs: int = 2, done: Callable[[int, int], None] = lambda done, total: None
) -> list[Checked]:
    """Check distributions, each in a process of its own.

    Args:
        plugins: Which.
        timeout: Seconds one import may take.
        jobs: Processes at a time.
        done: Told how far it is.
    """
    found: list[Checked] = []
    stop = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(probe_distribution, plugin, timeout=timeout, stop=stop) for plugin in plugins]
        try:
            for plugin, future in zip(plugins, waiting, strict=True):
                probes = future.result()
                found.append(Checked(plugin, probes, (*_static(plugin), *_seen(probes))))
                done(len(found), len(plugins))
        except BaseException:  # Ctrl-C above all: nobody waits for imports that hang
            stop.set()
            raise
    return found


def _static(plugin: Plugin) -> Iterator[Finding]:
    """What the index knows. Blocked is what the user asked for; a clash of names leaves the qualified name."""
    for c in plugin.unhealthy:
        if c.status != "blocked":
            yield Finding("failure" if c.broken else "warning", f"{c.kind}:{c.name}", c.status, c.detail)
    if not (plugin.hooks or plugin.components):
        yield Finding("failure", "entry points", "invalid", "its entry points hold nothing that can be read")


def _seen(probes: Sequence[Probe]) -> Iterator[Finding]:
    for p in probes:
        is_hook = p.what.startswith("plugins:")
        if p.outcome != "ok":
            yield Finding("failure", p.what, p.outcome, p.detail)
        for problem in p.problems:
            yield Finding("failure", p.what, "hooks" if is_hook else "contract", problem)
        if is_hook and p.heavy:
            loaded = ", ".join(p.heavy)
            yield Finding(
                "failure", p.what, "heavy", f"importing this hook module loads {loaded}; import them inside the functions"
            )
        if p.printed:
            yield Finding("failure", p.what, "noise", f"importing it prints {_first_line(p.printed)!r}; a library is silent")
        if p.outcome == "ok" and p.seconds > (_SLOW_HOOK if is_hook else _SLOW_COMPONENT):
            yield Finding("warning", p.what, "slow", f"importing it takes {p.seconds:.2f} s of CPU time")
        for text in p.warned:
            yield Finding("warning", p.what, "warns", f"importing it warns: {text}")
        for what in p.changed:
            yield Finding("warning", p.what, "changes", f"importing it changes {what}")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:80] if text.strip() else text

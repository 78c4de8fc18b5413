"""Doctor: is this machine ready, and what is missing for what?"""

from __future__ import annotations

import importlib.util
import os
import platform
import warnings

from ecg_core import __version__
from ecg_core.discovery.hooks import Diagnostic
from ecg_core.discovery.index import PluginIndex, get_index
from ecg_core.discovery.kinds import FIRST_PARTY
from ecg_core.discovery.manager import PluginManager
from ecg_core.discovery.metadata import version_of
from ecg_core.errors import PluginWarning

__all__ = ["Diagnostic", "doctor"]


def doctor() -> list[Diagnostic]:
    """Look at Python, the packages, the plugins and the hardware."""
    index = get_index()
    found = [Diagnostic("ok", f"Python {platform.python_version()}, ecg-core {__version__}, {os.cpu_count()} cores")]
    for name in FIRST_PARTY[1:]:
        installed = index.plugins.get(name)
        found.append(
            Diagnostic("ok", f"{name} {installed.version}: {len(installed.components)} components")
            if installed
            else Diagnostic("note", f"{name} is not installed: pip install {name}")
        )
    for package, purpose, extra in (
        ("torch", "training", "ecg-core[torch]"),
        ("matplotlib", "pictures", "ecg-core[plots]"),
        ("pyarrow", "Parquet tables", "pyarrow"),
        ("pytorch_optimizer", "the optimizers LAMB and LARS", "ecg-core[optimizers]"),
    ):
        version = version_of(package) if importlib.util.find_spec(package) else None
        found.append(
            Diagnostic("ok", f"{package} {version}")
            if version
            else Diagnostic("note", f"{package} is not installed, needed for {purpose}: pip install '{extra}'")
        )
    found += _devices()
    found += _told_by_plugins(index)
    for c in (c for p in index.plugins.values() for c in p.unhealthy):
        found.append(Diagnostic("problem" if c.broken else "note", f"{c.qualified} ({c.kind}): {c.status}, {c.detail}"))
    found += [Diagnostic("problem", problem) for problem in index.problems]
    return found


def _told_by_plugins(index: PluginIndex) -> list[Diagnostic]:
    """What plugins say of the machine through ``ecg_doctor``, and what is wrong with their hook modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # told as problems, below
        manager = PluginManager(index).load()
        found = [Diagnostic(d.level, f"{hook.provider}: {d.message}") for hook, d in manager.diagnostics()]
    return found + [Diagnostic("problem", str(failure)) for failure in manager.failures.values()]


def _devices() -> list[Diagnostic]:
    if not importlib.util.find_spec("torch"):
        return []
    try:
        import torch
    except (ImportError, OSError) as error:  # installed, but a library it needs is not
        return [Diagnostic("problem", f"torch cannot be imported ({error}); install it again: pip install 'ecg-core[torch]'")]
    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
        return [Diagnostic("ok", f"{torch.cuda.device_count()} GPU: {', '.join(sorted(names))}")]
    return [Diagnostic("note", f"no GPU; training uses {torch.get_num_threads()} CPU threads")]

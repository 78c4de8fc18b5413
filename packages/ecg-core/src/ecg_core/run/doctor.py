"""Doctor: is this machine ready, and what is missing for what?"""

from __future__ import annotations

import importlib.util
import os
import platform
from dataclasses import dataclass
from typing import Literal

from ecg_core import __version__
from ecg_core.discovery.index import FIRST_PARTY, get_index
from ecg_core.discovery.metadata import version_of

__all__ = ["Diagnostic", "doctor"]


@dataclass(frozen=True)
class Diagnostic:
    """One finding: ``ok``, ``note`` (something optional is absent) or ``problem``."""

    level: Literal["ok", "note", "problem"]
    message: str


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
    ):
        version = version_of(package) if importlib.util.find_spec(package) else None
        found.append(
            Diagnostic("ok", f"{package} {version}")
            if version
            else Diagnostic("note", f"{package} is not installed, needed for {purpose}: pip install '{extra}'")
        )
    found += _devices()
    for component in index.components():
        if component.status != "ok":
            found.append(
                Diagnostic("problem", f"{component.qualified} ({component.kind}): {component.status}, {component.detail}")
            )
    found += [Diagnostic("problem", problem) for problem in index.problems]
    return found


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

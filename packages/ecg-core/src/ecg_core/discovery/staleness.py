"""Editable installations whose metadata and source tree no longer say the same.

pip writes ``entry_points.txt`` once, when it installs. An entry point added to ``pyproject.toml`` afterwards is not seen by
anybody until the package is installed again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ecg_core.discovery.metadata import PREFIX, Declaration, Distribution

__all__ = ["stale_declarations"]


def stale_declarations(distribution: Distribution) -> dict[Declaration, str]:
    """Declarations of an editable distribution that differ between the two, each with what to do.

    A declaration that only the source has comes as it stands there; one that the source has lost, or points elsewhere now,
    as it was installed. A source tree that states its entry points elsewhere (``setup.py``, ``dynamic``) is not judged.
    """
    if distribution.origin is None or not distribution.origin.editable:
        return {}
    path = unquote(urlsplit(distribution.origin.url).path)
    folder = Path(path.lstrip("/") if os.name == "nt" else path)
    declared = _declared(folder / "pyproject.toml")
    if declared is None:
        return {}
    fix = f'install it again: pip install -e "{folder}"'
    installed = {(d.group, d.name): d for d in distribution.declarations}
    found = dict.fromkeys(declared, f"is in pyproject.toml, but was not yet when this was installed; {fix}")
    for d in declared:
        if (d.group, d.name) in installed:
            del found[d]
    for place, d in installed.items():
        now = next((new for new in declared if (new.group, new.name) == place), None)
        if now is None:
            found[d] = f"is no longer in pyproject.toml; {fix}"
        elif now.target != d.target:
            found[d] = f"is {now.target} in pyproject.toml by now; {fix}"
    return found


def _declared(file: Path) -> list[Declaration] | None:
    """What a source tree declares for us; ``None`` if that cannot be told."""
    import tomllib  # only developers have editable installations; nobody else pays for it

    try:
        project: Mapping[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        if "entry-points" in project.get("dynamic", ()):
            return None
        groups = project.get("entry-points", {})
        return [
            Declaration(group.removeprefix(PREFIX), name, str(target).split("[")[0].strip())
            for group, entries in groups.items()
            if group.startswith(PREFIX)
            for name, target in entries.items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None

"""Distributions that exist only during a test: metadata and modules in a folder on ``sys.path``."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ecg_core.discovery.index import get_index

MODEL = 'class TCN:\n    """A dilated convolutional network."""\n\n    def __init__(self, width=8):\n        self.width = width\n'


class Site:
    """A folder like ``site-packages``; what is installed here is seen after :meth:`refresh`."""

    def __init__(self, folder: Path, prepend: Callable[[str], None]) -> None:
        self.folder = folder
        self.prepend = prepend
        folder.mkdir(exist_ok=True)
        prepend(str(folder))

    def install(
        self,
        name: str,
        entry_points: str | bytes = "[ecg_core.backbones]\ntcn = ecg_tcn.model:TCN\n",
        modules: Mapping[str, str] | None = None,
        *,
        version: str = "0.3.1",
        requires: str = "",
        metadata: str | None = None,
    ) -> Path:
        """Write a distribution; ``modules`` maps ``"pkg/file.py"`` to source."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        if metadata is None:
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}\n\nA description.\n"
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_bytes(entry_points if isinstance(entry_points, bytes) else entry_points.encode())
        for path, source in ({"ecg_tcn/model.py": MODEL} if modules is None else modules).items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            (file.parent / "__init__.py").touch()
            file.write_text(source)
        return info

    def refresh(self):
        """The index as it is now."""
        return get_index(refresh=True)

    def statuses(self, kind: str = "backbones") -> dict[str, tuple[str, str]]:
        """Status and detail of every third-party component of a kind, by qualified name."""
        components = self.refresh().components(kind)
        return {c.qualified: (c.status, c.detail) for c in components if c.provider.startswith(("ecg-x", "ecg-tcn"))}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site folder first on ``sys.path``; everything it brought is forgotten afterwards."""
    for name in ("ECG_PLUGINS", "ECG_PLUGINS_BLOCK", "ECG_PREFER"):
        monkeypatch.delenv(name, raising=False)
    before = set(sys.modules)
    with monkeypatch.context() as patch:
        made = Site(tmp_path / "site", patch.syspath_prepend)
        yield made
    for name in set(sys.modules) - before:
        if str(made.folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    importlib.invalidate_caches()
    get_index(refresh=True)


@pytest.fixture
def python():
    """Run code or ``ecg`` in a fresh interpreter: ``python("-c", code, path=[folder], HASHSEED=…)``."""

    def run(*arguments: str, path: tuple[Path, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("ECG_", "COLUMNS"))}
        variables |= {"PYTHONPATH": os.pathsep.join(map(str, path)), **environment}
        return subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, env=variables, timeout=60, check=False
        )

    return run

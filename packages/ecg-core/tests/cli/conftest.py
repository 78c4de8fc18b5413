"""The command line as a function, and distributions that exist only during a test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ecg_core.cli import output
from ecg_core.cli.main import main
from ecg_core.discovery.index import get_index


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    error: str


@pytest.fixture
def ecg(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Run ``ecg WORDS`` in this process."""
    monkeypatch.delenv("ECG_DEBUG", raising=False)
    monkeypatch.setattr(output.console, "_width", 120)

    def run(*words: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(w) for w in words])
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install a distribution: ``ship("ecg-x", {"hello": "ecg_x_good:run"}, ecg_x_good=source)`` ships a command.

    Instead of commands it takes the text of ``entry_points.txt``; it returns the folder the modules are in.
    """
    before = set(sys.modules)
    for name in ("ECG_PLUGINS", "ECG_PLUGINS_BLOCK", "ECG_PREFER"):
        monkeypatch.delenv(name, raising=False)

    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))

        def install(name: str, shipped: dict[str, str] | str, **modules: str) -> Path:
            info = tmp_path / f"{name.replace('-', '_')}-0.3.1.dist-info"
            info.mkdir()
            facts = f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3.1\nRequires-Dist: ecg-core>=0.1,<0.2\n"
            (info / "METADATA").write_text(facts, encoding="utf-8")
            (info / "direct_url.json").write_text('{"url": "file:///src/x", "dir_info": {}}', encoding="utf-8")
            if isinstance(shipped, dict):
                lines = [f"{word} = {target}" for word, target in shipped.items()]
                shipped = "\n".join(["[ecg_core.commands]", *lines, ""])
            (info / "entry_points.txt").write_text(shipped, encoding="utf-8")
            for module, source in modules.items():
                (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
            importlib.invalidate_caches()
            get_index(refresh=True)
            return tmp_path

        yield install
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    importlib.invalidate_caches()
    get_index(refresh=True)

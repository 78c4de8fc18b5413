"""The walls hold, and a forbidden import makes the check fail."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ecg_core

ROOT = Path(__file__).parents[2]
LINT = shutil.which("lint-imports", path=str(Path(sys.executable).parent))

FORBIDDEN = {
    "a sibling imports a sibling": ("ecg-ssl/src/ecg_ssl/__init__.py", "import ecg_backbones"),
    "core imports a sibling": ("ecg-core/src/ecg_core/data/record.py", "import ecg_preproc"),
    "the ground floor imports numpy": ("ecg-core/src/ecg_core/discovery/names.py", "import numpy"),
    "the command line imports the run": ("ecg-core/src/ecg_core/cli/output.py", "import ecg_core.run.settings"),
    "the first floor looks up the stairs": ("ecg-core/src/ecg_core/contracts/losses.py", "import ecg_core.run.settings"),
    "data need torch": ("ecg-core/src/ecg_core/data/record.py", "import torch"),
    "preprocessing needs torch": ("ecg-preproc/src/ecg_preproc/transforms/bandpass.py", "import torch"),
}


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    path = ":".join(str(p) for p in sorted((folder / "packages").glob("*/src")))
    words = [LINT, "--config", str(folder / ".importlinter"), "--no-cache"]
    return subprocess.run(words, cwd=folder, env={"PYTHONPATH": path, "PATH": ""}, capture_output=True, text=True, check=False)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the sources."""
    ignore = shutil.ignore_patterns("__pycache__", "tests")
    shutil.copytree(ROOT / "packages", tmp_path / "packages", ignore=ignore)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


@pytest.mark.skipif(LINT is None, reason="import-linter is not installed")
def test_every_wall_stands(house: Path) -> None:
    done = _lint(house)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(LINT is None, reason="import-linter is not installed")
@pytest.mark.parametrize("name", list(FORBIDDEN))
def test_a_forbidden_import_is_noticed(house: Path, name: str) -> None:
    file, line = FORBIDDEN[name]
    path = house / "packages" / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    done = _lint(house)
    assert done.returncode != 0, f"{line} in {file} went unnoticed"
    assert "BROKEN" in done.stdout


def test_no_subpackage_takes_the_name_of_a_public_word() -> None:
    folders = {p.name for p in Path(ecg_core.__file__).parent.iterdir() if p.is_dir()}
    assert not folders & set(ecg_core.__all__)


def test_the_map_of_the_room_with_most_files_shows_every_file() -> None:
    room = Path(ecg_core.__file__).parent / "discovery"
    shown = re.findall(r"``(\w+)``", (room / "__init__.py").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted({file.stem for file in room.glob("*.py")} - {"__init__"})


def test_every_public_name_resolves() -> None:
    for name in ecg_core.__all__:
        assert getattr(ecg_core, name) is not None


@pytest.mark.parametrize("package", ["ecg_core", "ecg_backbones", "ecg_ssl"])
def test_public_names_are_those_that_are_loaded_lazily(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(module._MODULE)

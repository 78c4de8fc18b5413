"""The ground floor, and the words of the command line that only look, load neither torch, NumPy nor pandas; on any Python."""

from __future__ import annotations

import importlib.util
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

HEAVY = ("torch", "numpy", "pandas", "scipy", "matplotlib")
GROUND = ("ecg_core", "ecg_core.errors", "ecg_core.config", "ecg_core.discovery", "ecg_core.templates", "ecg_core.cli")
WORDS = (
    ["--help"],
    ["--version"],
    ["plugins", "--help"],
    ["plugins", "list"],
    ["plugins", "list", "--json"],
    ["plugins", "list", "--kind", "backbones"],
    ["pretrain", "--help"],
    ["plugins", "new", "my-net"],
)
_CODE = """
import sys
{body}
heavy = sorted({heavy!r} & sys.modules.keys())
assert not heavy, f"loaded {{', '.join(heavy)}}"
"""
_RUN = """
from ecg_core.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    assert not left.code, left.code
"""
# One runs in processes of its own, the other needs an extra.
_NOT_GROUND = ("ecg_core.discovery.probe_child", "ecg_core.config.yaml")


def main() -> None:
    """Fail loudly."""
    modules = list(GROUND)
    for package in ("config", "discovery", "templates"):
        folder = importlib.util.find_spec(f"ecg_core.{package}").submodule_search_locations
        modules += [f"ecg_core.{package}.{module.name}" for module in pkgutil.iter_modules(folder)]
    body = "\n".join(f"import {module}" for module in modules if module not in _NOT_GROUND)
    _clean(body, [], Path.cwd())
    for words in WORDS:
        with tempfile.TemporaryDirectory() as folder:
            _clean(_RUN, words, Path(folder))
    here = ".".join(map(str, sys.version_info[:2]))
    print(f"1 passed, 0 failed: {len(modules)} modules and {len(WORDS)} command lines load nothing heavy on Python {here}")


def _clean(body: str, words: list[str], folder: Path) -> None:
    code = _CODE.format(body=body, heavy=set(HEAVY))
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ecg {' '.join(words)}: {done.stderr}"


if __name__ == "__main__":
    main()

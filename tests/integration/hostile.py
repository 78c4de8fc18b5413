"""A site folder full of bad neighbours, each as some package in the wild has been: what they are, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Neighbour(NamedTuple):
    """A distribution.

    Args:
        entry_points: Content of ``entry_points.txt``.
        modules: Source by file.
        cause: What `ecg plugins check` has to say of it.
        metadata: Content of ``METADATA``; a plain one for ``None``.
        requires: A ``Requires-Dist`` line.
        folder: Ending of its metadata folder.
        name: Its name, where that is not the key.
        version: Its version.
    """

    entry_points: bytes
    modules: dict[str, str]
    cause: str
    metadata: str | None = None
    requires: str = "ecg-core>=0.1,<0.2"
    folder: str = "dist-info"
    name: str = ""
    version: str = "1.0"


def _one(group: str, name: str, target: str) -> bytes:
    return f"[ecg_core.{group}]\n{name} = {target}\n".encode()


NET = "class Net:\n    pass\n"
GOOD = """from ecg_core import Backbone, Stage
from torch import nn


class Net(Backbone):
    def __init__(self, in_leads=None):
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(4, 2),)
        self.conv = nn.LazyConv1d(4, 3, stride=2, padding=1)

    def forward_intermediates(self, x):
        return [self.conv(x)]
"""

NEIGHBOURS = {
    # four kinds of malformed entry points
    "bad-encoding": Neighbour(b"[ecg_core.backbones]\nbad = caf\xe9:X\n", {}, "its metadata cannot be read (UnicodeDecodeError"),
    "bad-value": Neighbour(_one("backbones", "bad", "pkg:plugin-file.toml"), {}, "'pkg:plugin-file.toml' is not 'module:Class'"),
    "bad-lines": Neighbour(b"orphan = a:b\n[ecg_core.backbones\n= a:b\nnonsense\n]\n", {}, "'' cannot be a name"),
    "bad-metadata": Neighbour(
        _one("backbones", "x", "a:B"), {}, "its METADATA has no name or version", metadata="Metadata-Version: 2.1\n\n"
    ),
    # imports that end badly
    "ecg-raises": Neighbour(
        _one("backbones", "raising", "ecg_raises:Net"),
        {"ecg_raises.py": "raise RuntimeError('CUDA driver too old')\n"},
        "RuntimeError: CUDA driver too old",
    ),
    "ecg-exits": Neighbour(
        _one("backbones", "exiting", "ecg_exits:Net"), {"ecg_exits.py": "import sys\nsys.exit(3)\n"}, "(SystemExit: 3)"
    ),
    "ecg-crashes": Neighbour(
        _one("backbones", "crashing", "ecg_crashes:Net"),
        {"ecg_crashes.py": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"},
        "crashed the interpreter (SIGSEGV)",
    ),
    "ecg-sleeps": Neighbour(
        _one("backbones", "sleeping", "ecg_sleeps:Net"),
        {"ecg_sleeps.py": "import time\nwhile True:\n    time.sleep(60)\n"},
        "did not end within 3 s",
    ),
    # names
    "ecg-twin-a": Neighbour(_one("backbones", "twin", "ecg_twin_a:Net"), {"ecg_twin_a.py": GOOD}, "also shipped by ecg-twin-b"),
    "ecg-twin-b": Neighbour(_one("backbones", "twin", "ecg_twin_b:Net"), {"ecg_twin_b.py": GOOD}, "also shipped by ecg-twin-a"),
    "ecg-hijacks": Neighbour(
        _one("backbones", "ResNet-18", "ecg_hijacks:Net"), {"ecg_hijacks.py": GOOD}, "'ResNet-18' is ecg-backbones's"
    ),
    # versions, hooks, leftovers
    "ecg-from-the-future": Neighbour(
        _one("backbones", "future", "ecg_future:Net"), {"ecg_future.py": GOOD}, "needs ecg-core >=7,<8", requires="ecg-core>=7,<8"
    ),
    "ecg-misspells": Neighbour(
        _one("plugins", "hooks", "ecg_misspells"),
        {"ecg_misspells.py": "from ecg_core import hookimpl\n\n\n@hookimpl\ndef ecg_register_component(register):\n    pass\n"},
        "there is no hook 'ecg_register_component'. Did you mean 'ecg_register_components'?",
    ),
    "ecg-upgraded": Neighbour(_one("backbones", "new", "ecg_upgraded:Net"), {"ecg_upgraded.py": GOOD}, "", version="2.0"),
    "ecg-upgraded-egg": Neighbour(
        _one("backbones", "old", "ecg_upgraded_old:Net"),
        {},
        "ecg-upgraded 1.0 has left its metadata in",
        folder="egg-info",
        name="ecg-upgraded",
    ),
    # manners
    "ecg-heavy": Neighbour(
        _one("plugins", "hooks", "ecg_heavy"), {"ecg_heavy.py": "import torch\n"}, "importing this hook module loads torch"
    ),
    "ecg-noisy": Neighbour(
        _one("backbones", "noisy", "ecg_noisy:Net"), {"ecg_noisy.py": "print('thank you for installing')\n" + GOOD}, "it prints"
    ),
    "ecg-odd": Neighbour(
        _one("backbones", "odd", "ecg_odd:Net"), {"ecg_odd.py": NET}, "it does not derive from ecg_core.Backbone"
    ),
    "ecg-lost": Neighbour(_one("backbones", "lost", "ecg_lost.gone:Net"), {}, "module ecg_lost.gone is not found"),
}  # fmt: skip


def settle(site: Path) -> Path:
    """Install all of them into a folder."""
    for key, it in NEIGHBOURS.items():
        name = it.name or key
        info = site / f"{name.replace('-', '_')}-{it.version}.{it.folder}"
        info.mkdir(parents=True)
        facts = f"Metadata-Version: 2.1\nName: {name}\nVersion: {it.version}\nRequires-Dist: {it.requires}\n\n"
        file = "PKG-INFO" if it.folder == "egg-info" else "METADATA"
        (info / file).write_text(facts if it.metadata is None else it.metadata, encoding="utf-8")
        (info / "entry_points.txt").write_bytes(it.entry_points)
        for path, source in it.modules.items():
            (site / path).write_text(source, encoding="utf-8")
    return site

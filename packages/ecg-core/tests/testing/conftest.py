"""The toys as an installed distribution: one entry point for each, in a folder on ``sys.path``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from ecg_core.discovery.index import get_index

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))  # tests, workers and probes import ecg_kit_toys from here

PROVIDER = "ecg-kit-toys"


def write_distribution(folder: Path, name: str, entry_points: str, metadata: str = "") -> None:
    """Metadata of an installed distribution."""
    info = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True)
    stated = f"Metadata-Version: 2.4\nName: {name}\nVersion: 0.1.0\n{metadata}"
    (info / "METADATA").write_text(stated if stated.endswith("\n") else stated + "\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory):
    """Every toy installed; gives its component by kind and class name."""
    from ecg_kit_toys.everything import entry_points

    folder = tmp_path_factory.mktemp("site")
    write_distribution(folder, PROVIDER, entry_points())
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    plugin = get_index(refresh=True).plugins[PROVIDER]
    yield {(c.kind, c.target.partition(":")[2]): c for c in plugin.components}
    sys.path.remove(str(folder))
    get_index(refresh=True)

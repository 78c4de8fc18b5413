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


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory):
    """Every toy installed; gives its component by kind and class name."""
    from ecg_kit_toys.everything import entry_points
    from ecg_kit_toys.site import write_distribution

    folder = tmp_path_factory.mktemp("site")
    write_distribution(folder, PROVIDER, entry_points())
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    plugin = get_index(refresh=True).plugins[PROVIDER]
    yield {(c.kind, c.target.partition(":")[2]): c for c in plugin.components}
    sys.path.remove(str(folder))
    get_index(refresh=True)

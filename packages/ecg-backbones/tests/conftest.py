"""Which checks of the contract kit wait for `nox -s conformance` and `nox -s slow`: graphs that are traced already."""

from __future__ import annotations

import re

import pytest

from ecg_core.config.configurable import Variant
from ecg_core.discovery.registries import BACKBONES

# Tracing a graph takes seconds, and sizes of one class have one graph. Each class is traced once in the ordinary tests, and
# these sizes too, whose blocks are of another kind.
_TRACES = ("exports_with_dynamic_length", "exports_with_dynamic_batch", "compiles_without_graph_breaks")
_OTHER_BLOCKS = {"resnet50", "resnet_nature_comm_nl", "tresnet_m", "mobilenet_v1_vanilla", "efficientnetv2_s", "rk8_resnet"}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    traced: set[object] = set()
    for item in items:
        found = re.search(r"\[backbones:([\w-]+)::(\w+)\]$", item.name)
        if found is None or found[2] not in _TRACES or found[1] not in BACKBONES:
            continue
        source = BACKBONES.get(found[1])
        key = (source.cls if isinstance(source, Variant) else source, found[2])
        if key in traced and found[1] not in _OTHER_BLOCKS:
            item.add_marker(pytest.mark.slow)
        traced.add(key)

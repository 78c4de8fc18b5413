"""The page of models says what is registered, and how many parameters each has."""

import re
from pathlib import Path

import pytest
import torch

from ecg_core.contracts.lazy import materialize
from ecg_core.discovery.registries import HEADS, MODELS

torch.set_num_threads(1)

PAGE = (Path(__file__).parents[4] / "docs" / "models.md").read_text(encoding="utf-8")
COUNTS = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", PAGE, flags=re.MULTILINE)


def test_every_model_and_head_has_a_line():
    rows = {name for line in PAGE.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    ours = {
        name
        for registry in (MODELS, HEADS)
        for name in registry
        if registry.describe(name).provider in ("ecg-core", "ecg-backbones")
    }
    assert ours <= rows


@pytest.mark.parametrize(("name", "count"), COUNTS)
def test_a_model_has_the_parameters_the_page_says(name, count):
    leads = 1 if name.startswith("rr_") else 12
    model = materialize(MODELS.build(name, classes=("a", "b", "c", "d")), torch.zeros(1, leads, 512))
    assert sum(p.numel() for p in model.parameters()) == int(count.replace(",", ""))

"""The page on masked autoencoders says what is so."""

import re
from pathlib import Path

import pytest
import torch

from ecg_core.discovery.registries import BACKBONES, SSL

PAGE = Path(__file__).parents[3] / "docs" / "masked_autoencoders.md"


@pytest.fixture(scope="module")
def page():
    if not PAGE.is_file():
        pytest.skip("the documentation is not here")
    return PAGE.read_text(encoding="utf-8")


def test_the_parameters_of_every_encoder_are_those_on_the_page(page):
    rows = dict(re.findall(r"^\| `(vit_\w+)` .* ([\d,]+) \|$", page, flags=re.MULTILINE))
    assert len(rows) == 4 * 3  # families by sizes
    for name, count in rows.items():
        with torch.device("meta"):
            backbone = BACKBONES.build(name, in_leads=12)
        assert f"{sum(p.numel() for p in backbone.parameters()):,}" == count, name


def test_every_method_on_the_page_can_be_built_by_its_name(page):
    named = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (?:any|pieces|patches|whole)", page, flags=re.MULTILINE)
    found = {name for cell in named for name in re.findall(r"\w+", cell)}
    assert found == {"st_mem", "mae", "mae_ecg", "mtae", "mlae"}
    assert all(name in SSL for name in found)


def test_the_code_on_the_page_runs(page):
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})

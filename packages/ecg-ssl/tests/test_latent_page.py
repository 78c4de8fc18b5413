"""The page on latent prediction says what is so."""

import re
from pathlib import Path

import pytest
import torch

from ecg_core.discovery.registries import BACKBONES, SSL

PAGE = Path(__file__).parents[3] / "docs" / "latent_prediction.md"


@pytest.fixture(scope="module")
def page():
    if not PAGE.is_file():
        pytest.skip("the documentation is not here")
    return PAGE.read_text(encoding="utf-8")


def test_parameters_of_encoders_and_predictors_are_those_on_the_page(page):
    rows = re.findall(r"^\| `(vit_\w+)` .* ([\d,]+) \| ([\d,]+) \|$", page, flags=re.MULTILINE)
    options = {
        "vit_register_xs": ("jepa_weimann", {"predictor_heads": 4}),
        "vit_register_s": ("jepa_weimann", {}),
        "vit_register_b": ("jepa_weimann", {"predictor_heads": 12, "predictor_depth": 12}),
        "vit_cropa_b": ("ecg_jepa", {}),
    }
    assert [row[0] for row in rows] == list(options)
    for name, encoder, predictor in rows:
        with torch.device("meta"):
            method = SSL.build(options[name][0], backbone=BACKBONES.build(name, in_leads=12), **options[name][1])
        for module, count in ((method.backbone, encoder), (method.predictor, predictor)):
            assert f"{sum(p.numel() for p in module.parameters()):,}" == count, name


def test_every_method_on_the_page_can_be_built_by_its_name(page):
    named = re.findall(r"^\| `(\w+)` \| (?:visible|all)", page, flags=re.MULTILINE)
    assert named == ["jepa_weimann", "ecg_jepa", "data2vec"]
    assert all(name in SSL for name in named)


def test_the_code_on_the_page_runs(page):
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})

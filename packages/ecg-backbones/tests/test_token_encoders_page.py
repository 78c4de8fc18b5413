"""The table of encoders of tokens says what is built."""

import re
from pathlib import Path

import pytest
import torch

from ecg_core.discovery.registries import BACKBONES

PAGE = Path(__file__).parents[3] / "docs" / "backbones.md"
ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \| (\d+) \| all \| .+? \| (.+) \|$", flags=re.MULTILINE)
NAMES = ["ecg_bert_small", "heartlang", "hubert_ecg_base", "hubert_ecg_large", "hubert_ecg_small", "vq_hbr"]


@pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not here")
def test_the_table_in_the_documentation_is_what_is_built():
    section = PAGE.read_text(encoding="utf-8").split("## Encoders of tokens")[1].split("\n## ")[0]
    rows = ROW.findall(section)
    assert sorted(name for name, *_ in rows) == NAMES
    for name, parameters, stride, paper in rows:
        with torch.device("meta"):
            model = BACKBONES.build(name, in_leads=12)
        assert parameters == f"{sum(p.numel() for p in model.parameters()):,}", name
        assert stride == str(model.stages[-1].stride), name
        assert paper.split(" ")[-1] in model.papers, name

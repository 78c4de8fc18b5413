"""docs/transforms.md says what is: every registered transform stands there, and its code runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ecg_core.discovery.registries import TRANSFORMS

PAGE = (Path(__file__).parents[3] / "docs" / "transforms.md").read_text(encoding="utf-8")


def test_every_transform_stands_in_a_table_and_every_name_in_a_table_is_one():
    rows = [line.split("|")[1] for line in PAGE.split("## What fusing means")[0].splitlines() if line.startswith("| `")]
    said = re.findall(r"`(\w+)`", " ".join(rows))
    ours = [name for name in TRANSFORMS.names() if TRANSFORMS.describe(name).provider == "ecg-preproc"]
    assert sorted(said) == sorted(ours)


def test_what_the_page_calls_linear_is_linear_and_what_it_calls_fused_states_a_response():
    x, y = np.random.default_rng(0).normal(scale=5, size=(2, 12, 500))  # with spikes, and samples to clip
    arguments = {"resample": {"fs": 125.0}, "select_leads": {"leads": ["V1", "I"]}}
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    table = PAGE.split("## Preprocessors")[1].split("## Augmentations")[0]
    for line in table.splitlines():
        if not line.startswith("| `"):
            continue
        _, cell, _, linear, fused, _ = line.split("|")
        for name in re.findall(r"`(\w+)`", cell):
            act = TRANSFORMS.build({"name": name, **arguments.get(name, {})})
            one, two, both = (act(v, fs=250.0, leads=names) for v in (x, y, x + 3 * y))
            assert np.allclose(one + 3 * two, both, atol=1e-9) is (linear.strip() != "no"), name
            states = act.frequency_response(np.ones(1), 250.0) is not None
            assert states is (fused.strip() in ("yes", "averages")), name


def test_the_code_of_the_page_runs_in_order():
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL))
    exec(compile(code, "docs/transforms.md", "exec"), {})

"""The modern backbones together: shapes at every length, what a step sees, shifts in time, and the table of the documentation."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from ecg_core.discovery.index import get_index
from ecg_core.discovery.registries import BACKBONES

torch.set_num_threads(1)

PAGE = Path(__file__).parents[3] / "docs" / "backbones.md"
ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \| (\d+) \| ([\d,]+|all) \| (.+?) \| (.+) \|$", flags=re.MULTILINE)
MODULES = (
    "bigru", "clocs_cnn", "conformer", "convnext", "cpc_encoder", "inception_time", "s4", "tfc_transformer", "transformer", "vit",
    "wav2vec2",
)  # fmt: skip
NAMES = sorted(
    c.name for c in get_index().components("backbones") if c.target.startswith(tuple(f"ecg_backbones.{m}:" for m in MODULES))
)
LENGTHS = (1000, 1001, 2499, 3333, 4999, 5000, 5001)
# Convolutions only, so that a step sees a part of the window; small enough to look at every sample of it.
LOCAL = {
    "clocs_cnn": {},
    "convnext1d_tiny": {"widths": (4, 4, 4), "depths": (1, 2, 1), "layer_scale": 1.0},
    "inception_time": {"width": 2, "bottleneck": 2},
}  # fmt: skip


_UNROLLED = 1500  # samples; on "meta" a recurrent layer takes its steps one by one, in Python


def on_meta(name, **words):
    with torch.device("meta"):
        return BACKBONES.build(name, **{"in_leads": 12, **words}).eval()


def small(name):
    torch.manual_seed(0)
    return BACKBONES.build(name, in_leads=1, **LOCAL[name]).double().eval()


@pytest.mark.parametrize("name", NAMES)
def test_the_shape_by_arithmetic_is_that_of_every_map_at_every_length(name):
    model = on_meta(name)
    lengths = [n for n in LENGTHS if n < _UNROLLED or not any(isinstance(m, nn.RNNBase) for m in model.modules())]
    for samples in (model.min_samples, *lengths):
        maps = model.forward_intermediates(torch.empty(2, 12, samples, device="meta"))
        assert [tuple(m.shape) for m in maps] == [(2, s.channels, model.steps(samples, i)) for i, s in enumerate(model.stages)]
        assert tuple(maps[-1].shape) == model.compute_features_output_shape(samples, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_network_of_full_size_runs(name):
    torch.manual_seed(0)
    model = BACKBONES.build(name).eval()
    with torch.no_grad():
        features = model(torch.randn(1, 12, 1000))
    assert features.isfinite().all()
    assert tuple(features.shape) == model.compute_features_output_shape(1000, 1)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_names_its_papers_and_infers_its_leads(name):
    model = on_meta(name, in_leads=None)
    assert model.papers
    assert all(paper.startswith(("arXiv:", "doi:")) for paper in model.papers)
    assert model.in_leads is None


@pytest.mark.parametrize("name", LOCAL)
def test_a_step_sees_exactly_its_receptive_field(name):
    model = small(name)
    torch.nn.Module.requires_grad_(model, False)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv1d | torch.nn.Linear):  # positive: nothing cancels; about one in sum: nothing vanishes
            module.weight.abs_().add_(0.1).div_(module.weight.flatten(1).sum(dim=1).view(-1, *[1] * (module.weight.ndim - 1)))
    stage = model.stages[-1]
    samples = 3 * stage.receptive_field
    step = samples // 2 // stage.stride
    ramp = torch.linspace(1, 2, samples, dtype=torch.float64)
    seen = []
    for x in (ramp, ramp.flip(0)):  # a maximum hands its gradient to one end of its group
        x = x.clone().requires_grad_(True)
        for feature in model(x[None, None])[0, :, step]:
            (gradient,) = torch.autograd.grad(feature, x, retain_graph=True)
            seen += gradient.nonzero().flatten().tolist()
    middle, half = step * stage.stride + stage.centre, (stage.receptive_field - 1) / 2
    assert (min(seen), max(seen)) == (middle - half, middle + half)


@pytest.mark.parametrize("name", LOCAL)
def test_a_map_follows_the_input_by_its_stride(name):
    model = small(name)
    stage = model.stages[-1]
    edge = -(-stage.receptive_field // stage.stride)
    x = torch.randn(1, 1, 4 * stage.receptive_field, dtype=torch.float64)
    before, after = model(x), model(x[..., stage.stride :])
    torch.testing.assert_close(after[..., edge:-edge], before[..., edge + 1 :][..., : after.shape[-1] - 2 * edge])


def test_the_table_in_the_documentation_is_what_is_built():
    section = PAGE.read_text(encoding="utf-8").split("## Modern backbones")[1].split("\n## ")[0]
    rows = ROW.findall(section)
    assert sorted(name for name, *_ in rows) == NAMES
    for name, parameters, stride, seen, _, paper in rows:
        model = on_meta(name)
        field = model.receptive_field
        assert parameters == f"{sum(p.numel() for p in model.parameters()):,}", name
        assert stride == str(model.stages[-1].stride), name
        assert seen == ("all" if field is None else f"{field:,}"), name
        assert paper.split(" ")[-1] in model.papers, name

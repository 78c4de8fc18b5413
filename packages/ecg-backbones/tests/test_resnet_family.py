"""The ResNet family: shapes at every length, receptive fields, leads kept apart, options that have an effect."""

import pytest
import torch
from torch import nn

from ecg_backbones.layers.residual import BasicBlock, Bottleneck
from ecg_backbones.layers.separable import SeparableConv1d
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_backbones.resnet import ResNet
from ecg_core.discovery.index import get_index
from ecg_core.discovery.registries import BACKBONES

torch.set_num_threads(1)

MODULES = ("ecg_backbones.resnet:", "ecg_backbones.resnet_named:", "ecg_backbones.resnet_antonior92:", "ecg_backbones.net1d:")
NAMES = sorted(c.name for c in get_index().components("backbones") if c.target.startswith(MODULES))
LENGTHS = (1, 1000, 1001, 2499, 3333, 4999, 5000, 5001)
# Convolutions only, so that a step sees a part of the window.
LOCAL = {
    "resnet18": {}, "resnet50": {}, "resnext50_32x4d": {"groups": 2, "neck": 0.5}, "resnet_vanilla_18": {},
    "resnet_vanilla_50": {}, "resnet_n": {}, "resnet_nb": {}, "resnet_ns": {}, "resnet_nbs": {}, "resnet_cpsc2018": {},
    "resnet_stanford": {}, "resnet_nature_comm": {}, "resnet_nature_comm_bottle_neck": {}, "xresnet1d18": {}, "xresnet1d50": {},
    "resnet_antonior92": {},
}  # fmt: skip


def on_meta(name, **arguments):
    with torch.device("meta"):
        return BACKBONES.build(name, **{"in_leads": 12, **arguments}).eval()


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_known_exactly_at_every_length_and_full_size(name):
    model = on_meta(name)
    assert model.min_samples == 1
    for samples in LENGTHS:
        maps = model.forward_intermediates(torch.empty(2, 12, samples, device="meta"))
        stated = [(2, stage.channels, model.steps(samples, number)) for number, stage in enumerate(model.stages)]
        assert [tuple(m.shape) for m in maps] == stated
        assert model.compute_features_output_shape(samples, 2) == stated[-1]
        assert [m.shape[2] for m in maps] == [-(-samples // stage.stride) for stage in model.stages]


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
def test_every_network_names_its_papers_and_works_without_arguments(name):
    model = on_meta(name, in_leads=None)
    assert model.papers
    assert all(paper.startswith(("arXiv:", "doi:")) for paper in model.papers)
    assert model.in_leads == (12 if name.endswith("leadwise") else None)


@pytest.mark.parametrize("name", LOCAL)
def test_a_step_sees_exactly_its_receptive_field(name):
    narrow = {"stem_width": 1, "widths": (1, 1, 1, 1)} if name == "resnet_antonior92" else {"widths": (4, 4, 4, 4)}
    model = BACKBONES.build(name, in_leads=1, **{**narrow, **LOCAL[name]}).double().eval()
    nn.Module.requires_grad_(model, False)
    for module in model.modules():
        if isinstance(module, nn.Conv1d):  # positive, so that nothing cancels; of about one in sum, so that nothing vanishes
            module.weight.abs_().add_(0.1).div_(module.weight.sum(dim=(1, 2), keepdim=True))
        elif isinstance(module, nn.BatchNorm1d):
            nn.init.ones_(module.weight)
    stage = model.stages[-1]
    samples = 3 * stage.receptive_field
    step = samples // 2 // stage.stride
    ramp = torch.linspace(1, 2, samples, dtype=torch.float64)
    seen = []
    for x in (ramp, ramp.flip(0)):  # a maximum hands its gradient to the end of its group, to either end once
        x = x.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(model(x[None, None])[0, 0, step], x)
        seen += gradient.nonzero().flatten().tolist()
    middle, half = step * stage.stride + stage.centre, (stage.receptive_field - 1) / 2
    assert (min(seen), max(seen)) == (middle - half, middle + half)


@pytest.mark.parametrize(
    "name", ["resnet_nature_comm_se", "resnet_nature_comm_gc", "resnet_nature_comm_nl", "tresnet_m", "net1d"]
)
def test_attention_sees_the_whole_window(name):
    assert on_meta(name).receptive_field is None


def test_stages_before_the_first_attention_still_have_a_receptive_field():
    model = ResNet(1, widths=(4, 4), depths=(1, 1), attention=(None, "squeeze_excite"))
    assert (model.stages[0].receptive_field, model.stages[1].receptive_field) == (67, None)


# ---------------------------------------------------------------------------------------------- leads kept apart


def leadwise(in_leads=None, **arguments):
    torch.manual_seed(0)
    model = BACKBONES.build("resnet_cpsc2018_leadwise", in_leads=in_leads, **arguments).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1), nn.init.uniform_(module.running_var, 0.5, 2)
    return model


@pytest.mark.parametrize("lead", [0, 5, 11])
def test_changing_one_lead_changes_only_the_channels_of_that_lead(lead):
    model, x = leadwise(), torch.randn(1, 12, 500)
    other = x.clone()
    other[:, lead] += torch.randn(500)
    with torch.no_grad():
        for before, after in zip(model.forward_intermediates(x), model.forward_intermediates(other), strict=True):
            changed = (before != after).any(dim=2)[0].unflatten(0, (12, -1))
            assert changed[lead].any()
            assert changed.any(dim=1).nonzero().flatten().tolist() == [lead]


def test_a_lead_wise_network_is_one_network_for_each_lead():
    model, x = leadwise(3), torch.randn(2, 3, 500)
    together = model(x).unflatten(1, (3, 64))
    for lead in range(3):
        alone = leadwise(1)
        rows = {k: v.chunk(3)[lead] if v.ndim else v for k, v in model.state_dict().items()}
        alone.load_state_dict(rows)
        torch.testing.assert_close(alone(x[:, lead : lead + 1]), together[:, lead], rtol=1e-4, atol=1e-5)


def test_a_lead_wise_network_knows_twelve_leads_unless_told_otherwise():
    assert (leadwise().in_leads, leadwise(8).in_leads) == (12, 8)
    assert (leadwise().out_channels, leadwise(8).out_channels) == (12 * 64, 8 * 64)
    with pytest.raises(ValueError, match="built for 12 leads, got 8"):
        leadwise()(torch.randn(1, 8, 100))


def test_the_features_of_each_lead_are_its_own_channels():
    model, x = leadwise(3), torch.randn(2, 3, 300)
    rows, features = model.forward_lead_features(x), model(x)
    assert rows.shape == (2, 3, 192, 10)
    torch.testing.assert_close(rows.mean(1), features)
    assert torch.equal(rows[:, 1, 64:128], 3 * features[:, 64:128])
    assert not rows[:, 1, :64].any()
    assert ResNet(3, widths=(4,), depths=(1,)).eval().forward_lead_features(x).shape == (2, 1, 4, 75)


# ---------------------------------------------------------------------------------------------- options have an effect


def test_every_block_of_the_stanford_network_drops_out():
    rates = [m.dropout.p for m in on_meta("resnet_stanford").modules() if isinstance(m, BasicBlock)]
    assert rates == [0.2] * 8


def test_the_reductions_of_tresnet_are_those_of_its_paper():
    sizes = [
        (m.squeeze.in_features, m.squeeze.out_features)
        for m in on_meta("tresnet_m", depths=(1, 1, 1, 1)).modules()
        if isinstance(m, SqueezeExcite)
    ]
    assert sizes == [(64, 16), (128, 32), (256, 32)]  # the last on the neck of a bottleneck


def test_attention_stands_where_it_was_asked_for():
    end, neck = (ResNet(1, widths=(8,), depths=(1,), block="bottleneck", attention="squeeze_excite", attention_at=at)
                 for at in ("end", "neck"))  # fmt: skip
    assert (end.blocks[0][0].attention.channels, neck.blocks[0][0].neck_attention.channels) == (32, 8)
    assert isinstance(end.blocks[0][0].neck_attention, nn.Identity)
    assert isinstance(neck.blocks[0][0].attention, nn.Identity)


def test_kernels_are_scaled_in_samples_and_pointwise_ones_are_not():
    whole, half = on_meta("resnet_vanilla_50"), on_meta("resnet_vanilla_50", kernel_scale=0.5)
    lengths = [{m.kernel_size[0] for m in model.modules() if isinstance(m, nn.Conv1d)} for model in (whole, half)]
    assert lengths == [{25, 15, 1}, {13, 7, 1}]
    assert half.receptive_field_ms(250) == pytest.approx(
        whole.receptive_field_ms(500), rel=0.15
    )  # 7 steps are a little less than half of 15
    for name, expected in (("resnet_antonior92", {9, 1}), ("net1d", {9, 1})):
        found = {m.kernel_size[0] for m in on_meta(name, kernel_scale=0.5).modules() if isinstance(m, nn.Conv1d)}
        assert found == expected


def test_stochastic_depth_grows_linearly_to_the_last_block_and_skips_whole_windows():
    torch.manual_seed(0)
    model = ResNet(1, widths=(4, 4, 4), depths=(1, 1, 1), strides=(1, 1, 1), drop_path=0.5)
    assert [block.drop_path.rate for stage in model.blocks for block in stage] == [0, 0.25, 0.5]
    block, x = model.blocks[2][0].train(), torch.rand(400, 4, 5)
    skipped = (block(x) == x).all(dim=(1, 2))
    assert 0.4 < skipped.float().mean() < 0.6


@pytest.mark.parametrize("shortcut", ["conv", "max", "avg", "blur"])
def test_a_bottleneck_with_zero_init_is_its_shortcut(shortcut):
    model = ResNet(2, widths=(4, 4), depths=(1, 2), block="bottleneck", shortcut=shortcut, zero_init=True).eval()
    x = torch.randn(2, 16, 9)
    first, second = model.blocks[1]
    assert isinstance(first, Bottleneck)
    torch.testing.assert_close(first(x), first.shortcut(x).relu())
    torch.testing.assert_close(second(x), x.relu())


def test_separable_and_anti_aliased_convolutions_take_the_place_of_long_ones_only():
    separable = on_meta("resnet_nbs").blocks[0][0]
    assert isinstance(separable.conv2, SeparableConv1d)
    assert not isinstance(separable.conv1, SeparableConv1d)
    blurs = [k for k, _ in on_meta("tresnet_m", depths=(1, 1, 1, 1)).named_buffers() if k.endswith("kernel")]
    assert blurs == [f"blocks.{n}.0.{p}.kernel" for n in (1, 2, 3) for p in (f"conv{1 if n == 1 else 2}.blur", "shortcut.0.blur")]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"strides": (1, 2)}, r"strides needs one value, or one for each of 4, got 2: \(1, 2\)"),
        ({"kernel_size": (3, 3)}, r"kernel_size needs one value, or one for each of 4, got 2"),
        ({"kernel_size": ((3, 3), (3,), 3, 3)}, r"kernel_size needs one value, or one for each of 2, got 1: \(3,\)"),
        ({"attention": ("squeeze_excite",)}, "attention needs one value, or one for each of 4, got 1"),
        ({"block": "basis"}, r"a block is 'basic' or 'bottleneck', got .*'basis'"),
        ({"lead_wise": True, "attention": "bam"}, "attention 'bam' mixes the leads that lead_wise keeps apart; leave one"),
        ({"kernel_scale": 0}, "a positive number, got 0"),
        ({"attention": "squeze_excite"}, "got 'squeze_excite'; did you mean 'squeeze_excite'"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises((ValueError, KeyError), match=message):
        ResNet(1, **wrong)

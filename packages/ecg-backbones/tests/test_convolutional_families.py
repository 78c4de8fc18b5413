"""VGG, DenseNet, MobileNet, MultiScopic, RegNet, Xception: shapes at every length, receptive fields, leads kept apart, papers."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ecg_backbones.layers.inverted_residual import InvertedResidual
from ecg_backbones.regnet import stage_sizes
from ecg_core.discovery.index import get_index
from ecg_core.discovery.registries import BACKBONES
from ecg_core.layers.transformer import DropPath

torch.set_num_threads(1)

FAMILIES = ("vgg", "densenet", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "multi_scopic", "regnet", "xception")
NAMES = sorted(
    c.name for c in get_index().components("backbones") if c.target.startswith(tuple(f"ecg_backbones.{f}:" for f in FAMILIES))
)
LEADWISE = {name: 5 for name in NAMES if name.endswith("leadwise")}
LENGTHS = (1000, 1001, 2499, 3333, 4999, 5000, 5001)


def on_meta(name, **arguments):
    with torch.device("meta"):
        return BACKBONES.build(name, **{"in_leads": 12, **arguments}).eval()


def unsettled(model):
    """Normalisations as after training, so that each has an effect."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1), nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_known_exactly_at_every_length_and_full_size(name):
    model = on_meta(name)
    for samples in (model.min_samples, *LENGTHS):
        maps = model.forward_intermediates(torch.empty(2, 12, samples, device="meta"))
        stated = [(2, stage.channels, model.steps(samples, number)) for number, stage in enumerate(model.stages)]
        assert [tuple(m.shape) for m in maps] == stated
        assert model.compute_features_output_shape(samples, 2) == stated[-1]
    assert model.min_samples == 1 or model.steps(model.min_samples - 1) == 0


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
    assert model.in_leads == (12 if name in LEADWISE else None)


# The names of torch_ecg's registry of backbones, shared/specs/torch_ecg.md, 1.1, but for the residual networks.
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("dense_net", "densenet"), ("DenseNet", "densenet"), ("mobile_net_v1", "mobilenet_v1"), ("MobileNetV1", "mobilenet_v1"),
        ("mobile_net_v2", "mobilenet_v2"), ("MobileNetV2", "mobilenet_v2"), ("mobile_net_v3", "mobilenet_v3"),
        ("MobileNetV3", "mobilenet_v3"), ("multi_scopic_cnn", "multi_scopic"), ("MultiScopicCNN", "multi_scopic"),
        ("RegNet", "regnet"), ("regnet_S", "regnet_s"), ("VGG16", "vgg16"), ("Xception", "xception"),
    ],
)  # fmt: skip
def test_names_of_torch_ecg_lead_to_the_same_networks(theirs, ours):
    assert BACKBONES.get(theirs) is BACKBONES.get(ours)


# Convolutions and poolings only, so that a step sees a part of the window; narrow, and of the depth of the named network.
LOCAL = {
    "vgg16": {"widths": (2, 2, 2, 2, 2)},
    "vgg16_bn": {"widths": (2, 2, 2, 2, 2)},
    "densenet": {"depths": (2, 3), "growth": 2, "stem_width": 4},
    "densenet_vanilla": {"growth": 1, "stem_width": 4},
    "multi_scopic": {"widths": (1, 1, 1)},
    "regnet": {"widths": (4, 4), "depths": (1, 2), "group_width": 2, "stem_width": 2, "squeeze": None},
    "regnet_16_8": {"widths": (4, 4), "depths": (1, 1), "group_width": 2, "stem_width": 2, "squeeze": None},
    "xception": {"stem_widths": (2, 2), "entry_widths": (2, 2), "middle_depth": 1, "exit_width": 2, "final_widths": (2,)},
    "mobilenet_v1": {"stem_width": 2, "widths": (2, 2, 2), "strides": (1, 2, 1)},
    "mobilenet_v2": {"rows": ((1, 2, 1, 1), (2, 2, 2, 2)), "stem_width": 2, "head_width": 2},
    "mobilenet_v2_vanilla": {"rows": ((1, 2, 1, 1), (2, 2, 2, 2)), "stem_width": 2, "head_width": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", LOCAL)
def test_a_step_sees_exactly_its_receptive_field(name):
    model = BACKBONES.build(name, in_leads=1, **LOCAL[name]).double().eval()
    nn.Module.requires_grad_(model, False)
    for module in model.modules():
        if isinstance(module, nn.Conv1d):  # positive, so that nothing cancels; of about one in sum, so that nothing vanishes
            module.weight.abs_().add_(0.1).div_(module.weight.sum(dim=(1, 2), keepdim=True))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm1d):
            nn.init.ones_(module.weight)
        elif isinstance(module, nn.ReLU6):
            module.max_val = 1e9
    for number, stage in enumerate(model.stages):
        samples = max(3 * stage.receptive_field, 2 * model.min_samples)
        step = samples // 2 // stage.stride
        ramp = torch.linspace(1, 2, samples, dtype=torch.float64)
        seen = []
        for x in (ramp, ramp.flip(0)):  # a maximum hands its gradient to the end of its group, to either end once
            x = x.clone().requires_grad_(True)
            features = model.forward_intermediates(x[None, None])[number]
            (gradient,) = torch.autograd.grad(features[0, :, step].sum(), x)
            seen += gradient.nonzero().flatten().tolist()
        middle, half = step * stage.stride + stage.centre, (stage.receptive_field - 1) / 2
        assert (min(seen), max(seen)) == (middle - half, middle + half)


# ---------------------------------------------------------------------------------------------- leads kept apart

NARROW = {
    "vgg16_leadwise": {"widths": (2, 3, 4), "depths": (1, 1, 2)},
    "densenet_leadwise": {"depths": (1, 2, 1)},
    "multi_scopic_leadwise": {"widths": (2, 2, 3)},
    "xception_leadwise": {
        "stem_widths": (2, 4),
        "entry_widths": (4, 4),
        "middle_depth": 1,
        "exit_width": 4,
        "final_widths": (6,),
    },
}


@pytest.mark.parametrize("name", LEADWISE)
@pytest.mark.parametrize("leads", [None, 3])
def test_changing_one_lead_changes_only_the_channels_of_that_lead(name, leads):
    torch.manual_seed(0)
    model = unsettled(BACKBONES.build(name, in_leads=leads, **NARROW[name]))
    leads = 12 if leads is None else leads
    x = torch.randn(1, leads, 500)
    for lead in (0, leads - 2):
        other = x.clone()
        other[:, lead] += 3 * torch.randn(500)
        with torch.no_grad():
            for before, after in zip(model.forward_intermediates(x), model.forward_intermediates(other), strict=True):
                changed = (before != after).any(dim=2)[0].unflatten(0, (leads, -1))
                assert changed.any(dim=1).nonzero().flatten().tolist() == [lead]


@pytest.mark.parametrize("name", LEADWISE)
def test_the_features_of_each_lead_are_its_own_channels(name):
    model = unsettled(BACKBONES.build(name, in_leads=3, **NARROW[name]))
    x = torch.randn(2, 3, 300)
    rows, features = model.forward_lead_features(x), model(x)
    own = features.shape[1] // 3
    assert rows.shape == (2, 3, *features.shape[1:])
    torch.testing.assert_close(rows.mean(1), features)
    assert torch.equal(rows[:, 1, own : 2 * own], 3 * features[:, own : 2 * own])
    assert not rows[:, 1, :own].any()


@pytest.mark.parametrize("name", LEADWISE)
def test_a_lead_wise_network_knows_twelve_leads_unless_told_otherwise(name):
    assert (on_meta(name, in_leads=None).in_leads, on_meta(name, in_leads=8).in_leads) == (12, 8)
    assert 3 * on_meta(name, in_leads=8).out_channels == 2 * on_meta(name, in_leads=None).out_channels
    with pytest.raises(ValueError, match="built for 12 leads, got 8"):
        BACKBONES.build(name, **NARROW[name])(torch.randn(1, 8, 100))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in LEADWISE])
def test_a_network_that_mixes_leads_has_one_row(name):
    model = on_meta(name)
    assert model.forward_lead_features(torch.empty(1, 12, 1000, device="meta")).shape[1] == 1


# ---------------------------------------------------------------------------------------------- options have an effect


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v2_vanilla", "mobilenet_v3", "mobilenet_v3_small"])
def test_only_depthwise_convolutions_of_a_mobilenet_see_time(name):
    convs = [m for m in on_meta(name).modules() if isinstance(m, nn.Conv1d)][1:]  # behind the stem
    assert all((m.kernel_size[0] > 1) == (m.groups == m.in_channels == m.out_channels) for m in convs)


def test_channels_that_are_weighed_see_the_whole_window_and_those_before_do_not():
    stages = on_meta("mobilenet_v3_large").stages
    assert [stage.receptive_field is None for stage in stages] == [False, False, True, True, True]


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large"])
def test_blocks_of_a_mobilenet_are_left_out_ever_more_often_with_depth(name):
    rates = [m.rate for m in on_meta(name, drop_path=0.2).modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx([0.2 * i / (len(rates) - 1) for i in range(len(rates))])
    assert not any(m.rate for m in on_meta(name).modules() if isinstance(m, DropPath))


# Widths and depths in the appendix of "Designing network design spaces": RegNetX-400MF, RegNetX-32GF, RegNetY-1.6GF.
@pytest.mark.parametrize(
    ("depth", "initial", "slope", "ratio", "group_width", "expected"),
    [
        (22, 24, 24.48, 2.54, 16, [(32, 1), (64, 2), (160, 7), (400, 12)]),
        (23, 320, 69.86, 2.0, 168, [(336, 2), (672, 7), (1344, 13), (2520, 1)]),
        (27, 48, 20.71, 2.65, 24, [(48, 2), (120, 6), (336, 17), (888, 2)]),
    ],
)
def test_the_widths_of_a_regnet_lie_on_the_published_line(depth, initial, slope, ratio, group_width, expected):
    assert stage_sizes(depth, initial=initial, slope=slope, ratio=ratio, group_width=group_width) == expected


def test_branches_of_a_multi_scopic_network_see_as_far_as_their_dilations():
    one, three = on_meta("multi_scopic", scopes=(((1,), (1, 1), (1, 1, 1)),)), on_meta("multi_scopic")
    assert (one.receptive_field, one.out_channels) == (90, 384)
    assert (three.receptive_field, three.out_channels) == (1984, 3 * 384)


def test_an_inverted_residual_is_its_formula():
    torch.manual_seed(0)
    block = unsettled(InvertedResidual(4, 12, 4, kernel_size=5, squeeze=3, activation="hardswish"))
    x = torch.randn(2, 4, 30)

    def normalised(part, y):
        return F.batch_norm(y, part.norm.running_mean, part.norm.running_var, part.norm.weight, part.norm.bias)

    y = F.hardswish(normalised(block.widen, torch.einsum("oi,bis->bos", block.widen.conv.weight[..., 0], x)))
    y = F.hardswish(normalised(block.depthwise, F.conv1d(y, block.depthwise.conv.weight, padding=2, groups=12)))
    squeezed = F.relu(block.weigh.squeeze(y.mean(-1)))
    y = y * (F.relu6(block.weigh.excite(squeezed) + 3) / 6)[..., None]
    y = normalised(block.narrow, torch.einsum("oi,bis->bos", block.narrow.conv.weight[..., 0], y))
    torch.testing.assert_close(block(x), x + y)


@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_scaled_in_samples_and_pointwise_ones_are_not(name):
    whole, scaled = on_meta(name), on_meta(name, kernel_scale=2.0)
    lengths = [
        (a.kernel_size[0], b.kernel_size[0])
        for a, b in zip(whole.modules(), scaled.modules(), strict=True)
        if isinstance(a, nn.Conv1d)
    ]
    assert all(b == 1 if a == 1 else abs(b - 2 * a) == 1 for a, b in lengths)
    assert any(a > 1 for a, _ in lengths)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("vgg16", {"depths": (1,)}, r"each stage needs a width and a depth, got widths=\(48, .*, depths=\(1,\)"),
        ("vgg16", {"kernel_size": 4}, "a positive odd kernel length, got 4"),
        ("densenet", {"depths": ()}, r"at least one block, .*got depths=\(\)"),
        ("densenet", {"compression": 1.5}, r"a share of \(0, 1\] of the channels, .*compression=1.5"),
        ("densenet", {"stem_pool": "mean"}, "the 'max' or the 'avg', got 'mean'"),
        ("multi_scopic", {"kernel_size": (3, 3)}, r"each stage needs a width, a kernel, .*kernel_size=\(3, 3\)"),
        (
            "multi_scopic",
            {"scopes": (((1,), (1,), ()),)},
            r"a dilation for each convolution, got .*\(1,\), \(\)\),\)",
        ),
        ("regnet", {"widths": (8,)}, r"a width and a depth for each stage, got widths=\(8,\), depths=None"),
        (
            "regnet",
            {"widths": (8, 12), "depths": (1, 1)},
            r"divides its width, got widths=\[8, 12\], group_width=8",
        ),
        ("regnet", {"kernel_size": (3, 5)}, r"each of the 4 stages needs a kernel, .*kernel_size=\(3, 5\)"),
        ("regnet", {"squeeze": "head"}, r"on the 'neck', on the 'end' or nowhere \(None\), got 'head'"),
        ("xception", {"entry_widths": ()}, r"an Xception needs entry_widths, .*got entry_widths=\(\)"),
        ("xception", {"kernel_size": (3, 3)}, r"one kernel or four, got .*kernel_size=\(3, 3\)"),
        ("mobilenet_v1", {"strides": (1,)}, r"needs a width, a stride and a kernel, got .*, strides=\(1,\), kernel_size=15"),
        ("mobilenet_v2", {"rows": ()}, r"a MobileNetV2 needs at least one row, got rows=\(\)"),
        ("mobilenet_v3", {"rows": ()}, r"a MobileNetV3 needs at least one row, got rows=\(\)"),
        ("mobilenet_v3", {"ends_activation": "hard"}, "activation must be one of .*, got 'hard'"),
    ],
)
def test_wrong_arguments_are_named(name, wrong, message):
    with pytest.raises(ValueError, match=message):
        on_meta(name, **wrong)

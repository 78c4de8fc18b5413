"""Attention layers against their formulas, written once more without them."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ecg_backbones.layers.attention import _LAYERS, attention_maker
from ecg_backbones.layers.bam import BAM
from ecg_backbones.layers.cbam import CBAM
from ecg_backbones.layers.coordinate_attention import CoordinateAttention
from ecg_backbones.layers.gather_excite import GatherExcite
from ecg_backbones.layers.global_context import GlobalContext
from ecg_backbones.layers.non_local import NonLocal
from ecg_backbones.layers.selective_kernel import SelectiveKernel
from ecg_backbones.layers.self_attention import StepAttention, TransformerEncoder
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_backbones.resnet import ResNet
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.discovery.registries import ATTN_LAYERS
from ecg_core.layers.transformer import TransformerBlock

torch.set_num_threads(1)

NAMES = (
    "bam", "cbam", "coordinate_attention", "gather_excite", "global_context", "non_local", "selective_kernel",
    "self_attention", "squeeze_excite", "transformer_encoder",
)  # fmt: skip
each_layer = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def features(*shape):
    return torch.randn(*(shape or (2, 16, 11)), dtype=torch.float64)


def made(cls, channels=16, **arguments):
    return cls(channels, **arguments).double().eval()


# ---------------------------------------------------------------------------------------------- all of them


@each_layer
@pytest.mark.parametrize("steps", [1, 2, 7, 64])
def test_one_call_builds_each_and_the_channels_are_those_of_the_first_input(name, steps):
    layer = ATTN_LAYERS.build(name, channels=None).eval()
    assert not is_materialized(layer)
    for channels in (16, 16):
        assert layer(torch.randn(2, channels, steps)).shape == (2, channels, steps)
    assert is_materialized(layer)
    assert layer.channels == 16


@each_layer
def test_a_layer_that_was_told_its_channels_and_one_that_found_them_are_the_same(name):
    x = torch.randn(2, 16, 9)
    told, found = ATTN_LAYERS.build(name, channels=16), materialize(ATTN_LAYERS.build(name), x)
    assert [(k, type(m)) for k, m in told.named_modules()] == [(k, type(m)) for k, m in found.named_modules()]
    found.load_state_dict(told.state_dict())
    assert torch.equal(found.eval()(x), told.eval()(x))


@each_layer
def test_a_layer_finds_the_type_of_its_first_input_and_keeps_its_mode(name):
    layer = ATTN_LAYERS.build(name).eval()
    assert layer(features()).dtype == torch.float64
    assert not any(m.training for m in layer.modules())


@each_layer
def test_a_copy_of_a_layer_that_waits_waits_on_its_own(name):
    layer = ATTN_LAYERS.build(name)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        twin(torch.randn(2, 16, 5))
        assert twin.channels == 16
        assert layer.channels is None
    assert ATTN_LAYERS.to_config(layer) == {"name": name}


@each_layer
def test_it_exports_with_any_number_of_steps(name):
    layer = ATTN_LAYERS.build(name, channels=16).eval()
    shortest = 9 if name == "gather_excite" else 2  # two places where it gathers
    dims = {0: torch.export.Dim("batch", max=64), 2: torch.export.Dim("steps", min=shortest, max=100_000)}
    program = torch.export.export(layer, (torch.randn(2, 16, 20),), dynamic_shapes=(dims,)).module()
    for shape in ((1, 16, shortest), (3, 16, 33)):
        x = torch.randn(*shape)
        torch.testing.assert_close(program(x), layer(x))


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("se", "squeeze_excite"), ("se_block", "squeeze_excite"), ("SEBlock", "squeeze_excite"), ("gc", "global_context"),
        ("GlobalContextBlock", "global_context"), ("nl", "non_local"), ("nonlocal", "non_local"), ("NonLocalBlock", "non_local"),
        ("cbam_block", "cbam"), ("sa", "self_attention"), ("SelfAttention", "self_attention"),
        ("transformer", "transformer_encoder"), ("ca", "coordinate_attention"), ("sk", "selective_kernel"),
        ("ge", "gather_excite"), ("BAMBlock", "bam"),
    ],
)  # fmt: skip
def test_the_names_of_torch_ecg_lead_to_the_layer_without_a_warning_and_configurations_hold_ours(spelling, name):
    layer = ATTN_LAYERS.build(spelling, channels=16)
    assert type(layer) is ATTN_LAYERS.get(name)
    assert ATTN_LAYERS.to_config(layer)["name"] == name


# ---------------------------------------------------------------------------------------------- one by one


def test_squeeze_and_excitation_is_its_formula():
    layer, x = made(SqueezeExcite, reduction=4), features()
    hidden = (x.mean(-1) @ layer.squeeze.weight.T + layer.squeeze.bias).clamp_min(0)
    factors = 1 / (1 + torch.exp(-(hidden @ layer.excite.weight.T + layer.excite.bias)))
    torch.testing.assert_close(layer(x), x * factors[:, :, None])
    assert layer.squeeze.out_features == 4


def test_squeeze_and_excitation_never_has_no_hidden_channel():
    assert made(SqueezeExcite, 3, reduction=16).squeeze.out_features == 1


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_global_context_is_its_formula(pooling):
    layer, x = made(GlobalContext, reduction=4, fusion="both", pooling=pooling), features()
    with torch.no_grad():
        weights = torch.full((2, 11), 1 / 11, dtype=x.dtype)
        if pooling == "attention":
            weights = torch.stack([torch.softmax(layer.mask.weight[0, :, 0] @ one, 0) for one in x])
        context = torch.stack([sum(w * one[:, t] for t, w in enumerate(row)) for one, row in zip(x, weights, strict=True)])

        def bottleneck(parts):
            first, norm, _, last = parts
            hidden = context @ first.weight.T + first.bias
            hidden = (hidden - hidden.mean(1, keepdim=True)) / (hidden.var(1, unbiased=False, keepdim=True) + norm.eps).sqrt()
            return hidden.clamp_min(0) @ last.weight.T + last.bias

        expected = x * bottleneck(layer.scale).sigmoid()[:, :, None] + bottleneck(layer.shift)[:, :, None]
        torch.testing.assert_close(layer(x), expected)


def test_a_peaked_global_context_is_the_step_of_the_peak():
    layer, x = made(GlobalContext), features(1, 16, 11)
    x[0, 0, 7] = 10.0
    with torch.no_grad():
        layer.mask.weight.zero_()
        layer.mask.weight[0, 0] = 1e3
        torch.testing.assert_close(layer(x), x + layer.shift(x[:, :, 7])[..., None])


@pytest.mark.parametrize("subsample", [1, 2, 4])
def test_a_non_local_block_is_its_formula(subsample):
    layer, x = made(NonLocal, hidden=3, subsample=subsample), features(1, 16, 11)
    layer.norm.running_mean.normal_()
    query, key, value = ((part.weight[:, :, 0] @ x[0]) for part in (layer.query, layer.key, layer.value))
    query, value = query + layer.query.bias[:, None], value + layer.value.bias[:, None]
    if subsample > 1:  # groups around every subsample-th step, of what is there of them
        places = range(-(subsample // 2), 11 + subsample // 2 - subsample + 1, subsample)
        key, value = (torch.stack([m[:, max(0, p) : max(0, p + subsample)].amax(1) for p in places], dim=1) for m in (key, value))
    found = torch.zeros(3, 11, dtype=x.dtype)
    for i in range(11):
        weights = torch.softmax(torch.stack([query[:, i] @ key[:, j] for j in range(key.shape[1])]), 0)
        found[:, i] = sum(w * value[:, j] for j, w in enumerate(weights))
    out = layer.out.weight[:, :, 0] @ found
    out = (out - layer.norm.running_mean[:, None]) / (layer.norm.running_var[:, None] + layer.norm.eps).sqrt()
    torch.testing.assert_close(layer(x)[0], x[0] + out)


def test_a_non_local_block_can_start_as_the_identity():
    x = features()
    assert torch.equal(made(NonLocal, zero_init=True)(x), x)
    assert not torch.equal(made(NonLocal)(x), x)


def test_cbam_is_its_formula():
    layer, x = made(CBAM, reduction=4, kernel_size=3), features()

    def perceptron(v):
        first, _, last = layer.perceptron
        return (v @ first.weight.T + first.bias).clamp_min(0) @ last.weight.T + last.bias

    y = x * (perceptron(x.mean(-1)) + perceptron(x.max(-1).values)).sigmoid()[..., None]
    conv, norm = layer.gate
    both = F.pad(torch.stack([y.max(1).values, y.mean(1)], 1), (1, 1))
    gate = sum((both[:, :, k : k + 11] * conv.weight[0, :, k, None]).sum(1) for k in range(3)) / (1 + norm.eps) ** 0.5
    torch.testing.assert_close(layer(x), y * gate.sigmoid()[:, None])


def test_cbam_without_steps_scales_whole_channels():
    layer, x = made(CBAM, steps=False), features()
    ratio = layer(x) / x
    torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio))
    assert layer.gate is None


def test_coordinate_attention_is_the_published_block_on_a_picture_of_height_one():
    layer, x = made(CoordinateAttention, reduction=4, min_hidden=2), features()
    picture = x[:, :, None, :]  # (batch, channels, height 1, width)
    by_row, by_column = picture.mean(3, keepdim=True), picture.mean(2, keepdim=True).transpose(2, 3)
    conv, norm, act = layer.shared
    both = F.conv2d(torch.cat([by_row, by_column], dim=2), conv.weight[..., None])
    both = act(F.batch_norm(both, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps))
    rows, columns = both.split([1, 11], dim=2)
    a_row = F.conv2d(rows, layer.by_channel.weight[..., None], layer.by_channel.bias).sigmoid()
    a_column = F.conv2d(columns.transpose(2, 3), layer.by_step.weight[..., None], layer.by_step.bias).sigmoid()
    torch.testing.assert_close(layer(x), (picture * a_row * a_column)[:, :, 0])


def test_selecting_among_equal_branches_changes_nothing():
    layer, x = made(SelectiveKernel, kernel_sizes=(3, 3), min_hidden=4), features()
    layer.branches[1].load_state_dict(layer.branches[0].state_dict())
    torch.testing.assert_close(layer(x), layer.branches[0](x))


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_a_channel_can_select_one_branch_alone(wanted):
    layer, x = made(SelectiveKernel, kernel_sizes=(1, 3, 5), groups=1, min_hidden=4), features()
    with torch.no_grad():
        layer.select.bias.view(3, 16)[wanted] = 1e4
    torch.testing.assert_close(layer(x), layer.branches[wanted](x))


@pytest.mark.parametrize("extent", [1, 3, 4, 20])
def test_gathering_by_the_mean_is_its_formula(extent):
    layer, x = made(GatherExcite, extent=extent, learned=False), features()
    expected = torch.empty_like(x)
    for step in range(11):
        place = step // extent * extent
        around = x[:, :, max(0, place - extent + 1) : place + extent]
        expected[:, :, step] = x[:, :, step] * around.mean(-1).sigmoid()
    torch.testing.assert_close(layer(x), expected)
    assert not list(layer.parameters())


def test_gathering_the_whole_window_is_its_mean():
    x = features()
    torch.testing.assert_close(made(GatherExcite, extent=None, learned=False)(x), x * x.mean(-1, keepdim=True).sigmoid())


def test_learned_gathering_can_be_the_mean_and_keeps_channels_apart():
    layer, x = made(GatherExcite, extent=2), features()
    nn.init.constant_(layer.gather[0].weight, 1 / 3)
    nn.init.constant_(layer.gather[1].running_var, 1 - layer.gather[1].eps)
    plain = made(GatherExcite, extent=2, learned=False)(x)
    torch.testing.assert_close(layer(x)[..., 2:-2], plain[..., 2:-2])
    other = x.clone()
    other[:, 3] += 1
    changed = (layer(other) != layer(x)).any(-1).any(0)
    assert changed.nonzero().flatten().tolist() == [3]


def test_bam_adds_the_weighed_input_to_the_input():
    layer, x = made(BAM, reduction=4), features()
    weights = (layer.by_channel(x.mean(-1))[..., None] + layer.by_step(x)).sigmoid()
    torch.testing.assert_close(layer(x), x * (1 + weights))
    for part in (layer.by_channel[-1], layer.by_step[-1]):
        nn.init.zeros_(part.weight), nn.init.zeros_(part.bias)
    torch.testing.assert_close(layer(x), 1.5 * x)


def test_the_step_branch_of_bam_sees_eight_steps_to_each_side():
    layer, x = made(BAM, reduction=4), features(1, 16, 41).abs().requires_grad_(True)
    for parameter in layer.parameters():
        parameter.data.abs_()  # so that nothing cancels and every ReLU is open
    (gradient,) = torch.autograd.grad(layer.by_step(x)[0, 0, 20], x)
    seen = gradient[0].abs().sum(0).nonzero().flatten()
    assert (seen.min().item(), seen.max().item()) == (12, 28)  # two kernels of 3 taps, 4 apart


def test_self_attention_is_that_of_torch():
    layer, x = made(StepAttention, heads=4), features()
    torchs = nn.MultiheadAttention(16, 4, batch_first=True).double().eval()
    torchs.load_state_dict(
        {
            "in_proj_weight": layer.attention.qkv.weight,
            "in_proj_bias": layer.attention.qkv.bias,
            "out_proj.weight": layer.attention.out.weight,
            "out_proj.bias": layer.attention.out.bias,
        }
    )
    rows = x.transpose(1, 2)
    expected = torchs(rows, rows, rows)[0].transpose(1, 2)
    torch.testing.assert_close(layer(x), x + expected)
    layer.residual = False
    torch.testing.assert_close(layer(x), expected)


def test_a_transformer_encoder_is_its_blocks_one_after_the_other():
    layer, x = made(TransformerEncoder, depth=2, heads=4, mlp_ratio=2.0), features()
    rows = x.transpose(1, 2)
    for number in range(2):
        block = TransformerBlock(16, heads=4, head_width=4, mlp_ratio=2.0).double()
        block.load_state_dict(layer.blocks[number].state_dict())
        rows = block(rows)
    torch.testing.assert_close(layer(x), rows.transpose(1, 2))


@pytest.mark.parametrize("cls", [StepAttention, TransformerEncoder])
def test_attention_over_steps_does_not_know_their_order(cls):
    layer, x, order = made(cls), features(), torch.randperm(11)
    torch.testing.assert_close(layer(x[..., order]), layer(x)[..., order])


@pytest.mark.parametrize(
    ("cls", "wrong", "message"),
    [
        (BAM, {"dilation": 0}, "reduction and dilation must be at least 1, got 16 and 0"),
        (CBAM, {"kernel_size": 4}, "positive odd kernel length, got 4 samples"),
        (CoordinateAttention, {"reduction": 0}, "reduction and min_hidden must be at least 1, got 0 and 8"),
        (GatherExcite, {"extent": 0}, "extent must be at least 1 step, or None for the whole window, got 0"),
        (GatherExcite, {"extent": None}, "gathered by its mean: pass learned=False, or an extent"),
        (GlobalContext, {"fusion": "max"}, "fusion must be one of add, multiply, both and pooling attention or mean, got 'max'"),
        (GlobalContext, {"pooling": "max"}, "got 'add' and 'max'"),
        (NonLocal, {"subsample": 0}, "subsampled by 1 or more steps, got 0"),
        (SelectiveKernel, {"kernel_sizes": (3,)}, r"fewer than two kernels, got kernel_sizes=\(3,\)"),
        (StepAttention, {"heads": 3}, "16 channels cannot be divided evenly among 3 heads"),
        (TransformerEncoder, {"heads": 5}, "16 channels cannot be divided evenly among 5 heads"),
        (SqueezeExcite, {"gate": "rely"}, "activation must be one of .*, got 'rely'"),
    ],
)
def test_wrong_arguments_are_named(cls, wrong, message):
    with pytest.raises(ValueError, match=message):
        cls(16, **wrong)


def test_a_network_takes_our_layers_by_name_and_any_other_by_its_class():
    class Halved(torch.nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.channels = channels

        def forward(self, x):
            return x / 2

    layer = attention_maker({"name": "squeeze_excite", "reduction": 2})(16)
    assert layer.squeeze.out_features == 8
    assert attention_maker(Halved)(16).channels == 16
    model = ResNet(1, widths=(4,), depths=(1,), attention=Halved)
    assert any(isinstance(m, Halved) for m in model.modules())
    with pytest.raises(ValueError, match="got 'squeeze_exite'; did you mean 'squeeze_excite'"):
        attention_maker("squeeze_exite")


def test_the_names_a_network_takes_are_those_of_the_registry():
    assert set(_LAYERS) == set(ATTN_LAYERS)
    for name, made in _LAYERS.items():
        assert ATTN_LAYERS.get(name) is made

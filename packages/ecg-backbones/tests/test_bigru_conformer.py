"""Networks that read steps in order: a bidirectional GRU against its equations, and a Conformer against its figure."""

import pytest
import torch
from torch import nn

from ecg_backbones.bigru import BiGRU
from ecg_backbones.conformer import Conformer, ConformerBlock
from ecg_core.layers.positions import sincos_positions

torch.set_num_threads(1)

GRU = {"stem_widths": (4, 6), "kernel_size": 3, "hidden": 5, "depth": 1}
CONFORMER = {"width": 8, "depth": 2, "heads": 2, "kernel_size": 3, "halvings": 2, "stem_kernel_size": 3}


def built(cls, in_leads=2, **words):
    torch.manual_seed(0)
    return cls(in_leads, **{**(GRU if cls is BiGRU else CONFORMER), **words}).double().eval()


def count(module):
    return sum(p.numel() for p in module.parameters())


def signal(samples=80, batch=1):
    return torch.randn(batch, 2, samples, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


# ---------------------------------------------------------------------------------------------- bidirectional GRU


def test_each_direction_follows_the_equations_of_the_gated_unit():
    model, x = built(BiGRU), signal()
    stem, states = model.forward_intermediates(x)[-2:]
    for suffix, rows, order in (("", states[:, :5], 1), ("_reverse", states[:, 5:], -1)):
        w, u, a, b = (getattr(model.recurrent, f"{n}_l0{suffix}") for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        h, found = torch.zeros(1, 5, dtype=torch.float64), []
        for step in stem.unbind(-1)[::order]:
            (ar, az, an), (br, bz, bn) = (step @ w.T + a).chunk(3, dim=1), (h @ u.T + b).chunk(3, dim=1)
            reset, update = (ar + br).sigmoid(), (az + bz).sigmoid()
            h = (1 - update) * (an + reset * bn).tanh() + update * h
            found.append(h)
        torch.testing.assert_close(torch.stack(found[::order], dim=-1), rows)


def test_one_direction_knows_what_came_and_the_other_what_comes():
    model, x = built(BiGRU), signal()
    changed = x.clone()
    changed[..., 40:44] += 3.0
    moved = (model(changed) - model(x)).abs() > 1e-12  # steps of 4 samples; the stem looks 3 samples around each
    assert not moved[0, :5, :9].any()
    assert moved[0, :5, 11:].all()
    assert moved[0, 5:, :9].all()
    assert not moved[0, 5:, 12:].any()


def test_the_gru_is_counted_by_hand():
    with torch.device("meta"):
        model = BiGRU(12)
    stem = sum(7 * a * b + 2 * b for a, b in ((12, 32), (32, 64), (64, 128)))
    recurrent = sum(2 * 3 * (inputs * 128 + 128 * 128 + 2 * 128) for inputs in (128, 256))
    assert count(model) == stem + recurrent


def test_maps_before_the_recurrent_layer_have_a_receptive_field_and_its_own_has_none():
    assert [(s.stride, s.receptive_field) for s in built(BiGRU).stages] == [(2, 3), (4, 7), (4, None)]


def test_compiled_with_a_break_around_the_recurrent_layer_it_is_the_same():
    model, x = built(BiGRU), signal()
    torch._dynamo.reset()
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(model, backend="eager")(x), model(x))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stem_widths": ()}, r"needs a convolution and a recurrent layer, got stem_widths=\(\), depth=1"),
        ({"depth": 0}, r"got stem_widths=\(4, 6\), depth=0"),
        ({"kernel_size": 4}, "a positive odd kernel length, got 4"),
    ],
)
def test_wrong_arguments_of_the_gru_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        built(BiGRU, **wrong)


# ---------------------------------------------------------------------------------------------- Conformer


def test_a_block_is_the_four_sums_of_equation_1():
    torch.manual_seed(0)
    block, x = ConformerBlock(8, heads=2, kernel_size=3).double().eval(), signal(8).repeat(1, 2, 1)[:, :3]
    silent = [block.after[4], block.convolution.mix, block.attention.out, block.before[4]]
    y = x + 0.5 * block.before(x)
    y = y + block.attention(block.attention_norm(y))
    y = y + block.convolution(y)
    y = y + 0.5 * block.after(y)
    torch.testing.assert_close(block(x), nn.functional.layer_norm(y, (8,)))
    for layer in silent:
        nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    torch.testing.assert_close(block(x), nn.functional.layer_norm(x, (8,)))


def test_the_convolution_module_is_a_gate_a_depthwise_convolution_and_a_mixture():
    torch.manual_seed(0)
    conv = ConformerBlock(8, heads=2, kernel_size=3).double().eval().convolution
    x = torch.randn(2, 9, 8, dtype=torch.float64)
    wide = conv.widen(nn.functional.layer_norm(x, (8,)))
    gated = (wide[..., :8] * wide[..., 8:].sigmoid()).transpose(1, 2)
    y = nn.functional.conv1d(gated, conv.depthwise.conv.weight, padding=1, groups=8) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(conv(x), conv.mix((y * y.sigmoid()).transpose(1, 2)))


def test_the_conformer_is_counted_by_hand():
    with torch.device("meta"):
        model = Conformer(12)
    d = 144
    perceptron = 2 * d + 4 * d * d + 4 * d + 4 * d * d + d
    attention = 2 * d + 3 * d * d + 3 * d + d * d + d
    convolution = 2 * d + (2 * d * d + 2 * d) + 31 * d + 2 * d + (d * d + d)
    block = 2 * perceptron + attention + convolution + 2 * d
    stem = 7 * 12 * d + 2 * 7 * d * d + 3 * 2 * d
    assert count(model) == stem + d * d + d + 16 * block


def test_the_features_depend_on_where_a_beat_stands_and_on_the_order_of_the_steps():
    model = built(Conformer, depth=1)
    x = signal()
    blocks = x.unflatten(-1, (5, 16))
    shuffled = blocks[:, :, [2, 0, 4, 1, 3]].flatten(2)
    assert not torch.allclose(model(x).mean(-1), model(shuffled).mean(-1), atol=1e-4)
    tokens = model.embed(model.subsample(x).transpose(1, 2))
    expected = model.blocks[0](tokens + sincos_positions(tokens.shape[1], 8, like=tokens))
    torch.testing.assert_close(model(x), expected.transpose(1, 2))


def test_every_step_of_a_conformer_sees_every_sample():
    model, x = built(Conformer), signal().requires_grad_(True)
    for step in (0, 19):
        (gradient,) = torch.autograd.grad(model(x)[0, 0, step], x, retain_graph=True)
        assert gradient.abs().amax(dim=1)[0, :-1].all()
    assert model.receptive_field is None


def test_only_kernels_over_time_are_scaled():
    with torch.device("meta"):
        model = Conformer(1, kernel_scale=2.0)
    assert {m.kernel_size[0] for m in model.modules() if isinstance(m, nn.Conv1d)} == {13, 61}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 6}, "width must be a multiple of twice the heads, got width=6 and heads=2"),
        ({"heads": 0}, "got width=8 and heads=0"),
        ({"depth": 0}, "needs a block and a convolution before it, got depth=0, halvings=2"),
        ({"halvings": 0}, "got depth=2, halvings=0"),
    ],
)
def test_wrong_arguments_of_the_conformer_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        built(Conformer, **wrong)

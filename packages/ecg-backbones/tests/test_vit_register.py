"""RegisterViT: parameters, patches, positions, registers, and no bias anywhere."""

import math

import pytest
import torch

from ecg_backbones.vit_register import RegisterViT, vit_register_b, vit_register_s, vit_register_xs
from ecg_core.layers.positions import sincos_positions

torch.set_num_threads(1)


def small(in_leads=3, **kwargs):
    torch.manual_seed(0)
    return RegisterViT(in_leads, **{"width": 16, "depth": 2, "heads": 2, "patch_size": 10, **kwargs}).eval()


@pytest.mark.parametrize(
    ("variant", "count"), [(vit_register_xs, 3_600_000), (vit_register_s, 14_277_888), (vit_register_b, 85_185_024)]
)
def test_the_encoders_have_the_published_parameters(variant, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in variant(in_leads=12).parameters()) == count


def test_there_is_no_bias_and_what_must_not_decay_is_no_matrix():
    parameters = dict(small().named_parameters())
    assert not [name for name in parameters if name.endswith("bias")]
    flat = {name for name, p in parameters.items() if p.ndim == 1}
    assert flat == {name for name in parameters if "norm" in name} | {"registers"}


def test_values_of_a_patch_stand_lead_by_lead_as_in_a_convolution_over_all_leads():
    model, x = small(), torch.randn(2, 3, 47)
    assert torch.equal(model.patchify(x)[:, 0, 2], x[:, :, 20:30].flatten(1))
    kernel = model.patch_embedding.weight.unflatten(1, (3, 10))
    expected = torch.nn.functional.conv1d(x, kernel, stride=10).transpose(1, 2)
    where = sincos_positions(4, 16, like=x, layout="interleaved")
    torch.testing.assert_close(model.embed(model.patchify(x))[:, 0], expected + where)


def test_positions_interleave_sines_and_cosines():
    table = sincos_positions(9, 6, like=torch.zeros(()), layout="interleaved")
    for k in range(3):
        angle = 7 / 10000 ** (2 * k / 6)
        assert table[7, 2 * k] == pytest.approx(math.sin(angle), abs=1e-6)
        assert table[7, 2 * k + 1] == pytest.approx(math.cos(angle), abs=1e-6)


def test_registers_take_part_and_do_not_come_out():
    model, x = small(registers=3), torch.randn(2, 3, 50)
    assert tuple(model(x).shape) == (2, 16, 5)
    assert model.encode(model.embed(model.patchify(x))).shape[2] == 3 + 5
    before = model(x)
    with torch.no_grad():
        model.registers.add_(torch.randn(48))
    assert (model(x) - before).abs().max() > 1e-4


def test_the_last_layers_of_branches_start_smaller_by_the_depth():
    torch.manual_seed(0)
    model = RegisterViT(12, width=192, depth=8, heads=4)
    plain, last = (model.blocks[5].mlp[place].weight.detach().std() for place in (0, 2))
    assert plain == pytest.approx(0.02, rel=0.02)
    assert last == pytest.approx(0.02 / 4, rel=0.02)  # sqrt(2 * 8)


def test_a_lazy_encoder_starts_as_small_as_another():
    torch.manual_seed(0)
    model = RegisterViT(None, width=64, depth=1, heads=2)
    assert model.in_leads is None
    model(torch.randn(1, 12, 50))
    assert model.in_leads == 12
    assert model.patch_embedding.weight.detach().std() == pytest.approx(0.02, rel=0.05)


def test_a_part_of_the_leads_is_refused():
    with pytest.raises(TypeError, match="RegisterViT cannot encode a part of its leads: every patch spans all"):
        model = small()
        model.encode(torch.zeros(1, 1, 4, 16), lead_index=torch.tensor([0]))


@pytest.mark.parametrize("arguments", [{"width": 15}, {"width": 16, "heads": 3}])
def test_a_width_that_does_not_divide_is_refused(arguments):
    with pytest.raises(ValueError, match="width must be even and a multiple of the"):
        small(**arguments)

"""TimeViT and GridViT: patches, positions, leads, class token."""

import pytest
import torch

from ecg_backbones.vit import ViT
from ecg_backbones.vit_grid import GridViT, vit_leads_base
from ecg_backbones.vit_time import TimeViT, vit_time_base
from ecg_core.layers.positions import grid_positions, sincos_positions

torch.set_num_threads(1)

SMALL = {"width": 16, "depth": 2, "heads": 2, "head_width": 8, "patch_size": 10}


def small(cls=GridViT, in_leads=3, **kwargs):
    torch.manual_seed(0)
    return cls(in_leads, **{**SMALL, **kwargs}).eval()


@pytest.mark.parametrize(("variant", "total", "tokens"), [(vit_time_base, 85_775_880, 31), (vit_leads_base, 86_801_556, 13)])
def test_the_base_encoders_have_the_parameters_of_st_mems_repository_without_fixed_positions(variant, total, tokens):
    with torch.device("meta"):
        assert sum(p.numel() for p in variant(in_leads=12).parameters()) == total - tokens * 768


def test_values_of_a_patch_of_all_leads_stand_sample_by_sample():
    x = torch.randn(2, 3, 47)
    patches = small(TimeViT).patchify(x)
    assert tuple(patches.shape) == (2, 1, 4, 30)
    assert torch.equal(patches[:, 0, 0, :3], x[:, :, 0])  # a lead-major order would begin with three samples of lead I
    assert torch.equal(patches[:, 0, 2].unflatten(1, (10, 3)).transpose(1, 2), x[:, :, 20:30])
    assert torch.equal(patches.unflatten(3, (10, 3)).permute(0, 1, 4, 2, 3).flatten(3)[:, 0], x[..., :40])


def test_patches_on_the_grid_stand_lead_by_lead():
    x = torch.randn(2, 3, 47)
    patches = small().patchify(x)
    assert tuple(patches.shape) == (2, 1, 12, 10)
    assert torch.equal(patches.reshape(2, 3, 40), x[..., :40])
    assert small().layout(3, 47) == (3, 4)
    assert small(TimeViT).layout(3, 47) == (1, 4)


def test_half_of_a_position_on_the_grid_tells_the_time_and_half_the_lead():
    table = grid_positions(3, 4, 16, like=torch.zeros(())).unflatten(0, (3, 4))
    assert torch.equal(table[1, :, :8], sincos_positions(4, 8, like=table))
    assert torch.equal(table[:, 2, 8:], sincos_positions(3, 8, like=table))
    model = small()
    torch.testing.assert_close(model.placed(torch.zeros(1, 1, 12, 16), None)[0, 0], table.flatten(0, 1))


@pytest.mark.parametrize(("leads", "times"), [(1, 5), (5, 1)])
def test_a_grid_of_one_lead_or_one_time_is_a_line(leads, times):
    like = torch.zeros(())
    assert torch.equal(grid_positions(leads, times, 8, like=like), sincos_positions(5, 8, like=like))


def test_a_token_that_is_a_lead_has_the_position_of_its_number():
    model = small(positions="sequence", patch_size=40)
    tokens = torch.zeros(1, 1, 3, 16)
    assert torch.equal(model.placed(tokens, None)[0, 0], sincos_positions(3, 16, like=tokens))
    assert torch.equal(model.placed(tokens[:, :, :2], torch.tensor([2, 0]))[0, 0], sincos_positions(3, 16, like=tokens)[[2, 0]])


def test_a_part_of_the_leads_keeps_its_positions_whatever_its_order():
    model, x = small(in_leads=12), torch.randn(2, 3, 40)
    features = model.forward_named(x, ("I", "II", "V2"))
    assert torch.equal(model.forward_named(x[:, [2, 0, 1]], ("V2", "I", "II")), features)
    torch.testing.assert_close(features, model(x[:, [2, 1, 0]], torch.tensor([7, 1, 0])))
    assert (model(x, torch.tensor([0, 1, 2])) - features).abs().max() > 1e-4


def test_leads_and_times_exchanged_give_other_features():
    """Without positions attention is blind to order."""
    model, x = small(), torch.randn(2, 3, 40)
    assert not torch.allclose(model(x[:, [1, 0, 2]]), model(x), atol=1e-4)
    assert not torch.allclose(model(x.unflatten(2, (4, 10)).flip(2).flatten(2)).flip(2), model(x), atol=1e-4)


@pytest.mark.parametrize("cls", [TimeViT, GridViT])
def test_the_class_token_sees_all_and_starts_as_the_same_vector(cls):
    model, x = small(cls, depth=1), torch.randn(2, 3, 40)
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0][:, 0]))
    features = model.class_features(x)
    assert torch.equal(seen[0], model.class_token.expand(2, -1))
    torch.testing.assert_close(features.mean(dim=1), torch.zeros(2), atol=1e-5, rtol=0.0)  # normalised
    changed = x.clone()
    changed[0, 2, 35] += 1.0
    moved = (model.class_features(changed) - features).abs().amax(dim=1) > 1e-6
    assert moved.tolist() == [True, False]


def test_a_time_is_one_token_and_a_part_of_its_leads_an_error():
    model = small(TimeViT)
    for ask in (
        lambda: model.encode(torch.zeros(1, 1, 4, 16), None, torch.tensor([0])),
        lambda: model.forward_named(torch.zeros(1, 1, 40), ("I",), trained_on=("I", "II", "III")),
    ):
        with pytest.raises(TypeError, match="TimeViT cannot encode a part of its leads"):
            ask()


@pytest.mark.parametrize("cls", [ViT, GridViT])
def test_leads_that_were_not_trained_on_or_not_counted_are_an_error(cls):
    model = small(cls)
    known = ("I", "II", "III")
    with pytest.raises(ValueError, match=r"V7: not among the leads of training, I, II, III; select other leads"):
        model.forward_named(torch.zeros(1, 1, 40), ("V7",), trained_on=known)
    with pytest.raises(ValueError, match="leads names 1 leads for 2; name each once, in order"):
        model.forward_named(torch.zeros(1, 2, 40), ("I",), trained_on=known)
    with pytest.raises(ValueError, match="trained_on names 12 leads for 3"):
        model.forward_named(torch.zeros(1, 1, 40), ("I",))
    with pytest.raises(ValueError, match="3 leads, got 1"):
        model(torch.zeros(1, 1, 40))


def test_leads_by_name_need_an_encoder_that_knows_its_leads():
    with pytest.raises(ValueError, match="trained_on names 3 leads for None"):
        small(in_leads=None).forward_named(torch.zeros(1, 1, 40), ("I",), trained_on=("I", "II", "III"))
    with pytest.raises(ValueError, match="GridViT does not know its leads yet; build it with in_leads="):
        small(in_leads=None).encode(torch.zeros(1, 1, 4, 16))


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (TimeViT, {"width": 7}, "width must be even, got 7"),
        (GridViT, {"width": 18}, "positions='grid' takes a width that is a multiple of 4, got 18"),
        (GridViT, {"width": 7, "positions": "sequence"}, "positions='sequence' takes a width that is a multiple of 2, got 7"),
        (GridViT, {"positions": "rows"}, "positions must be 'grid' or 'sequence', got 'rows'"),
    ],
)
def test_an_argument_out_of_range_is_an_error(cls, arguments, message):
    with pytest.raises(ValueError, match=message):
        small(cls, **arguments)


def test_a_lazy_time_encoder_starts_as_the_one_that_was_told_its_leads():
    model = small(TimeViT, in_leads=None)
    assert model.in_leads is None
    model(torch.randn(2, 3, 40))
    assert model.in_leads == 3
    assert type(model.patch_embedding[0]) is torch.nn.LayerNorm
    weight = model.patch_embedding[1].weight  # (16, 30)
    bound = (6 / (16 + 30)) ** 0.5
    assert 0.9 * bound < weight.abs().max().item() <= bound
    assert not model.patch_embedding[1].bias.any()
    assert torch.equal(model.patch_embedding[0].weight, torch.ones(30))

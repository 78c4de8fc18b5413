"""CroPAViT: parameters, who sees whom, positions before every block, leads."""

import pytest
import torch

from ecg_backbones.vit_cropa import CroPAViT, vit_cropa_b

torch.set_num_threads(1)


def small(in_leads=3, **kwargs):
    torch.manual_seed(0)
    model = CroPAViT(in_leads, **{"width": 16, "depth": 1, "heads": 2, "patch_size": 10, **kwargs})
    with torch.no_grad():
        for block in model.blocks:
            for weight in (block.attention.qkv.weight, block.attention.out.weight):
                weight.normal_(std=0.5)
    return model.eval()


def test_the_encoder_has_the_published_parameters_without_fixed_positions():
    with torch.device("meta"):
        assert sum(p.numel() for p in vit_cropa_b(in_leads=8).parameters()) == 85_374_720 - 400 * 768


def test_queries_keys_and_values_have_no_bias():
    names = {name.rpartition("blocks.0.")[2] for name, _ in small().named_parameters() if "attention." in name}
    assert names == {"attention.qkv.weight", "attention.out.weight", "attention.out.bias"}


@pytest.mark.parametrize("depth", [1, 2])
def test_a_token_sees_its_lead_and_its_time_and_everything_by_way_of_them(depth):
    model = small(depth=depth)
    tokens = torch.randn(1, 1, 15, 16)  # three leads of five times
    changed = tokens.clone()
    changed[0, 0, 1 * 5 + 2] += torch.randn(16)
    differs = (model.encode(changed) - model.encode(tokens)).abs().amax(dim=-1)[0, 0].unflatten(0, (3, 5)) > 0
    expected = torch.zeros(3, 5, dtype=torch.bool)
    expected[1], expected[:, 2] = True, True
    assert torch.equal(differs, expected if depth == 1 else torch.ones_like(expected))


def test_the_pattern_is_of_the_tokens_that_are_left():
    """Kept in another order, tokens come out in that order; a kept token sees nobody it did not see before."""
    model = small()
    tokens = torch.randn(1, 1, 15, 16)
    keep = torch.tensor([[[12, 3, 7, 2]]])
    found = model.encode(tokens, keep)[0, 0]
    torch.testing.assert_close(model.encode(tokens, keep.flip(2))[0, 0].flip(0), found)
    alone = model.encode(tokens, torch.tensor([[[3]]]))[0, 0, 0]  # lead 0, time 3: of the others it sees 2 of its lead only
    pair = model.encode(tokens, torch.tensor([[[3, 2]]]))[0, 0, 0]
    torch.testing.assert_close(found[1], pair)
    assert not torch.allclose(alone, pair, atol=1e-4)


def test_without_the_pattern_everything_is_seen_at_once():
    model = small(cross_pattern=False)
    tokens = torch.randn(1, 1, 15, 16)
    changed = tokens.clone()
    changed[0, 0, 7] += torch.randn(16)
    assert ((model.encode(changed) - model.encode(tokens)).abs().amax(dim=-1) > 0).all()


def test_some_of_the_leads_keep_their_positions_in_any_order():
    model = small()
    x = torch.randn(2, 3, 50)
    leads = ("I", "II", "V1")
    part = model.forward_named(x[:, [2, 0]], ("V1", "I"), trained_on=leads)
    torch.testing.assert_close(part, model.forward_features(x[:, [0, 2]], torch.tensor([0, 2])))
    assert not torch.allclose(part, model.forward_features(x[:, [0, 2]], torch.tensor([0, 1])), atol=1e-4)
    torch.testing.assert_close(model.forward_named(x, leads, trained_on=leads), model(x))


def test_branches_start_smaller_by_the_number_of_their_block():
    torch.manual_seed(0)
    model = CroPAViT(8, width=192, depth=4, heads=4)
    for number, block in enumerate(model.blocks, start=1):
        assert block.mlp[2].weight.detach().std() == pytest.approx(0.02 / (2 * number) ** 0.5, rel=0.02)


@pytest.mark.parametrize("arguments", [{"width": 18}, {"heads": 3}])
def test_a_width_that_does_not_divide_is_refused(arguments):
    with pytest.raises(ValueError, match="width must be a multiple of 4 and of the"):
        CroPAViT(3, **{"width": 16, "depth": 1, "heads": 2, **arguments})


def test_leads_must_be_known_before_tokens_are_placed():
    with pytest.raises(ValueError, match="CroPAViT does not know its leads yet; build it with in_leads=…"):
        small(in_leads=None).encode(torch.zeros(1, 1, 6, 16))

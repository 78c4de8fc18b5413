"""ViT: tokens, masking, leads and positions."""

import math

import pytest
import torch

from ecg_backbones.vit import LeadEmbedding, ViT, vit_small, vit_tiny
from ecg_core.layers.positions import sincos_positions

torch.set_num_threads(1)


def small(in_leads=3, **kwargs):
    torch.manual_seed(0)
    return ViT(in_leads, **{"width": 16, "depth": 2, "heads": 2, "head_width": 8, "patch_size": 10, **kwargs}).eval()


def test_vit_small_has_the_parameters_of_the_paper_without_its_fixed_positions():
    # 21,341,718 is the official 12-lead encoder, which counts (30 + 2) x 384 fixed positions as a parameter.
    assert sum(p.numel() for p in vit_small(in_leads=12).parameters()) == 21_341_718 - (30 + 2) * 384


def test_vit_tiny_has_the_parameters_counted_by_hand():
    block = 4 * 192 + 192 * 577 - 192 + 576 + 192 * 192 + 192 + 2 * 4 * 192 * 192 + 5 * 192
    embedding = 2 * 75 + 75 * 192 + 192 + 2 * 192
    assert sum(p.numel() for p in vit_tiny(in_leads=12).parameters()) == 12 * block + embedding + (1 + 12 + 2) * 192


def test_positions_follow_the_formula_for_any_number_of_patches():
    positions = sincos_positions(40, 6, like=torch.zeros(()))
    for p, k in ((0, 0), (3, 1), (39, 2)):
        assert positions[p, k].item() == pytest.approx(math.sin(p * 10000 ** (-k / 3)), abs=1e-5)
        assert positions[p, 3 + k].item() == pytest.approx(math.cos(p * 10000 ** (-k / 3)), abs=1e-5)


def test_positions_stay_sharp_in_half_precision():
    positions = sincos_positions(300, 8, like=torch.zeros((), dtype=torch.bfloat16))
    assert positions.dtype == torch.float32
    assert positions.diff(dim=0).abs().amax(dim=1).min() > 0.1


def test_patches_put_back_together_are_the_signal_without_the_rest():
    x = torch.randn(2, 3, 47)
    patches = small().patchify(x)
    assert tuple(patches.shape) == (2, 3, 4, 10)
    assert torch.equal(patches.flatten(2), x[..., :40])


def test_each_token_sees_its_patch_only():
    model, x = small(), torch.randn(1, 3, 40)
    changed = x.clone()
    changed[0, 1, 25] += 1.0
    moved = (model.embed(model.patchify(changed)) - model.embed(model.patchify(x))).abs().amax(dim=-1)[0] > 0
    expected = torch.zeros(3, 4, dtype=torch.bool)
    expected[1, 2] = True
    assert torch.equal(moved, expected)


def test_visible_patches_never_see_hidden_ones():
    model, x = small(), torch.randn(2, 3, 60)
    keep = torch.rand(2, 3, 6).argsort(dim=-1)[..., :2]
    hidden = torch.ones(2, 3, 6).scatter(2, keep, 0.0)[..., None].bool()
    tokens = model.embed(model.patchify(x))
    latent = model.encode(tokens, keep)
    assert tuple(latent.shape) == (2, 3, 1 + 2 + 1, 16)
    assert torch.equal(model.encode(tokens.masked_fill(hidden, 1e6), keep), latent)
    assert not torch.equal(model.encode(tokens.masked_fill(~hidden, 1.0), keep), latent)


def test_keeping_all_patches_in_order_is_keeping_all():
    model = small()
    tokens = model.embed(model.patchify(torch.randn(2, 3, 60)))
    everything = torch.arange(6).expand(2, 3, 6)
    torch.testing.assert_close(model.encode(tokens, everything), model.encode(tokens))


def test_leads_permuted_together_with_lead_index_give_the_same_features():
    model, x = small().double(), torch.randn(2, 3, 60, dtype=torch.float64)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(model(x[:, order], order), model(x))
    assert not torch.allclose(model(x[:, order]), model(x))
    torch.testing.assert_close(model.forward_lead_features(x[:, order], order), model.forward_lead_features(x)[:, order])


def test_one_lead_of_a_twelve_lead_encoder_is_ten_tokens_with_that_leads_vector():
    model, x = small(12, patch_size=25), torch.randn(1, 12, 200)
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    features = model(x[:, 1:2], torch.tensor([1]))
    assert seen[0].shape[1] == 10  # 200 / 25 patches and two separators, not twelve times that
    alone = small(1, patch_size=25)
    alone.load_state_dict({**model.state_dict(), "lead_embedding.weight": model.lead_embedding.weight[1:2]})
    torch.testing.assert_close(features, alone(x[:, 1:2]))


@pytest.mark.parametrize("leads", [1, 2, 4])
def test_another_number_of_leads_is_an_error_that_names_lead_index(leads):
    with pytest.raises(ValueError, match=f"built for 3 leads, got {leads}; pass a lead_index"):
        small()(torch.randn(1, leads, 60))


def test_a_lead_index_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="told of 2 leads by lead_index, got 1"):
        small()(torch.randn(1, 1, 60), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="1 rows of tokens for 3 leads; say with lead_index"):
        small().encode(torch.randn(1, 1, 4, 16))


def test_a_lazy_encoder_refuses_lead_index_before_it_knows_its_leads():
    with pytest.raises(ValueError, match="build it with in_leads"):
        small(None)(torch.randn(1, 2, 60), torch.tensor([0, 1]))


def test_features_are_lead_features_averaged_and_pool_normalises_their_mean():
    model, x = small(), torch.randn(2, 3, 60)
    lead_features = model.forward_lead_features(x)
    assert tuple(lead_features.shape) == (2, 3, 16, 6)
    features = model.forward_features(x)
    torch.testing.assert_close(features, lead_features.mean(dim=1))
    expected = torch.nn.functional.layer_norm(lead_features.mean(dim=(1, 3)), (16,))  # a fresh norm scales by 1
    torch.testing.assert_close(model.pool(features), expected)


def test_lead_features_normalised_are_the_encoded_patch_tokens():
    model, x = small(), torch.randn(2, 3, 60)
    encoded = model.encode(model.embed(model.patchify(x)))[:, :, 1:-1]
    torch.testing.assert_close(model.norm(model.forward_lead_features(x).transpose(2, 3)), encoded)


def test_the_features_depend_on_where_a_patch_stands():
    model, x = small(), torch.randn(1, 3, 60)
    swapped = torch.cat([x[..., 10:20], x[..., :10], x[..., 20:]], dim=-1)
    assert not torch.allclose(model.pool(model(x)), model.pool(model(swapped)), atol=1e-4)


def test_drop_path_acts_in_training_only_and_keeps_the_mean():
    model, x = small(drop_path=0.5), torch.randn(4, 3, 60)
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))
    drop = model.blocks[-1].drop_path
    assert drop(torch.ones(20_000, 1, 1)).mean().item() == pytest.approx(1.0, abs=0.03)


def test_an_odd_width_and_a_short_window_are_errors():
    with pytest.raises(ValueError, match="width must be even, got 15"):
        ViT(1, width=15)
    with pytest.raises(ValueError, match="needs at least 10 samples, got 9"):
        small()(torch.randn(1, 3, 9))
    with pytest.raises(ValueError, match="expects \\(batch, leads, samples\\)"):
        small()(torch.randn(3, 60))


def test_lead_vectors_start_small_lazy_or_not():
    lazy = small(None, width=256, heads=1)
    lazy(torch.randn(1, 12, 60))
    assert type(lazy.lead_embedding) is LeadEmbedding
    for model in (lazy, small(12, width=256, heads=1)):
        assert model.lead_embedding.weight.std().item() == pytest.approx(0.02, rel=0.06)


def test_linear_layers_start_xavier_uniform_and_the_separator_small():
    model = small(width=256, heads=1)
    weight = model.blocks[0].mlp[0].weight  # (1024, 256)
    bound = (6 / (1024 + 256)) ** 0.5
    assert 0.99 * bound < weight.abs().max().item() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert model.separator.std().item() == pytest.approx(0.02, rel=0.2)
    assert not any(m.bias.any() for m in model.modules() if isinstance(m, torch.nn.Linear))

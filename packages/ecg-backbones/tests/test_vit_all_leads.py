"""Tokens of all leads: the official encoder's numbers and sizes, patches, hidden tokens, and a size learnt from the input."""

import numpy as np
import pytest
import torch
from torch import nn

from ecg_backbones.layers.lazy_layer_norm import LazyLayerNorm
from ecg_backbones.vit import vit_base
from ecg_backbones.vit_all_leads import AllLeadViT, vit_base_all_leads

torch.set_num_threads(1)

NAMES = (
    ("to_patch_embedding.1.", "patch_embedding.0."), ("to_patch_embedding.2.", "patch_embedding.1."),
    ("to_patch_embedding.3.", "patch_embedding.2."), ("cls_embedding", "class_token"), ("attn.norm.", "attention_norm."),
    ("attn.fn.to_qkv.", "attention.qkv."), ("attn.fn.to_out.0.", "attention.out."), ("ff.norm.", "mlp_norm."),
    ("ff.fn.net.0.", "mlp.0."), ("ff.fn.net.3.", "mlp.2."), ("block0.", "blocks.0."), ("block1.", "blocks.1."),
)  # fmt: skip


def small(in_leads=3, **words):
    torch.manual_seed(0)
    return AllLeadViT(in_leads, **{"width": 16, "depth": 2, "heads": 2, "head_width": 8, "patch_size": 10, **words}).eval()


@pytest.fixture
def official(golden):
    """The stored numbers of the official MTAE, and our encoder with its weights."""
    stored = np.load(golden / "ssl" / "mtae_small.npz")
    weights = {}
    for key in stored.files:
        if key.startswith("sd/encoder.") and key != "sd/encoder.pos_embedding":
            name = key.removeprefix("sd/encoder.")
            for theirs, ours in NAMES:
                name = name.replace(theirs, ours)
            weights[name] = torch.from_numpy(stored[key])
    model = AllLeadViT(12, width=64, depth=2, heads=2, mlp_ratio=2.0).eval()
    model.load_state_dict(weights)
    return stored, model


def test_the_encoder_gives_the_numbers_of_the_official_code(official):
    stored, model = official
    with torch.no_grad():
        latent = model.encode(model.embed(model.patchify(torch.from_numpy(stored["x"]))))
    torch.testing.assert_close(latent[:, 0], torch.from_numpy(stored["latent_unmasked"]), rtol=1e-5, atol=2e-5)


def test_the_kept_tokens_are_encoded_as_by_the_official_code(official):
    stored, model = official
    keep = torch.from_numpy(stored["noise"]).argsort(dim=1)[:, None, :2]  # a quarter of eight patches
    with torch.no_grad():
        latent = model.encode(model.embed(model.patchify(torch.from_numpy(stored["x"]))), keep)
    torch.testing.assert_close(latent[:, 0], torch.from_numpy(stored["latent"]), rtol=1e-5, atol=2e-5)


def test_the_base_sizes_are_the_official_ones_without_their_fixed_positions():
    """Counted on the official code: 85,775,880 with 31 positions (MTAE), 85,150,614 with 32 (ST-MEM), of 768 numbers each."""
    with torch.device("meta"):
        assert sum(p.numel() for p in vit_base_all_leads(in_leads=12).parameters()) == 85_775_880 - 31 * 768
        assert sum(p.numel() for p in vit_base(in_leads=12).parameters()) == 85_150_614 - 32 * 768


def test_a_patch_holds_one_sample_of_every_lead_after_another():
    x = torch.randn(2, 3, 47)
    patches = small().patchify(x)
    assert tuple(patches.shape) == (2, 1, 4, 30)
    assert torch.equal(patches[1, 0, 2, :6], torch.cat([x[1, :, 20], x[1, :, 21]]))
    assert torch.equal(patches.unflatten(3, (10, 3)).permute(0, 1, 4, 2, 3).flatten(3)[:, 0], x[..., :40])


def test_hidden_patches_are_never_seen():
    model, x = small(), torch.randn(2, 3, 60)
    keep = torch.tensor([[[0, 3]], [[5, 1]]])
    tokens = model.embed(model.patchify(x))
    hidden = torch.ones(2, 1, 6).scatter(2, keep, 0.0)[..., None].bool()
    latent = model.encode(tokens, keep)
    assert tuple(latent.shape) == (2, 1, 1 + 2, 16)
    assert torch.equal(model.encode(tokens.masked_fill(hidden, 1e6), keep), latent)
    assert not torch.equal(model.encode(tokens.masked_fill(~hidden, 1.0), keep), latent)


def test_leads_are_not_exchangeable_and_patches_have_their_place():
    model, x = small(), torch.randn(1, 3, 60)
    assert not torch.allclose(model(x[:, [1, 0, 2]]), model(x), atol=1e-4)
    swapped = torch.cat([x[..., 10:20], x[..., :10], x[..., 20:]], dim=-1)
    assert not torch.allclose(model.pool(model(x)), model.pool(model(swapped)), atol=1e-4)


def test_features_are_the_patch_tokens_and_pool_normalises_their_mean():
    model, x = small(), torch.randn(2, 3, 60)
    encoded = model.encode(model.embed(model.patchify(x)))[:, 0, 1:]
    torch.testing.assert_close(model.norm(model(x).transpose(1, 2)), encoded)
    torch.testing.assert_close(model.pool(model(x)), nn.functional.layer_norm(model(x).mean(dim=-1), (16,)))


def test_an_encoder_learns_its_leads_from_the_first_batch_or_from_a_saved_state():
    told, x = small(), torch.randn(2, 3, 60)
    first, loaded = small(None), small(None)
    assert first.in_leads is None
    first(x)
    loaded.load_state_dict(told.state_dict())
    for model in (first, loaded):
        model(x)
        assert model.in_leads == 3
        norm = model.patch_embedding[0]
        assert (type(norm), norm.normalized_shape) == (nn.LayerNorm, (30,))
    assert torch.equal(loaded(x), told(x))


def test_a_lazy_normalisation_starts_as_the_one_that_was_told():
    lazy, x = LazyLayerNorm(eps=1e-6), torch.randn(4, 7)
    torch.testing.assert_close(lazy(x), nn.LayerNorm(7, eps=1e-6)(x))
    assert type(lazy) is nn.LayerNorm


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: AllLeadViT(1, width=15), "width must be even, got 15"),
        (lambda: small()(torch.randn(1, 3, 9)), "needs at least 10 samples, got 9"),
        (lambda: small()(torch.randn(1, 2, 60)), "built for 3 leads, got 2"),
        (lambda: small().encode(torch.randn(1, 1, 4, 16), None, torch.tensor([0])), "no row has a lead_index; use a ViT"),
    ],
)
def test_wrong_arguments_and_inputs_are_named(act, message):
    with pytest.raises(ValueError, match=message):
        act()

"""ST-MEM against outputs of the official code (small random weights, noise injected): the eight tests of its specification."""

import pytest
import torch

from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES
from ecg_ssl.convert.st_mem import from_official, to_official
from ecg_ssl.masking import mask_by_noise
from ecg_ssl.methods.st_mem import STMEM
from ecg_ssl.objectives.masked import patch_mse

CLOSE = {"rtol": 1e-5, "atol": 2e-5}


@pytest.fixture
def reference(golden):
    return golden("stmem_small.npz")


@pytest.fixture
def official(reference):
    """The official state dict, with the names it holds twice."""
    state = {name.removeprefix("sd/"): value for name, value in reference.items() if name.startswith("sd/")}
    alias = {name.removeprefix("encoder."): v for name, v in state.items() if name.startswith("encoder.to_patch_embedding.")}
    return state | alias


@pytest.fixture
def method(official):
    backbone = BACKBONES.build("vit_small", in_leads=12, width=64, depth=2, heads=2, mlp_ratio=2.0)
    method = STMEM(backbone, decoder_width=32, decoder_depth=2, decoder_heads=2, mlp_ratio=2.0).eval()
    method.load_state_dict(from_official(official))
    return method


def batch_of(reference):
    return Batch(reference["x"], 250.0, STANDARD_12)


def test_masks_are_those_of_the_official_code(reference):
    _, restore, mask = mask_by_noise(reference["noise"], 0.75)
    assert torch.equal(mask.float(), reference["mask"])
    assert torch.equal(restore, reference["ids_restore"])


def test_encoded_tokens_are_those_of_the_official_code(method, reference):
    backbone = method.backbone
    tokens = backbone.embed(backbone.patchify(reference["x"]))
    keep = mask_by_noise(reference["noise"], 0.75).keep
    torch.testing.assert_close(backbone.encode(tokens, keep).flatten(1, 2), reference["latent"], **CLOSE)
    torch.testing.assert_close(backbone.encode(tokens).flatten(1, 2), reference["latent_unmasked"], **CLOSE)


def test_hiding_nothing_is_encoding_everything(method, reference):
    backbone = method.backbone
    tokens = backbone.embed(backbone.patchify(reference["x"]))
    keep, restore, mask = mask_by_noise(reference["noise"], 0.0)
    assert not mask.any()
    encoded = backbone.encode(tokens, keep)[:, :, 1:-1].gather(2, restore[..., None].expand(-1, -1, -1, 64))
    expected = reference["latent_unmasked"].unflatten(1, (12, 10))[:, :, 1:-1]
    torch.testing.assert_close(encoded, expected, **CLOSE)


def test_predictions_and_targets_are_those_of_the_official_code(method, reference):
    prediction, patches, mask = method.reconstruct(batch_of(reference), noise=reference["noise"])
    torch.testing.assert_close(prediction, reference["pred"], **CLOSE)
    assert torch.equal(patches.flatten(2), reference["x"])
    assert torch.equal(mask.float(), reference["mask"])


@pytest.mark.parametrize(("normalise", "key", "value"), [(True, "loss_norm_pix", 1.7390685), (False, "loss_raw", 1.7312398)])
def test_losses_are_those_of_the_official_code(method, reference, normalise, key, value):
    method.normalise_patches = normalise
    loss = method.loss(batch_of(reference), noise=reference["noise"]).total
    torch.testing.assert_close(loss, reference[key], **CLOSE)
    assert loss.item() == pytest.approx(value, rel=1e-5)


def test_gradients_are_those_of_the_official_code(method, reference):
    method.loss(batch_of(reference), noise=reference["noise"]).total.backward()
    gradients = to_official({name: p.grad for name, p in method.named_parameters()}, patches=8)
    names = [name.removeprefix("grad/") for name in reference if name.startswith("grad/")]
    assert len(names) == 4
    for name in names:
        torch.testing.assert_close(gradients[name], reference[f"grad/{name}"], rtol=1e-4, atol=2e-5)
    norm = torch.stack([p.grad.norm() for p in method.parameters()]).norm()
    torch.testing.assert_close(norm, reference["grad_global_norm"], rtol=1e-4, atol=0.0)


def test_pooled_features_are_those_of_the_official_classifier(method, reference):
    features = method.backbone.pool(method.backbone.forward_features(reference["x"]))
    torch.testing.assert_close(features, reference["features_forward_encoding"], rtol=1e-4, atol=2e-5)


def test_only_predictions_of_hidden_patches_count(method, reference):
    prediction, patches, mask = method.reconstruct(batch_of(reference), noise=reference["noise"])
    loss = patch_mse(prediction, patches, mask)
    noise = torch.randn_like(prediction)
    assert torch.equal(patch_mse(prediction + noise * ~mask[..., None], patches, mask), loss)
    assert patch_mse(prediction + noise * mask[..., None], patches, mask) > loss + 0.1


def test_samples_of_a_hidden_patch_do_not_leak_into_any_token(method, reference):
    backbone = method.backbone
    keep, _, mask = mask_by_noise(reference["noise"], 0.75)
    x = reference["x"]
    changed = torch.where(mask.repeat_interleave(75, dim=-1), x + torch.randn_like(x), x)
    latent, again = (backbone.encode(backbone.embed(backbone.patchify(signal)), keep) for signal in (x, changed))
    assert torch.equal(latent, again)


def test_a_lead_is_decoded_from_its_own_tokens_only(method, reference):
    masking = mask_by_noise(reference["noise"], 0.75)
    latent = reference["latent"].unflatten(1, (12, 4)).clone().requires_grad_(True)
    prediction = method.decode(latent, masking)
    for lead in (0, 7):
        (slope,) = torch.autograd.grad(prediction[:, lead].square().sum(), latent, retain_graph=True)
        reached = slope.abs().amax(dim=(0, 2, 3)) > 0
        assert reached.nonzero().flatten().tolist() == [lead]


def test_leads_permuted_together_with_their_index_permute_the_predictions(method, reference):
    backbone, x = method.backbone, reference["x"]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    masking = mask_by_noise(reference["noise"], 0.75)
    permuted = mask_by_noise(reference["noise"][:, order], 0.75)
    tokens = backbone.embed(backbone.patchify(x[:, order]))
    prediction = method.decode(backbone.encode(tokens, permuted.keep, order), permuted)
    torch.testing.assert_close(prediction, reference["pred"][:, order], **CLOSE)
    features = backbone.pool(backbone.forward_features(x[:, order], order))
    torch.testing.assert_close(features, reference["features_forward_encoding"], rtol=1e-4, atol=2e-5)
    unnamed = backbone.pool(backbone.forward_features(x[:, order]))
    assert (unnamed - reference["features_forward_encoding"]).abs().max() > 1e-3
    assert torch.equal(permuted.mask, masking.mask[:, order])


def test_lead_ii_alone_is_a_pass_of_ten_tokens(method, reference):
    backbone = method.backbone
    seen = []
    hook = backbone.blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    features = backbone.pool(backbone.forward_features(reference["x"][:, 1:2], torch.tensor([1])))
    hook.remove()
    patches = backbone.embed(reference["x"][:, 1].reshape(2, 1, 8, 75))[:, 0]
    separator = backbone.separator.expand(2, 1, 64)
    tokens = torch.cat([separator, patches, separator], dim=1) + backbone.lead_embedding.weight[1]
    torch.testing.assert_close(seen[0], tokens)
    assert tokens.shape[1] == 10
    for block in backbone.blocks:
        tokens = block(tokens)
    torch.testing.assert_close(features, backbone.norm(tokens[:, 1:-1].mean(dim=1)), **CLOSE)


def test_leads_given_by_name_get_their_own_vectors_in_whatever_order_they_come(method, reference):
    """I, II and V2 of a 12-lead model, against a pass of thirty tokens written out; the official model cannot do it."""
    backbone, x = method.backbone, reference["x"]
    features = backbone.forward_named(x[:, [0, 1, 7]], ("I", "II", "V2"))
    separator, tokens = backbone.separator.expand(2, 1, 64), []
    for lead in (0, 1, 7):
        patches = backbone.embed(x[:, lead].reshape(2, 1, 8, 75))[:, 0]
        tokens.append(torch.cat([separator, patches, separator], dim=1) + backbone.lead_embedding.weight[lead])
    sequence = torch.cat(tokens, dim=1)
    assert sequence.shape[1] == 30
    for block in backbone.blocks:
        sequence = block(sequence)
    expected = sequence.unflatten(1, (3, 10))[:, :, 1:-1].mean(dim=1).transpose(1, 2)
    torch.testing.assert_close(features, expected, **CLOSE)
    for names in (("V2", "I", "II"), ("ii", "V2", "i")):
        places = [STANDARD_12.index({"i": "I", "ii": "II"}.get(name, name)) for name in names]
        assert torch.equal(backbone.forward_named(x[:, places], names), features)
    assert (backbone.forward_features(x[:, [0, 1, 7]], torch.tensor([0, 1, 2])) - features).abs().max() > 1e-3


def test_all_leads_given_by_name_in_any_order_have_the_official_features(method, reference):
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()
    features = method.backbone.forward_named(reference["x"][:, order], [STANDARD_12[lead] for lead in order])
    torch.testing.assert_close(method.backbone.pool(features), reference["features_forward_encoding"], rtol=1e-4, atol=2e-5)


def test_leads_of_a_model_trained_in_another_order_are_found_by_that_order(method, reference):
    """MIMIC-IV-ECG stores aVF before aVL: its order names the vectors, not the standard one."""
    order = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
    x = reference["x"][:, :1]
    found = method.backbone.forward_named(x, ("aVF",), trained_on=order)
    assert torch.equal(found, method.backbone.forward_features(x, torch.tensor([4])))
    assert not torch.equal(found, method.backbone.forward_named(x, ("aVF",)))


def test_official_to_ours_to_official_is_bit_exact(official):
    again = to_official(from_official(official), patches=8)
    assert set(again) == set(official)
    assert all(torch.equal(again[name], official[name]) for name in official)


def test_an_encoder_file_becomes_a_backbone_and_goes_back_bit_exactly(official, method):
    encoder = {name.removeprefix("encoder."): v for name, v in official.items() if name.startswith("encoder.")}
    ours = from_official(encoder)
    backbone = BACKBONES.build("vit_small", width=64, depth=2, heads=2, mlp_ratio=2.0)
    backbone.load_state_dict(ours)
    assert all(torch.equal(v, method.backbone.state_dict()[k]) for k, v in backbone.state_dict().items())
    again = to_official(backbone.state_dict(), patches=8)
    assert set(again) == set(encoder)
    assert all(torch.equal(again[name], encoder[name]) for name in encoder)


def test_our_names_of_the_official_state_are_all_of_the_model(official):
    assert len(from_official(official)) == len(official) - 2 - 6 - 12 + 1  # positions, aliases, twelve leads in one tensor


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s | {"encoder.pos_embedding": s["encoder.pos_embedding"].flip(2)}, "does not hold ST-MEM's sin-cos positions"),
        (lambda s: s | {"to_patch_embedding.2.bias": s["to_patch_embedding.2.bias"] + 1}, "should repeat"),
        (lambda s: s | {"head.weight": torch.zeros(5, 64)}, "'head.weight' is no name of an ST-MEM state dict"),
        (lambda s: s | {"encoder.block0.attn.fn.bias": torch.zeros(5)}, "is no name of an ST-MEM state dict"),
    ],
)
def test_a_file_of_another_model_is_refused(official, spoil, message):
    with pytest.raises(ValueError, match=message):
        from_official(spoil(official))


@pytest.mark.parametrize(
    ("name", "total"),
    [("vit_small", 24_627_553), ("vit_base", 88_534_753)],
)
def test_parameters_are_those_of_the_paper_without_its_fixed_positions(name, total):
    with torch.device("meta"):
        method = STMEM(BACKBONES.build(name, in_leads=12))
    fixed = (30 + 2) * (method.backbone.width + 256)
    assert sum(p.numel() for p in method.parameters()) == total - fixed
    assert all(p.requires_grad for p in method.parameters())

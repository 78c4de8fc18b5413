"""MTAE and MLAE against outputs of ST-MEM's repository (small random weights, noise injected)."""

import pytest
import torch

from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.convert.mtae import from_official, to_official
from ecg_ssl.masking import mask_by_noise
from ecg_ssl.objectives.masked import patch_mse

CLOSE = {"rtol": 1e-5, "atol": 2e-5}
SMALL = {"width": 64, "depth": 2, "heads": 2, "mlp_ratio": 2.0}
DECODER = {"decoder_width": 32, "decoder_depth": 2, "decoder_heads": 2, "mlp_ratio": 2.0}
# name: backbone, its patch, tokens of a window, losses of the official code with and without standardised patches
MODELS = {
    "mtae": ("vit_time_small", 75, 8, 1.0777643, 0.9289010),
    "mlae": ("vit_leads_small", 600, 12, 1.1181925, 1.1090494),
}


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def reference(golden, name):
    return golden(f"{name}_small.npz")


@pytest.fixture
def official(reference):
    """The official state dict, with the names it holds twice."""
    state = {key.removeprefix("sd/"): value for key, value in reference.items() if key.startswith("sd/")}
    alias = {key.removeprefix("encoder."): v for key, v in state.items() if key.startswith("encoder.to_patch_embedding.")}
    return state | alias


def backbone_of(name, in_leads=12):
    backbone, patch, *_ = MODELS[name]
    return BACKBONES.build(backbone, in_leads=in_leads, patch_size=patch, **SMALL)


@pytest.fixture
def method(official, name):
    method = SSL.build(name, backbone=backbone_of(name), **DECODER).eval()
    method.load_state_dict(from_official(official))
    return method


def batch_of(reference):
    return Batch(reference["x"], 250.0, STANDARD_12)


def test_masks_are_those_of_the_official_code(method, reference):
    made = method.reconstruct(batch_of(reference), noise=reference["noise"])
    assert torch.equal(made.mask[:, 0].float(), reference["mask"])
    assert torch.equal(mask_by_noise(reference["noise"], 0.75).restore, reference["ids_restore"])
    kept = int(reference["mask"].shape[1] * 0.25)
    assert ((~made.mask).sum(dim=-1) == kept).all()


def test_encoded_tokens_are_those_of_the_official_code(method, reference):
    backbone = method.backbone
    tokens = backbone.embed(backbone.patchify(reference["x"]))
    keep = mask_by_noise(reference["noise"], 0.75).keep[:, None]
    torch.testing.assert_close(backbone.encode(tokens, keep)[:, 0], reference["latent"], **CLOSE)
    torch.testing.assert_close(backbone.encode(tokens)[:, 0], reference["latent_unmasked"], **CLOSE)


def test_predictions_and_targets_are_those_of_the_official_code(method, reference):
    made = method.reconstruct(batch_of(reference), noise=reference["noise"])
    torch.testing.assert_close(made.prediction[:, 0], reference["pred"], **CLOSE)
    assert torch.equal(made.patches[:, 0], reference["target"])


@pytest.mark.parametrize("normalise", [True, False])
def test_losses_are_those_of_the_official_code(method, reference, name, normalise):
    method.normalise_patches = normalise
    loss = method.loss(batch_of(reference), noise=reference["noise"]).total
    torch.testing.assert_close(loss, reference["loss_norm_pix" if normalise else "loss_raw"], rtol=1e-5, atol=0.0)
    assert loss.item() == pytest.approx(MODELS[name][3 if normalise else 4], rel=1e-5)


def test_gradients_are_those_of_the_official_code(method, reference, name):
    method.loss(batch_of(reference), noise=reference["noise"]).total.backward()
    gradients = to_official({key: p.grad for key, p in method.named_parameters()}, tokens=MODELS[name][2])
    names = [key.removeprefix("grad/") for key in reference if key.startswith("grad/")]
    assert len(names) == 4
    for key in names:
        torch.testing.assert_close(gradients[key], reference[f"grad/{key}"], rtol=1e-4, atol=2e-6)
    norm = torch.stack([p.grad.norm() for p in method.parameters()]).norm()
    torch.testing.assert_close(norm, reference["grad_global_norm"], rtol=1e-4, atol=0.0)


def test_the_class_token_is_that_of_the_official_classifier(method, reference):
    features = method.backbone.class_features(reference["x"])
    torch.testing.assert_close(features, reference["features_forward_encoding"], **CLOSE)


def test_only_predictions_of_hidden_patches_count(method, reference):
    prediction, patches, mask = method.reconstruct(batch_of(reference), noise=reference["noise"])
    loss = patch_mse(prediction, patches, mask)
    noise = torch.randn_like(prediction)
    assert torch.equal(patch_mse(prediction + noise * ~mask[..., None], patches, mask), loss)
    assert patch_mse(prediction + noise * mask[..., None], patches, mask) > loss + 0.1


def test_samples_of_a_hidden_patch_do_not_leak_into_any_token(method, reference, name):
    backbone, x = method.backbone, reference["x"]
    masking = mask_by_noise(reference["noise"], 0.75)
    hidden = masking.mask.repeat_interleave(75, dim=-1)[:, None] if name == "mtae" else masking.mask[..., None]
    changed = torch.where(hidden, x + torch.randn_like(x), x)
    latents = [backbone.encode(backbone.embed(backbone.patchify(s)), masking.keep[:, None]) for s in (x, changed)]
    assert torch.equal(*latents)
    assert not torch.equal(x, changed)


def test_official_to_ours_to_official_is_bit_exact(official, method, name):
    for ours in (from_official(official), method.state_dict()):
        again = to_official(ours, tokens=MODELS[name][2])
        assert set(again) == set(official)
        assert all(torch.equal(again[key], official[key]) for key in official)


def test_ours_to_official_to_ours_is_bit_exact(method, name):
    ours = method.state_dict()
    again = from_official(to_official(ours, tokens=MODELS[name][2]))
    assert set(again) == set(ours)
    assert all(torch.equal(again[key], ours[key]) for key in ours)


def test_an_encoder_file_becomes_a_lazy_backbone_and_goes_back_bit_exactly(official, method, name):
    encoder = {key.removeprefix("encoder."): v for key, v in official.items() if key.startswith("encoder.")}
    backbone = backbone_of(name, in_leads=None)
    backbone.load_state_dict(from_official(encoder))
    x = torch.randn(2, 12, 600)
    assert torch.equal(backbone.eval()(x), method.backbone.eval()(x))
    again = to_official(backbone.state_dict(), tokens=MODELS[name][2])
    assert set(again) == set(encoder)
    assert all(torch.equal(again[key], encoder[key]) for key in encoder)


def test_our_names_of_the_official_state_are_all_of_the_model(official):
    assert len(from_official(official)) == len(official) - 2 - 6  # fixed positions and aliases


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda s: s | {"encoder.pos_embedding": s["encoder.pos_embedding"].flip(2)},
            "does not hold the sin-cos positions of MTAE",
        ),
        (lambda s: s | {"to_patch_embedding.2.bias": s["to_patch_embedding.2.bias"] + 1}, "should repeat"),
        (lambda s: s | {"encoder.sep_embedding": torch.zeros(64)}, "is no name of an MTAE or MLAE state dict"),
    ],
)
def test_a_file_of_another_model_is_refused(official, spoil, message):
    with pytest.raises(ValueError, match=message):
        from_official(spoil(official))


def test_an_official_name_that_is_unknown_on_the_way_out_is_refused(method):
    with pytest.raises(ValueError, match="'decoder.extra' is no name of an MTAE or MLAE state dict"):
        to_official(method.state_dict() | {"decoder.extra": torch.zeros(1)}, tokens=8)

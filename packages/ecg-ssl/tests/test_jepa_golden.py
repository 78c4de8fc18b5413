"""Both ECG-JEPAs reproduce losses, tokens and gradients of their official code."""

import pytest
import torch

from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.convert import jepa_weimann as weimann

torch.set_num_threads(1)

CLOSE = {"atol": 2e-5, "rtol": 0.0}


def state_of(reference, prefix):
    return {name.removeprefix(prefix): value for name, value in reference.items() if name.startswith(prefix)}


@pytest.fixture(scope="module")
def small_weimann():
    def make(**arguments):
        backbone = BACKBONES.build("vit_register_s", in_leads=12, width=48, depth=2, heads=4)
        return SSL.build("jepa_weimann", backbone=backbone, predictor_depth=2, predictor_heads=2, **arguments).train()

    return make


def weimann_case(golden, method):
    """The reference values, the method with its weights, the batch and the mask."""
    reference = golden("kweimann_jepa_small.npz")
    missing, unexpected = method.load_state_dict(weimann.from_official(state_of(reference, "sd0/")), strict=False)
    assert (missing, unexpected) == (["target.updates", "target.due"], [])
    mask = torch.ones(2, 20, dtype=torch.bool).scatter(1, reference["mask_encoder"], False)
    assert torch.equal(mask.nonzero()[:, 1].view(2, -1), reference["mask_predictor"].sort(dim=1).values)
    return reference, Batch(reference["x"], 500.0, STANDARD_12), mask


def test_weimann_features_are_those_of_the_official_code(golden, small_weimann):
    method = small_weimann()
    reference, batch, _ = weimann_case(golden, method)
    torch.testing.assert_close(method.backbone(batch.signal).transpose(1, 2), reference["features"], **CLOSE)


def test_weimann_loss_and_gradient_are_those_of_the_official_code(golden, small_weimann):
    """The teacher follows first, at 0.998, as the official forward pass begins."""
    method = small_weimann()
    reference, batch, mask = weimann_case(golden, method)
    loss = method.loss(batch, mask=mask).total
    torch.testing.assert_close(loss, reference["loss"], rtol=1e-5, atol=0.0)
    target = method.target(batch.signal)[:, 0]
    torch.testing.assert_close(target, reference["target_features_after_update"], **CLOSE)
    loss.backward()
    found, expected = method.backbone.patch_embedding.weight.grad.unflatten(1, (12, 25)), reference["grad_patch"]
    assert (found - expected).norm() < 1e-4 * expected.norm()


def test_a_teacher_that_has_not_followed_misses_the_official_loss(golden, small_weimann):
    method = small_weimann(update_when="post_step")
    reference, batch, _ = weimann_case(golden, method)
    assert (method.target(batch.signal)[:, 0] - reference["target_features_after_update"]).abs().max() > 1e-4


def test_concatenated_positions_miss_the_official_features(golden, small_weimann, monkeypatch):
    """No key of the file tells; the output does."""
    import ecg_backbones.vit_register as module

    plain = module.sincos_positions
    monkeypatch.setattr(module, "sincos_positions", lambda count, width, *, like, layout: plain(count, width, like=like))
    method = small_weimann()
    reference, batch, _ = weimann_case(golden, method)
    assert (method.backbone(batch.signal).transpose(1, 2) - reference["features"]).abs().max() > 0.1


def test_weimann_weights_survive_the_way_to_official_and_back(golden, small_weimann):
    official = state_of(golden("kweimann_jepa_small.npz"), "sd0/")
    there = weimann.to_official(weimann.from_official(official))
    assert set(there) == set(official)
    assert all(torch.equal(there[name], official[name]) for name in official)
    ours = small_weimann().state_dict()
    back = weimann.from_official(weimann.to_official(ours))
    assert set(ours) - set(back) == {"target.updates", "target.due"}
    assert all(torch.equal(back[name], ours[name]) for name in back)


def test_a_weimann_encoder_loads_by_itself(golden):
    official = state_of(golden("kweimann_jepa_small.npz"), "sd0/")
    bare = {name.removeprefix("encoder."): value for name, value in official.items() if name.startswith("encoder.")}
    backbone = BACKBONES.build("vit_register_s", in_leads=12, width=48, depth=2, heads=4)
    for state in (official, bare):
        backbone.load_state_dict(weimann.backbone_from_official(state))
        assert torch.equal(backbone.registers, official["encoder.registers"].flatten())


def test_a_name_of_another_model_is_refused():
    with pytest.raises(ValueError, match=r"'encoder.head.weight' is no name of a JEPA of Weimann and Conrad's state dict"):
        weimann.from_official({"encoder.head.weight": torch.zeros(1)})

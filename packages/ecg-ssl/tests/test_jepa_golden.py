"""Both ECG-JEPAs reproduce losses, tokens and gradients of their official code."""

import pytest
import torch

from ecg_core.data.batch import Batch
from ecg_core.data.leads import INDEPENDENT_8, STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.convert import ecg_jepa as kim
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


@pytest.fixture(scope="module")
def small_kim():
    def make(in_leads=8, **arguments):
        backbone = BACKBONES.build("vit_cropa_b", in_leads=in_leads, width=48, depth=2, heads=4, mlp_ratio=2.0)
        options = {"predictor_depth": 2, "predictor_heads": 2, "mlp_ratio": 2.0, **arguments}
        return SSL.build("ecg_jepa", backbone=backbone, **options).train()

    return make


def kim_case(golden, method):
    """The reference values, the method with its weights, and the batch."""
    reference = golden("ecg_jepa_small.npz")
    missing, unexpected = method.load_state_dict(kim.from_official(state_of(reference, "sd/")), strict=False)
    assert (missing, unexpected) == (["target.updates", "target.due"], [])
    return reference, Batch(reference["x"], 250.0, INDEPENDENT_8)


@pytest.mark.parametrize("kind", ["block", "random"])
def test_kim_losses_and_tokens_are_those_of_the_official_code(golden, small_kim, kind):
    method = small_kim()
    reference, batch = kim_case(golden, method)
    mask = reference[f"mask_{kind}"]
    torch.testing.assert_close(method.loss(batch, mask=mask).total, reference[f"{kind}/loss"], rtol=1e-5, atol=0.0)
    keep, hidden = ((flags.nonzero()[:, 0]).expand(2, -1) for flags in (~mask, mask))
    context = method.encoded(batch.signal, keep)
    torch.testing.assert_close(context.unflatten(0, (2, 8)).flatten(1, 2), reference[f"{kind}/context_tokens"], **CLOSE)
    said = method.predictor.every(context, *(times.repeat_interleave(8, dim=0) for times in (keep, hidden)))
    torch.testing.assert_close(said.unflatten(0, (2, 8)).flatten(1, 2)[:, ::7], reference[f"{kind}/predictor_out"], **CLOSE)


def test_kim_targets_and_representations_are_those_of_the_official_code(golden, small_kim):
    method = small_kim().eval()
    reference, batch = kim_case(golden, method)
    torch.testing.assert_close(method.target(batch.signal)[:, 0, ::5], reference["target_tokens"], **CLOSE)
    torch.testing.assert_close(method.represent(batch), reference["representation"], **CLOSE)
    features = method.backbone.forward_named(batch.signal[:, :2], ("I", "II"), trained_on=INDEPENDENT_8)
    torch.testing.assert_close(method.backbone.pool(features), reference["representation_leads_I_II"], **CLOSE)


def test_leads_are_found_by_name_whatever_their_order(golden, small_kim):
    """Twelve leads, shuffled with their names, have the representation of the eight."""
    method = small_kim().eval()
    reference, _ = kim_case(golden, method)
    x = torch.randn(2, 12, 2500)
    x[:, [STANDARD_12.index(lead) for lead in INDEPENDENT_8]] = reference["x"]
    for order in (list(range(12)), torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()):
        batch = Batch(x[:, order], 250.0, tuple(STANDARD_12[place] for place in order))
        torch.testing.assert_close(method.represent(batch), reference["representation"], **CLOSE)


def test_attention_across_patterns_is_that_of_the_official_code(golden, small_kim):
    reference = golden("ecg_jepa_small.npz")
    lead, time = (torch.arange(400) // 50)[None], (torch.arange(400) % 50)[None]
    cross = small_kim().backbone.cross(lead, time)[0]
    assert torch.equal(cross.sum(dim=1).float(), reference["cropa_row_sums"])
    assert cross.sum(dim=1).unique().tolist() == [57]
    assert torch.equal(cross[[0, 57]].float(), reference["cropa_rows_0_57"])


@pytest.mark.parametrize("spoil", ["positions_once", "attention_to_all"])
def test_positions_before_every_block_and_the_pattern_are_needed(golden, small_kim, spoil):
    method = small_kim().eval()
    reference, batch = kim_case(golden, method)
    if spoil == "attention_to_all":
        method.backbone.cross_pattern = False
    else:
        positions = kim._positions("encoder.pos_embed", 400, 48, 8)
        method.backbone.blocks[1].register_forward_pre_hook(lambda _, given: (given[0] - positions, *given[1:]))
    assert (method.represent(batch) - reference["representation"]).abs().max() > 1e-4


def test_kim_weights_survive_the_way_to_official_and_back(golden, small_kim):
    official = state_of(golden("ecg_jepa_small.npz"), "sd/")
    there = kim.to_official(kim.from_official(official))
    assert set(there) == set(official)
    for name, value in official.items():
        if name.endswith("pos_embed"):
            torch.testing.assert_close(there[name], value, rtol=0.0, atol=1e-6)
        else:
            assert torch.equal(there[name], value)
    ours = small_kim().state_dict()
    back = kim.from_official(kim.to_official(ours))
    assert set(ours) - set(back) == {"target.updates", "target.due"}
    assert all(torch.equal(back[name], ours[name]) for name in back)


def test_a_kim_encoder_loads_by_itself(golden, small_kim):
    official = state_of(golden("ecg_jepa_small.npz"), "sd/encoder.")
    backbone = small_kim().backbone
    backbone.load_state_dict(kim.backbone_from_official(official))
    assert torch.equal(backbone.patch_embedding.weight, official["W_P.weight"])


def test_a_kim_file_of_other_positions_or_names_is_refused(golden):
    official = state_of(golden("ecg_jepa_small.npz"), "sd/")
    with pytest.raises(ValueError, match=r"'encoder.pos_embed' does not hold the sin-cos positions of 8 leads; .* say leads=…"):
        kim.from_official(official | {"encoder.pos_embed": official["encoder.pos_embed"].flip(1)})
    with pytest.raises(ValueError, match="'predictor.head.weight' is no name of an ECG-JEPA of Kim's state dict"):
        kim.from_official({"predictor.head.weight": torch.zeros(1)})

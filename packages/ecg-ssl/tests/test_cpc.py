"""CPC: the published code's numbers, what a negative may be, what nobody may see, and what a collapse looks like."""

import math

import pytest
import torch

from ecg_core.contracts.draws import Draws
from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES
from ecg_ssl.convert.cpc import OFFICIAL_LEADS, PTB_XL_MEAN, PTB_XL_STD, from_official, to_official
from ecg_ssl.methods.cpc import CPC
from ecg_ssl.objectives.cpc import _any, _same, cpc

torch.set_num_threads(1)

STANDARD = [OFFICIAL_LEADS.index(lead) for lead in STANDARD_12]


@pytest.fixture
def reference(golden):
    return golden("cpc.npz")


@pytest.fixture
def official(reference):
    return {key.removeprefix("sd/"): value for key, value in reference.items() if key.startswith("sd/")}


def encoder(width=16, **words):
    return BACKBONES.build("cpc_encoder", in_leads=12, widths=(width,) * 4, context_width=width, **words)


@pytest.fixture
def method(official):
    made = CPC(encoder(), context="backbone", ahead=4, negatives=6).eval()
    made.load_state_dict(from_official(official))
    return made


def recorded(reference, kind):
    """The published code draws step by step, ``windows * negatives`` at once."""
    draws = reference[f"{kind}/randint_draws"]  # (steps - ahead, windows * negatives)
    return draws.unflatten(1, (3, 6)).transpose(0, 1).contiguous()


def test_latents_and_predictions_are_those_of_the_published_code(method, reference):
    z, predictions = method.encode(reference["x"][:, STANDARD])
    torch.testing.assert_close(z, reference["z"], rtol=0, atol=2e-5)
    torch.testing.assert_close(predictions, reference["pred"], rtol=0, atol=2e-5)


@pytest.mark.parametrize(("kind", "name", "value"), [("same", "same_seq", 100.49501), ("any", "everywhere", 103.69072)])
def test_losses_and_accuracies_of_both_kinds_of_negatives_are_those_of_the_published_code(method, reference, kind, name, value):
    method.negatives_from, method.reduction = kind, "official_sum"
    batch = Batch(reference["x"][:, STANDARD], 100.0, STANDARD_12)
    found = method.contrast(batch, draws=recorded(reference, name))
    torch.testing.assert_close(found.loss, reference[f"{name}/loss_sum_over_steps"], rtol=1e-5, atol=0)
    assert found.loss.item() == pytest.approx(value, rel=1e-5)
    torch.testing.assert_close(found.accuracy, reference[f"{name}/acc"], rtol=1e-5, atol=0)
    method.reduction = "mean"
    mean = method.contrast(batch, draws=recorded(reference, name)).loss
    assert found.loss.item() == pytest.approx(36 * mean.item(), rel=1e-6)  # 40 steps less the 4 that have no answer


def test_official_to_ours_to_official_is_bit_exact(official, method):
    for state in (from_official(official), method.state_dict()):
        again = to_official(state)
        assert set(again) == set(official)
        assert all(torch.equal(again[name], official[name]) for name in official)


def test_a_prefix_and_the_head_of_a_classifier_are_left_out(official):
    file = {f"model_cpc.{name}": value for name, value in official.items() if not name.startswith("proj")}
    found = from_official(file | {"model_cpc.head.1.weight": torch.zeros(3)})
    assert set(found) == {name for name in from_official(official) if name.startswith("backbone.")}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s | {"optimizer.step": torch.zeros(1)}, "'optimizer.step' is no name of a CPC state dict"),
        (lambda s: s | {"encoder.0.0.weight": torch.zeros(16, 8, 1)}, "a first convolution of 12 leads, and this file one of 8"),
        (lambda s: {"proj.weight": s["proj.weight"]}, "a first convolution of 12 leads, and this file none"),
    ],
)
def test_a_file_of_another_model_is_refused(official, spoil, message):
    with pytest.raises(ValueError, match=message):
        from_official(spoil(official))


def test_the_statistics_obey_einthoven_after_reordering():
    """III = II - I and aVR = -(I + II) / 2 hold for means, to the last published digit; no other order of these leads does so."""
    mean = dict(zip(STANDARD_12, PTB_XL_MEAN, strict=True))
    assert mean["III"] == pytest.approx(mean["II"] - mean["I"], abs=2e-5)
    assert mean["aVR"] == pytest.approx(-(mean["I"] + mean["II"]) / 2, abs=2e-5)
    assert mean["aVL"] == pytest.approx(mean["I"] - mean["II"] / 2, abs=8e-5)
    assert min(PTB_XL_STD[6:]) > max(PTB_XL_STD[:6])  # chest leads are the larger ones


def test_the_published_model_has_its_published_parameters():
    with torch.device("meta"):
        made = CPC(BACKBONES.build("cpc_encoder", in_leads=12), context="backbone")
    assert sum(p.numel() for p in made.parameters()) == 5_261_312


def test_a_prediction_of_nothing_guesses_among_all():
    """The geometry of the reference: 36 log 7 in the published sum; hits are shared, where the code reports all of them."""
    z = torch.randn(3, 40, 16, generator=torch.Generator().manual_seed(0))
    draws = Draws.seeded(0, windows=3).like(z).integers(39, size=(36, 6))
    nothing = cpc(torch.zeros_like(z), z, draws, ahead=4, reduction="official_sum")
    assert float(nothing.loss) == pytest.approx(36 * math.log(7), rel=1e-6) == pytest.approx(70.052765, rel=1e-6)
    one_point = cpc(z, torch.ones_like(z), draws, ahead=4)
    assert float(one_point.loss) == pytest.approx(math.log(7), rel=1e-6)
    assert float(one_point.accuracy) == pytest.approx(1 / 7)


def test_a_perfect_prediction_is_found_every_time():
    z = 9.0 * torch.eye(12).expand(2, 12, 12)
    predictions = z.roll(-3, dims=1)
    draws = Draws.seeded(0, windows=2).like(z).integers(11, size=(9, 5))
    found = cpc(predictions, z, draws, ahead=3)
    assert float(found.accuracy) == 1.0
    assert found.loss.item() < 1e-6


@pytest.mark.parametrize("same", [True, False])
def test_negatives_are_every_place_but_the_one_that_is_asked_for(same):
    """Latents name their window and place, so that products tell which ones were compared: 10^5 of them."""
    windows, steps, ahead, count = 2, 12, 4, 6250
    number = torch.arange(windows * steps, dtype=torch.float64).reshape(windows, steps)
    z = torch.stack([torch.ones_like(number), number], dim=-1)
    top = steps - 1 if same else windows * (steps - 1)
    draws = Draws.seeded(1, windows=windows).like(z).integers(top, size=(steps - ahead, count))
    seen = {}
    place = torch.arange(ahead, steps)
    other = draws % (steps - 1)
    other = other + (other >= place[:, None])
    q = torch.stack([torch.zeros_like(number), torch.ones_like(number)], dim=-1)[:, : steps - ahead]
    found = (_same(q, z, other) if same else _any(q, z, other, draws // (steps - 1))).long()
    for window in range(windows):
        for step in range(steps - ahead):
            seen[window, step] = set(found[window, step].tolist())
    for (window, step), numbers in seen.items():
        forbidden = step + ahead
        allowed = range(windows) if not same else [window]
        assert numbers == {w * steps + s for w in allowed for s in range(steps) if s != forbidden}


def test_what_comes_later_changes_neither_context_nor_earlier_losses(method, ecg_batch):
    batch = ecg_batch(records=2, samples=40)
    changed = batch.signal.clone()
    changed[..., 21:] += 1.0
    before, after = (method.encode(x) for x in (batch.signal, changed))
    for a, b in zip(before, after, strict=True):
        assert torch.equal(a[:, :21], b[:, :21])
        assert not torch.equal(a[:, 21:], b[:, 21:])
    # The question of step i ends at i + 4: with negatives before sample 21, its loss stays too.
    draws = torch.zeros(2, 36, 6, dtype=torch.int64)
    losses = [cpc(p[:, :21], z[:, :21], draws[:, :17], ahead=4).loss for z, p in (before, after)]
    assert torch.equal(*losses)


def test_a_learned_context_belongs_to_the_method_and_one_of_the_backbone_to_it():
    torch.manual_seed(0)
    ours = CPC(encoder(8), context_width=6, context_layers=1, ahead=2, negatives=4)
    theirs = CPC(encoder(8), context="backbone", ahead=2, negatives=4)
    assert ours.predictor.weight.shape == (8, 6)
    assert theirs.context is None
    assert any(name.startswith("context.") for name in dict(theirs.backbone.named_parameters()))


def test_unit_vectors_and_temperature_are_a_cosine():
    z, p = torch.randn(2, 2, 9, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    draws = Draws.seeded(0, windows=2).like(z).integers(8, size=(7, 3))
    once = cpc(p, z, draws, ahead=2, normalise=True, temperature=0.2).loss
    assert torch.allclose(once, cpc(100 * p, 3 * z, draws, ahead=2, normalise=True, temperature=0.2).loss)
    unit_p, unit_z = p / p.norm(dim=-1, keepdim=True), z / z.norm(dim=-1, keepdim=True)
    assert torch.allclose(once, cpc(unit_p / 0.2, unit_z, draws, ahead=2).loss)


def test_blocks_of_questions_give_the_same_loss(monkeypatch):
    z, p = torch.randn(2, 3, 20, 5, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    for same, top in ((True, 19), (False, 57)):
        draws = Draws.seeded(0, windows=3).like(z).integers(top, size=(18, 4))
        whole = torch.autograd.grad(cpc(p, z, draws, ahead=2, same_window=same).loss, [z, p])
        monkeypatch.setattr("ecg_ssl.objectives.cpc._BLOCK", 100)
        parts = torch.autograd.grad(cpc(p, z, draws, ahead=2, same_window=same).loss, [z, p])
        monkeypatch.undo()
        torch.testing.assert_close(parts, whole)


def test_a_crop_shortens_the_windows(ecg_batch):
    made = CPC(encoder(8), context="backbone", ahead=20, negatives=4, crop_seconds=0.1)
    with pytest.raises(ValueError, match="cannot look 20 steps ahead in 10 steps; predict less far or use longer windows"):
        made.loss(ecg_batch(records=2))


def test_impossible_arguments_and_shapes_are_refused():
    vit = BACKBONES.build("vit_tiny", in_leads=2, width=16, depth=1, heads=2, head_width=8)
    with pytest.raises(ValueError, match=r"context='backbone' needs .* ViT end on \[75\]; take context='lstm'"):
        CPC(vit, context="backbone")
    with pytest.raises(ValueError, match="context must be lstm or backbone, got 'gru'"):
        CPC(vit, context="gru")
    with pytest.raises(ValueError, match="must be positive, got 0, 128 and 1.0"):
        CPC(vit, ahead=0)
    z, draws = torch.zeros(2, 5, 3), torch.zeros(2, 3, 4, dtype=torch.int64)
    for words, message in (
        ({"ahead": 5}, "cannot look 5 steps ahead in 5 steps"),
        ({"ahead": 1}, r"draws are \(2, 4, negatives\), got \(2, 3, 4\)"),
        ({"ahead": 2, "temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"ahead": 2, "reduction": "sum"}, "reduction must be mean or official_sum, got 'sum'"),
    ):
        with pytest.raises(ValueError, match=message):
            cpc(z, z, draws, **words)
    with pytest.raises(ValueError, match=r"predictions and latents are \(batch, steps, width\)"):
        cpc(z, z[:, :4], draws, ahead=2)

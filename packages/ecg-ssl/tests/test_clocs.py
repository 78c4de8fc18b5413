"""CLOCS against reference outputs of its published code, in closed form, and as a method."""

import math
from itertools import combinations

import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.lazy import materialize
from ecg_core.data.batch import Batch
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.convert.clocs import from_official, to_official
from ecg_ssl.methods.clocs import CLOCS
from ecg_ssl.objectives.clocs import clocs

PATIENTS = torch.tensor([0, 1, 0, 2, 1, 0])


@pytest.fixture
def reference(golden):
    return golden("clocs.npz")


def official(reference):
    return {k.removeprefix("net_sd/"): v for k, v in reference.items() if k.startswith("net_sd/")}


def published(reference):
    """The published network around our parts, with its weights."""
    method = CLOCS(BACKBONES.build("clocs_cnn", in_leads=1), width=32, features="flattened")
    materialize(method, reference["net_x"][..., 0], call=method.embed)
    method.load_state_dict(from_official(official(reference)))
    return method.eval()


def by_view(stored):
    return stored.permute(2, 0, 1)  # (rows, width, views) there


def with_gradient(z, patient, **kwargs):
    z = z.clone().requires_grad_(True)
    loss = clocs(by_view(z), patient, **kwargs)
    loss.backward()
    return loss.detach(), z.grad


@pytest.mark.parametrize("ids", ["unique", "dup"])
@pytest.mark.parametrize("pairing", ["CMSC", "CMLC", "CMSMLC"])
@pytest.mark.parametrize("views", ["z2", "z4", "z8"])
def test_the_last_pair_of_views_has_the_loss_and_gradient_of_the_published_code(reference, views, pairing, ids):
    loss, grad = with_gradient(reference[views], reference[f"pid_{ids}"], last_pair=True)
    torch.testing.assert_close(loss, reference[f"official/{pairing}/{views}/{ids}/loss"], rtol=1e-5, atol=0)
    torch.testing.assert_close(grad, reference[f"official/{pairing}/{views}/{ids}/grad"], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("ids", ["unique", "dup"])
@pytest.mark.parametrize("views", ["z4", "z8"])
def test_all_pairs_of_views_have_the_mean_of_the_published_losses_of_two(reference, views, ids):
    loss, _ = with_gradient(reference[views], reference[f"pid_{ids}"])
    torch.testing.assert_close(loss, reference[f"pairmean/CMLC/{views}/{ids}/loss"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("views", ["z2", "z4", "z8"])
def test_without_repeated_patients_it_is_the_loss_of_contrastive_multiview_coding(reference, views):
    loss, grad = with_gradient(reference[views], reference["pid_unique"])
    torch.testing.assert_close(loss, reference[f"official/CMC/{views}/unique/loss"], rtol=1e-5, atol=0)
    torch.testing.assert_close(grad, reference[f"official/CMC/{views}/unique/grad"], rtol=1e-4, atol=1e-7)


def test_every_view_trains_and_in_the_published_code_only_the_last_two(reference):
    for last_pair, trained in ((False, [True] * 4), (True, [False, False, True, True])):
        _, grad = with_gradient(reference["z4"], reference["pid_dup"], last_pair=last_pair)
        assert [bool(grad[..., view].any()) for view in range(4)] == trained


def test_orthonormal_identical_views_of_different_patients_have_almost_no_loss():
    z = torch.eye(6).expand(2, 6, 6)
    assert clocs(z, torch.arange(6)).item() == pytest.approx(2.2697e-4, rel=1e-4) == math.log1p(5 * math.exp(-10))


def test_where_all_embeddings_are_equal_every_term_is_the_log_of_the_rows():
    z = torch.ones(3, 6, 4)
    for patient in (torch.arange(6), PATIENTS, torch.zeros(6, dtype=torch.int64)):
        assert clocs(z, patient).item() == pytest.approx(math.log(6), rel=1e-6)


def test_patients_are_only_names_and_merging_two_of_them_changes_the_loss():
    z = torch.randn(3, 6, 8)
    loss = clocs(z, PATIENTS)
    assert torch.equal(clocs(z, (7 - PATIENTS) * 31), loss)
    assert not torch.allclose(clocs(z, PATIENTS.clamp(max=1)), loss)


def test_the_order_of_windows_of_different_patients_does_not_matter_and_of_views_never():
    z, order = torch.randn(2, 6, 8), torch.randperm(6)
    torch.testing.assert_close(clocs(z[:, order], torch.arange(6)), clocs(z, torch.arange(6)))
    torch.testing.assert_close(clocs(z.flip(0), PATIENTS), clocs(z, PATIENTS))


def test_half_precision_does_not_overflow_and_a_cold_softmax_stays_finite():
    z = torch.randn(2, 6, 8)
    torch.testing.assert_close(clocs(z.half(), PATIENTS), clocs(z, PATIENTS), rtol=1e-2, atol=0)
    assert clocs(z * 1e4, PATIENTS, temperature=1e-3).isfinite()
    assert clocs(torch.zeros(2, 6, 8), PATIENTS).item() == pytest.approx(math.log(6), rel=1e-6)


@pytest.mark.parametrize(
    ("views", "patient", "temperature", "message"),
    [
        (torch.ones(1, 4, 2), torch.arange(4), 0.1, r"at least 2 views and a patient per row, got \(1, 4, 2\) and \(4,\)"),
        (torch.ones(2, 4, 2), torch.arange(3), 0.1, r"a patient per row, got \(2, 4, 2\) and \(3,\)"),
        (torch.ones(2, 1, 2), torch.arange(1), 0.1, "at least 2 rows, got 1"),
        (torch.ones(2, 4, 2), torch.arange(4), 0.0, "temperature must be positive, got 0.0"),
    ],
)
def test_wrong_arguments_of_the_loss_are_named(views, patient, temperature, message):
    with pytest.raises(ValueError, match=message):
        clocs(views, patient, temperature=temperature)


def test_the_published_network_has_its_published_parameters_and_outputs(reference):
    method = published(reference)
    with torch.no_grad():
        found = torch.stack([method.embed(reference["net_x"][..., view]) for view in range(2)], dim=-1)
    torch.testing.assert_close(found, reference["net_h"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(clocs(by_view(found), PATIENTS[:3]), reference["net_loss_cmsc"], rtol=1e-5, atol=0)
    whole = CLOCS(BACKBONES.build("clocs_cnn", in_leads=1), features="flattened")
    materialize(whole, reference["net_x"][..., 0], call=whole.embed)
    assert sum(p.numel() for p in whole.parameters()) == 86_392


def test_the_two_halves_of_five_thousand_samples_are_the_published_views(reference):
    x = torch.cat([reference["net_x"][..., view] for view in range(2)], dim=-1)
    with torch.no_grad():
        loss = published(reference).loss(Batch(x, 500.0, ("II",), patient=PATIENTS[:3])).total
    torch.testing.assert_close(loss, reference["net_loss_cmsc"], rtol=1e-5, atol=0)


def test_segments_of_another_length_than_the_flattened_network_was_built_for_are_refused(reference):
    with pytest.raises(ValueError, match=r"was built for 320 features, got 256 from 2000 samples; use segments of one length"):
        published(reference).embed(torch.zeros(2, 1, 2000))


def test_weights_go_there_and_back_bit_for_bit(reference):
    state = official(reference)
    ours = published(reference).state_dict()
    again = to_official(ours)
    assert set(again) == set(state)
    assert all(torch.equal(again[name], state[name]) for name in state)
    assert set(from_official(again)) == set(ours)
    tuned = {f"first_model.{name}": value for name, value in state.items()} | {"linear.weight": torch.ones(4, 32)}
    assert all(torch.equal(value, ours[name]) for name, value in from_official(tuned).items())


def test_names_of_another_model_are_refused(reference):
    for name in ("encoder.0.weight", "view_modules.0.2.weight", "linear.weight"):
        with pytest.raises(ValueError, match=f"'{name}' is no name of a CLOCS state dict"):
            from_official({name: torch.ones(1)})
    with pytest.raises(ValueError, match="'backbone.stem.weight' is no name of a CLOCS around clocs_cnn"):
        to_official({"backbone.stem.weight": torch.ones(1)})


class Mean(Backbone):
    """Says the mean of each lead."""

    def __init__(self, in_leads=1):
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(in_leads, 1),)
        self.gain = nn.Parameter(torch.ones(1))

    def forward_intermediates(self, x):
        return [self.gain * x]


def levels(windows=2, leads=3, samples=100):
    """Lead l of window w, first half: 100 w + 10 (l + 1); second half: one more."""
    x = 100.0 * torch.arange(windows)[:, None, None] + 10.0 * torch.arange(1, leads + 1)[:, None] + torch.zeros(samples)
    x[..., samples // 2 :] += 1
    return Batch(x, 100.0, ("I", "II", "V1")[:leads], patient=torch.arange(windows))


@pytest.mark.parametrize(
    ("pairing", "views"),
    [
        ("cmsc", [[10, 20, 30, 110, 120, 130], [11, 21, 31, 111, 121, 131]]),
        ("cmsmlc", [[10, 110], [11, 111], [20, 120], [21, 121], [30, 130], [31, 131]]),
    ],
)
def test_a_backbone_of_one_lead_sees_leads_alone_in_the_published_order(pairing, views):
    made = CLOCS(Mean(), pairing=pairing).views(levels())
    assert [view[:, 0, 0].tolist() for view in made] == views
    assert all((view == view[..., :1]).all() for view in made)


def test_a_backbone_of_all_leads_sees_the_others_silent():
    made = CLOCS(Mean(3), pairing="cmlc", leads=["V1", "I"]).views(levels())
    assert [view[0, :, 0].tolist() for view in made] == [[0, 0, 30], [10, 0, 0]]
    first, second = CLOCS(Mean(3), pairing="cmsc").views(levels())
    assert (first[0, :, 0].tolist(), second[1, :, 0].tolist()) == ([10, 20, 30], [111, 121, 131])


def test_every_lead_of_a_window_is_an_instance_of_the_same_patient(monkeypatch):
    seen = []
    monkeypatch.setattr("ecg_ssl.methods.clocs.clocs", lambda z, patient, **_: seen.append(patient) or z.sum())
    CLOCS(Mean(), width=4).loss(levels())
    assert seen[0].tolist() == [0, 0, 0, 1, 1, 1]


def test_stretched_views_run_from_zero_to_one_and_flat_ones_are_zero():
    batch = levels()
    batch.signal[0, 0] = torch.linspace(-3, 5, 100)
    (view, *_) = CLOCS(Mean(3), pairing="cmlc", min_max=True).views(batch)
    assert (view[0, 0].min().item(), view[0, 0].max().item()) == (0, pytest.approx(1))
    (first, _) = CLOCS(Mean(3), min_max=True).views(batch)
    assert not first[1].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pairing": "cmcl"}, "pairing must be cmsc, cmlc or cmsmlc, got 'cmcl'"),
        ({"features": "all"}, "features must be pooled or flattened, got 'all'"),
        ({"parity": "code"}, "parity must be paper or official, got 'code'"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
    ],
)
def test_wrong_arguments_of_the_method_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        CLOCS(Mean(), **arguments)


def test_batches_without_patients_other_windows_or_leads_are_refused():
    batch = levels()
    object.__setattr__(batch, "patient", None)
    with pytest.raises(ValueError, match="CLOCS needs patient"):
        CLOCS(Mean(3)).loss(batch)
    with pytest.raises(ValueError, match="at least 2 in a batch, got 1"):
        CLOCS(Mean(3)).loss(levels(windows=1))
    with pytest.raises(ValueError, match=r"pairing='cmlc' compares leads: at least 2, got I; use pairing='cmsc'"):
        CLOCS(Mean(1), pairing="cmlc").loss(levels(leads=1))
    with pytest.raises(ValueError, match="told to use V6; the leads of the batch are I, II, V1"):
        CLOCS(Mean(3), leads=["I", "V6"]).loss(levels())


def test_official_parity_is_the_last_pair_over_the_number_of_pairs(ecg_batch):
    batch = ecg_batch(6, leads=3, patient=PATIENTS)
    method = SSL.build("clocs_cmlc", backbone=BACKBONES.build("clocs_cnn", in_leads=1, widths=(4, 6), stride=2)).eval()
    z = torch.stack([method.embed(view) for view in method.views(batch)])
    pairs = [clocs(z[list(pair)], PATIENTS) for pair in combinations(range(3), 2)]
    torch.testing.assert_close(method.loss(batch).total, torch.stack(pairs).mean())
    method.last_pair = True
    torch.testing.assert_close(method.loss(batch).total, pairs[-1] / 3)

"""3KG: its loss in closed form, and the method with the installed views."""

import math
from dataclasses import replace

import pytest
import torch

from ecg_core.discovery.registries import BACKBONES, SSL, TRANSFORMS
from ecg_ssl.methods.three_kg import HEART_VIEWS, ThreeKG
from ecg_ssl.objectives.patient_pairs import patient_pairs

TWO = torch.tensor([0, 0, 1, 1])


def backbone(leads=12):
    torch.manual_seed(0)
    return BACKBONES.build({"name": "resnet18", "widths": (4, 8), "depths": (1, 1), "kernel_size": 3}, in_leads=leads)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_two_orthogonal_patients_have_the_published_loss_of_each_pair(temperature):
    z = torch.eye(2, dtype=torch.float64)[TWO]
    expected = math.log1p(2 * math.exp(-1 / temperature))
    assert patient_pairs(z, TWO, temperature=temperature).item() == pytest.approx(expected, rel=1e-9)
    assert patient_pairs(z, TWO, temperature=temperature, total=True).item() == pytest.approx(4 * expected, rel=1e-9)


def test_other_positives_are_not_in_the_denominator():
    patient = torch.tensor([0, 0, 0, 1, 1, 1])
    z = torch.eye(2, dtype=torch.float64)[patient]
    loss = patient_pairs(z, patient).item()
    assert loss == pytest.approx(math.log1p(3 * math.exp(-10)), rel=1e-9)
    with_positives = math.log(2 + 3 * math.exp(-10))  # the denominator of SupCon: two positives beside the anchor
    assert with_positives > 0.69 > loss


def test_total_collapse_is_the_log_of_one_and_the_negatives():
    for patient, negatives in ((TWO, 2), (torch.arange(4).repeat(2), 6)):
        loss = patient_pairs(torch.ones(len(patient), 3), patient)
        assert loss.item() == pytest.approx(math.log1p(negatives), rel=1e-6)


def test_the_loss_is_the_cross_entropy_of_every_pair_by_hand():
    z, patient = torch.randn(7, 5, dtype=torch.float64), torch.tensor([0, 1, 0, 2, 1, 0, 3])
    s = torch.nn.functional.normalize(z, dim=1)
    s = s @ s.T / 0.2
    errors = [
        -torch.cat([s[a, p : p + 1], s[a][patient != patient[a]]]).log_softmax(dim=0)[0]
        for a in range(7)
        for p in range(7)
        if a != p and patient[a] == patient[p]
    ]
    assert len(errors) == 8
    torch.testing.assert_close(patient_pairs(z, patient, temperature=0.2), torch.stack(errors).mean())


def test_only_a_detached_norm_leaves_a_radial_gradient():
    for normalise, radial in (("detached", True), ("l2", False)):
        z = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
        patient_pairs(z, torch.arange(3).repeat(2), normalise=normalise).backward()
        assert bool(((z * z.grad).sum(dim=1).abs() > 1e-6).any()) == radial


@pytest.mark.parametrize(
    ("patient", "temperature", "message"),
    [
        (torch.zeros(4), 0.1, "all rows are of one patient; a contrastive loss needs other patients as negatives"),
        (torch.arange(4), 0.1, "no two rows are of the same patient; a contrastive loss needs a positive pair"),
        (torch.arange(3), 0.1, r"a patient per row, got \(4, 2\) and \(3,\)"),
        (TWO, 0.0, "temperature must be positive, got 0.0"),
    ],
)
def test_wrong_arguments_of_the_loss_are_named(patient, temperature, message):
    with pytest.raises(ValueError, match=message):
        patient_pairs(torch.ones(4, 2), patient, temperature=temperature)


def test_the_loss_stays_finite_in_the_cold_and_under_half_precision():
    z = torch.randn(4, 8)
    assert patient_pairs(z * 1e4, TWO, temperature=1e-3).isfinite()
    zero = torch.zeros(4, 8, requires_grad=True)
    patient_pairs(zero, TWO, normalise="detached").backward()
    assert zero.grad.isfinite().all()
    torch.testing.assert_close(patient_pairs(z.bfloat16(), TWO), patient_pairs(z, TWO), rtol=0.1, atol=0.05)


def test_the_method_compares_all_views_of_a_patient(ecg_batch):
    if any(view["name"] not in TRANSFORMS for view in HEART_VIEWS):
        pytest.skip("no installed package ships the views")
    batch = ecg_batch(4, patient=torch.tensor([0, 1, 0, 2]))
    method = ThreeKG(backbone(), width=8).eval()
    z = torch.cat(method.project(*method.views(batch)))
    torch.testing.assert_close(method.loss(batch).total, patient_pairs(z, batch.patient.repeat(2)))
    method.total = True
    torch.testing.assert_close(method.loss(batch).total, patient_pairs(z, batch.patient.repeat(2), total=True))
    own = ThreeKG(backbone(), width=8, positives="window").eval()
    own.load_state_dict(method.state_dict())
    bare = replace(batch, patient=None)
    own.check_requirements(bare)
    torch.testing.assert_close(own.loss(bare).total, patient_pairs(z, torch.arange(4).repeat(2)))


def test_views_are_half_hidden_in_every_lead_and_keep_what_no_dipole_explains(ecg_batch):
    if any(view["name"] not in TRANSFORMS for view in HEART_VIEWS):
        pytest.skip("no installed package ships the views")
    batch = ecg_batch(8)
    first, second = ThreeKG(backbone()).views(batch)
    for view in (first, second):
        assert ((view.signal == 0).sum(dim=-1) == 150).all()
    both = (first.signal != 0) & (second.signal != 0)
    assert (first.signal != second.signal)[both].float().mean() > 0.99


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"normalise": "l1"}, "normalise must be detached or l2, got 'l1'"),
        ({"positives": "lead"}, "positives must be patient or window, got 'lead'"),
        ({"parity": "code"}, "parity must be paper or official, got 'code'"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
    ],
)
def test_wrong_arguments_of_the_method_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ThreeKG(backbone(), augment=[], **arguments)


def test_3kg_asks_for_patients_other_windows_and_twelve_leads(ecg_batch):
    method = SSL.build("three_kg", backbone=backbone(), augment=[])
    for call in (method.loss, method.check_requirements):
        with pytest.raises(ValueError, match="ThreeKG needs patient in every batch"):
            call(ecg_batch(4))
    with pytest.raises(ValueError, match="at least 2 in a batch, got 1"):
        method.loss(ecg_batch(1, patient=torch.arange(1)))
    if all(view["name"] in TRANSFORMS for view in HEART_VIEWS):
        with pytest.raises(ValueError, match="takes the 12 leads, or the 8 independent among them"):
            ThreeKG(backbone(3)).loss(ecg_batch(4, leads=3, patient=torch.arange(4)))

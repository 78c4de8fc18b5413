"""CMSC of all leads against reference outputs of its published code, in closed form, and as a method."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.discovery.registries import BACKBONES, SSL, TRANSFORMS
from ecg_ssl.measured import time_mean
from ecg_ssl.methods.cmsc import CMSC
from ecg_ssl.objectives.cmsc import cmsc, scaled_rows
from ecg_ssl.positives import same


class Steps(Backbone):
    """A convolution of one sample, so that no step sees another."""

    def __init__(self, in_leads=3):
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(8, 1),)
        torch.manual_seed(0)
        self.conv = nn.Conv1d(in_leads, 8, 1)

    def forward_intermediates(self, x):
        return [self.conv(x).tanh()]


def of_segments(x, patient, segment, **kwargs):
    first, second = segment == 0, segment == 1
    return cmsc(x[first], x[second], same(patient[first], patient[second]), **kwargs)


@pytest.fixture
def reference(golden):
    return golden("losses.npz")


def test_loss_and_gradient_are_those_of_the_published_code_and_only_with_a_detached_norm(reference):
    patient, segment = reference["cmsc_fs/pid"], reference["cmsc_fs/seg"]
    for normalise in ("detached", "l2"):
        x = reference["cmsc_fs/x"].clone().requires_grad_(True)
        loss = of_segments(x, patient, segment, normalise=normalise)
        loss.backward()
        torch.testing.assert_close(loss.detach(), reference["cmsc_fs/loss"], rtol=1e-5, atol=0)
        assert loss.item() == pytest.approx(2.480219, rel=1e-6)
        radial = (x.detach() * x.grad).sum(dim=1).abs()
        if normalise == "detached":
            torch.testing.assert_close(x.grad, reference["cmsc_fs/grad0"], rtol=1e-4, atol=1e-6)
            assert radial.max() > 0.1
        else:
            assert not torch.allclose(x.grad, reference["cmsc_fs/grad0"], rtol=1e-2)
            assert radial.max() < 1e-6


def test_which_segment_is_called_the_first_does_not_matter(reference):
    x, patient, segment = (reference[f"cmsc_fs/{name}"] for name in ("x", "pid", "seg"))
    for weigh in ("pairs", "anchors"):
        torch.testing.assert_close(
            of_segments(x, patient, segment, weigh=weigh), of_segments(x, patient, 1 - segment, weigh=weigh)
        )


def test_a_segment_without_a_partner_is_a_negative_and_nothing_more():
    a, b, positives = torch.randn(4, 8), torch.randn(4, 8), torch.eye(4, dtype=torch.bool)
    positives[3, 3] = False
    logits = (scaled_rows(a) @ scaled_rows(b).T) / 0.1
    expected = sum(-x.log_softmax(dim=1).diagonal()[:3].mean() for x in (logits, logits.T)) / 2
    torch.testing.assert_close(cmsc(a, b, positives), expected)


def test_orthonormal_patients_and_total_collapse_have_their_closed_forms():
    z = torch.eye(5, dtype=torch.float64)
    assert cmsc(z, z, same(torch.arange(5))).item() == pytest.approx(math.log1p(4 * math.exp(-10)), rel=1e-6)
    for patient in (torch.arange(6), torch.tensor([0, 0, 0, 1, 1, 1])):
        for weigh in ("pairs", "anchors"):
            assert cmsc(torch.ones(6, 4), torch.ones(6, 4), same(patient), weigh=weigh).item() == pytest.approx(math.log(6))


def test_pairs_weigh_the_square_of_a_patients_segments_and_anchors_weigh_alike():
    z = torch.randn(5, 8)
    patient = torch.tensor([0, 0, 0, 0, 1])
    logits = scaled_rows(z) @ scaled_rows(z + 1).T / 0.1
    errors = [-x.log_softmax(dim=1) for x in (logits, logits.T)]
    anchors = sum((e[:4, :4].mean(dim=1).sum() + e[4, 4]) / 5 for e in errors) / 2
    pairs = sum((e[:4, :4].sum() + e[4, 4]) / 17 for e in errors) / 2
    torch.testing.assert_close(cmsc(z, z + 1, same(patient), weigh="anchors"), anchors)
    torch.testing.assert_close(cmsc(z, z + 1, same(patient)), pairs)


def test_excluded_similarities_are_as_if_they_were_not_there():
    z = torch.randn(3, 4, requires_grad=True)
    itself = torch.eye(3, dtype=torch.bool)
    loss = cmsc(z, z, ~itself, excluded=itself, normalise="l2")
    logits = scaled_rows(z) @ scaled_rows(z).T / 0.1
    rows = [logits[i][torch.arange(3) != i] for i in range(3)]
    expected = torch.stack([-row.log_softmax(dim=0).mean() for row in rows]).mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"positives": torch.zeros(4, 4, dtype=torch.bool)}, "no two segments of the batch are of the same patient"),
        ({"positives": torch.ones(3, 4, dtype=torch.bool)}, r"positives \(rows, columns\), got \(4, 2\), \(4, 2\) and \(3, 4\)"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"weigh": "rows"}, "weigh must be pairs or anchors, got 'rows'"),
        ({"normalise": "l1"}, "normalise must be detached or l2, got 'l1'"),
    ],
)
def test_wrong_arguments_of_the_loss_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        cmsc(torch.ones(4, 2), torch.ones(4, 2), **{"positives": torch.eye(4, dtype=torch.bool), **arguments})


def test_the_loss_stays_finite_for_zeros_huge_numbers_and_half_precision():
    positives = torch.eye(4, dtype=torch.bool)
    z = torch.zeros(4, 8, requires_grad=True)
    cmsc(z, z, positives).backward()
    assert z.grad.isfinite().all()
    x = torch.randn(4, 8)
    assert cmsc(x * 1e4, x, positives, temperature=1e-3).isfinite()
    torch.testing.assert_close(cmsc(x.bfloat16(), x.bfloat16(), positives), cmsc(x, x, positives), rtol=0.1, atol=0.1)


def test_the_method_compares_the_halves_of_windows(ecg_batch):
    patient = torch.tensor([0, 1, 0, 2])
    batch, method = ecg_batch(4, leads=3, patient=patient), CMSC(Steps())
    a, b = (method.backbone(x).mean(dim=-1) for x in batch.signal.chunk(2, dim=-1))
    torch.testing.assert_close(method.loss(batch).total, cmsc(a, b, same(patient)))
    own = CMSC(Steps(), positives="window").loss(replace(batch, patient=None)).total
    torch.testing.assert_close(own, cmsc(a, b, torch.eye(4, dtype=torch.bool)))
    every = CMSC(Steps(), pairing="all").loss(batch).total
    z, itself = torch.cat([a, b]), torch.eye(8, dtype=torch.bool)
    torch.testing.assert_close(every, cmsc(z, z, same(patient.repeat(2)) & ~itself, excluded=itself))


def test_appended_silence_that_is_marked_as_not_measured_changes_no_feature(ecg_batch):
    x, method = ecg_batch(4, leads=3).signal, CMSC(Steps())
    padded = nn.functional.pad(x, (0, 500))
    mask = torch.arange(800).expand(4, -1) < 300
    torch.testing.assert_close(method.features(padded, mask), method.features(x), rtol=0, atol=1e-5)
    assert not torch.allclose(method.features(padded), method.features(x), atol=1e-3)
    assert not time_mean(torch.ones(2, 3, 10), torch.zeros(2, 40, dtype=torch.bool)).any()


def test_the_mask_of_a_batch_reaches_the_features(ecg_batch):
    batch, method = ecg_batch(4, leads=3, patient=torch.arange(4)), CMSC(Steps())
    mask = torch.ones(4, 300, dtype=torch.bool)
    torch.testing.assert_close(method.loss(replace(batch, mask=mask)).total, method.loss(batch).total)
    mask[:, 250:] = False
    a, b = (method.backbone(x).mean(dim=-1) for x in (batch.signal[..., :150], batch.signal[..., 150:250]))
    masked = method.loss(replace(batch, mask=mask)).total
    torch.testing.assert_close(masked, cmsc(a, b, torch.eye(4, dtype=torch.bool)))


def test_random_lead_masking_keeps_half_of_the_leads_of_each_segment_on_its_own(ecg_batch):
    if "lead_dropout" not in TRANSFORMS:
        pytest.skip("no installed package ships lead_dropout")
    method = CMSC(Steps(12), augment=[{"name": "lead_dropout", "rate": 0.5, "p": 1.0}])
    first, second = (view.signal.any(dim=-1) for view in method.views(ecg_batch(600, leads=12)))
    kept = torch.cat([first, second]).sum(dim=1).double()
    assert kept.mean().item() == pytest.approx(6, abs=0.2)
    assert kept.var().item() == pytest.approx(3, abs=0.5)
    assert (first != second).any(dim=1).double().mean() > 0.98


def test_silent_windows_have_a_finite_loss_and_gradient(ecg_batch):
    method = CMSC(BACKBONES.build({"name": "resnet18", "widths": (4, 8), "depths": (1, 1)}, in_leads=3))
    batch = ecg_batch(4, leads=3, patient=torch.arange(4))
    method.loss(batch.with_signal(torch.zeros_like(batch.signal))).total.backward()
    assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"normalise": "l1"}, "normalise must be detached or l2, got 'l1'"),
        ({"pairing": "some"}, "pairing must be first_second or all, got 'some'"),
        ({"positives": "lead"}, "positives must be patient or window, got 'lead'"),
        ({"weigh": "rows"}, "weigh must be pairs or anchors, got 'rows'"),
        ({"temperature": -1.0}, "temperature must be positive, got -1.0"),
    ],
)
def test_wrong_arguments_of_the_method_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        CMSC(Steps(), **arguments)


def test_cmsc_asks_for_patients_and_for_other_windows(ecg_batch):
    method = SSL.build("cmsc", backbone=Steps())
    with pytest.raises(ValueError, match="CMSC needs patient in every batch"):
        method.loss(ecg_batch(4, leads=3))
    with pytest.raises(ValueError, match="CMSC needs patient in every batch"):
        method.check_requirements(ecg_batch(4, leads=3))
    CMSC(Steps(), positives="window").check_requirements(ecg_batch(4, leads=3))
    with pytest.raises(ValueError, match="at least 2 in a batch, got 1"):
        method.loss(ecg_batch(1, leads=3, patient=torch.arange(1)))

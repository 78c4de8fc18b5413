"""ISL: the drift of beats and the contrast of subjects in closed form, and what the method asks of a batch."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.discovery.registries import SSL
from ecg_ssl.methods import isl
from ecg_ssl.methods.isl import ISL
from ecg_ssl.objectives.patient_pairs import patient_pairs
from ecg_ssl.objectives.stationarity import drift, drift_of_any_order

torch.set_num_threads(1)
PATIENTS = torch.tensor([0, 0, 1, 1, 2, 3])


class Steps(Backbone):
    """Convolutions that look at ten samples at a time."""

    def __init__(self, in_leads=3, stride=10):
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(8, stride),)
        torch.manual_seed(0)
        self.conv = nn.Conv1d(in_leads, 8, stride, stride=stride)

    def forward_intermediates(self, x):
        return [self.conv(x).tanh()]


def series(values, dtype=torch.float64):
    return torch.as_tensor(values, dtype=dtype)[None, None]


def centred(values):
    values = torch.as_tensor(values, dtype=torch.float64)
    return series(values - values.mean())


# A series about zero has all its mean square in its variance, so that the floor scales the statistic by 1 / (1 + 1e-4).
FLOOR = 1 + 1e-4


@pytest.mark.parametrize("elements", [3, 5, 12])
def test_a_trend_a_jump_and_an_alternation_have_their_closed_forms(elements):
    trend = drift(centred(torch.arange(elements))).item() * FLOOR
    assert trend == pytest.approx((elements**2 + 1) / (10 * elements), rel=1e-9)
    half = elements
    jump = drift(centred([0.0] * half + [1.0] * half)).item() * FLOOR
    assert jump == pytest.approx((2 * half**2 + 1) / (12 * half), rel=1e-9)
    alternation = drift(centred([0.0, 1.0] * elements)).item() * FLOOR
    assert alternation == pytest.approx(1 / (4 * elements), rel=1e-9)


def test_the_mean_over_all_orders_of_the_same_beats_is_that_of_any_beats():
    torch.manual_seed(0)
    x = torch.randn(1, 3, 5, dtype=torch.float64)
    x = x - x.mean(dim=2, keepdim=True)
    orders = torch.stack([x[0][:, list(order)] for order in itertools.permutations(range(5))])
    assert drift(orders).mean().item() * FLOOR == pytest.approx(drift_of_any_order(5), rel=1e-9)
    assert drift_of_any_order(5) == 0.2


def test_drift_does_not_know_the_scale_a_rotation_of_channels_or_the_direction_of_time():
    torch.manual_seed(0)
    x = torch.randn(4, 6, 9, dtype=torch.float64)
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    torch.testing.assert_close(drift(1e4 * x), drift(x))
    torch.testing.assert_close(drift(torch.einsum("ij,bjt->bit", rotation, x)), drift(x))
    torch.testing.assert_close(drift(x.flip(2)), drift(x))
    torch.testing.assert_close(drift(x + 0.3), drift(x), rtol=1e-3, atol=0)
    assert not torch.allclose(drift(x[..., torch.randperm(9)]), drift(x), rtol=1e-2)


@pytest.mark.parametrize("level", [0.0, 1.0, 1e4])
def test_equal_beats_do_not_drift_and_have_a_finite_gradient(level):
    x = torch.full((2, 4, 6), level, requires_grad=True)
    found = drift(x)
    found.sum().backward()
    assert found.abs().max() < 1e-6
    assert x.grad.isfinite().all()


def test_the_gradient_of_drift_is_its_derivative_and_low_precision_is_left_behind():
    torch.manual_seed(0)
    assert torch.autograd.gradcheck(drift, [torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)])
    x = torch.randn(2, 3, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(drift(x), drift(x.clone()))
        assert drift(x.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("shape", [(2, 3, 2), (3, 5)])
def test_what_has_no_order_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected series \(series, channels, elements\) of at least 3 elements, got \("):
        drift(torch.zeros(shape))


def test_the_parts_are_those_of_their_stand_alone_forms(ecg_batch):
    batch = ecg_batch(6, leads=3, patient=PATIENTS)
    method = ISL(Steps(), width=8).eval()
    maps = method.backbone(torch.cat([view.signal for view in method.views(batch)]))
    inter = patient_pairs(method.projector(maps.mean(dim=-1)), PATIENTS.repeat(2))
    beats = torch.nn.functional.adaptive_avg_pool1d(maps, 4)  # three seconds, of 0.8 s each
    assert torch.equal(method.beats(maps, seconds=3.0), beats)
    intra = (drift(beats) - 5 / 24).clamp_min(0).mean()
    assert intra > 0
    losses = method.loss(batch)
    torch.testing.assert_close(losses.logs["inter"], inter.detach())
    torch.testing.assert_close(losses.logs["intra"], intra.detach())
    torch.testing.assert_close(losses.total, inter + intra)
    heavier = ISL(Steps(), width=8, intra=3.0).eval()
    heavier.load_state_dict(method.state_dict())
    torch.testing.assert_close(heavier.loss(batch).total, inter + 3 * intra)
    without = ISL(Steps(), width=8, intra=0.0).eval()
    without.load_state_dict(method.state_dict())
    torch.testing.assert_close(without.loss(batch).total, inter)
    assert "intra" not in without.loss(batch).logs


def test_a_beat_is_as_long_as_told_and_there_are_three_at_least():
    method, maps = ISL(Steps()), torch.randn(2, 8, 30)
    for seconds, beats in ((8.0, 10), (10.0, 12), (0.5, 3), (100.0, 30)):
        assert method.beats(maps, seconds=seconds).shape == (2, 8, beats)
    torch.testing.assert_close(method.beats(maps, seconds=8.0), maps.unflatten(-1, (10, 3)).mean(dim=-1))


def test_a_collapse_costs_the_log_of_one_and_the_views_of_others_and_nothing_within(ecg_batch):
    method = ISL(Steps(), augment=[], width=8).eval()
    nn.init.zeros_(method.backbone.conv.weight)
    alone = method.loss(ecg_batch(6, leads=3, patient=torch.arange(6)))
    assert alone.logs["inter"].item() == pytest.approx(math.log(11), rel=1e-5)
    assert alone.logs["intra"] == 0
    pairs = method.loss(ecg_batch(6, leads=3, patient=torch.arange(6) // 2))
    assert pairs.logs["inter"].item() == pytest.approx(math.log(9), rel=1e-5)


def test_what_patients_are_called_and_the_order_of_windows_change_nothing(ecg_batch):
    batch = ecg_batch(6, leads=3, patient=PATIENTS)
    method = ISL(Steps(), augment=[], width=8).eval()
    expected = method.loss(batch).total
    torch.testing.assert_close(method.loss(replace(batch, patient=97 - 7 * PATIENTS)).total, expected)
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    shuffled = replace(batch, signal=batch.signal[order], patient=PATIENTS[order], record_keys=batch.record_keys[order.numpy()])
    torch.testing.assert_close(method.loss(shuffled).total, expected)
    assert not torch.allclose(method.loss(replace(batch, patient=PATIENTS.flip(0))).total, expected)


def test_other_windows_of_a_patient_are_no_negatives(ecg_batch):
    batch = ecg_batch(6, leads=3, patient=PATIENTS)
    x = batch.signal.clone()
    x[1] = x[0]  # two recordings of patient 0 that look the same
    method = ISL(Steps(), augment=[], width=8, intra=0.0).eval()
    same_owner = method.loss(batch.with_signal(x)).total
    other_owner = method.loss(replace(batch.with_signal(x), patient=torch.arange(6))).total
    assert same_owner < other_owner


def test_both_parts_reach_the_backbone_and_only_the_contrast_reaches_the_projector(ecg_batch):
    batch = ecg_batch(6, leads=3, patient=PATIENTS)
    method = ISL(Steps(), width=8)
    maps = method.backbone(batch.signal)
    (drift(method.beats(maps, seconds=3.0)) - drift_of_any_order(4)).relu().mean().backward()
    assert method.backbone.conv.weight.grad.norm() > 0
    assert all(p.grad is None for p in method.projector.parameters())
    method.loss(batch).total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


def test_training_takes_the_drift_of_a_wandering_baseline_away(ecg_batch):
    batch = ecg_batch(8, leads=3, samples=1000, patient=torch.arange(8))
    ramp = torch.linspace(-1, 1, 1000) * torch.randn(8, 3, 1, generator=torch.Generator().manual_seed(0))
    drifting = batch.with_signal(batch.signal + ramp)
    method = ISL(Steps(), augment=[], width=8, intra=10.0)
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-2)
    first = None
    for _ in range(60):
        losses = method.loss(drifting)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        first = losses if first is None else first
    assert losses.logs["intra"] < 0.3 * first.logs["intra"]
    assert losses.logs["inter"] < first.logs["inter"]
    assert losses.logs["embedding_std"] > 0.3  # no collapse, which would not drift either


def test_views_depend_on_the_seed_the_epoch_and_the_record_alone(ecg_batch):
    batch = ecg_batch(6, leads=3, patient=PATIENTS)
    method = SSL.build("isl", backbone=Steps(), width=8)
    first = [view.signal for view in method.views(batch)]
    torch.manual_seed(9)
    again = [view.signal for view in method.views(batch)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(*first)
    assert not torch.equal(method.views(replace(batch, epoch=1))[0].signal, first[0])
    installed = {type(transform).__name__ for transform in method.augment.transforms}
    assert installed == {"BaselineWander", "AmplitudeScale", "GaussianNoise", "LeadDropout"}


def test_it_says_that_it_is_a_reading():
    text = isl.__doc__.replace("\n", " ")
    assert "experimental" in text
    assert "reading and no reproduction" in text
    assert "arXiv:2109.08908" in text
    assert "Experimental" in ISL.__doc__


@pytest.mark.parametrize(
    ("facts", "records", "message"),
    [
        ({}, 4, "ISL needs patient in every batch; prepare the data with it"),
        ({"patient": torch.zeros(4)}, 4, "all rows are of one patient; a contrastive loss needs other patients as negatives"),
        ({"patient": torch.zeros(1)}, 1, "ISL needs other windows to compare with: at least 2 in a batch, got 1"),
    ],
)
def test_a_batch_with_nothing_to_compare_is_refused(facts, records, message, ecg_batch):
    with pytest.raises(ValueError, match=message):
        ISL(Steps()).loss(ecg_batch(records, leads=3, **facts))


def test_windows_too_short_for_three_beats_are_refused_unless_beats_do_not_count(ecg_batch):
    batch = ecg_batch(4, leads=3, samples=20, patient=torch.arange(4))
    with pytest.raises(ValueError, match="ISL compares at least 3 beats of a window, and Steps makes 2 steps of it; use longer"):
        ISL(Steps()).loss(batch)
    assert ISL(Steps(), intra=0.0).loss(batch).total.isfinite()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"beat_seconds": -0.8}, "beat_seconds must be positive, got -0.8"),
        ({"intra": -1.0}, "intra is a weight from 0 on, got -1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ISL(Steps(), **arguments)


def test_silent_windows_and_huge_ones_have_finite_losses_and_gradients(ecg_batch):
    batch = ecg_batch(6, leads=3, patient=PATIENTS)
    for factor in (0.0, 1e4):
        method = ISL(Steps())
        method.loss(batch.with_signal(batch.signal * factor)).total.backward()
        assert all(p.grad.isfinite().all() for p in method.parameters())

"""COMET: its levels in closed form and one by one, its masks, and what it asks of a batch."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.draws import Draws
from ecg_core.discovery.registries import SSL
from ecg_ssl.measured import time_max
from ecg_ssl.methods.comet import COMET
from ecg_ssl.objectives.cmsc import cmsc
from ecg_ssl.objectives.time_contrast import instance_contrast, temporal_contrast
from ecg_ssl.positives import recording_numbers, same
from ecg_ssl.timestamps import timestamp_mask

FACTS = {"patient": torch.tensor([0, 0, 0, 0, 1, 1]), "record_ids": tuple("aabbcc")}


class Steps(Backbone):
    """Convolutions that look at ten samples at a time."""

    def __init__(self, in_leads=3, stride=10):
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(8, stride),)
        torch.manual_seed(0)
        self.conv = nn.Conv1d(in_leads, 8, stride, stride=stride)

    def forward_intermediates(self, x):
        return [self.conv(x).tanh()]


def only(level):
    return {level: 1.0}


def test_windows_of_a_recording_are_windows_of_its_patient(ecg_batch):
    batch = ecg_batch(6, leads=3, **FACTS)
    trial, patient = same(recording_numbers(batch, who="a test")), same(batch.patient)
    assert (patient | ~trial).all()
    assert (trial.sum(), patient.sum()) == (12, 20)


def test_the_levels_are_what_their_names_say(ecg_batch):
    batch = ecg_batch(6, leads=3, **FACTS)
    method = COMET(Steps())
    a, b = (method.backbone(view.signal) for view in method.views(batch))
    highest = a.amax(dim=-1), b.amax(dim=-1)
    itself = torch.eye(6, dtype=torch.bool)
    how = {"normalise": "l2", "weigh": "anchors"}
    expected = {
        "patient": cmsc(*highest, same(batch.patient) & ~itself, **how),
        "trial": cmsc(*highest, same(torch.tensor([0, 0, 1, 1, 2, 2])) & ~itself, **how),
        "sample": instance_contrast(a, b),
        "observation": temporal_contrast(a, b).mean(),
    }
    losses = method.loss(batch)
    for level, value in expected.items():
        torch.testing.assert_close(COMET(Steps(), levels=only(level)).loss(batch).total, value)
        torch.testing.assert_close(losses.logs[level], value.detach())
    torch.testing.assert_close(losses.total, 0.25 * sum(expected.values()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": {"patient": 0.5, "trial": 0.4}}, r"not negative and 1 in all, got \{'patient': 0.5, 'trial': 0.4\}"),
        ({"levels": {"patient": 1.5, "trial": -0.5}}, "not negative and 1 in all"),
        ({"levels": {}}, "not negative and 1 in all"),
        ({"levels": {"beat": 1.0}}, "levels are patient, trial, sample, observation, got beat"),
        ({"mask": "all"}, "a mask is one of binomial, continuous, channel_binomial, channel_continuous, got 'all'"),
        ({"keep": 0.0}, "keep must be a probability above 0, got 0.0"),
        ({"steps": 0}, "temperature and steps must be positive, got 0.1 and 0"),
        ({"temperature": 0.0}, "temperature and steps must be positive, got 0.0 and 64"),
    ],
)
def test_wrong_arguments_of_the_method_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        COMET(Steps(), **arguments)


@pytest.mark.parametrize("size", [1.0, 4.0])
def test_identical_views_of_orthonormal_steps_have_the_published_loss(size):
    steps = 6
    z = (size**0.5 * torch.eye(steps, 8, dtype=torch.float64)).T.expand(3, 8, steps)
    expected = math.log1p((2 * steps - 2) * math.exp(-size))
    torch.testing.assert_close(temporal_contrast(z, z), torch.full((3,), expected, dtype=torch.float64))


def test_identical_views_of_orthonormal_windows_have_the_same_loss_between_windows():
    z = torch.eye(5, dtype=torch.float64)[..., None].expand(5, 5, 7)
    assert instance_contrast(z, z).item() == pytest.approx(math.log1p(8 * math.exp(-1)), rel=1e-9)


def test_a_single_step_and_a_single_window_have_no_loss():
    assert temporal_contrast(torch.randn(3, 4, 1), torch.randn(3, 4, 1)).abs().max() == 0
    assert instance_contrast(torch.randn(1, 4, 9), torch.randn(1, 4, 9)) == 0


def test_total_collapse_is_the_log_of_all_others():
    z = torch.zeros(3, 4, 5)
    assert instance_contrast(z, z).item() == pytest.approx(math.log(5), rel=1e-6)
    assert temporal_contrast(z, z).mean().item() == pytest.approx(math.log(9), rel=1e-6)


def test_features_of_two_shapes_are_refused():
    for contrast in (instance_contrast, temporal_contrast):
        with pytest.raises(ValueError, match=r"of one shape, got \(3, 4, 5\) and \(3, 4, 6\)"):
            contrast(torch.ones(3, 4, 5), torch.ones(3, 4, 6))


def draws(windows=400):
    return Draws.seeded(0, windows=windows).like(torch.zeros(1))


def test_masks_show_the_share_they_were_told_and_hide_leads_together_or_one_by_one():
    for keep in (0.5, 0.8):
        assert timestamp_mask(draws(), 3, 100, keep=keep).float().mean().item() == pytest.approx(keep, abs=0.01)
    assert timestamp_mask(draws(), 3, 100).shape == (400, 1, 100)
    single = timestamp_mask(draws(), 3, 100, kind="channel_binomial")
    assert single.shape == (400, 3, 100)
    assert (single[:, 0] != single[:, 1]).float().mean().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("kind", ["continuous", "channel_continuous"])
def test_continuous_masks_hide_five_stretches_of_a_tenth(kind):
    hidden = ~timestamp_mask(draws(), 3, 100, kind=kind)
    assert hidden.sum(dim=-1).min() >= 10
    assert hidden.sum(dim=-1).max() <= 50
    padded = nn.functional.pad(hidden, (1, 1)).int()
    begins, ends = ((padded.diff(dim=-1) == sign).sum(dim=-1) for sign in (1, -1))
    assert torch.equal(begins, ends)
    assert begins.max() <= 5
    assert 0.3 < hidden.float().mean() < 0.45


def test_views_hide_different_samples_and_leave_the_others(ecg_batch):
    batch = ecg_batch(6, leads=3, **FACTS)
    first, second = COMET(Steps()).views(batch)
    for view in (first, second):
        shown = view.signal != 0
        assert torch.equal(view.signal[shown], batch.signal[shown])
    assert ((first.signal != 0) != (second.signal != 0)).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_the_highest_features_do_not_see_padding(ecg_batch):
    x, backbone = ecg_batch(4, leads=3).signal, Steps()
    padded = nn.functional.pad(x, (0, 500), value=3.0)
    mask = torch.arange(800).expand(4, -1) < 300
    torch.testing.assert_close(time_max(backbone(padded), mask), time_max(backbone(x)))
    assert not torch.allclose(time_max(backbone(padded)), time_max(backbone(x)))
    assert not time_max(torch.full((2, 3, 4), -1.0), torch.zeros(2, 8, dtype=torch.bool)).any()


def test_a_mask_of_the_batch_is_respected(ecg_batch):
    batch, method = ecg_batch(6, leads=3, **FACTS), COMET(Steps(), levels=only("patient"))
    whole = replace(batch, mask=torch.ones(6, 300, dtype=torch.bool))
    assert torch.equal(method.loss(whole).total, method.loss(batch).total)
    part = replace(batch, mask=torch.arange(300).expand(6, -1) < 100)
    assert not torch.equal(method.loss(part).total, method.loss(batch).total)


def test_more_steps_than_told_are_averaged(ecg_batch):
    batch = ecg_batch(6, leads=3, **FACTS)
    method = COMET(Steps(), levels=only("observation"), steps=15)
    a, b = (method.backbone(view.signal).unflatten(-1, (15, 2)).mean(dim=-1) for view in method.views(batch))
    torch.testing.assert_close(method.loss(batch).total, temporal_contrast(a, b).mean())


def test_windows_without_another_of_their_patient_are_left_out(ecg_batch):
    batch = ecg_batch(6, leads=3, patient=torch.arange(6), record_ids=tuple("abcdef"))
    losses = COMET(Steps()).loss(batch)
    assert losses.logs["patient"] == losses.logs["trial"] == 0
    nothing = COMET(Steps(), levels=only("patient")).loss(batch).total
    nothing.backward()
    assert nothing == 0


def test_a_missing_patient_or_recording_is_named_with_the_level_that_needs_it(ecg_batch):
    method, bare = SSL.build("comet", backbone=Steps()), ecg_batch(6, leads=3)
    for call in (method.loss, method.check_requirements):
        with pytest.raises(ValueError, match="COMET's level 'patient' needs patient in every batch"):
            call(bare)
    with pytest.raises(ValueError, match="COMET's level 'trial' needs record_ids in every batch"):
        COMET(Steps(), levels=only("trial")).loss(bare)
    for level in ("sample", "observation"):
        COMET(Steps(), levels=only(level)).check_requirements(bare)


def test_silent_windows_and_huge_ones_have_finite_losses_and_gradients(ecg_batch):
    batch = ecg_batch(6, leads=3, **FACTS)
    for factor in (0.0, 1e4):
        method = COMET(Steps())
        method.loss(batch.with_signal(batch.signal * factor)).total.backward()
        assert all(p.grad.isfinite().all() for p in method.parameters())

"""Momentum encoders, the queue and the methods that live from them: the originals' numbers, and what each must not do."""

import copy
import math

import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.lazy import materialize
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.convert.moco import from_official
from ecg_ssl.key_queue import KeyQueue
from ecg_ssl.methods.byol import BYOL
from ecg_ssl.methods.moco import MoCo
from ecg_ssl.methods.moco_v3 import MoCoV3
from ecg_ssl.momentum import MomentumEncoder, follow, momentum_at
from ecg_ssl.objectives.info_nce import info_nce, unit_rows

torch.set_num_threads(1)


class Pooled(Backbone):
    """The encoder of the reference values: one convolution, ReLU, the mean over time."""

    def __init__(self, in_leads=3, channels=6):
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(channels, 2),)
        self.conv = nn.Conv1d(in_leads, channels, 5, stride=2)

    def forward_intermediates(self, x):
        return [self.conv(x).relu()]


def small(lazy=False):
    return BACKBONES.build("resnet18", in_leads=None if lazy else 3, widths=(4, 8), depths=(1, 1), kernel_size=3)


def official(reference, prefix):
    """The reference state under our names, by the converter; its encoder is not a residual network but has our names."""
    state = {key.removeprefix(prefix): value for key, value in reference.items() if key.startswith(prefix)}
    return from_official(state, inside=str)


def assert_same_gradient(found, expected):
    """To 1e-4 of its length: single entries near zero are sums of larger ones that cancel."""
    assert (found - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize(("version", "layers", "temperature"), [("v1", 1, 0.07), ("v2", 2, 0.2)])
def test_moco_reproduces_four_steps_of_the_original(golden, version, layers, temperature):
    """Loss, gradient, queue, pointer and, after four steps, every weight of the copy."""
    reference = golden("moco.npz")
    method = MoCo(Pooled(), augment=[], width=8, layers=layers, temperature=temperature, momentum=0.9, queue=12).train()
    method.load_state_dict(official(reference, f"{version}/sd0/"))
    for step in range(4):
        prefix = f"{version}/step{step}"
        method.target.follow(method.backbone, method.projector)  # the original updates before its keys' forward pass
        q, k = method.embed(reference[f"{prefix}/xq"]), method.target(reference[f"{prefix}/xk"])
        logits = torch.cat([(unit_rows(q) * unit_rows(k)).sum(1, keepdim=True), unit_rows(q) @ method.queue.keys.T], dim=1)
        torch.testing.assert_close(logits / temperature, reference[f"{prefix}/logits"], rtol=1e-5, atol=1e-5)
        loss = info_nce(q, k, negatives=method.queue.keys, temperature=temperature)
        torch.testing.assert_close(loss, reference[f"{prefix}/loss"], rtol=1e-5, atol=1e-7)
        if step == 0:  # the original's query stands still: the copy and the queue are what moves
            (gradient,) = torch.autograd.grad(loss, method.backbone.conv.weight)
            assert_same_gradient(gradient, reference[f"{prefix}/grad_q_conv"])
        method.queue.add(unit_rows(k))
        torch.testing.assert_close(method.queue.keys.T, reference[f"{prefix}/queue_after"], rtol=1e-5, atol=1e-6)
        assert int(method.queue.pointer) == int(reference[f"{prefix}/ptr_after"])
    after = official(reference, f"{version}/sd4/")
    for name in set(after) - {"target.updates", "queue.owners"}:  # which official states do not hold
        value = after[name]
        torch.testing.assert_close(method.state_dict()[name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_moco_v3_reproduces_a_step_of_the_original(golden):
    reference = golden("moco.npz")
    method = MoCoV3(Pooled(), augment=[], width=16, hidden=24, temperature=0.2, momentum=0.99, schedule="constant").train()
    method.load_state_dict(official(reference, "v3/sd0/"))
    method.target.follow(method.backbone, method.projector)
    loss, _, _ = method.contrast(reference["v3/x1"], reference["v3/x2"])
    torch.testing.assert_close(loss, reference["v3/loss"], rtol=1e-5, atol=0)
    loss.backward()
    assert_same_gradient(method.predictor.layers[0].weight.grad, reference["v3/grad_predictor0"])
    assert_same_gradient(method.backbone.conv.weight.grad, reference["v3/grad_conv"])
    for name, value in official(reference, "v3/sd1/").items():
        if name != "target.updates":
            torch.testing.assert_close(method.state_dict()[name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_the_cosine_schedule_is_that_of_the_original(golden):
    reference = golden("moco.npz")
    for epoch, expected in zip(reference["v3/momentum_epochs"], reference["v3/momentum_cos_0.99_of_100"], strict=True):
        assert momentum_at(0.99, float(epoch), 100, "cosine") == pytest.approx(float(expected), abs=1e-12)
    assert [momentum_at(0.996, t, 100, "cosine") for t in (0, 50, 100)] == pytest.approx([0.996, 0.998, 1.0])
    assert [momentum_at(0.5, t, 10, "linear") for t in (0, 5, 10)] == pytest.approx([0.5, 0.75, 1.0])
    assert momentum_at(0.9, 7, None, "cosine") == momentum_at(0.9, 7, 10) == 0.9


def test_a_copy_follows_in_every_parameter_by_its_closed_form():
    """``k_n = m^n k_0 + (1 - m^n) q`` for a query that stands still: biases and normalisations too."""
    torch.manual_seed(0)
    online, target = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    for p in online.parameters():
        nn.init.normal_(p)
    start = copy.deepcopy(target.state_dict())
    for _ in range(7):
        follow(target, online, 0.9)
    for (name, found), value in zip(target.named_parameters(), online.parameters(), strict=True):
        torch.testing.assert_close(found, 0.9**7 * start[name] + (1 - 0.9**7) * value)


def test_a_rate_of_one_freezes_the_copy_and_of_zero_makes_it_the_original():
    online, target = nn.Linear(3, 4), nn.Linear(3, 4)
    before = copy.deepcopy(target)
    follow(target, online, 1.0)
    assert torch.equal(target.weight, before.weight)
    follow(target, online, 0.0)
    torch.testing.assert_close(target.weight, online.weight)


@pytest.mark.parametrize("buffers", ["copy", "skip"])
def test_running_statistics_are_copied_or_left_alone(buffers):
    online, target = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    online(torch.randn(50, 3) + 5)
    follow(target, online, 0.9, buffers=buffers)
    assert torch.equal(target.running_mean, online.running_mean) == (buffers == "copy")


def test_a_copy_made_before_sizes_were_known_does_not_start_apart():
    backbone = small(lazy=True)
    for method in (MoCo(backbone, augment=[], width=8, queue=16), BYOL(small(lazy=True), augment=[], width=8, hidden=8)):
        x = torch.randn(4, 3, 100)
        with torch.no_grad():
            materialize(method, x, call=lambda x, m=method: (m.embed(x), m.target.catch_up(m.backbone, m.projector)))
        for (name, a), b in zip(method.target.backbone.named_parameters(), method.backbone.parameters(), strict=True):
            assert torch.equal(a, b), name
            assert not a.requires_grad


def test_the_copy_takes_no_gradient_and_the_keys_are_not_differentiated(ecg_batch):
    for name in ("moco_v2", "moco_v3", "byol"):
        method = SSL.build(name, backbone=small(), augment=[]).train()
        method.loss(ecg_batch(leads=3, samples=200)).total.backward()
        assert all(p.grad is None for p in method.target.parameters())
        assert all(p.grad is not None for p in method.backbone.parameters())


def test_keys_are_negatives_from_the_next_step_on(ecg_batch):
    method = MoCo(small(), augment=[], width=8, queue=64).train()
    before = method.queue.keys.clone()
    first = method.loss(ecg_batch(leads=3, samples=200))
    assert torch.equal(method.queue.keys, before)
    first.total.backward()  # the graph that read the queue is whole
    method.after_step()
    assert int(method.queue.pointer) == 8
    assert not torch.equal(method.queue.keys[:8], before[:8])
    assert torch.equal(method.queue.keys[8:], before[8:])
    torch.testing.assert_close(method.queue.keys.norm(dim=1), torch.ones(64))


def test_validation_adds_nothing_to_the_queue(ecg_batch):
    method = MoCo(small(), augment=[], width=8, queue=64).eval()
    before = method.queue.keys.clone()
    method.loss(ecg_batch(leads=3, samples=200))
    method.after_step()
    assert torch.equal(method.queue.keys, before)


def test_past_keys_of_the_same_recording_are_no_negatives(ecg_batch):
    """With the queue full of the keys of one batch, each query is spared its own windows' and no others."""
    batch = ecg_batch(leads=3, samples=200)
    method = MoCo(small(), augment=[], width=8, queue=24, momentum=1.0).train()
    for _ in range(3):
        method.loss(batch)
        method.after_step()
    method.eval()
    q, k = method.embed(batch.signal), method.target(batch.signal)
    others = [[j for j in range(24) if j % 8 != i] for i in range(8)]
    expected = [info_nce(q[i : i + 1], k[i : i + 1], negatives=method.queue.keys[others[i]]) for i in range(8)]
    torch.testing.assert_close(method.loss(batch).total, torch.stack(expected).mean(), rtol=1e-4, atol=1e-5)


def test_the_loss_of_moco_falls_once_its_queue_holds_keys(ecg_batch):
    torch.manual_seed(0)
    batch = ecg_batch(records=16, leads=3, samples=200)
    method = MoCo(small(), augment=["test_noise"], width=16, queue=64, momentum=0.9).train()
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=3e-3)
    losses = []
    for _ in range(60):
        losses.append(method.loss(batch).total)
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
        method.after_step()
    assert losses[-1] < losses[4] - 0.5  # full since the fourth step


def test_whose_keys_are_spared_is_asked_for_and_checked(ecg_batch):
    batch = ecg_batch(leads=3, samples=200)
    with pytest.raises(ValueError, match="needs patient in every batch"):
        MoCo(small(), augment=[], spare="patient").check_requirements(batch)
    with pytest.raises(ValueError, match="spare must be record, patient or none, got 'lead'"):
        MoCo(small(), augment=[], spare="lead")


@pytest.mark.parametrize("sizes", [(4, 4, 4, 4), (5, 5, 5), (3, 12, 1), (30,), (25, 2)])
def test_a_queue_holds_the_newest_keys_whatever_the_batches(sizes):
    queue, total, seen = KeyQueue(2, 12), sum(sizes), 0
    stream = torch.arange(2.0 * total).view(total, 2)
    for size in sizes:
        queue.add(stream[seen : seen + size])
        seen += size
    newest = {tuple(row) for row in stream[-12:].tolist()}
    assert newest <= {tuple(row) for row in queue.keys.tolist()}
    assert int(queue.pointer) == total % 12


def test_the_rate_rises_over_a_training_and_is_resumed(ecg_batch):
    method = BYOL(small(), augment=[], width=8, hidden=8, momentum=0.9, schedule="cosine")
    method.plan(10)
    rates = []
    for _ in range(10):
        rates.append(method.target.rate)
        method.after_step()
    assert rates == pytest.approx([1 - 0.05 * (1 + math.cos(math.pi * t / 10)) for t in range(10)])
    again = BYOL(small(), augment=[], width=8, hidden=8, momentum=0.9, schedule="cosine")
    again.load_state_dict(method.state_dict())
    again.plan(10)
    assert again.target.rate == method.target.rate == 1.0


def test_without_a_predictor_byol_collapses_and_with_it_does_not(ecg_batch):
    """Provoked on purpose: the target is the online network itself, nothing predicts, and the spread says so."""
    spreads = {}
    for collapsing in (True, False):
        torch.manual_seed(0)
        method = BYOL(
            small(), augment=["test_noise"], width=16, hidden=32, momentum=0.0 if collapsing else 0.9, schedule="constant"
        )
        if collapsing:
            method.predictor = nn.Identity()
        optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=3e-3)
        for step in range(120):
            losses = method.train().loss(ecg_batch(records=16, leads=3, samples=200, seed=step % 8))
            optimizer.zero_grad()
            losses.total.backward()
            optimizer.step()
            method.after_step()
        spreads[collapsing] = float(losses.logs["embedding_std"])
    assert spreads[True] < 0.3 < spreads[False]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: MomentumEncoder(small(), nn.Identity(), momentum=1.5), "momentum is a share from 0 to 1, got 1.5"),
        (lambda: MomentumEncoder(small(), nn.Identity(), momentum=0.9, schedule="sine"), "constant, cosine, linear, got 'sine'"),
        (lambda: KeyQueue(4, 0), "at least one key, got length=0"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(act, message):
    with pytest.raises(ValueError, match=message):
        act()


@pytest.mark.parametrize("name", ["moco_v3", "byol", "vicreg", "barlow_twins"])
def test_a_single_window_is_refused(name, ecg_batch):
    with pytest.raises(ValueError, match="at least 2 in a batch, got 1"):
        SSL.build(name, backbone=small(), augment=[]).loss(ecg_batch(records=1, leads=3, samples=200))


@pytest.mark.parametrize("name", ["moco_v2", "moco_v3", "byol"])
def test_the_gauges_tell_how_far_the_copy_is_behind(name, ecg_batch):
    method = SSL.build(name, backbone=small(), momentum=0.5)
    batch = ecg_batch(leads=3)
    method.loss(batch)
    assert method.gauges()["momentum_drift"] == 0
    with torch.no_grad():
        for parameter in (*method.backbone.parameters(), *method.projector.parameters()):
            parameter.mul_(2)
    assert method.gauges()["momentum_drift"] == pytest.approx(0.5)
    method.after_step()
    assert method.gauges()["momentum_drift"] == pytest.approx(0.25)
    assert method.gauges()["momentum_rate"] == 0.5

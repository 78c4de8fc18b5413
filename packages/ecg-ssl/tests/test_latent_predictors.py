"""Latent predictors: what the student may see, how the teacher follows, and what the gauge says of a collapse."""

import copy

import pytest
import torch
from torch import nn

from ecg_core.contracts.lazy import materialize
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.layers.latent_predictor import LatentPredictor
from ecg_ssl.methods.jepa_weimann import JEPAWeimann
from ecg_ssl.momentum import follow
from ecg_ssl.teacher import Teacher
from ecg_ssl.views import spread_of_windows

torch.set_num_threads(1)

TINY = {"width": 16, "depth": 2, "heads": 2, "patch_size": 20}


def encoder(name="vit_register_xs", in_leads=3, **arguments):
    torch.manual_seed(0)
    return BACKBONES.build(name, in_leads=in_leads, **{**TINY, **arguments})


def jepa(backbone=None, **arguments):
    options = {"predictor_depth": 1, "predictor_heads": 2, "shortest_block": 3, **arguments}
    return JEPAWeimann(backbone or encoder(), **options).train()


def batch_of(ecg_batch, records=8, samples=400, **facts):
    return ecg_batch(records=records, leads=3, samples=samples, **facts)


def test_the_gradient_of_the_input_is_zero_where_time_is_hidden(ecg_batch):
    """The teacher's targets carry none either."""
    batch, method = batch_of(ecg_batch), jepa()
    mask = torch.zeros(8, 20, dtype=torch.bool).index_fill_(1, torch.arange(3, 17), True)
    x = batch.signal.requires_grad_(True)
    method.loss(batch.with_signal(x), mask=mask).total.backward()
    hidden = mask.repeat_interleave(20, dim=1)[:, None].expand_as(x)
    assert x.grad[hidden].abs().max() == 0
    assert (x.grad[~hidden] != 0).all()


def test_the_teacher_takes_no_gradient(ecg_batch):
    method = jepa()
    made = method.latents(batch_of(ecg_batch))
    assert made.prediction.requires_grad
    assert not made.target.requires_grad
    assert not any(p.requires_grad for p in method.target.parameters())


def test_the_mean_is_over_windows_tokens_and_channels(ecg_batch):
    """Doubled channels, or windows seen twice, keep the loss."""
    method, batch = jepa(), batch_of(ecg_batch)
    made = method.latents(batch)
    once = method.error(made.prediction, made.target)
    torch.testing.assert_close(method.error(made.prediction.repeat(1, 1, 2), made.target.repeat(1, 1, 2)), once)
    torch.testing.assert_close(method.error(made.prediction.repeat(3, 1, 1), made.target.repeat(3, 1, 1)), once)
    expected = (made.prediction - made.target).abs().sum() / made.target.numel()
    torch.testing.assert_close(once, expected)


def test_without_momentum_the_target_is_the_current_encoder_in_the_same_step(ecg_batch):
    batch, method = batch_of(ecg_batch), jepa(momentum=0.0, momentum_end=0.0)
    with torch.no_grad():
        for p in method.backbone.parameters():
            p.add_(0.05 * torch.randn_like(p))
    method.loss(batch)
    for mine, theirs in zip(method.target.backbone.parameters(), method.backbone.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("when", ["pre_forward", "post_step"])
def test_the_teacher_follows_once_per_step_however_many_losses_are_accumulated(ecg_batch, when):
    batch, method = batch_of(ecg_batch), jepa(momentum=0.9, momentum_end=0.9, update_when=when)
    start = copy.deepcopy(method.target.backbone)
    for _ in range(3):  # the first update moves nothing: the teacher starts equal
        method.loss(batch)
    with torch.no_grad():
        for p in method.backbone.parameters():
            p.add_(0.05)
    method.after_step()
    moved = not torch.equal(method.target.backbone.norm.weight, start.norm.weight)
    assert moved == (when == "post_step")
    for _ in range(3):
        method.loss(batch)
    follow(start, method.backbone, 0.9)
    for mine, expected in zip(method.target.backbone.parameters(), start.parameters(), strict=True):
        torch.testing.assert_close(mine, expected)


def test_validation_moves_no_teacher(ecg_batch):
    method = jepa(momentum=0.0, momentum_end=0.0).eval()
    before = copy.deepcopy(method.target.state_dict())
    with torch.no_grad():
        method.backbone.norm.weight.add_(1.0)
    method.loss(batch_of(ecg_batch))
    assert all(torch.equal(value, before[name]) for name, value in method.target.state_dict().items())


def test_the_momentum_rises_in_proportion_from_its_start_to_its_end():
    method = jepa()
    method.plan(100)
    rates = []
    for _ in range(101):
        rates.append(method.target.rate)
        method.target.updates += 1
    assert rates[0] == pytest.approx(0.998)
    assert rates[50] == pytest.approx(0.99875)
    assert rates[100] == pytest.approx(0.9995)


def test_the_teacher_drops_nothing_unless_it_is_asked_to():
    for asked in (False, True):
        method = jepa(encoder(drop_path=0.5, depth=3), teacher_drop_path=asked).train()
        x = torch.randn(16, 3, 400)
        assert torch.equal(method.target(x), method.target(x)) != asked
        assert method.eval().target.training is False
        assert torch.equal(method.target(x), method.target(x))


@pytest.mark.parametrize("name", ["vit_register_xs", "vit_time_tiny"])
def test_a_teacher_copied_before_sizes_were_known_does_not_start_apart(ecg_batch, name):
    method = jepa(encoder(name, in_leads=None))
    materialize(method, batch_of(ecg_batch), call=method.loss)
    for mine, theirs in zip(method.target.backbone.parameters(), method.backbone.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        assert not mine.requires_grad


@pytest.mark.parametrize("name", ["vit_tiny", "vit_time_tiny", "vit_grid_tiny", "vit_register_s"])
def test_any_backbone_of_tokens_learns(ecg_batch, name):
    method, batch = jepa(encoder(name)), batch_of(ecg_batch)
    mask = method.latents(batch).mask
    before = method.loss(batch, mask=mask).total
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss = method.loss(batch, mask=mask).total
        loss.backward()
        optimizer.step()
        method.after_step()
    assert loss < 0.9 * before


def test_a_prediction_stands_at_the_time_and_in_the_lead_it_is_of(ecg_batch):
    """A predictor that answers with its time, and a teacher that tells lead and time."""
    backbone = encoder("vit_grid_tiny")
    method = jepa(backbone)

    class Times(nn.Module):
        def forward(self, tokens, keep, hidden):
            return hidden[..., None].float().expand(-1, -1, tokens.shape[-1])

    class Told(nn.Module):
        def before_forward(self, backbone): ...

        def catch_up(self, backbone): ...

        def forward(self, x, lead_index=None):
            return torch.arange(60.0)[None, None, :, None].expand(len(x), 1, 60, 16)  # lead * 20 + time

    method.predictor, method.target = Times(), Told()
    made = method.latents(batch_of(ecg_batch))
    lead = (made.target - made.prediction)[..., 0].unflatten(0, (8, 3)) / 20
    assert torch.equal(lead, torch.arange(3.0)[:, None].expand(8, 3, lead.shape[2]))
    assert torch.equal(made.prediction[::3, :, 0], made.mask.nonzero()[:, 1].view(8, -1).float())


class Unstopped(nn.Module):
    """A teacher that is the student itself, gradient and all."""

    def __init__(self, backbone):
        super().__init__()
        self.student = [backbone]

    def before_forward(self, backbone): ...

    def after_step(self, backbone): ...

    def catch_up(self, backbone): ...

    def forward(self, x, lead_index=None):
        (student,) = self.student
        tokens = student.embed(student.patchify(x))
        return student.encode(tokens, None, lead_index)[:, :, student.prefix :]


def test_without_a_stopped_gradient_everything_collapses_and_the_gauge_says_so(ecg_batch):
    def gauge(collapse):
        method = jepa(encoder(width=32))
        if collapse:
            method.target = Unstopped(method.backbone)
        optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-3)
        for step in range(120):
            losses = method.loss(batches[step % 4])
            optimizer.zero_grad()
            losses.total.backward()
            optimizer.step()
            method.after_step()
        return float(losses.logs["embedding_std"])

    batches = [batch_of(ecg_batch, records=16, seed=seed) for seed in range(4)]
    assert gauge(collapse=True) < 0.01
    assert gauge(collapse=False) > 0.03


def test_the_gauge_sees_windows_and_not_times():
    torch.manual_seed(0)
    times = torch.randn(1, 3, 20, 16).expand(8, -1, -1, -1)
    assert spread_of_windows(times) < 1e-6  # every window says the same of a time, however times differ
    assert spread_of_windows(torch.randn(4000, 2, 1, 16)) == pytest.approx(1.0, abs=0.02)
    assert spread_of_windows(torch.randn(1, 3, 20, 16)) == 0


def test_a_lag_of_the_teacher_survives_an_interruption(ecg_batch):
    """What is due at the next loss is part of the state."""

    def step(method, seed):
        method.loss(batch_of(ecg_batch, seed=seed)).total.backward()
        with torch.no_grad():
            for p in method.parameters():
                if p.grad is not None:
                    p.sub_(0.1 * p.grad)
                    p.grad = None
        method.after_step()

    method, twin = jepa(momentum=0.5, momentum_end=0.5), jepa(momentum=0.5, momentum_end=0.5)
    step(method, 0)
    twin.load_state_dict(copy.deepcopy(method.state_dict()))
    for learner in (method, twin):
        step(learner, 1)
        learner.loss(batch_of(ecg_batch, seed=2))
    assert all(torch.equal(value, method.state_dict()[name]) for name, value in twin.state_dict().items())


@pytest.mark.parametrize("signal", ["flat", "equal", "huge"])
def test_losses_and_gradients_are_finite_for_flat_equal_and_huge_windows(ecg_batch, signal):
    batch = batch_of(ecg_batch)
    x = {"flat": torch.zeros_like(batch.signal), "equal": batch.signal[:1].expand(8, -1, -1), "huge": batch.signal * 1e4}[signal]
    method = jepa()
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.loss(batch.with_signal(x.clamp(-1e4, 1e4)))
    losses.total.backward()
    assert losses.total.dtype == torch.float32
    assert all(torch.isfinite(value) for value in (losses.total, *losses.logs.values()))
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


def test_what_cannot_be_trained_is_refused_in_one_sentence(ecg_batch):
    with pytest.raises(TypeError, match="JEPAWeimann hides tokens and ResNet has none; pass a TokenBackbone"):
        JEPAWeimann(BACKBONES.build("resnet18", in_leads=3))
    with pytest.raises(ValueError, match=r"at least 2, got 1 in 39 samples; use longer windows"):
        jepa().loss(batch_of(ecg_batch, samples=39))
    with pytest.raises(ValueError, match=r"mask must be \(20,\) or \(8, 20\) for these windows, got \(8, 19\)"):
        jepa().loss(batch_of(ecg_batch), mask=torch.ones(8, 19, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"momentum is a share from 0 to 1, got 0.9 to 2"):
        jepa(momentum=0.9, momentum_end=2)
    with pytest.raises(ValueError, match="update_when must be one of pre_forward, post_step, got 'never'"):
        jepa(update_when="never")
    with pytest.raises(ValueError, match="schedule must be one of constant, cosine, linear, got 'sine'"):
        jepa(schedule="sine")
    with pytest.raises(ValueError, match=r"keep_ratio must satisfy 0 < low <= high < 1 .*, got \(0.5, 0.2\) and 3"):
        jepa(keep_ratio=(0.5, 0.2))
    with pytest.raises(ValueError, match="predictor_width must be a multiple of 2 and of the 2 heads, got 9"):
        jepa(predictor_width=9)


def test_blocks_are_asked_of_a_backbone_that_has_them():
    options = {"momentum": 0.9, "end": 0.9, "schedule": "constant", "update_when": "post_step"}
    teacher, x = Teacher(encoder(), **options), torch.randn(2, 3, 400)
    first, last = teacher.block_outputs(x, 2)
    torch.testing.assert_close(teacher.backbone.norm(last), teacher(x))
    assert not torch.equal(first, last)
    with pytest.raises(
        TypeError, match="top_blocks=3 takes as many of backbone.blocks, and RegisterViT has 2; pass another number, or None"
    ):
        teacher.block_outputs(x, 3)


def test_a_predictor_does_not_depend_on_the_order_of_visible_tokens():
    torch.manual_seed(0)
    predictor = LatentPredictor(16, width=8, depth=2, heads=2)
    for parameter in predictor.parameters():
        nn.init.normal_(parameter, std=0.5)
    tokens, keep, hidden = torch.randn(2, 4, 16), torch.tensor([[0, 3, 4, 6]] * 2), torch.tensor([[1, 2, 5]] * 2)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = predictor(tokens[:, order], keep[:, order], hidden)
    torch.testing.assert_close(shuffled, predictor(tokens, keep, hidden))
    assert (predictor(tokens, keep, hidden.flip(1)).flip(1) - shuffled).abs().max() < 1e-5
    assert not torch.allclose(predictor(tokens, keep.flip(1), hidden), shuffled, atol=1e-5)


def test_the_methods_are_found_by_name():
    assert SSL.get("jepa_weimann") is JEPAWeimann

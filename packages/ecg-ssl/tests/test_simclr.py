"""SimCLR as a method: two views, any backbone, no collapse."""

import copy
import math

import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.discovery.registries import BACKBONES, SSL, TRANSFORMS
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.methods.simclr import DEFAULT_VIEWS, SimCLR

VIEWS = [{"name": "test_time_out"}, {"name": "test_noise", "std": 0.05}]


class TwoConvolutions(Backbone):
    """The smallest network over time worth training."""

    def __init__(self, in_leads=None, width=32):
        super().__init__()
        self.in_leads = in_leads
        self.stages = (Stage(width, 4),)
        first = nn.LazyConv1d(width, 9, stride=2, padding=4) if in_leads is None else nn.Conv1d(in_leads, width, 9, 2, 4)
        self.layers = nn.Sequential(first, nn.ReLU(), nn.Conv1d(width, width, 9, 2, 4), nn.ReLU())

    def forward_intermediates(self, x):
        return [self.layers(x)]


def build(backbone=None, **kwargs):
    torch.manual_seed(0)
    return SimCLR(TwoConvolutions(3) if backbone is None else backbone, **{"augment": VIEWS, "width": 16, **kwargs})


def train(method, batches, optimizer=None):
    optimizer = optimizer or torch.optim.Adam(method.parameters(), lr=3e-3)
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        losses.append(method.loss(batch))
        losses[-1].total.backward()
        optimizer.step()
        method.after_step()
    return losses, optimizer


def test_simclr_learns_with_a_backbone_defined_in_this_test(ecg_batch):
    # Noise at a quarter of the R wave: an untrained network is near chance, so that the fall is learned.
    windows, views = 16, [{"name": "test_time_out"}, {"name": "test_noise", "std": 0.25}]
    losses, _ = train(build(augment=views), [ecg_batch(windows, leads=3, epoch=step) for step in range(60)])
    chance = math.log(2 * windows - 1)
    assert losses[0].total.item() > 0.75 * chance
    assert sum(loss.total.item() for loss in losses[-5:]) / 5 < 0.6 * chance
    assert losses[-1].logs["positive_similarity"] > 0.8
    assert losses[-1].logs["embedding_std"] > 0.8  # partners close, yet spread over the sphere: not collapsed


def test_simclr_takes_a_backbone_of_tokens_just_as_well(ecg_batch):
    vit = BACKBONES.build("vit_tiny", in_leads=3, width=32, depth=1, heads=2, head_width=16, patch_size=25)
    losses, _ = train(build(vit), [ecg_batch(8, leads=3)] * 20)
    assert losses[-1].total < 0.6 * losses[0].total


def test_the_two_views_of_a_window_differ_and_the_window_stays(ecg_batch):
    batch = ecg_batch(8, leads=3)
    before = batch.signal.clone()
    first, second = build().views(batch)
    assert torch.equal(batch.signal, before)
    for view in (first, second):
        assert (view.signal != before).flatten(1).any(dim=1).all()
    assert (first.signal != second.signal).flatten(1).any(dim=1).all()


def test_a_view_is_the_same_whatever_the_batch_around_it(ecg_batch):
    method, batch = build(), ecg_batch(8, leads=3)
    alone = batch.with_signal(batch.signal[5:6])
    object.__setattr__(alone, "record_keys", batch.record_keys[5:6])
    for one, many in zip(method.views(alone), method.views(batch), strict=True):
        assert torch.equal(one.signal, many.signal[5:6])


def test_the_loss_of_simclr_is_a_function_of_weights_batch_seed_and_epoch(ecg_batch):
    method, batch = build(), ecg_batch(8, leads=3)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    loss = method.loss(batch).total
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(method.loss(batch).total, loss)
    assert not torch.equal(method.loss(ecg_batch(8, leads=3, epoch=1)).total, loss)


def test_without_augmentation_partners_are_identical(ecg_batch):
    loss = build(augment=["test_nothing"]).loss(ecg_batch(8, leads=3))
    assert loss.logs["positive_similarity"].item() == pytest.approx(1.0, abs=1e-5)


def test_views_are_cut_at_different_places(ecg_batch):
    first, second = build(augment=["test_nothing"], crop_seconds=2.0).views(ecg_batch(8, leads=3))
    assert first.signal.shape == second.signal.shape == (8, 3, 200)
    assert (first.signal != second.signal).flatten(1).any(dim=1).all()


def test_a_single_window_is_refused(ecg_batch):
    with pytest.raises(ValueError, match="at least 2 in a batch, got 1"):
        build().loss(ecg_batch(1, leads=3))


def test_everything_but_a_lazy_backbone_has_its_size_at_once(ecg_batch):
    assert is_materialized(build())
    method, batch = build(TwoConvolutions()), ecg_batch(4, leads=3)
    assert is_materialized(method.projector)
    materialize(method, batch, call=method.loss)
    assert is_materialized(method)
    assert method.projector.layers[0].in_features == method.backbone.out_channels


def test_every_parameter_of_simclr_receives_a_gradient(ecg_batch):
    method = build()
    losses = method.loss(ecg_batch(8, leads=3))
    losses.total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in method.parameters())
    assert all(value.ndim == 0 and not value.requires_grad for value in losses.logs.values())


def test_resuming_simclr_from_saved_states_is_the_uninterrupted_run_bit_for_bit(ecg_batch):
    batches = [ecg_batch(8, leads=3, epoch=epoch) for epoch in range(6)]
    straight = build()
    train(straight, batches)
    first, second = build(), build()
    _, optimizer = train(first, batches[:3])
    second.load_state_dict(first.state_dict())
    resumed = torch.optim.Adam(second.parameters(), lr=3e-3)
    resumed.load_state_dict(optimizer.state_dict())
    train(second, batches[3:], resumed)
    assert all(torch.equal(a, b) for a, b in zip(straight.state_dict().values(), second.state_dict().values(), strict=True))


def test_a_configuration_of_simclr_holds_its_backbone_and_its_views(ecg_batch):
    with BACKBONES.isolated():
        BACKBONES.add(TwoConvolutions, "test_two_convolutions")
        method, batch = build(temperature=0.2), ecg_batch(4, leads=3)
        config = SSL.to_config(method)
        assert config == {
            "name": "simclr",
            "backbone": {"kind": "backbones", "name": "test_two_convolutions", "in_leads": 3},
            "augment": [{"kind": "transforms", **view} for view in VIEWS],
            "width": 16,
            "temperature": 0.2,
        }
        again = SSL.build(config)
    again.load_state_dict(method.state_dict())
    assert torch.equal(again.loss(batch).total, method.loss(batch).total)


def test_views_are_configured_as_built_and_the_crop_by_its_seconds_only():
    backbone = BACKBONES.build({"name": "resnet18", "widths": [8], "depths": [1]}, in_leads=3)
    views = ["gaussian_noise", {"name": "ecg-preproc:lead_dropout", "p": 0.25}]
    for augment, written in ((views, [{"name": "gaussian_noise"}, {"name": "lead_dropout", "p": 0.25}]), ([], [])):
        config = SSL.to_config(SimCLR(backbone, augment=augment, crop_seconds=2.0))
        assert config["augment"] == [{"kind": "transforms", **view} for view in written]
        again = SSL.build(config)
        assert [type(t).__name__ for t in again.augment.transforms[1:]] == ["GaussianNoise", "LeadDropout"][: len(augment)]
        assert again.augment.transforms[0].seconds == 2.0
        assert SSL.to_config(again) == config
    assert "augment" not in SSL.to_config(SimCLR(backbone))


def test_a_deep_copy_of_simclr_is_the_same_and_apart(ecg_batch):
    method, batch = build(), ecg_batch(8, leads=3)
    twin = copy.deepcopy(method)
    loss = method.loss(batch).total
    assert torch.equal(twin.loss(batch).total, loss)
    train(twin, [batch])
    assert torch.equal(method.loss(batch).total, loss)


def test_another_number_of_leads_than_the_backbone_has_is_an_error(ecg_batch):
    with pytest.raises(ValueError, match="built for 12 leads, got 3"):
        build(BACKBONES.build("resnet18", in_leads=12, widths=(4,), depths=(1,))).loss(ecg_batch(4, leads=3))


def test_bfloat16_autocast_changes_the_loss_of_simclr_little(ecg_batch):
    method, batch = build(), ecg_batch(8, leads=3)
    with torch.autocast("cpu", torch.bfloat16):
        half = method.loss(batch).total
    assert half.dtype == torch.float32
    # The features carry 8 bits and the temperature magnifies their error tenfold.
    torch.testing.assert_close(half, method.loss(batch).total, rtol=0.1, atol=0.0)


def test_the_default_views_are_installed_and_make_two_different_views(ecg_batch):
    missing = [view["name"] for view in DEFAULT_VIEWS if view["name"] not in TRANSFORMS]
    if missing:
        pytest.skip(f"no installed package ships {', '.join(missing)}")
    first, second = SimCLR(TwoConvolutions(3)).views(ecg_batch(8, leads=3))
    assert (first.signal != second.signal).flatten(1).any(dim=1).all()


def test_a_misspelt_view_is_named():
    with pytest.raises(LookupError, match="test_time_out"):
        build(augment=["test_time_outt"])


def test_a_projector_without_a_size_takes_it_from_its_first_batch():
    head = ProjectionHead(hidden=8, width=4, layers=3)
    assert head(torch.randn(5, 7)).shape == (5, 4)
    assert head.layers[0].in_features == 7
    with pytest.raises(ValueError, match="at least 1 layer, got 0"):
        ProjectionHead(layers=0)


def test_a_projector_works_in_float32_under_autocast():
    head, x = ProjectionHead(7, hidden=8).eval(), torch.randn(5, 7)
    with torch.autocast("cpu", torch.bfloat16):
        half = head(x)
    assert half.dtype == torch.float32
    assert torch.equal(half, head(x))

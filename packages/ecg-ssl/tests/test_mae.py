"""MAE and its relatives: what is hidden, what counts, what they take and refuse."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.batch import Batch
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.base.masked import Reconstruction
from ecg_ssl.methods.mae import MAE

DECODER = {"decoder_width": 32, "decoder_depth": 1, "decoder_heads": 2, "decoder_head_width": 16}
SMALL = {"width": 32, "depth": 2, "heads": 2, "head_width": 16}
PATCH = {"vit_time_tiny": 25, "vit_grid_tiny": 25, "vit_tiny": 25, "vit_leads_tiny": 300}
EVERY = [
    ("vit_time_tiny", "patch2d"),
    ("vit_time_tiny", "time"),
    ("vit_leads_tiny", "patch2d"),
    ("vit_leads_tiny", "lead"),
    ("vit_tiny", "patch2d"),
    ("vit_tiny", "time"),
    ("vit_grid_tiny", "patch2d"),
    ("vit_grid_tiny", "time"),
    ("vit_grid_tiny", "lead"),
    ("vit_grid_tiny", "lead_time"),
]
each_way = pytest.mark.parametrize(("backbone", "masking"), EVERY)


def build(backbone="vit_grid_tiny", in_leads=12, name="mae", **kwargs):
    torch.manual_seed(0)
    if isinstance(backbone, str):
        backbone = BACKBONES.build(backbone, in_leads=in_leads, patch_size=PATCH[backbone], **SMALL)
    return SSL.build(name, backbone=backbone, **{**DECODER, **kwargs})


def train(method, batches, optimizer=None):
    optimizer = optimizer or torch.optim.AdamW(method.parameters(), lr=3e-3, betas=(0.9, 0.95))
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = method.loss(batch).total
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("name", "backbone", "total", "fixed_tokens"),
    [("mtae", "vit_time_base", 89_371_788, 31), ("mlae", "vit_leads_base", 90_739_806, 13)],
)
def test_parameters_are_those_of_the_repository_without_its_fixed_positions(name, backbone, total, fixed_tokens):
    with torch.device("meta"):
        method = SSL.build(name, backbone=BACKBONES.build(backbone, in_leads=12))
    assert sum(p.numel() for p in method.parameters()) == total - fixed_tokens * (768 + 256)
    assert all(p.requires_grad for p in method.parameters())
    encoder = {"mtae": 85_775_880, "mlae": 86_801_556}[name]
    assert sum(p.numel() for p in method.backbone.parameters()) == encoder - fixed_tokens * 768


@pytest.mark.parametrize(("name", "masking"), [("mae", "patch2d"), ("mae_ecg", "time"), ("mtae", "time"), ("mlae", "lead")])
def test_the_names_differ_in_what_they_hide(name, masking):
    assert build(name=name).masking == masking


@pytest.mark.parametrize(
    ("backbone", "masking", "hidden"),
    [
        ("vit_time_tiny", "time", 12 - 3),
        ("vit_leads_tiny", "lead", 12 - 3),
        ("vit_grid_tiny", "patch2d", 144 - 36),
        ("vit_grid_tiny", "time", 12 * (12 - 3)),
        ("vit_grid_tiny", "lead", (12 - 3) * 12),
        ("vit_tiny", "time", 12 - 3),
    ],
)
def test_exactly_this_many_patches_of_every_row_are_hidden(ecg_batch, backbone, masking, hidden):
    mask = build(backbone, masking=masking).reconstruct(ecg_batch(4)).mask
    assert (mask.sum(dim=-1) == hidden).all()
    assert not (mask[0] == mask[1:]).flatten(1).all(dim=1).any()


@pytest.mark.parametrize("backbone", ["vit_grid_tiny", "vit_tiny"])
def test_a_hidden_time_is_hidden_in_all_leads(ecg_batch, backbone):
    mask = build(backbone, masking="time").reconstruct(ecg_batch(4)).mask.reshape(4, 12, 12)  # leads, times
    assert torch.equal(mask, mask[:, :1].expand_as(mask))


def test_a_hidden_lead_is_hidden_at_all_times(ecg_batch):
    mask = build(masking="lead").reconstruct(ecg_batch(4)).mask.reshape(4, 12, 12)
    assert torch.equal(mask, mask[:, :, :1].expand_as(mask))


def test_lead_time_hides_times_in_one_pass_and_leads_in_the_other(ecg_batch):
    batch, noise = ecg_batch(2), torch.rand(2, 24)
    both = build(masking="lead_time").eval()
    made = both.reconstruct(batch, noise=noise)
    alone = []
    for masking, part, found in zip(
        ("time", "lead"), noise.split(12, dim=1), zip(*(p.chunk(2) for p in made), strict=True), strict=True
    ):
        method = build(masking=masking).eval()
        expected = method.reconstruct(batch, noise=part)
        assert torch.equal(expected.mask, found[2])
        torch.testing.assert_close(found[0], expected.prediction)
        alone.append(method.loss(batch, noise=part).total)
    torch.testing.assert_close(both.loss(batch, noise=noise).total, (alone[0] + alone[1]) / 2)


@each_way
def test_samples_of_hidden_patches_do_not_reach_a_prediction(ecg_batch, backbone, masking):
    method, batch = build(backbone, masking=masking).eval(), ecg_batch(2)
    made = method.reconstruct(batch)
    place = method.backbone.patchify(torch.arange(12 * 300.0).view(1, 12, 300)).long()
    for part in range(2 if masking == "lead_time" else 1):
        mask = made.mask[2 * part : 2 * part + 2, ..., None].expand(-1, -1, -1, place.shape[-1])
        hidden = torch.zeros(2, 12 * 300, dtype=torch.bool).scatter(1, place.expand_as(mask).flatten(1), mask.flatten(1))
        changed = batch.with_signal(batch.signal + 3.0 * hidden.view_as(batch.signal))
        assert hidden.double().mean() > 0.7
        again = method.reconstruct(changed)
        assert torch.equal(again.prediction[2 * part : 2 * part + 2], made.prediction[2 * part : 2 * part + 2])


@each_way
def test_every_parameter_receives_a_gradient(ecg_batch, backbone, masking):
    method = build(backbone, masking=masking)
    losses = method.loss(ecg_batch(4))
    losses.total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in method.parameters())


@each_way
def test_bfloat16_autocast_changes_the_loss_little(ecg_batch, backbone, masking):
    method, batch = build(backbone, masking=masking), ecg_batch(4)
    with torch.autocast("cpu", torch.bfloat16):
        half = method.loss(batch).total
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, method.loss(batch).total, rtol=2e-2, atol=0.0)


@each_way
@pytest.mark.parametrize("spoil", ["flat", "dead leads", "huge", "huge and flat"])
def test_loss_and_gradients_stay_finite_under_autocast(ecg_batch, backbone, masking, spoil):
    method, batch = build(backbone, masking=masking), ecg_batch(2)
    signal = batch.signal.clone()
    if spoil == "flat":
        signal[:] = 0.3
    elif spoil == "dead leads":
        signal[:, 1:] = 0.0
    elif spoil == "huge":
        signal *= 1e4 / signal.abs().max()
    else:
        signal[:] = -1e4
    with torch.autocast("cpu", torch.bfloat16):
        total = method.loss(batch.with_signal(signal)).total
    total.backward()
    assert total.isfinite()
    assert all(p.grad.isfinite().all() for p in method.parameters())


@pytest.mark.parametrize("values", [900, 2250])
def test_predicting_the_mean_of_noise_costs_one_value_less_than_one(values):
    method = build()
    patches = torch.randn(2, 1, 40, values, dtype=torch.float64)
    made = Reconstruction(torch.zeros_like(patches), patches, torch.ones(2, 1, 40, dtype=torch.bool))
    assert method.error(made).item() == pytest.approx((values - 1) / values, abs=1e-5)


@pytest.mark.parametrize(("distance", "expected"), [("mse", 4.0), ("l1", 2.0), ("smooth_l1", 1.5)])
def test_the_distance_of_predictions_that_are_two_off(distance, expected):
    method = build(distance=distance, normalise_patches=False)
    patches = torch.randn(2, 1, 4, 25)
    made = Reconstruction(patches + 2.0, patches, torch.tensor([True, False, True, False]).expand(2, 1, 4))
    assert method.error(made).item() == pytest.approx(expected, rel=1e-5)


def test_visible_patches_count_only_where_all_do(ecg_batch):
    batch = ecg_batch(2)
    hidden, everything = build().eval(), build(loss_on="all").eval()
    made = hidden.reconstruct(batch)
    worse = made._replace(prediction=torch.where(made.mask[..., None], made.prediction, made.prediction + 1.0))
    assert torch.equal(hidden.error(worse), hidden.error(made))
    assert everything.error(worse) > everything.error(made)
    assert torch.equal(everything.error(made), everything.loss(batch).total)


def test_dependent_leads_are_left_out_by_name(ecg_batch):
    method, batch = build("vit_leads_tiny", name="mlae", independent_leads=True).eval(), ecg_batch(4)
    made = method.reconstruct(batch)
    assert torch.equal(made.patches[:, 0], batch.signal[:, [0, 1, 6, 7, 8, 9, 10, 11]])
    assert (made.mask.sum(dim=-1) == 6).all()
    changed = batch.signal.clone()
    changed[:, 2:6] += 1.0
    assert torch.equal(method.reconstruct(batch.with_signal(changed)).prediction, made.prediction)


def test_leads_that_stay_keep_their_positions(ecg_batch):
    method, batch = build("vit_leads_tiny", name="mlae", independent_leads=True).eval(), ecg_batch(2)
    seen = []
    method.backbone.blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    method.reconstruct(batch, noise=torch.tensor([7.0, 6, 5, 4, 3, 2, 1, 0]).expand(2, 8))  # V6 and V5 stay
    alone = method.backbone.placed(method.backbone.embed(method.backbone.patchify(batch.signal)), None)
    torch.testing.assert_close(seen[0][:, 1:], alone[:, 0, [11, 10]])


class Plain(Backbone):
    def __init__(self):
        super().__init__()

    def forward_intermediates(self, x):
        return [x]


class Means(TokenBackbone):
    """Two rows of tokens, of the halves of the leads, without special tokens, that see their mean."""

    def __init__(self, width=16, patch_size=30):
        super().__init__()
        self.in_leads, self.width, self.patch_size = None, width, patch_size
        self.stages = (Stage(width, patch_size),)
        self.proj, self.mix = nn.Linear(patch_size * 2, width), nn.Linear(width, width)

    def patchify(self, x):
        return x.unfold(-1, self.patch_size, self.patch_size).unflatten(1, (2, 2)).transpose(2, 3).flatten(3)

    def embed(self, patches):
        return self.proj(patches) + torch.arange(patches.shape[2])[:, None] * 0.1

    def encode(self, tokens, keep=None, lead_index=None):
        if keep is not None:
            tokens = tokens.gather(2, keep[..., None].expand(-1, -1, -1, self.width))
        return tokens + self.mix(tokens.mean(dim=(1, 2), keepdim=True)).tanh()

    def forward_intermediates(self, x):
        return [self.encode(self.embed(self.patchify(x))).mean(dim=1).transpose(1, 2)]


def test_it_takes_a_backbone_of_tokens_defined_in_this_test(ecg_batch):
    method, batch = build(Means(), mask_ratio=0.5), ecg_batch(4, leads=4)
    assert not is_materialized(method)
    materialize(method, batch, call=method.loss)
    assert method.reconstruct(batch).prediction.shape == (4, 2, 10, 60)
    losses = train(method, [batch] * 40)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("backbone", ["vit_time_tiny", "vit_grid_tiny", "vit_tiny"])
def test_a_lazy_backbone_and_its_decoder_are_settled_by_one_dry_run(ecg_batch, backbone):
    method, batch = build(backbone, in_leads=None), ecg_batch(2, leads=3)
    materialize(method, batch, call=method.loss)
    assert method.backbone.in_leads == 3
    told = build(backbone, in_leads=3)
    told.load_state_dict(method.state_dict())
    assert torch.equal(told.loss(batch).total, method.loss(batch).total)


def test_patches_of_another_size_than_the_decoder_knows_are_an_error(ecg_batch):
    method = build(Means())
    method.loss(ecg_batch(2, leads=4))
    method.backbone.patchify = lambda x: torch.zeros(2, 2, 10, 90)
    method.backbone.proj = nn.Linear(90, 16)
    with pytest.raises(ValueError, match="built for patches of 60 values and these have 90"):
        method.loss(ecg_batch(2, leads=4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"masking": "space"}, "masking must be one of patch2d, time, lead, lead_time, got 'space'"),
        ({"distance": "l3"}, "distance must be one of mse, l1, smooth_l1, got 'l3'"),
        ({"loss_on": "visible"}, "loss_on must be one of hidden, all, got 'visible'"),
        ({"decoder_width": 30}, "its width must be a multiple of 4, got 30"),
        ({"mask_ratio": 1.0}, "mask_ratio must be between 0 and 1"),
    ],
)
def test_an_argument_out_of_range_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)


@pytest.mark.parametrize("masking", ["lead", "lead_time"])
@pytest.mark.parametrize(("backbone", "name"), [("vit_tiny", "ViT"), ("vit_time_tiny", "TimeViT")])
def test_leads_cannot_be_hidden_where_a_row_holds_one(ecg_batch, backbone, name, masking):
    with pytest.raises(ValueError, match=f"a row of {name} holds one; take a backbone such as vit_grid_tiny"):
        build(backbone, masking=masking).loss(ecg_batch(2))


@pytest.mark.parametrize(
    ("backbone", "leads", "reason"),
    [
        ("vit_time_tiny", 12, "a patch of TimeViT spans them all; take a backbone that keeps leads apart"),
        ("vit_grid_tiny", None, "the backbone does not know its leads yet; build it with in_leads="),
    ],
)
def test_leads_cannot_be_left_out_where_they_are_not_told_apart(ecg_batch, backbone, leads, reason):
    with pytest.raises(ValueError, match=f"independent_leads leaves leads out, and {reason}"):
        build(backbone, in_leads=leads, independent_leads=True).loss(ecg_batch(2))


def test_a_backbone_without_tokens_is_one_clear_sentence():
    with pytest.raises(TypeError, match=r"^MAE hides tokens and Plain has none"):
        MAE(Plain())


def test_a_single_piece_of_time_cannot_be_hidden(ecg_batch):
    with pytest.raises(ValueError, match="hiding 75% of 1 patches leaves none visible"):
        build("vit_leads_tiny", masking="time").loss(ecg_batch(2))


def test_a_crop_is_taken_before_hiding(ecg_batch):
    made = build("vit_time_tiny", in_leads=3, masking="time", crop_seconds=1.5).reconstruct(ecg_batch(2, leads=3))
    assert made.patches.shape == (2, 1, 6, 75)


@pytest.mark.parametrize("name", ["mae", "mae_ecg", "mtae"])
def test_a_configuration_keeps_the_name_it_was_built_by(ecg_batch, name):
    method, batch = build("vit_time_tiny", name=name), ecg_batch(2)
    config = SSL.to_config(method)
    assert (config["name"], config["backbone"]["name"]) == (name, "vit_time_tiny")
    again = SSL.build(config)
    again.load_state_dict(method.state_dict())
    assert torch.equal(again.loss(batch).total, method.loss(batch).total)


def sinusoids_and_beats():
    """256 windows of a sinusoid and a beat at one rate each, larger or smaller in every lead."""
    rng = np.random.default_rng(0)
    rate, phase = rng.uniform(0.8, 1.6, size=(256, 1, 1)), rng.uniform(size=(256, 1, 1))
    turn = rate * np.arange(250) / 100 + phase
    wave = 0.5 * np.sin(2 * np.pi * turn) + np.exp(-0.5 * ((turn % 1 - 0.5) / 0.06) ** 2)
    signal = rng.normal(1.0, 0.3, size=(256, 3, 1)) * wave + 0.02 * rng.normal(size=(256, 3, 250))
    return Batch(torch.from_numpy(signal.astype(np.float32)), 100.0, ("I", "II", "III"))


def test_it_learns_more_than_the_mean_of_what_is_visible():
    """300 steps: below six tenths of the first loss, a fifth better than the mean visible sample and the mean visible patch."""
    records = sinusoids_and_beats()
    backbone = BACKBONES.build("vit_time_tiny", in_leads=3, width=64, depth=2, heads=2, head_width=32, patch_size=25)
    method = build(backbone, name="mtae", decoder_width=64, mask_ratio=0.5, normalise_patches=False)
    optimizer = torch.optim.AdamW(method.parameters(), lr=3e-3, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=300, pct_start=0.1, cycle_momentum=False)
    order = torch.randperm(256, generator=torch.Generator().manual_seed(0)).view(16, 16)
    losses = []
    for step in range(300):
        chosen = order[step % 16]
        keys = records.record_keys[chosen.numpy()]
        batch = replace(records, signal=records.signal[chosen], record_keys=keys, epoch=step // 16)
        losses += train(method, [batch], optimizer=optimizer)
        schedule.step()
    with torch.no_grad():
        made = method.eval().reconstruct(records)
        visible = ~made.mask[..., None]
        patch = (made.patches * visible).sum(dim=2, keepdim=True) / visible.sum(dim=2, keepdim=True)  # the mean visible patch
        simple = [
            method.error(made._replace(prediction=p.expand_as(made.patches))) for p in (patch, patch.mean(-1, keepdim=True))
        ]
        final = method.error(made)
    assert final < 0.6 * losses[0]
    assert final < 0.8 * min(simple)

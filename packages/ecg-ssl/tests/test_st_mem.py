"""ST-MEM as a method: it learns, resumes, and takes any backbone of tokens."""

import copy

import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.methods.st_mem import STMEM

DECODER = {"decoder_width": 32, "decoder_depth": 1, "decoder_heads": 2, "decoder_head_width": 16}


def vit(**kwargs):
    size = {"width": 32, "depth": 2, "heads": 2, "head_width": 16, "patch_size": 25}
    return BACKBONES.build("vit_tiny", **{"in_leads": 3, **size, **kwargs})


def build(backbone=None, **kwargs):
    torch.manual_seed(0)
    return STMEM(vit() if backbone is None else backbone, **{**DECODER, **kwargs})


class Mixer(TokenBackbone):
    """Patches without separators, with two class tokens in front, that attend to nothing but their mean."""

    prefix, suffix = 2, 0

    def __init__(self, width=24, patch_size=30, spans_leads=False):
        super().__init__()
        self.in_leads, self.width, self.patch_size, self.spans_leads = None, width, patch_size, spans_leads
        self.stages = (Stage(width, patch_size),)
        self.proj = nn.Linear(patch_size * (3 if spans_leads else 1), width)
        self.classes = nn.Parameter(torch.randn(2, width))
        self.mix = nn.Linear(width, width)

    def patchify(self, x):
        patches = x.unfold(-1, self.patch_size, self.patch_size)
        return patches.transpose(1, 2).flatten(2)[:, None] if self.spans_leads else patches

    def embed(self, patches):
        return self.proj(patches) + torch.arange(patches.shape[2])[:, None] * 0.1

    def encode(self, tokens, keep=None, lead_index=None):
        if keep is not None:
            tokens = tokens.gather(2, keep[..., None].expand(-1, -1, -1, self.width))
        tokens = torch.cat([self.classes.expand(*tokens.shape[:2], -1, -1), tokens], dim=2)
        return tokens + self.mix(tokens.mean(dim=(1, 2), keepdim=True)).tanh()

    def forward_intermediates(self, x):
        return [self.encode(self.embed(self.patchify(x)))[:, :, 2:].mean(dim=1).transpose(1, 2)]


def train(method, batches, optimizer=None):
    optimizer = optimizer or torch.optim.AdamW(method.parameters(), lr=3e-3, betas=(0.9, 0.95))
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = method.loss(batch).total
        loss.backward()
        optimizer.step()
        method.after_step()
        losses.append(loss.item())
    return losses, optimizer


def test_st_mem_learns_a_small_batch_by_heart(ecg_batch):
    batch = ecg_batch(4, leads=3)
    losses, _ = train(build(mask_ratio=0.5), [batch] * 120)
    assert losses[0] > 0.9
    assert losses[-1] < 0.5 * losses[0]


def test_st_mem_takes_a_backbone_of_tokens_defined_in_this_test(ecg_batch):
    batch = ecg_batch(4, leads=3)
    method = build(Mixer(), mask_ratio=0.5)
    assert method.reconstruct(batch).prediction.shape == (4, 3, 10, 30)
    losses, _ = train(method, [batch] * 40)
    assert losses[-1] < 0.9 * losses[0]


def test_a_backbone_without_tokens_is_one_clear_sentence():
    class Plain(Backbone):
        def __init__(self):
            super().__init__()

        def forward_intermediates(self, x):
            return [x]

    with pytest.raises(TypeError, match=r"^STMEM hides tokens and Plain has none; pass a TokenBackbone such as .*vit_tiny"):
        STMEM(Plain())


def test_a_backbone_whose_patches_span_all_leads_is_refused(ecg_batch):
    with pytest.raises(ValueError, match=r"prediction \(4, 1, 10, 30\), patches \(4, 1, 10, 90\)"):
        build(Mixer(spans_leads=True)).loss(ecg_batch(4, leads=3))


def test_the_loss_is_a_function_of_weights_batch_seed_and_epoch(ecg_batch):
    method, batch = build(), ecg_batch(4, leads=3)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    loss = method.loss(batch).total
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(method.loss(batch).total, loss)
    for other in (ecg_batch(4, leads=3, epoch=1), ecg_batch(4, leads=3, record_keys=torch.arange(4, 8).numpy())):
        assert not torch.equal(method.loss(other).total, loss)


def test_a_window_is_masked_the_same_whatever_its_neighbours(ecg_batch):
    method, batch = build(), ecg_batch(4, leads=3)
    alone = ecg_batch(4, leads=3).with_signal(batch.signal[2:3])
    object.__setattr__(alone, "record_keys", batch.record_keys[2:3])
    assert torch.equal(method.reconstruct(alone).mask, method.reconstruct(batch).mask[2:3])


def test_masks_of_leads_differ_and_hide_the_exact_share(ecg_batch):
    mask = build().reconstruct(ecg_batch(8, leads=3)).mask
    assert (mask.sum(dim=-1) == 9).all()  # 12 patches, of which int(12 · 0.25) = 3 stay
    assert not torch.equal(mask[:, 0], mask[:, 1])


def test_injected_noise_decides_what_is_hidden(ecg_batch):
    batch = ecg_batch(2, leads=3)
    noise = torch.arange(12.0).expand(2, 3, 12)
    mask = build().reconstruct(batch, noise=noise).mask
    assert torch.equal(mask, noise >= 3)


def test_a_crop_is_taken_before_masking(ecg_batch):
    batch = ecg_batch(4, leads=3)
    patches = build(crop_seconds=1.5).reconstruct(batch).patches
    assert patches.shape == (4, 3, 6, 25)
    starts = [(batch.signal[i].unfold(-1, 150, 1) == patches[i].flatten(1)[:, None]).all(-1).all(0).nonzero() for i in range(4)]
    assert all(len(start) == 1 for start in starts)
    assert len({int(start) for start in starts}) > 1


def test_a_lazy_backbone_leaves_nothing_else_lazy_and_one_dry_run_settles_it(ecg_batch):
    assert is_materialized(build())
    method, batch = build(vit(in_leads=None)), ecg_batch(4, leads=3)
    assert [n for n, p in method.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)] == [
        "backbone.lead_embedding.weight"
    ]
    materialize(method, batch, call=method.loss)
    assert method.backbone.in_leads == 3
    with pytest.raises(ValueError, match="built for 3 leads, got 2"):
        method.loss(ecg_batch(4, leads=2))


def test_every_parameter_of_st_mem_receives_a_gradient(ecg_batch):
    method = build()
    losses = method.loss(ecg_batch(4, leads=3))
    losses.total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in method.parameters())
    assert all(value.ndim == 0 and not value.requires_grad for value in losses.logs.values())


def test_resuming_st_mem_from_saved_states_is_the_uninterrupted_run_bit_for_bit(ecg_batch):
    batches = [ecg_batch(4, leads=3, epoch=epoch) for epoch in range(6)]
    straight = build()
    train(straight, batches)
    first, second = build(), build()
    _, optimizer = train(first, batches[:3])
    second.load_state_dict(first.state_dict())
    resumed = torch.optim.AdamW(second.parameters(), lr=3e-3, betas=(0.9, 0.95))
    resumed.load_state_dict(optimizer.state_dict())
    train(second, batches[3:], resumed)
    assert all(torch.equal(a, b) for a, b in zip(straight.state_dict().values(), second.state_dict().values(), strict=True))


def test_a_configuration_of_st_mem_holds_its_backbone(ecg_batch):
    method, batch = build(mask_ratio=0.5), ecg_batch(4, leads=3)
    config = SSL.to_config(method)
    assert (config["name"], config["backbone"]["name"], config["mask_ratio"]) == ("st_mem", "vit_tiny", 0.5)
    again = SSL.build(config)
    again.load_state_dict(method.state_dict())
    assert torch.equal(again.loss(batch).total, method.loss(batch).total)
    assert SSL.to_config(again) == config


def test_a_deep_copy_of_st_mem_is_the_same_and_apart(ecg_batch):
    method, batch = build(), ecg_batch(4, leads=3)
    twin = copy.deepcopy(method)
    loss = method.loss(batch).total
    train(twin, [batch])
    assert torch.equal(method.loss(batch).total, loss)
    assert not torch.equal(twin.loss(batch).total, loss)


def test_bfloat16_autocast_changes_the_loss_little(ecg_batch):
    method, batch = build(), ecg_batch(4, leads=3)
    with torch.autocast("cpu", torch.bfloat16):
        half = method.loss(batch).total
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, method.loss(batch).total, rtol=1e-2, atol=0.0)


@pytest.mark.parametrize("spoil", [lambda x: x * 0 + 0.3, lambda x: x * 0 - 1e4, lambda x: x * (1e4 / x.abs().max())])
def test_flat_and_huge_windows_leave_loss_and_gradients_finite_under_autocast(ecg_batch, spoil):
    method, batch = build(), ecg_batch(4, leads=3)
    with torch.autocast("cpu", torch.bfloat16):
        total = method.loss(batch.with_signal(spoil(batch.signal))).total
    total.backward()
    assert total.isfinite()
    assert all(p.grad.isfinite().all() for p in method.parameters())


@pytest.mark.parametrize("name", ["vit_tiny", "vit_small", "vit_base"])
def test_st_mem_takes_every_size_of_its_encoder(ecg_batch, name):
    backbone = BACKBONES.build(name, in_leads=3, depth=1, patch_size=25)
    assert (backbone.width, backbone.blocks[0].attention.heads) == {
        "vit_tiny": (192, 3),
        "vit_small": (384, 6),
        "vit_base": (768, 12),
    }[name]
    assert STMEM(backbone, **DECODER).loss(ecg_batch(2, leads=3)).total.isfinite()


def test_the_backbone_is_a_plain_backbone_after_training(ecg_batch):
    method, batch = build(), ecg_batch(4, leads=3)
    train(method, [batch])
    alone = vit()
    alone.load_state_dict(method.backbone.state_dict())
    assert torch.equal(alone.eval()(batch.signal), method.backbone.eval()(batch.signal))


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_mask_ratio_that_hides_nothing_or_everything_is_an_error(ratio):
    with pytest.raises(ValueError, match="mask_ratio must be between 0 and 1"):
        build(mask_ratio=ratio)


def test_windows_too_short_to_keep_a_patch_are_an_error(ecg_batch):
    with pytest.raises(ValueError, match="hiding 75% of 3 patches leaves none visible"):
        build().loss(ecg_batch(2, leads=3, samples=80))
    with pytest.raises(ValueError, match="needs at least 25 samples, got 20"):
        build().loss(ecg_batch(2, leads=3, samples=20))


def test_the_decoder_starts_xavier_uniform_and_its_mask_token_small():
    decoder = build(decoder_width=256).decoder
    weight = decoder.blocks[0].mlp[0].weight  # (1024, 256)
    bound = (6 / (1024 + 256)) ** 0.5
    assert 0.99 * bound < weight.abs().max().item() <= bound
    assert decoder.mask_token.std().item() == pytest.approx(0.02, rel=0.2)
    assert not any(m.bias.any() for m in decoder.modules() if isinstance(m, nn.Linear))

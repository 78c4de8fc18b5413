"""ECG-JEPA of Kim: which leads, which times, what the loss is of, and its predictor."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ecg_core.data.batch import Batch
from ecg_core.data.leads import INDEPENDENT_8, STANDARD_12
from ecg_core.discovery.registries import BACKBONES
from ecg_ssl.methods.ecg_jepa import ECGJEPA

torch.set_num_threads(1)


def jepa(in_leads=8, name="vit_cropa_b", patch_size=20, **arguments):
    torch.manual_seed(0)
    backbone = BACKBONES.build(name, in_leads=in_leads, width=16, depth=1, heads=2, patch_size=patch_size)
    return ECGJEPA(backbone, **{"predictor_depth": 1, "predictor_heads": 2, **arguments}).train()


def test_the_predictor_has_the_published_parameters_without_fixed_positions():
    with torch.device("meta"):
        method = ECGJEPA(BACKBONES.build("vit_cropa_b", in_leads=8))
    assert sum(p.numel() for p in method.predictor.parameters()) == 11_251_200 - 50 * 384


@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_random_masks_hide_30_to_34_of_50_times(ecg_batch, scope):
    method, counts = jepa(mask_scope=scope), []
    for seed in range(300):
        mask = method.draw_mask(ecg_batch(records=3, samples=20, seed=seed).draws(2), 50)
        counts.append(mask.sum(dim=1).unique().item())
        assert (len(mask) == 1) == (scope == "batch")
    assert {min(counts), max(counts)} == {30, 34}
    assert sum(counts) / len(counts) == pytest.approx(31.98, abs=0.3)


@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_block_masks_hide_10_to_44_of_50_times(ecg_batch, scope):
    method, counts = jepa(masking="block", mask_scope=scope), []
    for seed in range(300):
        mask = method.draw_mask(ecg_batch(records=3, samples=20, seed=seed).draws(2), 50)
        counts.append(mask.sum(dim=1).unique().item())
    assert min(counts) >= 10
    assert max(counts) <= 44
    assert sum(counts) / len(counts) == pytest.approx(27.3, abs=1.0)


@pytest.mark.parametrize("masking", ["random", "block"])
def test_windows_share_a_mask_by_default_and_have_their_own_if_asked(ecg_batch, masking):
    batch = ecg_batch(records=6, samples=1000)
    shared = jepa(masking=masking).latents(batch).mask
    assert (shared == shared[0]).all()
    own = jepa(masking=masking, mask_scope="sample").latents(batch).mask
    assert not (own == own[0]).all()
    assert len(own.sum(dim=1).unique()) == 1


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("masking", ["random", "block"])
def test_short_windows_hide_and_show_something(ecg_batch, masking, times):
    for scope in ("batch", "sample"):
        method = jepa(masking=masking, mask_scope=scope)
        for seed in range(30):
            mask = method.draw_mask(ecg_batch(records=2, samples=20, seed=seed).draws(2), times)
            assert mask.any(dim=1).all()
            assert (~mask).any(dim=1).all()


def test_targets_are_normalised_one_by_one_and_the_loss_is_smooth_l1(ecg_batch):
    method, batch = jepa(), ecg_batch()
    made = method.latents(batch)
    torch.testing.assert_close(made.target.mean(dim=-1), torch.zeros(made.target.shape[:2]), atol=1e-5, rtol=0.0)
    error = (made.prediction - made.target).abs()
    expected = torch.where(error < 1, error.square() / 2, error - 0.5).mean()
    torch.testing.assert_close(method.loss(batch).total, expected)
    whole = method.target(method.selected(batch).signal)[:, 0].unflatten(1, (8, -1))
    hidden = whole[torch.arange(8)[:, None, None], torch.arange(8)[:, None], made.mask.nonzero()[:, 1].view(8, 1, -1)]
    torch.testing.assert_close(made.target, F.layer_norm(hidden.flatten(0, 1), (16,)))


def test_a_lead_is_predicted_from_its_own_tokens_and_the_encoder_alone_mixes_leads(ecg_batch):
    method, batch = jepa(), ecg_batch()
    keep = torch.arange(5).expand(8, -1)
    tokens = method.encoded(method.selected(batch).signal, keep)
    changed = tokens.clone()
    changed[3] += 1.0 + torch.randn(5, 16)  # the fourth lead of the first window
    keep, hidden = keep.repeat_interleave(8, dim=0), torch.arange(5, 15).expand(64, -1)
    moved = (method.predictor(changed, keep, hidden) - method.predictor(tokens, keep, hidden)).abs().amax(dim=(1, 2)) > 0
    assert moved.nonzero().flatten().tolist() == [3]


def test_leads_of_a_batch_of_twelve_are_chosen_by_name(ecg_batch):
    """An encoder of eight takes them as its own, one of twelve as those they are; columns in any order, the loss is the same."""
    batch = ecg_batch()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    shuffled = replace(batch, signal=batch.signal[:, order], leads=tuple(STANDARD_12[place] for place in order))
    method = jepa(8)
    assert method.selected(shuffled).leads == INDEPENDENT_8
    assert torch.equal(method.selected(shuffled).signal, batch.signal[:, [0, 1, 6, 7, 8, 9, 10, 11]])
    assert method.lead_index(batch) is None
    torch.testing.assert_close(method.loss(shuffled).total, method.loss(batch).total)
    assert jepa(12).lead_index(batch).tolist() == [0, 1, 6, 7, 8, 9, 10, 11]
    assert jepa(12, leads=None).lead_index(batch) is None
    assert torch.isfinite(jepa(12).loss(batch).total)
    lazy = jepa(None)
    lazy.loss(batch)
    assert lazy.backbone.in_leads == 8


def test_leads_that_are_not_there_or_not_known_are_refused(ecg_batch):
    limb = Batch(ecg_batch().signal[:, :6], 100.0, STANDARD_12[:6])
    with pytest.raises(ValueError, match="this batch has no V1, V2, V3, V4, V5, V6. Pass the leads there are: leads=…"):
        jepa().loss(limb)
    with pytest.raises(ValueError, match=r"CroPAViT was built for 5 leads; of the 12 of this batch ECGJEPA takes 8, I, II, V1"):
        jepa(5).loss(ecg_batch())
    with pytest.raises(
        ValueError, match=r"RegisterViT was built for 12 leads and cannot encode 8 of them; build it with in_leads=8"
    ):
        jepa(12, "vit_register_xs").loss(ecg_batch())
    assert torch.isfinite(jepa(2, leads=("II", "I")).loss(limb).total)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"masking": "lead"}, "masking must be one of random, block, got 'lead'"),
        ({"mask_scope": "lead"}, "mask_scope must be one of batch, sample, got 'lead'"),
        ({"mask_ratio": (0.7, 0.6)}, r"mask_ratio must satisfy 0 < low <= high < 1, got \(0.7, 0.6\)"),
        ({"block_ratio": (0.0, 0.6)}, r"block_ratio must satisfy 0 < low <= high < 1, got \(0.0, 0.6\)"),
        ({"blocks": 0}, "blocks must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_hidden_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        jepa(**arguments)


def test_a_teacher_of_momentum_one_is_frozen(ecg_batch):
    method = jepa(momentum=1.0)
    before = method.target.backbone.norm.weight.clone()
    with torch.no_grad():
        method.backbone.norm.weight.add_(1.0)
    method.after_step()
    assert torch.equal(method.target.backbone.norm.weight, before)


def test_the_momentum_ends_at_one():
    method = jepa()
    method.plan(10)
    assert method.target.rate == pytest.approx(0.996)
    method.target.updates.fill_(10)
    assert method.target.rate == pytest.approx(1.0)


def test_the_teacher_tokens_keep_their_rank_in_a_short_training(ecg_batch):
    """RankMe of the normalised targets, the exponential of the entropy of singular values, stays above a quarter of the width."""
    method = jepa(momentum=0.99)
    batches = [ecg_batch(records=4, samples=200, seed=seed) for seed in range(4)]
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-3)
    for step in range(300):
        loss = method.loss(batches[step % 4]).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.after_step()
    tokens = F.layer_norm(method.target(method.selected(batches[0]).signal), (16,)).flatten(0, 2).double()
    share = torch.linalg.svdvals(tokens)
    share = share / share.sum() + 1e-7
    assert torch.exp(-(share * share.log()).sum()) > 0.25 * 16

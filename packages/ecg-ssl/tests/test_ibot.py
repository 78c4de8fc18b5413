"""iBOT: hidden patches against the reference centres, what must not leak, and what each argument does."""

import math
from dataclasses import replace

import pytest
import torch

from ecg_core.contracts.draws import Draws
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.centres import move_centre
from ecg_ssl.methods.dino import DINO
from ecg_ssl.methods.ibot import IBOT
from ecg_ssl.objectives.self_distillation import dino_loss, ibot_loss, teacher_probabilities
from ecg_ssl.time_masks import hide_run

torch.set_num_threads(1)
SMALL = {"width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 25}


def backbone(name="vit_time_tiny", leads=3):
    torch.manual_seed(0)
    return BACKBONES.build({"name": name, **SMALL}, in_leads=leads)


def ibot(name="vit_time_tiny", leads=3, **words):
    made = {"prototypes": 16, "hidden": 16, "width": 8, "short": 2, "augment": [], "hide": 1.0, **words}
    return IBOT(backbone(name, leads), **made)


def warmed(method, batch):
    """Past the first batch, which sizes the hidden patch, and with a teacher that is not its student."""
    method.loss(batch)
    method._seen.clear()
    with torch.no_grad():
        for p in (*method.target.parameters(), method.centre, method.patch_centre):
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    return method


def test_both_centres_move_as_in_the_original_code(golden):
    reference = golden("losses.npz")
    method = ibot(prototypes=8)
    method.remember(method.centre, reference["ibot/t_cls"])
    method.remember(method.patch_centre, reference["ibot/t_patch"].flatten(0, 1))
    method.after_step()
    torch.testing.assert_close(method.centre, reference["ibot/center_after"], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(method.patch_centre, reference["ibot/center2_after"], rtol=1e-5, atol=1e-7)
    assert {"centre", "patch_centre"} <= set(method.state_dict())


def test_a_centre_comes_near_a_constant_output_geometrically():
    centre, output = torch.zeros(1, 4), torch.tensor([[1.0, -2.0, 3.0, 0.5]])
    for _ in range(5):
        move_centre(centre, output.expand(7, 4), 0.9)
    torch.testing.assert_close(centre, (1 - 0.9**5) * output)


@pytest.mark.parametrize("name", ["vit_time_tiny", "vit_tiny"])
def test_the_loss_is_that_of_its_parts_by_hand(name, ecg_batch):
    batch = ecg_batch(4, leads=3, samples=400)
    method = warmed(ibot(name, patches=0.7), batch).eval()
    crops = method.crops(batch)
    heads = method.projector, method.target.projector
    masks = [method.draw_mask(batch, 300, number) for number in (0, 1)]
    seen = [method._tokens(method.backbone, crop.signal, mask) for crop, mask in zip(crops.long, masks, strict=True)]
    short = [method._tokens(method.backbone, crop.signal) for crop in crops.short]
    whole = [method._tokens(method.target.backbone, crop.signal) for crop in crops.long]
    assert seen[0].shape == (4, 12 if name == "vit_time_tiny" else 36, 16)
    teachers = [teacher_probabilities(heads[1](x.mean(dim=1)), method.centre, 0.04) for x in whole]
    windows = dino_loss([heads[0](x.mean(dim=1)) for x in (*seen, *short)], teachers)
    parts = []
    for student, teacher, mask in zip(seen, whole, masks, strict=True):
        told = teacher_probabilities(heads[1](teacher), method.patch_centre, 0.04)
        parts.append(ibot_loss(heads[0](student), told, mask.repeat(1, student.shape[1] // 12)))
    patches = sum(parts) / 2
    found = method.loss(batch)
    torch.testing.assert_close(found.total, windows + 0.7 * patches)
    torch.testing.assert_close(found.logs["windows"], windows.detach())
    torch.testing.assert_close(found.logs["patches"], patches.detach())


def test_a_hidden_patch_is_hidden_in_every_lead_and_never_reaches_the_student(ecg_batch):
    batch = ecg_batch(4, leads=3, samples=300)
    for name in ("vit_time_tiny", "vit_tiny"):
        method = warmed(ibot(name), batch).eval()
        mask = method.draw_mask(batch, 300, 0)
        samples = mask.repeat_interleave(25, dim=1)[:, None].expand(-1, 3, -1)
        changed = torch.where(samples, torch.randn(4, 3, 300), batch.signal)
        tokens = method._tokens(method.backbone, batch.signal, mask)
        assert torch.equal(method._tokens(method.backbone, changed, mask), tokens)
        assert not torch.allclose(method._tokens(method.backbone, changed), method._tokens(method.backbone, batch.signal))
        assert not torch.allclose(
            method._tokens(method.target.backbone, changed), method._tokens(method.target.backbone, batch.signal)
        )


def test_runs_are_as_long_as_told_at_places_of_their_own():
    draws = Draws.seeded(0, windows=2000).like(torch.zeros(1))
    lengths = torch.arange(2000) % 6
    hidden = hide_run(draws, 10, lengths)
    assert torch.equal(hidden.sum(dim=1), lengths)
    padded = torch.nn.functional.pad(hidden, (1, 1)).int()
    assert int((padded.diff(dim=1) == 1).sum(dim=1).max()) == 1
    begins = hidden[lengths == 5].int().argmax(dim=1)
    assert torch.bincount(begins, minlength=6).float().div(len(begins)).sub(1 / 6).abs().max() < 0.05
    assert begins.max() == 5


def test_half_of_the_crops_hide_nothing_and_the_others_their_share(ecg_batch):
    batch = ecg_batch(400, leads=1, samples=500)
    method = ibot(leads=1, hide=0.5, mask_ratio=(0.2, 0.4))
    hidden = method.draw_mask(batch, 500, 0).sum(dim=1)
    assert 0.4 < (hidden == 0).float().mean() < 0.6
    assert set(hidden.tolist()) == {0, 4, 5, 6, 7}
    assert not torch.equal(method.draw_mask(batch, 500, 1).sum(dim=1), hidden)
    assert torch.equal(method.draw_mask(batch, 500, 0).sum(dim=1), hidden)
    assert not torch.equal(method.draw_mask(replace(batch, epoch=1), 500, 0).sum(dim=1), hidden)
    assert int(ibot(leads=1, hide=0.0).draw_mask(batch, 500, 0).sum()) == 0


def test_with_nothing_hidden_the_patches_cost_nothing_and_teach_nothing(ecg_batch):
    method = ibot(hide=0.0)
    found = method.loss(ecg_batch(4, leads=3))
    found.total.backward()
    assert float(found.logs["patches"]) == 0
    assert found.total.isfinite()
    assert torch.equal(found.total.detach(), found.logs["windows"])
    assert float(method.mask_patch.patch.grad.abs().max()) == 0


def test_uniform_outputs_cost_the_logarithm_of_the_prototypes_twice(ecg_batch):
    method = ibot()
    for head in (method.projector, method.target.projector):
        torch.nn.init.zeros_(head.layers[-1].weight)
    found = method.loss(ecg_batch(4, leads=3))
    assert float(found.logs["windows"]) == pytest.approx(math.log(16), rel=1e-5)
    assert float(found.logs["patches"]) == pytest.approx(math.log(16), rel=1e-5)
    assert float(found.logs["teacher_entropy"]) == pytest.approx(1.0, rel=1e-5)


def test_the_teacher_gets_no_gradient_prototypes_stand_still_at_first_and_the_teacher_is_the_product(ecg_batch):
    method = ibot(still=0.5)
    method.plan(10)
    method.loss(ecg_batch(4, leads=3)).total.backward()
    assert all(p.grad is None for p in method.target.parameters())
    assert method.projector.prototypes.weight.grad is None
    assert float(method.mask_patch.patch.grad.norm()) > 0
    method.target.updates += 6
    method.loss(ecg_batch(4, leads=3)).total.backward()
    assert float(method.projector.prototypes.weight.grad.norm()) > 0
    assert method.product is method.target.backbone


def test_the_teacher_warms_up():
    method = ibot(warmup=0.5)
    assert method.teacher_temperature == 0.04
    method.plan(10)
    found = []
    for _ in range(10):
        found.append(method.teacher_temperature)
        method.target.updates += 1
    assert found == pytest.approx([0.04, 0.046, 0.052, 0.058, 0.064, 0.07, 0.07, 0.07, 0.07, 0.07])


def test_it_learns_without_collapse(ecg_batch):
    torch.manual_seed(0)
    batch = ecg_batch(12, leads=3, samples=400)
    # Against a teacher that stands still the loss is one and the same function: it falls, and patches are predicted.
    method = ibot(momentum=1.0, schedule="constant", centre_momentum=0.5, short=1)
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=3e-3)
    losses = []
    for _ in range(60):
        found = method.loss(batch)
        optimizer.zero_grad()
        found.total.backward()
        optimizer.step()
        method.after_step()
        losses.append(found.logs)
    settled = [float(x["patches"]) for x in losses]
    assert settled[-1] < 0.8 * max(settled)
    assert 0.02 < float(losses[-1]["teacher_entropy"]) < 0.98


def test_it_decays_as_published_and_is_found_by_name():
    method = SSL.build("ibot", backbone=backbone(), prototypes=16, hidden=16, width=8)
    assert (method.recipe.weight_decay, method.recipe.last_weight_decay) == (0.04, 0.4)
    assert method.recipe == DINO.recipe
    assert len(method.crops.augment.transforms) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"teacher_temperature": -1.0}, "teacher_temperature must be positive, got -1.0"),
        ({"hide": 1.5}, r"hide is a probability, mask_ratio two shares .* got 1.5, \(0.1, 0.5\) and 1.0"),
        ({"mask_ratio": (0.5, 0.1)}, r"in order and patches a weight from 0 on, got 1.0, \(0.5, 0.1\) and 1.0"),
        ({"patches": -1.0}, r"got 1.0, \(0.1, 0.5\) and -1.0"),
    ],
)
def test_wrong_arguments_are_named(words, message):
    with pytest.raises(ValueError, match=message):
        ibot(**words)


def test_a_backbone_without_tokens_is_refused():
    cnn = BACKBONES.build("resnet18", in_leads=3, widths=(4, 8), depths=(1, 1), kernel_size=3)
    with pytest.raises(TypeError, match="IBOT hides tokens, and ResNet has none; take a backbone of tokens: vit_time_small"):
        IBOT(cnn)

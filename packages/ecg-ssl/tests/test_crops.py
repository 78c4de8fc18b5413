"""DINO and LeJEPA against the outputs of the original code, closed forms, and what must not leak or collapse unseen."""

import math

import pytest
import torch
from torch import nn

from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.methods.dino import DINO
from ecg_ssl.methods.lejepa import LeJEPA, lejepa_loss
from ecg_ssl.multi_crop import MultiCrop
from ecg_ssl.objectives.self_distillation import dino_loss, ibot_loss, teacher_probabilities
from ecg_ssl.objectives.sigreg import random_directions, sigreg

torch.set_num_threads(1)


def small(leads=3):
    return BACKBONES.build("resnet18", in_leads=leads, widths=(4, 8), depths=(1, 1), kernel_size=3)


def dino(**words):
    return DINO(small(), **{"prototypes": 16, "hidden": 16, "width": 8, "short": 2, **words})


def test_lejepa_has_the_losses_and_gradients_of_the_original_code(golden):
    reference = golden("lejepa.npz")
    long, short = (reference[f"{name}_proj"].clone().requires_grad_() for name in ("global", "local"))
    total, statistic, invariance = lejepa_loss(long, short, reference["directions_raw"])
    total.backward()
    for name, found in (("loss", total), ("sigreg", statistic), ("invariance", invariance)):
        torch.testing.assert_close(found.detach(), reference[name].to(found), rtol=1e-5, atol=0)
    for name, view in (("global", long), ("local", short)):
        expected = reference[f"grad_{name}"]
        assert (view.grad - expected).norm() < 1e-4 * expected.norm()
    zeros = sigreg(torch.zeros(1, 32, 6), reference["directions_raw"])
    torch.testing.assert_close(zeros, reference["sigreg_all_zero"].to(zeros), rtol=1e-5, atol=0)


def test_the_statistic_is_small_for_a_normal_distribution_and_large_for_others():
    torch.manual_seed(0)
    z = torch.randn(1, 1024, 32)
    directions = random_directions(32, 256, seed=1, like=z)
    null = float(sigreg(z, directions))
    # Under the null hypothesis N |phi - phi_N|² has mean 1 - exp(-t²), whatever N is.
    t = torch.linspace(0, 3, 2001)
    expected = float(torch.trapezoid((1 - torch.exp(-t.square())) * torch.exp(-t.square() / 2) * 2, t))
    assert null == pytest.approx(expected, rel=0.15)
    for far in (3 * z, torch.ones_like(z), z[..., :1].expand_as(z)):
        assert float(sigreg(far, directions)) > 20 * null
    steps = [float(sigreg(share * z, directions)) for share in (0.0, 0.3, 0.6, 1.0)]
    assert steps == sorted(steps, reverse=True)
    rotation, _ = torch.linalg.qr(torch.randn(32, 32))
    wide = 1.5 * z * torch.linspace(0.9, 1.1, 32)
    many = random_directions(32, 4096, seed=2, like=z)
    assert float(sigreg(wide @ rotation, many)) == pytest.approx(float(sigreg(wide, many)), rel=0.02)


def test_the_gradient_of_the_statistic_is_right():
    torch.manual_seed(0)
    z, directions = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True), torch.randn(3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: sigreg(z, directions), (z,))


def test_directions_depend_on_the_seed_alone():
    like = torch.zeros(1)
    first = random_directions(6, 20, seed=7, like=like)
    torch.manual_seed(5)
    assert torch.equal(first, random_directions(6, 20, seed=7, like=like))
    assert not torch.equal(first, random_directions(6, 20, seed=8, like=like))
    torch.testing.assert_close(first.norm(dim=0), torch.ones(20))


def test_the_centre_of_the_invariance_is_of_long_crops_alone():
    torch.manual_seed(0)
    long, short, directions = torch.randn(2, 8, 4), torch.randn(3, 8, 4), torch.randn(4, 8)
    assert float(lejepa_loss(long[:1].expand(2, 8, 4), long[:1], directions)[2]) == 0
    moved = short.clone()
    moved[0] += 1
    centre = long.mean(dim=0)
    expected = (torch.cat([long, moved]) - centre).square().mean()
    torch.testing.assert_close(lejepa_loss(long, moved, directions)[2], expected)


@pytest.mark.parametrize("epoch", [0, 2, 5])
def test_dino_has_the_losses_and_gradients_of_the_original_code(golden, epoch):
    reference = golden("losses.npz")
    student = reference["dino/student"].clone().requires_grad_()
    temperature = float(reference["dino/teacher_temp_schedule"][epoch])
    teachers = teacher_probabilities(reference["dino/teacher"], reference[f"dino/center_before_e{epoch}"], temperature)
    loss = dino_loss(student.chunk(4), teachers.chunk(2))
    loss.backward()
    torch.testing.assert_close(loss.detach(), reference[f"dino/epoch{epoch}/loss"].to(loss), rtol=1e-5, atol=0)
    expected = reference[f"dino/epoch{epoch}/grad0"]
    assert (student.grad - expected).norm() < 1e-4 * expected.norm()


def test_the_centre_moves_as_in_the_original_code(golden):
    reference = golden("losses.npz")
    method = dino(prototypes=8)
    for epoch in (0, 2, 5):
        method.centre.copy_(reference[f"dino/center_before_e{epoch}"])
        method.remember(method.centre, reference["dino/teacher"])
        method.after_step()
        torch.testing.assert_close(method.centre, reference[f"dino/center_after_e{epoch}"], rtol=1e-5, atol=1e-7)
    assert "centre" in method.state_dict()


def test_ibot_has_the_losses_of_the_original_code(golden):
    reference = golden("losses.npz")
    temperature = float(reference["dino/teacher_temp_schedule"][5])
    teachers = teacher_probabilities(reference["ibot/t_cls"], torch.zeros(1, 8), temperature).chunk(2)
    students = [*reference["ibot/s_cls"].chunk(2), *reference["ibot/s_local"].chunk(2)]
    classes = dino_loss(students, teachers)
    torch.testing.assert_close(classes, reference["ibot/cls"].to(classes), rtol=1e-5, atol=0)
    patches = teacher_probabilities(reference["ibot/t_patch"], torch.zeros(1, 1, 8), temperature).chunk(2)
    parts = [
        ibot_loss(student, teacher, reference[f"ibot/mask{view}"].flatten(1).bool())
        for view, (student, teacher) in enumerate(zip(reference["ibot/s_patch"].chunk(2), patches, strict=True))
    ]
    torch.testing.assert_close(sum(parts) / 2, reference["ibot/patch"].to(parts[0]), rtol=1e-5, atol=0)


def test_uniform_outputs_and_hidden_nothing():
    uniform = torch.full((4, 8), 1 / 8)
    assert float(dino_loss([torch.zeros(4, 8)] * 3, [uniform, uniform])) == pytest.approx(math.log(8))
    nothing = torch.zeros(2, 5, dtype=torch.bool)
    assert float(ibot_loss(torch.randn(2, 5, 8), torch.full((2, 5, 8), 1 / 8), nothing)) == 0
    student, hidden = torch.randn(2, 5, 8, requires_grad=True), torch.tensor([[True, False, False, True, False]]).expand(2, 5)
    ibot_loss(student, torch.full((2, 5, 8), 1 / 8), hidden).backward()
    assert not student.grad[~hidden].any()
    assert student.grad[hidden].any()
    with pytest.raises(ValueError, match="compares different crops, and there is one"):
        dino_loss([torch.zeros(4, 8)], [uniform])


def test_crops_are_cut_from_their_windows_and_keep_their_rate(ecg_batch):
    batch = ecg_batch(leads=2, samples=400)
    place = torch.arange(400.0).expand(8, 2, 400)
    crops = MultiCrop([], long=2, short=3)(batch.with_signal(place))
    assert [crop.signal.shape[2] for crop in (*crops.long, *crops.short)] == [300, 300, 100, 100, 100]
    for crop in (*crops.long, *crops.short):
        assert crop.fs == batch.fs
        assert (crop.signal.diff(dim=2) == 1).all()
    starts = torch.stack([crop.signal[:, 0, 0] for crop in crops.short])
    assert len(starts.unique()) > 12  # each window and each crop has its own place
    with pytest.raises(ValueError, match="needs a long crop and another one, got 0 long and 3 short"):
        MultiCrop([], long=0, short=3)
    with pytest.raises(ValueError, match="long_share is a share of the window, above 0 and at most 1, got 1.5"):
        MultiCrop([], long_share=1.5)


def test_the_teacher_gets_no_gradient_and_prototypes_stand_still_at_first(ecg_batch):
    method = dino(still=0.5)
    method.plan(10)
    method.loss(ecg_batch(leads=3)).total.backward()
    assert all(p.grad is None for p in method.target.parameters())
    assert method.projector.prototypes.weight.grad is None
    method.target.updates += 6
    method.loss(ecg_batch(leads=3)).total.backward()
    assert method.projector.prototypes.weight.grad.norm() > 0


def test_weight_decay_rises_as_published():
    for name, ends in (("dino", (0.04, 0.4)), ("jepa_weimann", (0.01, 0.1)), ("lejepa", (0.05, None))):
        recipe = SSL.get(name).recipe
        assert (recipe.weight_decay, recipe.last_weight_decay) == ends


def test_the_teacher_warms_up_and_is_the_product(ecg_batch):
    method = dino(warmup=0.5)
    assert method.teacher_temperature == 0.04
    method.plan(10)
    temperatures = []
    for _ in range(10):
        temperatures.append(method.teacher_temperature)
        method.target.updates += 1
    assert temperatures[0] == 0.04
    assert temperatures[5:] == pytest.approx([0.07] * 5)
    assert temperatures == sorted(temperatures)
    assert method.product is method.target.backbone


@pytest.mark.parametrize(
    ("words", "end"), [({"centre_momentum": 0.0, "teacher_temperature": 50.0}, 1.0), ({"centre_momentum": 1.0}, 0.0)]
)
def test_each_collapse_is_what_the_logged_entropy_says(words, end, ecg_batch):
    torch.manual_seed(0)
    more = {"last_teacher_temperature": words.get("teacher_temperature", 0.005), "teacher_temperature": 0.005}
    method = dino(momentum=0.5, schedule="constant", augment=[], **{**more, **words})
    batch = ecg_batch(leads=3)
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(60):
        losses = method.loss(batch)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        method.after_step()
    # Without sharpening the teacher says everything at once, without centring one thing of all windows.
    assert float(losses.logs["teacher_entropy"]) == pytest.approx(end, abs=0.2)


def test_lejepa_brings_a_collapsed_encoder_back(ecg_batch):
    torch.manual_seed(0)
    method = LeJEPA(small(), augment=[], short=1, width=8, hidden=16, directions=64, weight=0.3)
    with torch.no_grad():
        method.projector.layers[-1].weight.mul_(1e-3)
    batch = ecg_batch(records=48, leads=3)

    def spread():
        with torch.no_grad():
            z = method.projector(method.backbone.pool(method.backbone(batch.signal)))
        return float(torch.linalg.svdvals(z - z.mean(dim=0)).min())

    before = spread()
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-2)
    for _ in range(80):
        loss = method.loss(batch).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.after_step()
    assert spread() > 5 * before


def test_lejepa_without_short_crops(ecg_batch):
    method = SSL.build("lejepa", backbone=small(), short=0, width=8, hidden=16, directions=16)
    assert torch.isfinite(method.loss(ecg_batch(leads=3)).total)
    assert isinstance(method.projector, nn.Module)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sigreg(torch.zeros(2, 3), torch.zeros(3, 2)), r"expected embeddings \(views, windows, width\)"),
        (lambda: LeJEPA(small(), weight=1.0), "weight is the share of SIGReg in the loss, between 0 and 1, got 1.0"),
        (lambda: dino(temperature=0.0), "temperature must be positive, got 0.0"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_single_window_has_no_distribution(ecg_batch):
    with pytest.raises(ValueError, match="tests the distribution of several windows: at least 2 in a batch, got 1"):
        LeJEPA(small(), short=0).loss(ecg_batch(records=1, leads=3))

"""CLOCS and CMSC against the outputs of the original code, closed forms, and what must not be mixed up."""

import math

import pytest
import torch
from torch import nn

from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.convert.clocs import from_official, to_official
from ecg_ssl.methods.clocs import CLOCS
from ecg_ssl.methods.cmsc import CMSC, mask_leads
from ecg_ssl.objectives.patient_info_nce import clocs_loss, patient_info_nce, segment_info_nce

torch.set_num_threads(1)


@pytest.fixture
def reference(golden):
    return golden("clocs.npz")


def small(leads=3):
    return BACKBONES.build("resnet18", in_leads=leads, widths=(4, 8), depths=(1, 1), kernel_size=3)


def patients(*numbers):
    return torch.tensor(numbers)


@pytest.mark.parametrize("trial", ["CMSC", "CMLC", "CMSMLC"])
@pytest.mark.parametrize("views", [2, 4, 8])
@pytest.mark.parametrize("ids", ["unique", "dup"])
def test_losses_and_gradients_are_those_of_the_original_code(reference, trial, views, ids):
    z = reference[f"z{views}"].requires_grad_()
    loss = clocs_loss(z.unbind(2), reference[f"pid_{ids}"], parity="official")
    torch.testing.assert_close(loss, reference[f"official/{trial}/z{views}/{ids}/loss"].to(loss), rtol=1e-5, atol=0)
    loss.backward()
    expected = reference[f"official/{trial}/z{views}/{ids}/grad"]
    assert (z.grad - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize("views", [4, 8])
@pytest.mark.parametrize("ids", ["unique", "dup"])
def test_by_default_every_pair_of_views_trains(reference, views, ids):
    z = reference[f"z{views}"].requires_grad_()
    loss = clocs_loss(z.unbind(2), reference[f"pid_{ids}"])
    torch.testing.assert_close(loss, reference[f"pairmean/CMLC/z{views}/{ids}/loss"].to(loss), rtol=1e-5, atol=0)
    loss.backward()
    assert (z.grad.flatten(0, 1).norm(dim=0) > 1e-3).all()
    z.grad = None
    clocs_loss(z.unbind(2), reference[f"pid_{ids}"], parity="official").backward()
    assert (z.grad[..., :-2] == 0).all()  # the published code leaves all views but two untrained


def test_the_network_and_its_layer_embed_as_the_original(reference):
    state = {key.removeprefix("net_sd/"): value for key, value in reference.items() if key.startswith("net_sd/")}
    method = CLOCS(BACKBONES.build("clocs_cnn", in_leads=1), width=state["view_linear_modules.0.bias"].shape[0], flatten=True)
    method.load_state_dict(from_official(state))
    method.eval()
    x, expected = reference["net_x"], reference["net_h"]
    found = torch.stack([method.embed(x[..., view]) for view in range(2)], dim=-1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    again = to_official(method.state_dict())
    assert set(again) == set(state)
    assert all(torch.equal(again[name], state[name]) for name in state)
    tuned = {f"first_model.{name}": value for name, value in state.items()} | {"linear.weight": torch.ones(2, 2)}
    assert set(from_official(tuned)) == set(method.state_dict())
    with pytest.raises(ValueError, match="'view_modules.0.2.weight' is no name of a CLOCS state dict"):
        from_official({"view_modules.0.2.weight": torch.ones(1)})
    with pytest.raises(ValueError, match="'predictor.weight' is no name of CLOCS with its own network"):
        to_official({"predictor.weight": torch.ones(1)})


def test_the_published_size_is_exact():
    method = CLOCS(BACKBONES.build("clocs_cnn", in_leads=1), flatten=True)
    method.embed(torch.zeros(2, 1, 2500))
    assert sum(p.numel() for p in method.parameters()) == 86_392


def test_closed_forms_of_the_loss():
    views = torch.eye(6), torch.eye(6)
    assert float(patient_info_nce(*views, torch.arange(6))) == pytest.approx(math.log(1 + 5 * math.exp(-10)), rel=1e-3)
    equal = torch.ones(6, 4)
    for ids in (torch.arange(6), patients(0, 0, 1, 1, 2, 2), torch.zeros(6, dtype=torch.int64)):
        assert float(patient_info_nce(equal, equal, ids)) == pytest.approx(math.log(6), rel=1e-6)


def test_only_which_windows_share_a_patient_matters():
    torch.manual_seed(0)
    a, b = torch.randn(2, 6, 5)
    loss = patient_info_nce(a, b, patients(0, 0, 1, 2, 3, 4))
    assert torch.equal(loss, patient_info_nce(a, b, patients(9, 9, 7, 5, -3, 1)))
    assert not torch.allclose(loss, patient_info_nce(a, b, patients(0, 0, 1, 1, 3, 4)))
    # Both directions, and both triangles, change places with the views.
    assert torch.allclose(loss, patient_info_nce(b, a, patients(0, 0, 1, 2, 3, 4)), rtol=1e-5)


def test_halves_are_adjacent_equal_and_of_the_same_leads(ecg_batch):
    batch = ecg_batch(leads=3, samples=201, patient=torch.arange(8))
    ramp = batch.with_signal(torch.arange(201.0).expand(8, 3, 201) + 1000 * torch.arange(3)[:, None])
    views, owners = CLOCS(small()).views(ramp)
    assert torch.equal(views[0][0, 1], torch.arange(1000.0, 1100.0))
    assert torch.equal(views[1][0, 1], torch.arange(1100.0, 1200.0))
    assert torch.equal(owners, torch.arange(8))
    alone, many = CLOCS(small(1)).views(ramp)
    assert alone[0].shape == (24, 1, 100)
    assert torch.equal(alone[1][5, 0], torch.arange(2100.0, 2200.0))  # window 1, lead 2
    assert many[:4].tolist() == [0, 0, 0, 1]


def test_leads_are_views_and_lie_lead_by_lead(ecg_batch):
    batch = ecg_batch(leads=3, samples=200, patient=torch.arange(8))
    views, _ = SSL.build("clocs_cmlc", backbone=small(1)).views(batch)
    assert [tuple(view.shape) for view in views] == [(8, 1, 200)] * 3
    assert torch.equal(views[2][:, 0], batch.signal[:, 2])
    both, _ = SSL.build("clocs_cmsmlc", backbone=small(1)).views(batch)
    assert len(both) == 6
    assert torch.equal(both[3][:, 0], batch.signal[:, 1, 100:])
    among, _ = SSL.build("clocs_cmlc", backbone=small(3)).views(batch)
    assert torch.equal(among[1][:, 1], batch.signal[:, 1])
    assert not among[1][:, [0, 2]].any()
    with pytest.raises(ValueError, match="compares leads, and these windows have one"):
        SSL.build("clocs_cmlc", backbone=small(1)).views(ecg_batch(leads=1, patient=torch.arange(8)))


@pytest.mark.parametrize("name", ["clocs", "clocs_cmlc", "cmsc"])
def test_without_patients_it_does_not_begin(name, ecg_batch):
    method = SSL.build(name, backbone=small())
    with pytest.raises(ValueError, match=r"needs patient in every batch; prepare the data with it"):
        method.check_requirements(ecg_batch(leads=3))
    with pytest.raises(ValueError, match="at least 2 in a batch, got 1"):
        method.loss(ecg_batch(records=1, leads=3, patient=torch.arange(1)))


def test_segments_have_the_loss_and_the_gradient_of_the_original_code(golden):
    reference = golden("losses.npz")
    x, pid, seg = (reference[f"cmsc_fs/{name}"] for name in ("x", "pid", "seg"))
    for normalize in ("detached", "l2"):
        z = x.clone().requires_grad_()
        loss = segment_info_nce(z, pid, seg, normalize=normalize)
        loss.backward()
        torch.testing.assert_close(loss, reference["cmsc_fs/loss"].to(loss), rtol=1e-5, atol=0)
        apart = (z.grad - reference["cmsc_fs/grad0"]).norm() / reference["cmsc_fs/grad0"].norm()
        assert (apart < 1e-4) == (normalize == "detached")
        radial = (z * z.grad).sum(dim=1).abs().max()
        assert (radial < 1e-5) == (normalize == "l2")  # only then lengths are left alone


def test_which_segment_is_called_first_does_not_matter_and_lonely_patients_are_negatives():
    torch.manual_seed(0)
    z, pid, seg = torch.randn(6, 4), patients(0, 1, 2, 0, 1, 9), patients(0, 0, 0, 1, 1, 1)
    assert torch.allclose(segment_info_nce(z, pid, seg), segment_info_nce(z, pid, 1 - seg))
    s = nn.functional.normalize(z[:3]) @ nn.functional.normalize(z[3:]).T / 0.1
    expected = sum(-s.log_softmax(dim)[i, i] for dim in (0, 1) for i in (0, 1)) / 4
    assert torch.allclose(segment_info_nce(z, pid, seg), expected)
    with pytest.raises(ValueError, match="no patient of this batch has a first and a second segment"):
        segment_info_nce(z, torch.arange(6), seg)


def test_closed_forms_of_segments():
    z = torch.eye(5).repeat(2, 1)
    seg = patients(*[0] * 5, *[1] * 5)
    assert float(segment_info_nce(z, torch.arange(5).repeat(2), seg)) == pytest.approx(math.log(1 + 4 * math.exp(-10)), rel=1e-3)
    for ids in (torch.arange(5).repeat(2), patients(0, 0, 1, 1, 2).repeat(2)):
        assert float(segment_info_nce(torch.ones(10, 3), ids, seg)) == pytest.approx(math.log(5), rel=1e-6)


def test_leads_are_masked_one_by_one_and_each_half_on_its_own(ecg_batch):
    batch = ecg_batch(records=400, leads=12, samples=20, patient=torch.arange(400))
    batch = batch.with_signal(torch.ones_like(batch.signal))
    halves = CMSC(small(12)).halves(batch)
    kept = halves[..., 0]
    assert torch.equal(halves, kept[..., None].expand_as(halves))
    assert float(kept.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(kept.sum(dim=1).var()) == pytest.approx(3, abs=0.5)  # binomial: 12 leads at one half
    assert not torch.equal(kept[:400], kept[400:])
    assert torch.equal(CMSC(small(12), lead_mask=0.0).halves(batch), torch.ones(800, 12, 10))
    assert not mask_leads(torch.ones(1, 2, 3), torch.zeros(1, 2), 0.5).any()


def test_all_leads_masked_is_no_nan(ecg_batch):
    batch = ecg_batch(leads=3, patient=torch.arange(8))
    method = CMSC(small(), lead_mask=0.0)
    method.loss(batch.with_signal(torch.zeros_like(batch.signal))).total.backward()
    assert all(torch.isfinite(p.grad).all() for p in method.backbone.parameters())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clocs_loss([torch.ones(2, 3)], torch.arange(2)), "compares two views or more, got 1"),
        (lambda: patient_info_nce(torch.ones(2, 3), torch.ones(3, 3), torch.arange(2)), r"a patient per window, got \(2, 3\)"),
        (lambda: patient_info_nce(torch.ones(2, 3), torch.ones(2, 3), torch.arange(2), temperature=0.0), "must be positive"),
        (lambda: segment_info_nce(torch.ones(2, 3), torch.arange(3), torch.arange(2)), "a patient and a segment per row"),
        (lambda: CLOCS(small(), pairing="cmcs"), "pairing must be one of cmsc, cmlc, cmsmlc, got 'cmcs'"),
        (lambda: CMSC(small(), lead_mask=1.0), "a probability from 0 to below 1, got 1.0"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

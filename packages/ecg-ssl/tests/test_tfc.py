"""TF-C: the numbers of its code, which windows see each other, spectra, and what the paper's term rewards."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from ecg_core.contracts.draws import Draws
from ecg_core.discovery.registries import BACKBONES
from ecg_ssl.convert.tfc import from_official, to_official
from ecg_ssl.methods.tfc import TFC, TFCEmbeddings
from ecg_ssl.objectives.nt_xent import nt_xent
from ecg_ssl.objectives.nt_xent_poly import nt_xent_poly
from ecg_ssl.spectra import changed_spectrum, magnitude_spectrum

torch.set_num_threads(1)

CLOSE = {"rtol": 0.0, "atol": 2e-5}


def transformer(leads=1, samples=48, **words):
    return BACKBONES.build("tfc_transformer", in_leads=leads, patch_size=samples, **words)


def cnn(leads=3):
    return BACKBONES.build("fcn_wang", in_leads=leads)


@pytest.fixture
def reference(golden):
    return golden("tfc.npz")


@pytest.fixture
def official(reference):
    return {key.removeprefix("sd/"): value for key, value in reference.items() if key.startswith("sd/")}


@pytest.fixture
def method(official):
    made = TFC(transformer(), augment=[], parity="official").eval()
    made.load_state_dict(from_official(official))
    return made


def embeddings(reference, changed):
    suffix = "_aug" if changed else ""
    return TFCEmbeddings(*(reference[f"{name}{suffix}"] for name in ("h_t", "z_t", "h_f", "z_f")))


@pytest.mark.parametrize("changed", [False, True])
def test_features_and_projections_are_those_of_the_code_with_attention_across_windows(method, reference, changed):
    x, xf = (reference[name] for name in (("xa", "xfa") if changed else ("x", "xf")))
    for found, expected in zip(method.both(x, xf), embeddings(reference, changed), strict=True):
        torch.testing.assert_close(found, expected, **CLOSE)


def test_windows_see_each_other_in_the_code_and_never_here(method, reference):
    alone = method.both(reference["x"][:1], reference["xf"][:1]).h_t
    torch.testing.assert_close(alone, reference["h_t_single_sample_batch"], **CLOSE)
    assert (alone[0] - reference["h_t"][0]).abs().max() > 1
    method.parity = None
    among = method.both(reference["x"], reference["xf"])
    torch.testing.assert_close(among.h_t[0], alone[0], rtol=0, atol=1e-5)
    assert torch.allclose(among.z_f[0], method.both(reference["x"][:1], reference["xf"][:1]).z_f[0], atol=1e-5)


def test_losses_are_those_of_the_code_and_of_the_paper(method, reference):
    a, b = embeddings(reference, changed=False), embeddings(reference, changed=True)
    pairs = {"t": (a.h_t, b.h_t), "f": (a.h_f, b.h_f), "tf": (a.z_t, a.z_f), "t_fa": (a.z_t, b.z_f), "ta_f": (b.z_t, a.z_f)}
    for name, pair in (pairs | {"ta_fa": (b.z_t, b.z_f)}).items():
        torch.testing.assert_close(nt_xent(*pair, 0.2), reference[f"loss/ntxent/{name}"], rtol=1e-5, atol=0)
        torch.testing.assert_close(nt_xent_poly(*pair, 0.2), reference[f"loss/poly/{name}"], rtol=1e-5, atol=0)
    code = method.compare(a, b)
    torch.testing.assert_close(code.total, reference["loss/official_code_loss"], rtol=1e-5, atol=0)
    method.form, method.weight = "paper", 0.5
    paper = method.compare(a, b)
    torch.testing.assert_close(paper.total, reference["loss/paper_loss_lambda0.5_ntxent"], rtol=1e-5, atol=0)
    torch.testing.assert_close(paper.logs["consistency"], reference["loss/loss_c_ntxent"], rtol=1e-5, atol=0)


def test_the_classifier_of_the_code_reads_time_before_frequency(reference):
    head = nn.Sequential(nn.Linear(256, 64), nn.Sigmoid(), nn.Linear(64, 3))
    names = (("0.", "logits."), ("2.", "logits_simple."))
    head.load_state_dict({f"{a}{w}": reference[f"clf/{b}{w}"] for a, b in names for w in ("weight", "bias")})
    found = head(torch.cat([reference["z_t"], reference["z_f"]], dim=1))
    torch.testing.assert_close(found, reference["loss/clf_logits"], rtol=1e-5, atol=1e-5)


def test_official_to_ours_to_official_is_bit_exact(official, method):
    for state in (from_official(official), method.state_dict()):
        again = to_official(state)
        assert set(again) == set(official)
        assert all(torch.equal(again[name], official[name]) for name in official)


@pytest.mark.parametrize("name", ["logits.weight", "projector_t", "transformer_encoder_t.layers.0.self_attn.bias_k"])
def test_a_file_of_another_model_is_refused(name):
    for convert in (from_official, to_official):
        with pytest.raises(ValueError, match=f"'{name}' is no name of a TF-C state dict"):
            convert({name: torch.zeros(1)})


@pytest.mark.parametrize(("samples", "count"), [(178, 1_180_184), (1500, 72_901_328)])
def test_the_published_models_have_their_published_parameters(samples, count):
    with torch.device("meta"):
        made = TFC(transformer(samples=samples), augment=[])
    assert sum(p.numel() for p in made.parameters()) == count


def test_the_polynomial_term_of_a_collapse_is_its_closed_form():
    """Five windows at one point: each partner has probability 1/9."""
    z = torch.ones(5, 4)
    assert float(nt_xent(z, z, 0.2)) == pytest.approx(math.log(9)) == pytest.approx(2.197225, rel=1e-6)
    assert (
        float(nt_xent_poly(z, z, 0.2)) == pytest.approx(math.log(9) + 5 * (1 / 5 - 1 / 81)) == pytest.approx(3.135496, rel=1e-6)
    )


def test_a_shift_in_time_leaves_the_spectrum_and_energies_agree(ecg_batch):
    x = ecg_batch(records=3, leads=2, samples=201).signal
    xf = magnitude_spectrum(x)
    torch.testing.assert_close(magnitude_spectrum(x.roll(37, dims=-1)), xf, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(xf.square().sum(-1), 201 * x.square().sum(-1), rtol=1e-4, atol=1e-4)
    assert magnitude_spectrum(x, "one").shape[-1] == 101
    torch.testing.assert_close(magnitude_spectrum(x, "one"), xf[..., :101])


def test_bins_are_removed_and_added_and_nothing_else_changes():
    spectrum = 1 + torch.rand(40, 2, 500, generator=torch.Generator().manual_seed(0))
    draws = Draws.seeded(0, windows=40).like(spectrum)
    changed = changed_spectrum(spectrum, draws)
    top = spectrum.amax(dim=-1, keepdim=True)
    more = changed - spectrum
    empty = changed < 0.1 * top
    assert ((more >= 0) & (more <= 0.1 * top * (1 + 1e-5)) | empty).all()
    assert float(empty.float().mean()) == pytest.approx(0.1, abs=0.01)
    assert float((more > 0).float().mean()) == pytest.approx(0.09, abs=0.01)  # added where nothing was removed
    assert (changed.sum(dim=(1, 2)) > 0).all()
    doubled = changed_spectrum(spectrum, Draws.seeded(0, windows=40).like(spectrum), doubled=True)
    torch.testing.assert_close(doubled, changed + spectrum)


def test_views_are_drawn_anew_in_every_epoch_unless_they_are_static(ecg_batch):
    batch = ecg_batch(leads=3, samples=200)
    for static in (False, True):
        method = TFC(cnn(), augment=[{"name": "test_noise"}], static_views=static)
        first, again = (method.second_views(replace(batch, epoch=epoch)) for epoch in (0, 3))
        for a, b in zip(first, again, strict=True):
            assert torch.equal(a, b) is static
            assert (a.flatten(1).abs().sum(dim=1) > 0).all()


def test_windows_of_the_default_method_do_not_see_each_other(ecg_batch):
    batch, method = ecg_batch(leads=3, samples=201), TFC(cnn(), augment=[]).eval()
    xf = magnitude_spectrum(batch.signal)
    among, alone = method.both(batch.signal, xf), method.both(batch.signal[:1], xf[:1])
    for a, b in zip(among, alone, strict=True):
        torch.testing.assert_close(a[:1], b, rtol=1e-4, atol=1e-5)


def test_the_consistency_of_the_paper_rewards_disagreement_of_the_second_views():
    """The code's loss does not look at that pair; the paper's falls when it disagrees."""
    generator = torch.Generator().manual_seed(0)
    a, b = (TFCEmbeddings(*(torch.randn(6, 8, generator=generator) for _ in range(4))) for _ in range(2))
    agree = b._replace(z_f=b.z_t)
    code, paper = TFC(cnn(), augment=[]), TFC(cnn(), augment=[], loss="paper")
    assert torch.equal(code.compare(a, agree).total, code.compare(a, b).total)
    between = [nt_xent(b.z_t, other.z_f, 0.2) for other in (agree, b)]
    assert between[0] < between[1]
    # Only this pair changes when the first views' cross terms are held: compare the term itself.
    term = [paper.compare(a._replace(z_t=b.z_t), other).logs["consistency"] for other in (agree, b)]
    assert term[0] > term[1]


def test_each_branch_has_its_own_weights_and_may_be_of_another_kind(ecg_batch):
    other = BACKBONES.build("resnet18", in_leads=3, widths=(4, 8), depths=(1, 1), kernel_size=3)
    method = TFC(cnn(), frequency_backbone=other, augment=[], spectrum="one").train()
    made = method.loss(ecg_batch(leads=3, samples=199))
    made.total.backward()
    assert {"time", "frequency", "between", "embedding_std"} <= set(made.logs)
    assert all(p.grad is not None for p in other.parameters())
    copied = TFC(cnn(), augment=[])
    assert {id(p) for p in copied.backbone.parameters()}.isdisjoint(id(p) for p in copied.frequency_backbone.parameters())


def test_attention_across_windows_needs_windows_of_whole_steps(ecg_batch):
    method = TFC(transformer(leads=3, samples=50), augment=[], parity="official")
    assert torch.isfinite(method.loss(ecg_batch(leads=3, samples=100)).total)
    with pytest.raises(ValueError, match=r"reads 8 windows of 120 samples as one, and TFCTransformer does not make .* is 50"):
        method.loss(ecg_batch(leads=3, samples=120))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TFC(cnn(), loss="both"), "loss must be code or paper, got 'both'"),
        (lambda: TFC(cnn(), spectrum="half"), "spectrum must be two or one, got 'half'"),
        (lambda: TFC(cnn(), parity="paper"), "parity must be official or None, got 'paper'"),
        (lambda: TFC(cnn(), removed=1.1), "removed and added are probabilities and size is a share, got 1.1"),
        (lambda: transformer(samples=177), "patch_size must be a multiple of heads, got 177 samples and 2 heads"),
        (lambda: nt_xent_poly(torch.zeros(1, 3), torch.zeros(1, 3)), "at least 2 in a batch, got 1"),
        (lambda: nt_xent_poly(torch.zeros(2, 3), torch.zeros(3, 3)), r"of one shape, got \(2, 3\) and \(3, 3\)"),
        (lambda: nt_xent_poly(torch.zeros(2, 3), torch.zeros(2, 3), 0.0), "temperature must be positive, got 0.0"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

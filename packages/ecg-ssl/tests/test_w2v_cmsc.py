"""wav2vec 2.0 with CMSC against the outputs of the original code, closed forms, and what must stay apart."""

import math

import pytest
import torch
from torch.nn import functional as F

from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.convert.w2v_cmsc import from_official, to_official
from ecg_ssl.layers.quantizer import GumbelQuantizer, perplexity
from ecg_ssl.masking import mask_spans
from ecg_ssl.methods.w2v_cmsc import W2VCMSC
from ecg_ssl.objectives.token_info_nce import token_info_nce

torch.set_num_threads(1)


@pytest.fixture
def reference(golden):
    return golden("w2v_cmsc_small.npz")


@pytest.fixture
def official(reference):
    return {key.removeprefix("sd/"): value for key, value in reference.items() if key.startswith("sd/")}


def encoder(**words):
    small = {"conv_width": 16, "width": 32, "depth": 2, "heads": 4, "mlp_ratio": 2.0, "position_kernel": 16, "position_groups": 4}
    return BACKBONES.build("wav2vec2", in_leads=12, **{**small, "dropout": 0.0, **words})


def method_of(**words):
    return W2VCMSC(encoder(), groups=2, codes=8, width=16, negatives=10, parity="official", **words)


@pytest.fixture
def method(official):
    made = method_of()
    found = made.load_state_dict(from_official(official), strict=False)
    assert found.missing_keys == ["quantizer.updates"]
    assert not found.unexpected_keys
    return made.eval()


@torch.no_grad()
def test_features_are_those_of_the_original_code(method, reference):
    backbone = method.backbone
    close = {"rtol": 1e-5, "atol": 2e-5}
    local = backbone.local(reference["x"])
    torch.testing.assert_close(backbone.local_norm(local), reference["conv_features"], **close)
    torch.testing.assert_close(backbone(reference["x"]).transpose(1, 2), reference["contextual_unmasked"], **close)


def test_every_part_of_the_loss_is_that_of_the_original_code(method, reference):
    hidden = reference["mask"].bool()
    rows, count = len(hidden), int(hidden[0].sum())
    draws = reference["neg_idx_raw"].view(rows, count, -1)
    parts = method.parts(reference["x"], hidden, draws, reference["patient_id"], reference["segment"])
    size = float(reference["sample_size"])
    assert size == rows * count
    found = {
        "loss_infonce_sum": parts.info_nce * size,
        "loss_diversity_term": parts.diversity * 0.1 * size,
        "loss_featpen_term": parts.penalty * 10 * size,
        "loss_cmsc_times_ss": parts.segments * size,
        "prob_ppl": 16 * (1 - parts.diversity),
        "code_ppl": parts.perplexity,
    }
    for name, value in found.items():
        torch.testing.assert_close(value.detach(), reference[name].to(value), rtol=1e-5, atol=0)
    total = parts.info_nce + 0.1 * parts.diversity + 10 * parts.penalty + parts.segments
    torch.testing.assert_close((total * size).detach(), reference["loss_total"].to(total), rtol=1e-5, atol=0)


def test_official_weights_come_back_to_the_last_bit(method, official):
    again = to_official(method.state_dict())
    assert set(again) == set(official)
    assert all(torch.equal(again[name], official[name]) for name in official)
    parametrized = "conv_pos.pos_conv.0.parametrizations.weight.original"
    older = {f"conv_pos.pos_conv.0.weight_{letter}": official[f"{parametrized}{n}"] for n, letter in ((0, "g"), (1, "v"))}
    older |= {name: value for name, value in official.items() if not name.startswith(parametrized)}
    assert all(torch.equal(value, method.state_dict()[name]) for name, value in from_official(older).items())
    with pytest.raises(ValueError, match="'encoder.layers.0.adapter.weight' is no name of a fairseq-signals state dict"):
        from_official({"encoder.layers.0.adapter.weight": torch.ones(1)})
    with pytest.raises(ValueError, match="'head.weight' is no name of W2VCMSC over wav2vec2"):
        to_official({"head.weight": torch.ones(1)})


def test_the_published_size_is_exact():
    with torch.device("meta"):
        model = SSL.build("w2v_cmsc", backbone=BACKBONES.build("wav2vec2", in_leads=12))
    assert sum(p.numel() for p in model.parameters()) == 90_883_072


def test_five_seconds_are_156_steps_and_a_step_is_16_samples():
    backbone = encoder()
    assert [backbone.steps(samples) for samples in (2500, 5000, 16, 15)] == [156, 312, 1, 0]
    x = torch.randn(1, 12, 400, requires_grad=True)
    h = x
    for convolution in backbone.convolutions:  # without the normalisation, which sees the whole window
        h = convolution(h)
    h[0, :, 7].sum().backward()
    assert x.grad[0].abs().sum(dim=0).nonzero().flatten().tolist() == list(range(7 * 16, 8 * 16))


def test_spans_hide_the_same_number_of_steps_in_every_row():
    mask = mask_spans(torch.rand(64, 156, generator=torch.Generator().manual_seed(0)), 10, 0.65)
    assert set(mask.sum(dim=1).tolist()) == {int(156 * (1 - 0.935**10))}
    assert 0.4 < float(mask.float().mean()) < 0.55
    runs = [len(run) for row in mask.int().tolist() for run in "".join(map(str, row)).split("0") if run]
    assert sum(length < 10 for length in runs) <= 64  # the last span of a row may be cut, no other
    for column in (0, 155):
        assert 0 < int(mask[:, column].sum()) < 64  # both ends can be hidden


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((5, 10, 0.65), "spans of 10 steps do not fit 5 steps"), ((8, 2, 40.0), "hides 8 of 8 steps; some must stay visible")],
)
def test_spans_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        mask_spans(torch.rand(2, arguments[0]), *arguments[1:])


def test_with_nothing_known_a_step_is_one_of_all_candidates():
    torch.manual_seed(0)
    draws = torch.randint(0, 199, (4, 200, 100))
    equal = token_info_nce(torch.ones(4, 200, 8), torch.randn(4, 200, 8) * 1e-5 + 1, draws)
    assert float(equal) == pytest.approx(math.log(101), abs=1e-4)
    right = torch.randn(4, 200, 64)
    assert float(token_info_nce(right, right, draws)) < 0.1 < float(token_info_nce(right.flip(1), right, draws))


def test_a_negative_that_is_the_target_itself_does_not_count():
    targets = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    draws = torch.tensor([[[0, 1], [0, 1], [0, 1]]])  # the two others of each
    found = token_info_nce(targets, targets, draws, temperature=1.0)
    one, other = math.log(1 + math.exp(-1)), math.log(1 + 2 * math.exp(-1))
    assert float(found) == pytest.approx((2 * one + other) / 3, rel=1e-5)


def test_the_perplexity_counts_codes_in_use():
    assert float(perplexity(torch.full((2, 320), 1 / 320))) == pytest.approx(640, rel=1e-3)
    assert float(perplexity(F.one_hot(torch.tensor([3, 5]), 320).float())) == pytest.approx(2, rel=1e-5)
    quantizer = GumbelQuantizer(4, groups=2, codes=8, width=6)
    assert quantizer.temperature == 2.0
    quantizer.updates += 10_000_000
    assert quantizer.temperature == 0.5
    with pytest.raises(ValueError, match="width must be a multiple of groups, got 7 and 2"):
        GumbelQuantizer(4, width=7)


def test_the_soft_choice_forwards_a_code_and_learns():
    torch.manual_seed(0)
    quantizer = GumbelQuantizer(4, groups=2, codes=8, width=6)
    found = quantizer(torch.randn(50, 4), torch.rand(50, 2, 8))
    codes = found.codes.detach().unflatten(1, (2, 3))
    assert (torch.cdist(codes[:, 0], quantizer.codebook[0].detach()).amin(dim=1) < 2e-3).all()
    found.codes.sum().backward()
    assert quantizer.choose.weight.grad.norm() > 0


def test_the_convolutions_learn_at_a_tenth(ecg_batch):
    batch = ecg_batch(leads=12, samples=640, patient=torch.arange(8))
    gradients = []
    for factor in (1.0, 0.1):
        torch.manual_seed(0)
        made = method_of(local_gradient=factor, mask_length=4)
        made.loss(batch).total.backward()
        gradients.append(made.backbone.convolutions[1].weight.grad)
    torch.testing.assert_close(gradients[1], 0.1 * gradients[0])


def test_hidden_steps_do_not_show_through(ecg_batch):
    made = method_of(mask_length=4)
    tokens = torch.randn(2, 20, 32)
    hidden = mask_spans(torch.rand(2, 20), 4, 0.65)
    other = torch.where(hidden[..., None], torch.randn(2, 20, 32), tokens)
    assert torch.equal(made.hide(tokens, hidden), made.hide(other, hidden))


def test_what_it_cannot_work_with_is_named(ecg_batch):
    with pytest.raises(TypeError, match=r"ResNet has no such halves; pass create_backbone\('wav2vec2'\)"):
        SSL.build("w2v_cmsc", backbone=BACKBONES.build("resnet18", in_leads=2, widths=(4, 8), depths=(1, 1)))
    with pytest.raises(ValueError, match="needs patient in every batch"):
        method_of().loss(ecg_batch(leads=12))
    with pytest.raises(ValueError, match="do not fit 6 steps; use longer windows or shorter spans"):
        method_of().loss(ecg_batch(leads=12, samples=200, patient=torch.arange(8)))
    with pytest.raises(ValueError, match="width must be a multiple of heads and position_groups, got 32, 5 and 4"):
        encoder(heads=5)

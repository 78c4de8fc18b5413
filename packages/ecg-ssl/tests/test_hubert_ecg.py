"""HuBERT-ECG: its loss in closed form, what is hidden, where its codes come from, and its published names."""

import math

import pytest
import torch
from torch.nn import functional as F

from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_core.run.card import SignalContract, save_model
from ecg_ssl.convert.hubert_ecg import from_official, to_official
from ecg_ssl.heads.codes import CosineCodeHead
from ecg_ssl.methods.hubert_ecg import HuBERTECG
from ecg_ssl.objectives.code_prediction import code_prediction

torch.set_num_threads(1)


def encoder(name="hubert_ecg_base", **words):
    small = {"conv_width": 8, "width": 16, "depth": 2, "heads": 4, "position_kernel": 8, "position_groups": 4, "dropout": 0.0}
    small |= {} if name == "wav2vec2" else {"layer_drop": 0.0}
    return BACKBONES.build(name, in_leads=12, **{**small, **words})


def method_of(batch=None, seed=0, **words):
    torch.manual_seed(seed)
    made = HuBERTECG(words.pop("backbone", None) or encoder(), **{"width": 8, "target": "timefreq", **words})
    return made if batch is None else materialize(made, batch, call=made.loss)


def test_random_codes_cost_as_much_as_a_guess():
    torch.manual_seed(0)
    head = CosineCodeHead(64, 100, width=256)
    steps, codes = torch.randn(4, 93, 64), torch.randint(100, (4, 93))
    hidden = torch.rand(4, 93) < 0.33
    assert float(code_prediction(head(steps), codes, hidden).detach()) == pytest.approx(math.log(100), abs=0.3)


def test_visible_steps_count_only_below_an_alpha_of_one():
    torch.manual_seed(0)
    logits = torch.randn(2, 9, 5, requires_grad=True)
    codes, hidden = torch.randint(5, (2, 9)), torch.rand(2, 9) < 0.4
    code_prediction(logits, codes, hidden).backward()
    assert float(logits.grad[~hidden].abs().max()) == 0
    assert float(logits.grad[hidden].abs().amin(dim=-1).min()) > 0
    half = code_prediction(logits, codes, hidden, alpha=0.25)
    means = [F.cross_entropy(logits[chosen], codes[chosen]) for chosen in (hidden, ~hidden)]
    torch.testing.assert_close(half, 0.25 * means[0] + 0.75 * means[1])


def test_nothing_hidden_is_no_nan():
    logits = torch.randn(2, 9, 5, requires_grad=True)
    total = code_prediction(logits, torch.zeros(2, 9, dtype=torch.int64), torch.zeros(2, 9, dtype=torch.bool))
    total.backward()
    assert float(total.detach()) == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_logits_are_cosines_over_the_temperature():
    torch.manual_seed(0)
    head = CosineCodeHead(16, 7, width=8)
    torch.nn.init.zeros_(head.project.bias)
    steps = torch.randn(3, 5, 16)
    found = head(steps)
    assert float(found.detach().abs().max()) <= 10 + 1e-5
    torch.testing.assert_close(head(37 * steps), found)
    expected = F.cosine_similarity(head.project(steps)[..., None, :], head.codes, dim=-1) / 0.1
    torch.testing.assert_close(found, expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert head(steps.bfloat16()).dtype == torch.float32


def test_a_third_of_the_steps_is_hidden_and_all_are_alike_in_front_of_the_encoder(ecg_batch):
    batch = ecg_batch(records=108, samples=500)
    made = method_of()
    hidden = made.hidden_steps(batch, 93, salt=30)
    assert hidden.numel() > 1e4
    assert float(hidden.float().mean()) == pytest.approx(0.33, abs=0.03)
    tokens = torch.randn(108, 93, 16)
    given = made.hide(tokens, hidden)
    assert torch.equal(given[hidden], made.mask_token.expand(int(hidden.sum()), -1))
    assert torch.equal(given[~hidden], tokens[~hidden])


def test_several_codebooks_cost_the_sum_of_each(ecg_batch):
    batch = ecg_batch(samples=250)
    made = method_of(batch, codebooks=(8, 4))
    steps = made.encoder.local(batch.signal)
    hidden = made.hidden_steps(batch, steps.shape[1], salt=30)
    logits = made.logits(made.encoder.contextual(made.hide(made.encoder.embed(steps), hidden)))
    codes = made.codes(batch)
    apart = [made.error(logits[n : n + 1], codes[n : n + 1], hidden) for n in range(2)]
    torch.testing.assert_close(made.loss(batch).total, apart[0] + apart[1])
    assert [int(code.max()) < count for code, count in zip(codes, (8, 4), strict=True)] == [True, True]


def test_codes_lie_on_steps_or_are_refused():
    made = method_of(codebooks=(4,))
    with pytest.raises(ValueError, match=r"expected logits \(\.\.\., codes\), codes \(\.\.\.\) and hidden"):
        made.error([torch.zeros(1, 9, 4)], [torch.zeros(1, 10, dtype=torch.int64)], torch.ones(1, 9, dtype=torch.bool))


def test_the_first_batch_makes_the_codes_and_training_keeps_them(ecg_batch):
    batch = ecg_batch(samples=250)
    made = method_of(codebooks=(8,))
    assert not is_materialized(made)
    state = torch.random.get_rng_state()
    materialize(made, batch, call=made.loss)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert is_materialized(made)
    before = made.codebooks[0].centres.clone()
    made.loss(ecg_batch(samples=250, seed=5)).total.backward()
    assert torch.equal(made.codebooks[0].centres, before)
    assert not before.requires_grad
    again = method_of(batch, codebooks=(8,), seed=3)  # other weights, the same codes
    assert torch.equal(again.codebooks[0].centres, before)


def test_all_batches_make_codes_and_say_how_they_are_used(ecg_batch):
    batches = [ecg_batch(samples=250, seed=seed) for seed in range(3)]
    made = method_of(batches[0], codebooks=(8, 4))
    alone = made.codebooks[0].centres.clone()
    report = made.fit(batches)
    assert [len(each.counts) for each in report] == [8, 4]
    steps = made.backbone.steps(250)
    assert [int(each.counts.sum()) for each in report] == [3 * 8 * steps] * 2
    assert 1 < report[1].perplexity <= 4
    assert not torch.equal(made.codebooks[0].centres, alone)
    assert made.gauges() == {"code_perplexity": 0.0}
    logs = made.train().loss(batches[0]).logs
    assert 1 < made.gauges()["code_perplexity"] <= 8
    assert set(logs) == {"accuracy", "code_perplexity"}


def test_a_later_iteration_clusters_a_block_of_an_earlier_encoder(ecg_batch, tmp_path):
    batch = ecg_batch(samples=250)
    torch.manual_seed(1)
    earlier = encoder(depth=3)
    save_model(tmp_path, "backbone", earlier, kind="backbones", signal=SignalContract(100.0, batch.leads, 250, ()))
    from_path = method_of(batch, target="layer:2", teacher=str(tmp_path), codebooks=(8,))
    given = method_of(batch, target="layer:2", teacher=earlier, codebooks=(8,))
    points = given.descriptors(batch)
    assert points.shape == (8, given.backbone.steps(250), 16)
    torch.testing.assert_close(points, earlier.block_outputs(earlier.embed(earlier.local(batch.signal)))[2].detach())
    assert all(torch.equal(a, b) for a, b in zip(given.codes(batch), from_path.codes(batch), strict=True))
    given.train().loss(batch).total.backward()
    assert all(p.grad is None and not p.requires_grad for p in given.teacher.parameters())
    assert not given.teacher.network.training
    with pytest.raises(ValueError, match="target='layer:4' is a block of a teacher of 3; name an earlier one"):
        method_of(target="layer:4", teacher=earlier).codes(batch)


def test_mfcc_and_both_kinds_of_descriptors_have_the_published_numbers_of_values(ecg_batch):
    batch = ecg_batch(records=2, samples=500)
    for target, values in (("mfcc", 39), ("timefreq", 16), ("mfcc+timefreq", 29)):
        assert method_of(target=target).descriptors(batch).shape == (2, 93, values)
    both = method_of(target="mfcc+timefreq").descriptors(batch)
    assert torch.equal(both[..., :16], method_of(target="timefreq").descriptors(batch))
    assert torch.equal(both[..., 16:], method_of(target="mfcc").descriptors(batch)[..., :13])


def test_wav2vec2_learns_from_it_as_well(ecg_batch):
    batch = ecg_batch(samples=240)
    made = method_of(batch, backbone=encoder("wav2vec2"), codebooks=(8,))
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = made.loss(batch).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def official_state():
    """A small model by the names of the published files, filled with other numbers."""
    torch.manual_seed(0)
    made = HuBERTECG(encoder(), codebooks=(8, 4), width=8)
    return {name: torch.randn_like(value) for name, value in to_official(made.state_dict()).items()}


@pytest.mark.parametrize("older", [False, True])
def test_official_weights_come_back_to_the_last_bit(older, ecg_batch):
    state = official_state()
    for name in ("encoder.layers.1.attention.k_proj.bias", "label_embedding.1.weight", "final_proj.0.weight"):
        assert name in state
    assert "feature_extractor.conv_layers.0.layer_norm.weight" in state
    made = HuBERTECG(encoder(), codebooks=(8, 4), width=8)
    given = dict(state)
    if older:
        newer = "encoder.pos_conv_embed.conv.parametrizations.weight.original"
        given = {f"encoder.pos_conv_embed.conv.weight_{letter}": given[f"{newer}{n}"] for n, letter in ((0, "g"), (1, "v"))} | {
            name: value for name, value in given.items() if not name.startswith(newer)
        }
    found = made.load_state_dict(from_official(given), strict=False)
    assert not found.unexpected_keys
    assert all(name.startswith(("codebooks.", "usage.")) for name in found.missing_keys)
    again = to_official(made.state_dict())
    assert set(again) == set(state)
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_features_are_those_of_the_encoder_the_published_model_is_made_of():
    # Of HubertModel in transformers 4.46.3, from which the published class derives, run with these weights and signal.
    made = method_of(codebooks=(4,)).eval()
    state = {}
    for name, value in to_official(made.state_dict()).items():
        place = torch.arange(value.numel(), dtype=torch.float64)
        one = 1.0 if name.endswith(("layer_norm.weight", "original0")) else 0.0
        state[name] = (one + 0.2 * torch.sin(0.37 * place + 0.011 * len(name))).reshape(value.shape).float()
    made.load_state_dict(from_official(state), strict=False)
    place = torch.arange(6000, dtype=torch.float64)
    x = (torch.sin(0.07 * place) + 0.3 * torch.sin(0.0003 * place * place)).float().reshape(1, 12, 500)
    features = made.backbone(x)[0].detach()
    for step, expected in ((0, (0.4015715122, -1.2218174934, 0.4336912930)), (92, (0.3444834054, -1.1581850052, 0.5855659246))):
        torch.testing.assert_close(features[:3, step], torch.tensor(expected), rtol=1e-5, atol=2e-5)
    assert float(features.double().abs().sum()) == pytest.approx(1342.827887, rel=1e-5)


def test_names_that_nobody_knows_are_refused():
    with pytest.raises(ValueError, match=r"'encoder\.layers\.0\.adapter\.weight' is no name of a HuBERT-ECG state dict"):
        from_official({"encoder.layers.0.adapter.weight": torch.ones(1)})
    with pytest.raises(ValueError, match=r"'head\.weight' is no name of HuBERTECG over a hubert_ecg backbone"):
        to_official({"head.weight": torch.ones(1)})


def test_what_it_cannot_work_with_is_named():
    for words, message in (
        ({"target": "words"}, r"target must be mfcc, timefreq, mfcc\+timefreq or layer:<number>, got 'words'"),
        ({"target": "layer:1"}, "target='layer:1' takes the features of an earlier training: pass teacher="),
        ({"teacher": encoder()}, "target='timefreq' has no use for a teacher"),
        ({"codebooks": (1,)}, r"codebooks are the clusters of each, two at least, got \(1,\)"),
        ({"alpha": 1.5}, "alpha is a share from 0 to 1, got 1.5"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            method_of(**words)
    with pytest.raises(ValueError, match="alpha is a share from 0 to 1, got 2"):
        code_prediction(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.bool), alpha=2)
    with pytest.raises(TypeError, match="HuBERTECG hides steps between local features and their context, and ResNet has no"):
        SSL.build("hubert_ecg", backbone=BACKBONES.build("resnet18", in_leads=2, widths=(4, 8), depths=(1, 1)))

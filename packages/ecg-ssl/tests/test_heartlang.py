"""HeartLang and its tokenizer: what is hidden and told, codes that are used, official names, and a short training."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from ecg_core.contracts.lazy import materialize
from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_core.layers.beats import Sentence
from ecg_core.run.card import SignalContract, save_model
from ecg_ssl.convert import heartlang as names
from ecg_ssl.layers.spherical_codes import spherical_codes
from ecg_ssl.methods.heartlang import HeartLang
from ecg_ssl.methods.vq_hbr import VQHBR

torch.set_num_threads(1)
SIZES = {"max_tokens": 48, "width": 16, "depth": 1, "heads": 2, "head_width": 8, "mlp_width": 32, "dropout": 0.0}


def tokenizer(**words):
    torch.manual_seed(0)
    return BACKBONES.build("vq_hbr", in_leads=3, **{**SIZES, "codes": 64, "code_width": 8, **words})


def method_of(tokens=None, parity="paper", **words):
    torch.manual_seed(1)
    backbone = BACKBONES.build("heartlang", in_leads=3, **{**SIZES, **words})
    return HeartLang(backbone, tokenizer=tokens or tokenizer(), parity=parity)


def stage_one(**words):
    return VQHBR(tokenizer(), **{"depth": 1, "head_width": 8, "mlp_width": 32, **words})


@pytest.fixture
def batch(ecg_batch):
    return ecg_batch(leads=3, samples=1000)


def test_half_of_the_beats_are_hidden_and_no_silence(batch):
    made = method_of()
    sentence = made.sentence_encoder.sentences(batch.signal)
    hidden = made.hidden_beats(batch, sentence)
    beats = sentence.real.sum(dim=1)
    assert torch.equal(hidden.sum(dim=1), (beats * 0.5).long())
    assert not (hidden & ~sentence.real).any()
    alone = replace(batch, signal=batch.signal[3:4], record_keys=batch.record_keys[3:4])
    assert torch.equal(made.hidden_beats(alone, made.sentence_encoder.sentences(alone.signal))[0], hidden[3])
    official = method_of(parity="official").hidden_beats(batch, sentence)
    assert official.sum(dim=1).tolist() == [24] * 8
    assert (official & ~sentence.real).any()


def test_of_256_tokens_the_published_rule_hides_128(ecg_batch):
    batch = ecg_batch(records=2, leads=3, samples=1000)
    made = method_of(tokenizer(max_tokens=256), "official", max_tokens=256)
    assert made.hidden_beats(batch, made.sentence_encoder.sentences(batch.signal)).sum(dim=1).tolist() == [128, 128]


def test_hidden_beats_do_not_show_through_and_as_published_they_do(batch):
    for parity, leaks in (("paper", False), ("official", True)):
        made = method_of(parity=parity).eval()
        sentence = made.sentence_encoder.sentences(batch.signal)
        hidden = made.hidden_beats(batch, sentence)
        other = sentence._replace(beats=torch.where(hidden[..., None], torch.randn_like(sentence.beats), sentence.beats))
        same = torch.allclose(made.contextual(sentence, hidden), made.contextual(other, hidden), atol=1e-6)
        assert same != leaks


def test_a_guess_among_8192_codes_costs_its_logarithm(batch):
    made = method_of(tokenizer(codes=8192))
    assert float(made.loss(batch).total.detach()) == pytest.approx(math.log(8192), abs=0.3)


def test_the_loss_is_the_cross_entropy_of_the_codes_of_hidden_beats(batch):
    made = method_of().eval()
    sentence = made.sentence_encoder.sentences(batch.signal)
    hidden = made.hidden_beats(batch, sentence)
    logits = made.head(made.contextual(sentence, hidden)[:, 1:])
    expected = F.cross_entropy(logits[hidden], made.tokenizer.network.codes(sentence)[hidden])
    torch.testing.assert_close(made.loss(batch).total, expected)


def test_windows_without_beats_cost_nothing(batch):
    made = method_of()
    flat = batch.with_signal(torch.zeros_like(batch.signal))
    total = made.loss(flat).total
    total.backward()
    assert float(total.detach()) == 0
    assert float(stage_one().loss(flat).total.detach()) == 0


def test_the_tokenizer_stays_as_it_is_in_training(batch):
    made = method_of().train()
    before = {name: value.clone() for name, value in made.tokenizer.state_dict().items()}
    made.loss(batch).total.backward()
    made.after_step()
    assert not made.tokenizer.network.training
    assert all(not p.requires_grad and p.grad is None for p in made.tokenizer.parameters())
    assert all(torch.equal(value, before[name]) for name, value in made.tokenizer.state_dict().items())


def test_the_tokenizer_is_read_from_a_run(batch, tmp_path):
    trained = tokenizer()
    save_model(tmp_path, "backbone", trained, kind="backbones", signal=SignalContract(100.0, batch.leads, 1000, ()))
    assert torch.equal(method_of(str(tmp_path)).loss(batch).total, method_of(trained).loss(batch).total)


def test_a_gain_changes_codes_for_amplitudes_are_not_told_apart_by_direction_alone(batch):
    made = stage_one()
    trained = materialize(made, batch, call=made.loss)
    trained.train().loss(batch)
    sentence = made.tokenizer.sentences(batch.signal)
    louder = sentence._replace(beats=2 * sentence.beats)
    real = sentence.real
    assert not torch.equal(made.tokenizer.codes(sentence)[real], made.tokenizer.codes(louder)[real])


def test_stage_one_is_the_error_of_beats_and_the_distance_from_codes(batch):
    made = stage_one(beta=0.5).eval()
    made.loss(batch)  # makes the first codes
    sentence = made.tokenizer.sentences(batch.signal)
    z = F.normalize(made.tokenizer.encode(sentence), dim=-1)
    number, codes = made.tokenizer.quantizer(z)
    real = sentence.real
    drawn = made.reconstruct(codes, sentence)
    error = F.mse_loss(drawn[real], sentence.beats[real])
    commitment = F.mse_loss(z[real], made.tokenizer.quantizer.codebook[number][real])
    found = made.loss(batch)
    torch.testing.assert_close(found.total, error + 0.5 * commitment)
    torch.testing.assert_close(found.logs["reconstruction"], error.detach())
    whole = stage_one(parity="official").eval()
    whole.load_state_dict(made.state_dict())
    torch.testing.assert_close(whole.loss(batch).logs["reconstruction"], F.mse_loss(drawn, sentence.beats).detach())


def test_codes_begin_at_beats_follow_them_and_are_all_given_a_chance(batch):
    made = stage_one().train()
    assert not bool(made.tokenizer.quantizer.begun)
    state = torch.random.get_rng_state()
    found = made.loss(batch)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert bool(made.tokenizer.quantizer.begun)
    assert 1 < float(found.logs["code_perplexity"]) <= 64
    before = made.tokenizer.quantizer.codebook.clone()
    made.after_step()
    assert not torch.equal(made.tokenizer.quantizer.codebook, before)
    gauges = made.gauges()
    assert 1 < gauges["code_perplexity"] <= 64
    assert gauges["dead_codes"] == 0  # those that nothing chose stand at beats of the batch now
    kept = made.tokenizer.quantizer.codebook.clone()
    made.eval().loss(batch)
    made.after_step()
    assert torch.equal(made.tokenizer.quantizer.codebook, kept)


def test_without_a_chance_codes_stay_dead(batch):
    made = VQHBR(tokenizer(codes=1024), depth=1, head_width=8, mlp_width=32, revive=0.0).train()
    made.loss(batch)
    made.after_step()
    assert made.gauges()["dead_codes"] > 0.1


def test_spherical_codes_find_directions_and_wait_where_there_are_too_few_points():
    ends = F.normalize(torch.randn(4, 6, generator=torch.Generator().manual_seed(0)), dim=-1)
    points = ends.repeat(30, 1) * torch.linspace(0.1, 9, 120)[:, None]
    before = torch.random.get_rng_state()
    found = spherical_codes(points, 40)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert float((ends @ found.T).amax(dim=1).min()) > 0.999
    torch.testing.assert_close(found.norm(dim=1), torch.ones(40))
    few = spherical_codes(points[:3], 10)
    assert torch.isfinite(few).all()
    assert len(torch.unique(few.round(decimals=4), dim=0)) == 10
    assert torch.equal(found, spherical_codes(points, 40))
    assert not torch.equal(found, spherical_codes(points, 40, seed=1))


def test_both_stages_learn_in_a_short_training(batch):
    def train(method, steps, lr):
        optimizer = torch.optim.AdamW(method.parameters(), lr=lr)
        losses = []
        for _ in range(steps):
            loss = method.loss(batch).total
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            method.after_step()
            losses.append(float(loss.detach()))
        return losses

    first = stage_one().train()
    losses = train(first, 60, 3e-3)
    assert losses[-1] < 0.6 * losses[0]
    second = method_of(first.backbone).train()
    losses = train(second, 80, 3e-3)
    assert losses[-1] < 0.6 * losses[0]
    assert 1 < second.gauges()["code_perplexity"] <= 64


def test_official_weights_of_the_encoder_come_back_to_the_last_bit():
    made = method_of()
    state = {name: torch.randn_like(value) for name, value in names.to_official(made.state_dict()).items()}
    assert state["mask_token"].shape == (1, 1, 16)
    assert state["token_embed.tokenConv.weight"].shape == (16, 96, 3)
    assert "transformer.layers.0.0.to_qkv.weight" in state
    assert "transformer.layers.0.0.to_qkv.bias" not in state
    found = made.load_state_dict(names.from_official(state), strict=False)
    assert not found.unexpected_keys
    assert all(name.startswith(("tokenizer.", "usage.")) for name in found.missing_keys)
    again = names.to_official(made.state_dict())
    assert set(again) == set(state)
    assert all(torch.equal(again[name], state[name]) for name in state)


def test_official_weights_of_the_tokenizer_come_back_to_the_last_bit():
    made = stage_one()
    state = {name: torch.randn_like(value) for name, value in names.tokenizer_to_official(made.state_dict()).items()}
    state["quantize.embedding.initted"] = torch.ones(1)
    extra = {"encoder.mask_token": torch.zeros(1, 1, 16), "quantize.embedding.embed_avg": torch.zeros(64, 8)}
    made.load_state_dict(names.tokenizer_from_official(state | extra))
    again = names.tokenizer_to_official(made.state_dict())
    assert set(again) == set(state)
    assert all(torch.equal(again[name], state[name]) for name in state)


def filled(state):
    """Numbers by formula under official names, as the original code was given them."""
    found = {}
    for name, value in state.items():
        place = torch.arange(value.numel(), dtype=torch.float64)
        one = 1.0 if name.endswith("norm.weight") or "net.0.weight" in name or name == "norm_layer.weight" else 0.0
        found[name] = (one + 0.2 * torch.sin(0.37 * place + 0.011 * len(name))).reshape(value.shape).float()
    return found


def small_sentences():
    """Two sentences of two leads, the second of which ends in silence."""
    place = torch.arange(2 * 12 * 8, dtype=torch.float64)
    beats = torch.sin(0.7 * place + 0.001 * place * place).reshape(2, 12, 8).float()
    beats[1, 9:] = 0
    lead = torch.tensor([[1] * 6 + [2] * 6, [1] * 5 + [2] * 4 + [0] * 3])
    return Sentence(beats, lead, torch.tensor([[1, 2, 3, 4, 5, 6] * 2, [1, 2, 3, 4, 5, 1, 2, 3, 4, 0, 0, 0]]))


OFFICIAL = {"max_tokens": 12, "token_len": 8, "depth": 2, "head_width": 4, "mlp_width": 24, "attend_padding": True}


def test_logits_are_those_of_the_original_code():
    # Of ST_ECGFormer in PKUDigitalHealth/HeartLang @a08afd81, run with these weights, sentences and mask, in evaluation.
    made = method_of(tokenizer(**OFFICIAL, codes=10), "official", **OFFICIAL).eval()
    made.load_state_dict(names.from_official(filled(names.to_official(made.state_dict()))), strict=False)
    hidden = (torch.arange(12) % 2 == 0).expand(2, 12)
    logits = made.head(made.contextual(small_sentences(), hidden)[:, 1:][hidden]).detach()
    expected = torch.tensor([0.9757734537, 0.8519576788, 0.6165251732, 0.2999126911])
    torch.testing.assert_close(logits[0, :4], expected, rtol=1e-5, atol=2e-5)
    assert float(logits.double().sum()) == pytest.approx(-13.572218, abs=2e-4)
    assert float(logits.double().abs().sum()) == pytest.approx(74.563241, rel=1e-5)


def test_both_parts_of_stage_one_and_the_codes_behind_a_step_are_those_of_the_original_code():
    # Of VQHBR in PKUDigitalHealth/HeartLang @a08afd81, run with these weights and sentences, in training.
    made = VQHBR(
        tokenizer(**OFFICIAL, codes=10, code_width=4), depth=1, head_width=4, mlp_width=24, parity="official", revive=0.0
    )
    state = filled(names.tokenizer_to_official(made.state_dict()))
    book = state["quantize.embedding.weight"] + 0.05 * torch.cos(1.3 * torch.arange(40.0)).reshape(10, 4)
    state |= {"quantize.embedding.weight": F.normalize(book, dim=-1), "quantize.embedding.initted": torch.ones(1)}
    state["quantize.cluster_size"] = torch.zeros(10)
    made.load_state_dict(names.tokenizer_from_official(state))
    made.backbone.sentences = lambda x: small_sentences()
    found = made.train().loss(Batch(torch.zeros(2, 3, 100), 100.0, STANDARD_12[:3]))
    assert float(found.logs["reconstruction"]) == pytest.approx(0.5971726179, rel=1e-5)
    assert float(found.logs["commitment"]) == pytest.approx(0.0048072268, rel=1e-5)
    assert float(found.total.detach()) == pytest.approx(0.6019798517, rel=1e-5)
    made.after_step()
    moved = (made.tokenizer.quantizer.codebook - F.normalize(book, dim=-1)).abs().max()
    assert float(moved) == pytest.approx(0.0014960766, rel=1e-3)


def test_names_that_nobody_knows_are_refused():
    with pytest.raises(ValueError, match=r"'transformer\.layers\.0\.0\.adapter\.weight' is no name of a HeartLang state dict"):
        names.from_official({"transformer.layers.0.0.adapter.weight": torch.ones(1)})
    with pytest.raises(ValueError, match=r"'teacher\.weight' is no name of a VQ-HBR state dict"):
        names.tokenizer_from_official({"teacher.weight": torch.ones(1)})
    for back in (names.to_official, names.tokenizer_to_official):
        with pytest.raises(ValueError, match="'x.weight' is no name of HeartLang over heartlang, nor of VQHBR over vq_hbr"):
            back({"x.weight": torch.ones(1)})


def test_what_it_cannot_work_with_is_named(ecg_batch):
    plain = BACKBONES.build("resnet18", in_leads=3, widths=(4, 8), depths=(1, 1))
    with pytest.raises(ValueError, match="HeartLang tells the codes of a trained tokenizer: pass tokenizer=, the run of"):
        SSL.build("heartlang", backbone=BACKBONES.build("heartlang", in_leads=3, **SIZES))
    with pytest.raises(TypeError, match=r"ResNet has no such halves; pass create_backbone\('heartlang'\)"):
        HeartLang(plain, tokenizer=tokenizer())
    with pytest.raises(TypeError, match="a tokenizer gives beats codes, and ResNet has none; train one: vq_hbr"):
        method_of(plain)
    with pytest.raises(TypeError, match=r"VQHBR learns codes of beats, and ResNet has none; pass create_backbone\('vq_hbr'\)"):
        VQHBR(plain)
    with pytest.raises(ValueError, match="the tokenizer has max_tokens=32, the backbone 48; give both the same"):
        method_of(tokenizer(max_tokens=32))
    with pytest.raises(ValueError, match=r"HeartLang cuts tokens at 100 Hz, got windows at 250 Hz; prepare them with --fs 100"):
        method_of().loss(ecg_batch(leads=3, samples=1000, fs=250.0))
    with pytest.raises(ValueError, match=r"VQHBR cuts tokens at 100 Hz, got windows at 250 Hz"):
        stage_one().loss(ecg_batch(leads=3, samples=1000, fs=250.0))
    for words, message in (
        ({"beta": -1.0}, "beta and revive are not negative, got -1.0"),
        ({"parity": "exact"}, "parity must be paper or official, got 'exact'"),
    ):
        with pytest.raises(ValueError, match=message):
            stage_one(**words)
    backbone = BACKBONES.build("heartlang", in_leads=3, **SIZES)
    with pytest.raises(ValueError, match="mask_ratio must be between 0 and 1, got 1.0"):
        HeartLang(backbone, tokenizer=tokenizer(), mask_ratio=1.0)
    with pytest.raises(ValueError, match="parity must be paper or official, got 'exact'"):
        HeartLang(backbone, tokenizer=tokenizer(), parity="exact")

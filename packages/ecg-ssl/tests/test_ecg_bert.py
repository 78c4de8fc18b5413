"""ECGBERT: BERT's rule over whole waves, no word that can be read off the signal, and words that stay what they are."""

import math

import pytest
import torch
from torch.nn import functional as F

from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.masking import mask_words
from ecg_ssl.methods.ecg_bert import ECGBERT

torch.set_num_threads(1)


def encoder(**words):
    small = {"max_segments": 96, "width": 16, "depth": 1, "heads": 2, "mlp_width": 32, "signal_widths": (4, 8, 8)}
    return BACKBONES.build("ecg_bert_small", **{**small, "dropout": 0.0, **words})


def method_of(seed=0, arguments=None, **words):
    torch.manual_seed(seed)
    return ECGBERT(encoder(**words), **(arguments or {}))


@pytest.fixture
def batch(ecg_batch):
    return ecg_batch(leads=3, samples=1000)


def regular(samples=1000, shift=0, sign=1.0, noise=0.0):
    """One lead of equal beats, 80 samples each."""
    time = (torch.arange(samples) + shift).remainder(80) / 100 - 0.3
    x = sum(
        h * torch.exp(-0.5 * ((time - c) / w) ** 2) for c, w, h in ((-0.16, 0.025, 0.15), (0.0, 0.012, 1.0), (0.25, 0.05, 0.3))
    )
    x = x + noise * torch.randn(samples, generator=torch.Generator().manual_seed(1))
    return Batch(sign * x[None, None], 100.0, STANDARD_12[:1])


def test_fifteen_of_a_hundred_waves_are_chosen_and_of_ten_eight_masked_one_swapped():
    rng = torch.Generator().manual_seed(0)
    noise, fate = torch.rand(40_000, generator=rng), torch.rand(40_000, generator=rng)
    real = torch.arange(40_000) < 30_000
    found = mask_words(noise, fate, 0.15, real)
    chosen = int(found.chosen.sum())
    assert abs(chosen - 4500) < 3 * math.sqrt(30_000 * 0.15 * 0.85)
    assert not (found.chosen & ~real).any()
    assert not (found.masked & found.swapped).any()
    counts = torch.tensor([found.masked.sum(), found.swapped.sum(), (found.chosen & ~found.masked & ~found.swapped).sum()])
    expected = chosen * torch.tensor([0.8, 0.1, 0.1])
    assert float(((counts - expected) ** 2 / expected).sum()) < 13.8  # chi-square, 2 degrees of freedom, p = 0.001
    with pytest.raises(ValueError, match="a share of words is between 0 and 1, got 1.0"):
        mask_words(noise, fate, 1.0, real)


def test_all_samples_of_a_wave_share_what_becomes_of_it(batch):
    made = method_of(granularity="sample")
    waves = made.wave_encoder.waves(batch.signal)
    masked = made.masked_words(batch, made.words(batch, waves))
    per_sample = made.wave_encoder.per_token(masked.chosen.long(), waves)
    for segment in range(5):
        inside = waves.place[0] == segment
        assert len(per_sample[0, :, inside].unique(dim=1).T) == 1


def test_a_hidden_wave_cannot_be_read_off_the_signal_unless_it_is_left_there(batch):
    for arguments, leaks in (({}, False), ({"hide_signal": False}, True)):
        for granularity in ("segment", "sample"):
            made = method_of(arguments=arguments, granularity=granularity).eval()
            encoder_ = made.wave_encoder
            waves = encoder_.waves(batch.signal)
            words = made.words(batch, waves)
            masked = made.masked_words(batch, words)
            given = made.given(words, masked, torch.full_like(words, 4))
            inside = made.backbone.spread(masked.chosen.long(), waves) > 0
            other = torch.where(inside, batch.signal + 1.0, batch.signal)
            same = torch.allclose(
                made.logits(batch.signal, waves, given, masked.chosen), made.logits(other, waves, given, masked.chosen), atol=1e-6
            )
            assert same != leaks


def test_the_encoder_is_given_masks_other_words_and_the_rest_as_it_is(batch):
    made = method_of(arguments={"mask_ratio": 0.5})
    waves = made.wave_encoder.waves(batch.signal)
    words = made.words(batch, waves)
    masked = made.masked_words(batch, words)
    given = made.given(words, masked, torch.full_like(words, 99))
    assert (given[masked.masked] == 3).all()
    assert (given[masked.swapped] == 99).all()
    rest = ~masked.masked & ~masked.swapped
    assert torch.equal(given[rest], words[rest])
    assert int(masked.swapped.sum()) > 0
    assert not masked.chosen[words == 0].any()


@pytest.mark.parametrize("granularity", ["segment", "sample"])
def test_the_loss_is_the_cross_entropy_at_chosen_tokens_and_a_guess_at_first(batch, granularity):
    made = method_of(granularity=granularity, width=64).eval()
    found = made.loss(batch)
    assert float(found.total.detach()) == pytest.approx(math.log(74), abs=0.3)
    waves = made.wave_encoder.waves(batch.signal)
    words = made.words(batch, waves)
    masked = made.masked_words(batch, words)
    other = 4 + batch.draws(34).integers(70, size=words.shape[1:])
    logits = made.logits(batch.signal, waves, made.given(words, masked, other), masked.chosen)
    logits = logits.unflatten(0, (3, 8)).transpose(0, 1)  # (batch, leads, tokens, words)
    chosen = made.wave_encoder.per_token(masked.chosen.long(), waves) > 0
    expected = F.cross_entropy(logits[chosen], made.wave_encoder.per_token(words, waves)[chosen])
    torch.testing.assert_close(found.total, expected)


def test_one_record_is_learned_by_heart():
    batch = regular()
    made = method_of(width=32, depth=2, seed=2, arguments={"mask_ratio": 0.3}).train()
    optimizer = torch.optim.AdamW(made.parameters(), lr=3e-3)
    for epoch in range(250):
        optimizer.param_groups[0]["lr"] = 3e-3 if epoch < 180 else 5e-4
        loss = made.loss(Batch(batch.signal, 100.0, batch.leads, epoch=epoch)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    made.mask_ratio = 0.15
    left = [float(made.eval().loss(Batch(batch.signal, 100.0, batch.leads, epoch=e)).total.detach()) for e in range(300, 310)]
    assert sum(left) / 10 < 0.1


@pytest.mark.parametrize("distinct", [True, False])
def test_words_follow_from_their_seed_and_batch_and_leave_the_global_generator_alone(batch, distinct):
    linear_sum_assignment = pytest.importorskip("scipy.optimize").linear_sum_assignment
    before = torch.random.get_rng_state()
    made = []
    if distinct:
        batch = Batch(torch.cat([regular(noise=0.01).signal, regular(sign=-1.0, noise=0.01).signal]), 100.0, STANDARD_12[:1])
    for seed in (0, 0, 5):
        method = method_of(arguments={"seed": seed}, clusters=(2, 2, 2, 2) if distinct else (12, 19, 14, 25))
        torch.random.set_rng_state(before)
        waves = method.wave_encoder.waves(batch.signal)
        made.append(method.words(batch, waves))
        assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(made[0], made[1])
    if distinct:  # where there are as many shapes as words, any seed finds them; what lies between is noise here
        waves_only = (made[0] >= 4) & (made[0] < 10)
        pairs = (made[0][waves_only], made[2][waves_only])
        confusion = torch.zeros(12, 12).index_put(pairs, torch.ones(()), accumulate=True)
        rows, columns = linear_sum_assignment(-confusion.numpy())
        assert float(confusion[rows, columns].sum() / confusion.sum()) > 0.95


def test_all_batches_make_words_and_say_how_they_are_used(ecg_batch):
    batches = [ecg_batch(leads=3, samples=1000, seed=seed) for seed in range(3)]
    made = method_of()
    report = made.fit(batches)
    assert [len(each.counts) for each in report] == [12, 19, 14, 25]
    assert all(1 < each.perplexity <= len(each.counts) for each in report)
    centres = made.wave_encoder.words.centres.clone()
    made.train().loss(batches[0])
    assert torch.equal(made.wave_encoder.words.centres, centres)
    assert 4 < made.gauges()["code_perplexity"] <= 70


def test_a_shift_by_a_beat_moves_words_and_a_turned_lead_has_other_qrs_words():
    made = method_of()
    still, later, turned = (regular(**words) for words in ({}, {"shift": 80}, {"sign": -1.0}))
    both = Batch(torch.cat([still.signal, turned.signal]), 100.0, still.leads)
    made.fit([both])
    names = made.backbone.words.names

    def sentence(batch):
        waves = made.wave_encoder.waves(batch.signal)
        return [names[n] for n in made.words(batch, waves)[0, 0].tolist() if n]

    assert sentence(later) == sentence(still)
    complexes = [{word for word in sentence(b)[4:-4] if word.startswith("qrs")} for b in (still, turned)]
    assert complexes[0]
    assert not complexes[0] & complexes[1]


def test_flat_windows_are_one_word_and_no_nan(batch):
    made = method_of(arguments={"mask_ratio": 0.9})
    flat = batch.with_signal(torch.zeros_like(batch.signal))
    total = made.loss(flat).total
    total.backward()
    assert torch.isfinite(total)
    waves = made.wave_encoder.waves(flat.signal)
    assert len(made.words(flat, waves)[waves.real[:, None].expand(8, 3, 96)].unique()) == 1


def test_what_it_cannot_work_with_is_named(ecg_batch):
    with pytest.raises(TypeError, match=r"ResNet has no such halves; pass create_backbone\('ecg_bert_small'\)"):
        SSL.build("ecg_bert", backbone=BACKBONES.build("resnet18", in_leads=2, widths=(4, 8), depths=(1, 1)))
    with pytest.raises(ValueError, match="mask_ratio must be between 0 and 1, got 1.0"):
        method_of(arguments={"mask_ratio": 1.0})
    with pytest.raises(ValueError, match="ECGBERT cuts tokens at 100 Hz, got windows at 250 Hz; prepare them with --fs 100"):
        method_of().loss(ecg_batch(leads=3, samples=1000, fs=250.0))

"""Sentences of heartbeats: where R peaks stand, where beats begin and end, what is lost and what is silent."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecg_core.data.r_peaks import detect_r_peaks  # noqa: E402
from ecg_core.layers.beats import BeatSentences, RPeaks  # noqa: E402
from ecg_core.layers.sentences import SentenceTransformer  # noqa: E402
from ecg_core.testing.toy import toy_signal  # noqa: E402

torch.set_num_threads(1)


def at(*positions, samples=1000, most=50):
    return torch.tensor([[*positions, *[samples] * (most - len(positions))]])


def as_published(x, peaks, token_len=96):
    """Tokens of one window by the published rule, beat by beat: (leads, beats, samples)."""
    leads, samples = x.shape
    half = token_len // 2
    tokens = np.zeros((leads, len(peaks), token_len), dtype=x.dtype)
    for number, r in enumerate(peaks):
        start = max(r - half, 0) if number == 0 else (r + peaks[number - 1]) // 2
        if number == len(peaks) - 1:
            end = min(start + token_len, samples) if number == 0 else min(r + half, samples)
        else:
            end = (r + peaks[number + 1]) // 2
        if end - start > token_len:
            start = max(r - half, 0)
            end = min(start + token_len, samples)
        front = max(half - (r - start), 0)
        end -= max(front + end - start - token_len, 0)
        tokens[:, number, front : front + end - start] = x[:, start:end]
    return tokens


@pytest.mark.parametrize("positions", [(20, 100, 190, 260, 420, 700, 790, 985), (500,), (10, 700), (139, 267, 274, 300)])
def test_shifted_tokens_are_those_of_the_published_rule(positions):
    x = np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)
    sentence = BeatSentences(100.0, centred=False)(torch.from_numpy(x)[None], at(*positions))
    expected = as_published(x, positions).reshape(-1, 96)
    np.testing.assert_array_equal(sentence.beats[0, : len(expected)].numpy(), expected)
    assert not sentence.beats[0, len(expected) :].any()


def test_r_peaks_stand_in_the_middle_and_nothing_is_beside_a_beat():
    positions = (70, 150, 260, 420, 700, 790, 930)
    x = 5 + torch.rand(1, 2, 1000)
    sentence = BeatSentences(100.0)(x, at(*positions))
    for number, r in enumerate(positions):
        for lead in range(2):
            token = sentence.beats[0, lead * len(positions) + number]
            assert token[48] == x[0, lead, r]
            begin = (r + positions[number - 1]) // 2 if number else r - 48
            end = (r + positions[number + 1]) // 2 if number + 1 < len(positions) else r + 48
            if end - begin > 96:  # cut to a token around its R peak
                begin, end = r - 48, r + 48
            begin, end = max(begin, r - 48), min(end, r + 48)
            inside = torch.arange(r - 48, r + 48)
            inside = (inside >= begin) & (inside < end)
            assert (token[~inside] == 0).all()
            assert torch.equal(token[inside], x[0, lead, begin:end])


def test_a_fast_heart_loses_leads_or_its_last_beats():
    positions = tuple(range(20, 1000, 40))  # 150 per minute
    assert len(positions) == 25
    x = torch.randn(1, 12, 1000)
    by_lead = BeatSentences(100.0, order="lead")(x, at(*positions))
    assert by_lead.real.all()
    assert set(by_lead.lead[0].tolist()) == set(range(1, 12))  # V6 is gone, V5 has lost beats
    assert [int((by_lead.lead == lead).sum()) for lead in (1, 10, 11)] == [25, 25, 6]
    by_time = BeatSentences(100.0, order="time")(x, at(*positions))
    assert by_time.lead[0, :252].tolist() == list(range(1, 13)) * 21
    assert torch.equal(by_time.beats[0, 12 * 3 + 4], by_lead.beats[0, 4 * 25 + 3])


def test_leads_and_seconds_are_numbered_from_1_and_0_is_silence():
    x = torch.from_numpy(toy_signal(4, 12, 1000))
    sentence = BeatSentences(100.0)(x)
    peaks = RPeaks(100.0)(x)
    count = (peaks < 1000).sum(dim=1)
    assert (sentence.real.sum(dim=1) == (12 * count).clamp(max=256)).all()
    assert int(sentence.lead[sentence.real].min()) == 1
    assert int(sentence.lead.max()) == 12
    assert int(sentence.time[sentence.real].min()) == 1
    assert int(sentence.time.max()) <= 10
    assert not sentence.time[~sentence.real].any()
    assert not sentence.beats[~sentence.real].any()
    first = int(count[0])
    assert torch.equal(sentence.time[0, :first], peaks[0, :first] // 100 + 1)


def test_without_r_peaks_a_sentence_is_empty():
    for x in (torch.zeros(1, 12, 1000), torch.full((1, 12, 1000), torch.nan)):
        assert not BeatSentences(100.0)(x).real.any()


@pytest.mark.parametrize("fs", [100.0, 250.0, 500.0])
def test_r_peaks_are_those_of_the_detector_for_recordings(fs):
    x = toy_signal(12, 12, round(10 * fs), fs=fs, seed=3)
    found = RPeaks(fs)(torch.from_numpy(x))
    right = missed = wrong = 0
    for window, peaks in zip(x, found.numpy(), strict=True):
        mine, theirs = peaks[peaks < x.shape[-1]], detect_r_peaks(window, fs=fs)
        inner = theirs[(theirs > 0.3 * fs) & (theirs < x.shape[-1] - 0.3 * fs)]
        near = np.abs(mine[:, None] - inner[None]) <= 0.05 * fs
        right += int(near.any(axis=0).sum())
        missed += int((~near.any(axis=0)).sum())
        wrong += int((np.abs(mine[:, None] - theirs[None]).min(axis=1) > 0.1 * fs).sum())
    assert right > 120
    assert missed <= 0.01 * right
    assert wrong <= 0.02 * right


def test_two_equal_samples_on_top_are_one_peak_and_a_gain_moves_none():
    x = torch.zeros(1, 1, 1000)
    for r in (200, 400, 650):
        x[..., r : r + 2] = 1.0
    found = RPeaks(100.0)(x)
    assert [int(abs(p - r) <= 2) for p, r in zip(found[0, :3].tolist(), (200, 400, 650), strict=True)] == [1, 1, 1]
    assert int((found < 1000).sum()) == 3
    for gain in (-1e4, 1e-4):
        assert torch.equal(RPeaks(100.0)(gain * x), found)


def test_a_shift_by_whole_beats_moves_tokens_and_leaves_them_as_they_are():
    beat = torch.randn(80)
    x = beat.repeat(14)[None, None]
    positions = range(40, 1000, 80)
    sentence = BeatSentences(100.0)
    now = sentence(x[..., :1000], at(*positions)).beats[0]
    later = sentence(x[..., 80:1080], at(*positions)).beats[0]
    torch.testing.assert_close(now[2:10], later[1:9])


def test_no_token_looks_at_silence_and_places_are_told_apart():
    torch.manual_seed(0)
    made = SentenceTransformer(8, width=16, depth=2, heads=2, head_width=8, mlp_width=16, max_tokens=6).eval()
    sentence = torch.randn(1, 6, 8)
    real = torch.tensor([[True, True, True, True, False, False]])
    tokens = made.embed(sentence)
    found = made.contextual(tokens, real=real)
    other = torch.where(real[..., None], tokens, torch.randn(1, 6, 16))
    torch.testing.assert_close(made.contextual(other, real=real)[:, :5], found[:, :5])
    assert not torch.allclose(made.contextual(other)[:, :5], made.contextual(tokens)[:, :5])
    lead = torch.tensor([[1, 2, 3, 4, 0, 0]])
    assert not torch.allclose(made.contextual(tokens, lead, lead), made.contextual(tokens, lead.flip(1), lead))
    late = made.contextual(tokens, time=torch.full((1, 6), 99))
    assert torch.equal(late, made.contextual(tokens, time=torch.full((1, 6), 15)))


def test_the_embedding_is_a_ring():
    made = SentenceTransformer(8, width=16, depth=1, heads=2, mlp_width=16, max_tokens=5)
    sentence = torch.randn(1, 5, 8)
    torch.testing.assert_close(made.embed(sentence.roll(2, dims=1)), made.embed(sentence).roll(2, dims=1))


def test_what_cannot_be_cut_is_named():
    with pytest.raises(ValueError, match="needs fs of at least 50 Hz, got 40"):
        RPeaks(40.0)
    with pytest.raises(ValueError, match="leads must be all or first, got 'some'"):
        RPeaks(100.0, leads="some")
    with pytest.raises(ValueError, match="order must be lead or time, got 'beat'"):
        BeatSentences(100.0, order="beat")
    with pytest.raises(ValueError, match="tokens of an even number of samples, got 256 of 95"):
        BeatSentences(100.0, token_len=95)

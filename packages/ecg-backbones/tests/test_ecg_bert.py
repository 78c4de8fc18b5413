"""ECGBERT's words and encoder: the vocabulary, shapes that are told apart, and tokens of waves or of samples."""

import pytest
import torch

from ecg_backbones.layers.wave_words import SPECIALS, WaveWords, word_names
from ecg_core.discovery.registries import BACKBONES
from ecg_core.layers.waves import WaveSegments
from ecg_core.testing.toy import toy_signal

torch.set_num_threads(1)


def encoder(**words):
    torch.manual_seed(0)
    small = {"max_segments": 96, "width": 16, "depth": 1, "heads": 2, "mlp_width": 32, "signal_widths": (4, 8, 8)}
    return BACKBONES.build("ecg_bert_small", in_leads=3, **{**small, "dropout": 0.0, **words}).eval()


def test_the_vocabulary_has_74_words_and_names_go_both_ways():
    names = word_names()
    assert len(names) == len(set(names)) == 74
    assert names[:4] == SPECIALS == ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
    assert [names.index(word) for word in ("p0", "qrs0", "t0", "bg0", "bg24")] == [4, 16, 35, 49, 73]
    assert [names[names.index(word)] for word in names] == list(names)


def test_words_are_those_of_the_nearest_shape_of_their_kind():
    x = torch.from_numpy(toy_signal(3, 2, 1000))
    waves = WaveSegments(100.0)(x)
    words = WaveWords(100.0)
    shapes = words.shapes(x, waves)
    rng = torch.Generator().manual_seed(0)
    for kind, count in enumerate(words.clusters):
        words.make(kind, torch.randn(count, 33, generator=rng), torch.randn(33, generator=rng), torch.rand(33, generator=rng) + 1)
    found = words(x, waves)
    assert (found[~waves.real[:, None].expand_as(found)] == 0).all()
    for row, lead, segment in ((0, 0, 3), (1, 1, 10), (2, 0, 17)):
        kind = int(waves.kind[row, segment])
        standard = (shapes[row, lead, segment] - words.mean[kind]) / words.scale[kind]
        first = 4 + sum(words.clusters[:kind])
        mine = words.centres[first - 4 : first - 4 + words.clusters[kind]]
        assert int(found[row, lead, segment]) == first + int((mine - standard).square().sum(dim=1).argmin())


def test_the_shape_of_a_wave_is_its_course_and_its_duration():
    x = torch.from_numpy(toy_signal(1, 2, 1000))
    waves = WaveSegments(100.0)(x)
    shapes = WaveWords(100.0).shapes(x, waves)
    long = int(waves.length[0].argmax())
    begin, length = int(waves.start[0, long]), int(waves.length[0, long])
    expected = torch.nn.functional.interpolate(x[:1, :, begin : begin + length], size=32, mode="linear", align_corners=False)
    torch.testing.assert_close(shapes[0, :, long, :32], expected[0], rtol=1e-4, atol=1e-5)
    assert float(shapes[0, 1, long, 32].exp()) == pytest.approx(length / 100, rel=1e-5)


def test_fewer_clusters_than_words_leave_the_last_words_unused():
    words = WaveWords(100.0, (3, 2, 2, 2))
    words.make(0, torch.tensor([[0.0] * 33, [1.0] * 33]), torch.zeros(33), torch.ones(33))
    assert torch.equal(words.centres[2], words.centres[1])
    assert bool(words.made)
    with pytest.raises(ValueError, match=r"clusters are those of p, qrs, t, bg, one of each at least, got \(3, 2\)"):
        WaveWords(100.0, (3, 2))


def test_features_are_zero_where_there_is_no_wave_and_the_pooled_ones_are_the_mean_of_the_others():
    backbone = encoder()
    x = torch.from_numpy(toy_signal(2, 3, 1000))
    features, real = backbone(x), backbone.waves(x).real
    assert not features.transpose(1, 2)[~real].any()
    expected = torch.stack([row[:, there].mean(dim=1) for row, there in zip(features, real, strict=True)])
    torch.testing.assert_close(backbone.pool(features), expected)


def test_a_token_of_a_wave_is_the_mean_of_what_the_net_sees_of_its_samples():
    backbone = encoder()
    x = torch.from_numpy(toy_signal(2, 3, 500))
    waves = backbone.waves(x)
    seen = backbone.signal_net(torch.cat(x.unbind(1)))  # lead by lead
    backbone.norm = torch.nn.Identity()
    nothing = torch.zeros(2, 3, 96, dtype=torch.int64)
    with torch.no_grad():
        backbone.word_embedding.weight.zero_()
        backbone.duration_embedding.weight.zero_()
    tokens, silent = (backbone.embed(signal, waves, nothing) for signal in (x, torch.zeros_like(x)))
    start, length = int(waves.start[1, 2]), int(waves.length[1, 2])
    other = backbone.signal_net(torch.zeros(1, 500))[0, start : start + length].mean(dim=0)
    found = tokens[2 + 1, 2] - silent[2 + 1, 2]  # of window 1, in lead 1; its place is in both
    torch.testing.assert_close(found, seen[2 + 1, start : start + length].mean(dim=0) - other)


def test_with_a_token_per_sample_all_samples_of_a_wave_have_its_word():
    backbone = encoder(granularity="sample")
    x = torch.from_numpy(toy_signal(2, 3, 403))
    assert backbone(x).shape == (2, 16, 403)
    waves = backbone.waves(x)
    numbers = torch.arange(96).expand(2, 3, 96)
    assert torch.equal(backbone.per_token(numbers, waves)[:, 1], waves.place)


def test_what_cannot_be_built_is_named():
    with pytest.raises(ValueError, match="width must be even and a multiple of heads, got 16 and 3"):
        encoder(heads=3)
    with pytest.raises(ValueError, match="granularity must be segment or sample, got 'beat'"):
        encoder(granularity="beat")

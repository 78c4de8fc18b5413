"""A recipe of our own under a name that nobody has published: its three parts, each against its stand-alone form."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.methods import three_m_ecg
from ecg_ssl.methods.st_mem import STMEM
from ecg_ssl.methods.three_m_ecg import ThreeMECG, split_leads
from ecg_ssl.objectives.cmsc import cmsc
from ecg_ssl.objectives.masked import patch_mse
from ecg_ssl.objectives.metadata_matching import matching_loss, other_facts

torch.set_num_threads(1)
NAN = float("nan")
DECODER = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, "decoder_head_width": 8}


def encoder(leads=12):
    return BACKBONES.build("vit_tiny", in_leads=leads, width=16, depth=1, heads=2, head_width=8, patch_size=25)


def method_of(seed=0, **words):
    torch.manual_seed(seed)
    return ThreeMECG(encoder(), **{**DECODER, "width": 8, **words})


@pytest.fixture
def batch(ecg_batch):
    facts = {"age": torch.tensor([20.0, 25, 40, 60, NAN, 61, 62, 80]), "sex": torch.tensor([0.0, 0, 1, 1, 0, NAN, 0, 1])}
    return ecg_batch(patient=torch.tensor([0, 0, 1, 2, 3, 4, 5, 6]), **facts)


def test_it_says_that_nobody_has_published_it():
    assert "No publication" in three_m_ecg.__doc__.replace("\n", " ")
    assert "No publication of this name is known" in ThreeMECG.__doc__
    assert SSL.build("three_m_ecg", backbone=encoder()).backbone is not None


@pytest.mark.parametrize("name", ["3m-ecg", "3M-ECG", "3m_ecg"])
def test_the_surveys_name_leads_to_our_recipe_with_one_warning_that_nobody_has_published_it(name):
    with pytest.warns(UserWarning, match="a recipe of this project") as told:
        made = SSL.build(name, backbone=encoder(), **DECODER, width=8)
    assert [str(w.message).split(";")[0] for w in told] == ["no publication of a method called 3M-ECG is known"]
    assert type(made) is ThreeMECG
    assert SSL.to_config(made)["name"] == "three_m_ecg"
    assert name not in list(SSL)
    with pytest.warns(UserWarning, match="do not cite it as 3M-ECG"):
        SSL.build({"name": name, "width": 8, **DECODER}, backbone=encoder())


def test_leads_are_halved_with_limb_leads_and_others_in_both():
    limb = set(STANDARD_12[:6])
    seen = set()
    for seed in range(30):
        noise = torch.rand(12, generator=torch.Generator().manual_seed(seed))
        first, second = split_leads(STANDARD_12, noise)
        assert sorted([*first.tolist(), *second.tolist()]) == list(range(12))
        for half in (first, second):
            assert len(half) == 6
            assert sum(STANDARD_12[i] in limb for i in half.tolist()) == 3
        again, _ = split_leads(STANDARD_12, noise)
        assert torch.equal(again, first)
        seen.add(tuple(first.tolist()))
    assert len(seen) > 20
    for count in (6, 7, 8, 9):
        halves = split_leads(STANDARD_12[-count:], torch.rand(count))
        assert min(map(len, halves)) >= 3
    with pytest.raises(ValueError, match="leads are split into halves of 3 at least, got 5; use windows of more leads"):
        split_leads(STANDARD_12[:5], torch.rand(5))


def test_the_parts_are_those_of_their_stand_alone_forms(batch):
    made = method_of().eval()
    parts = made.parts(batch)
    (first, h_a), (second, h_b) = made.halves(batch)
    masked = [patch_mse(m.prediction, m.patches, m.mask, normalise=True) for m in (first, second)]
    torch.testing.assert_close(parts.masked, (masked[0] + masked[1]) / 2)
    a, b = made.projector(torch.cat([h_a, h_b])).split(8)
    positives = batch.patient[:, None] == batch.patient[None]
    torch.testing.assert_close(parts.contrast, cmsc(a, b, positives, temperature=0.1, normalise="l2"))
    torch.nn.init.normal_(made.matching.match[2].weight)
    other = other_facts(batch.age, batch.sex, batch.draws(41).uniform())
    h = (h_a + h_b) / 2
    who = (other >= 0).nonzero().flatten()
    logits = torch.cat(
        [
            made.matching(h[who], batch.age[who], batch.sex[who]),
            made.matching(h[who], batch.age[other[who]], batch.sex[other[who]]),
        ]
    )
    target = torch.cat([torch.ones(len(who)), torch.zeros(len(who))])  # as many true pairs as false ones
    torch.testing.assert_close(made.parts(batch).metadata, F.binary_cross_entropy_with_logits(logits, target))
    found = made.loss(batch)
    parts = made.parts(batch)
    torch.testing.assert_close(found.total, parts.masked + parts.contrast + 0.1 * parts.metadata)
    torch.testing.assert_close(found.logs["metadata"], parts.metadata.detach())


def test_hidden_samples_never_reach_what_is_rebuilt_of_either_half(batch):
    made = method_of().eval()
    for number, (one, h) in enumerate(made.halves(batch)):
        leads = split_leads(batch.leads, three_m_ecg.shared_draws(batch.draws(40)).uniform(size=(12,))[0])[number]
        hidden = torch.zeros(8, 12, 12, 25, dtype=torch.bool)
        hidden[:, leads] = one.mask[..., None].expand(-1, -1, -1, 25)
        changed = batch.with_signal(batch.signal + 5.0 * hidden.flatten(2))
        again, h_again = made.halves(changed)[number]
        torch.testing.assert_close(again.prediction, one.prediction)
        torch.testing.assert_close(h_again, h)
        assert one.mask.shape == (8, 6, 12)
        assert set(one.mask.sum(dim=2).flatten().tolist()) == {12 - int(12 * 0.4)}


def test_neither_half_sees_the_other(batch):
    made = method_of().eval()
    (_, h_a), (_, h_b) = made.halves(batch)
    first, _ = split_leads(batch.leads, three_m_ecg.shared_draws(batch.draws(40)).uniform(size=(12,))[0])
    x = batch.signal.clone()
    x[:, first] += torch.randn(8, 6, 300)
    (_, other_a), (_, other_b) = made.halves(batch.with_signal(x))
    assert torch.equal(other_b, h_b)
    assert not torch.allclose(other_a, h_a)


def test_facts_of_another_can_never_be_the_own_ones(batch):
    for seed in range(20):
        draw = torch.rand(8, generator=torch.Generator().manual_seed(seed))
        other = other_facts(batch.age, batch.sex, draw)
        assert other[4] == other[5] == -1  # of whom something is unknown
        for i, j in enumerate(other.tolist()):
            if j >= 0:
                assert abs(batch.age[i] - batch.age[j]) >= 10 or batch.sex[i] != batch.sex[j]
                assert j not in (4, 5)
    spread = torch.stack([other_facts(batch.age, batch.sex, torch.full((8,), d)) for d in (0.0, 0.3, 0.6, 0.99)])
    assert len(spread[:, 0].unique()) == 4  # any of those that will do
    alike = other_facts(torch.tensor([50.0, 52, 55]), torch.zeros(3), torch.rand(3))
    assert alike.tolist() == [-1, -1, -1]


def test_unknown_facts_cost_nothing_and_teach_nothing(batch):
    for loss in ("match", "regress"):
        made = method_of(metadata_loss=loss)
        nobody = replace(batch, age=torch.full((8,), NAN), sex=torch.full((8,), NAN))
        found = made.loss(nobody)
        found.total.backward()
        assert torch.isfinite(found.total)
        assert float(found.logs["metadata"]) == 0
        head = made.matching if loss == "match" else made.regression
        assert all(p.grad is None or float(p.grad.abs().max()) == 0 for p in head.parameters())
        assert torch.isfinite(made.loss(batch).total)


def test_telling_age_and_sex_is_hubers_loss_and_cross_entropy_where_they_are_known(batch):
    made = method_of(metadata_loss="regress").eval()
    (_, h_a), (_, h_b) = made.halves(batch)
    told = made.regression.tell((h_a + h_b) / 2)
    age, sex = torch.isfinite(batch.age), torch.isfinite(batch.sex)
    expected = F.smooth_l1_loss(told[age, 0], (batch.age[age] - 50) / 20)
    expected = expected + F.binary_cross_entropy_with_logits(told[sex, 1], batch.sex[sex])
    torch.testing.assert_close(made.parts(batch).metadata, expected)


def test_without_the_other_parts_it_is_masked_modelling_of_halves_bit_for_bit(batch):
    made = method_of(contrast=0.0, metadata=0.0, mask_ratio=0.75)
    torch.manual_seed(0)
    plain = STMEM(encoder(), **DECODER)
    assert list(made.state_dict()) == list(plain.state_dict())
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in made.state_dict().items())
    noise = plain.noise(batch, 12, 12)
    whole = plain.reconstruct(batch).mask
    halves = made.halves(batch)
    leads = split_leads(batch.leads, three_m_ecg.shared_draws(batch.draws(40)).uniform(size=(12,))[0])
    for (one, _), mine in zip(halves, leads, strict=True):
        assert torch.equal(one.mask, whole[:, mine])  # what is hidden is what ST-MEM hides
    bare = replace(batch, patient=None, age=None, sex=None)
    found = made.loss(bare)
    assert set(found.logs) == {"masked"}
    assert torch.equal(found.total, torch.stack([made.error(one) for one, _ in halves]).mean())
    assert torch.equal(made.loss(bare, noise=noise).total, found.total)
    full = method_of(mask_ratio=0.75)
    assert all(torch.equal(value, full.state_dict()[name]) for name, value in made.state_dict().items())


def test_a_constant_encoder_costs_the_logarithm_of_the_patients_and_of_two(batch):
    made = method_of()
    torch.nn.init.zeros_(made.norm.weight)  # every embedding is its bias
    torch.nn.init.ones_(made.norm.bias)
    alone = replace(batch, patient=torch.arange(8))
    parts = made.eval().parts(alone)
    assert float(parts.contrast.detach()) == pytest.approx(math.log(8), rel=1e-5)
    assert float(parts.metadata.detach()) == pytest.approx(math.log(2), rel=1e-6)


def test_matching_is_log_two_at_first_and_less_where_it_is_right():
    counted = torch.tensor([True, True, False])
    assert float(matching_loss(torch.zeros(3), torch.zeros(3), counted)) == pytest.approx(math.log(2))
    right = matching_loss(torch.full((3,), 9.0), torch.full((3,), -9.0), counted)
    assert float(right) == pytest.approx(math.log1p(math.exp(-9)), rel=1e-3)
    assert float(matching_loss(torch.ones(3), torch.ones(3), torch.zeros(3, dtype=torch.bool))) == 0


def test_it_learns(batch):
    made = method_of(metadata=1.0).train()
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = made.loss(batch).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_what_it_cannot_work_with_is_named(batch):
    with pytest.raises(ValueError, match="ThreeMECG needs age, sex in every batch; prepare the data with it"):
        method_of().loss(replace(batch, age=None, sex=None))
    with pytest.raises(ValueError, match="ThreeMECG needs patient in every batch"):
        method_of(metadata=0.0).loss(replace(batch, patient=None))
    one = replace(
        batch, signal=batch.signal[:1], patient=batch.patient[:1], age=batch.age[:1], sex=batch.sex[:1], record_keys=None
    )
    with pytest.raises(ValueError, match="ThreeMECG compares windows: at least 2 in a batch, got 1"):
        method_of().loss(one)
    shared = BACKBONES.build("vit_time_tiny", in_leads=12, width=16, depth=1, heads=2, patch_size=25)
    with pytest.raises(ValueError, match="has 1 rows for 12 leads; take vit_small"):
        ThreeMECG(shared, **DECODER).loss(batch)
    for words, message in (
        ({"contrast": -1.0}, "contrast and metadata are weights from 0 on, got -1.0 and 0.1"),
        ({"metadata_loss": "guess"}, "metadata_loss must be match or regress, got 'guess'"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            method_of(**words)

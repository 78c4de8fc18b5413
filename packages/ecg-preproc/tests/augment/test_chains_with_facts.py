"""Chains in which every window goes its own way: all that is known about a window goes with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecg_core import TRANSFORMS, Compose
from ecg_core.contracts.draws import Draws
from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_core.errors import ConfigError
from ecg_preproc.augment.cutmix import CutMix
from ecg_preproc.augment.mixup import Mixup

FS, WINDOWS, SAMPLES = 250.0, 40, 1500
TIME = ("time_shift", "stretch_compress", "time_warp")
OPTIONS = [{"random_order": True}, {"p": 0.5}, {"random_order": True, "p": 0.5}]


def bumps(**more):
    """Windows of zeros with a bump of height 1 + i/100 in window i, where its annotation, mask and step targets say."""
    at = np.random.default_rng(0).integers(600, 900, WINDOWS)
    position = np.arange(SAMPLES)[None]
    height = 1 + np.arange(WINDOWS) / 100
    bump = np.exp(-0.5 * ((position - at[:, None]) / 6.0) ** 2) * height[:, None]
    near = abs(position - at[:, None]) <= 12
    facts = {
        "targets": np.arange(WINDOWS), "step_targets": near.astype(np.int64), "mask": near,
        "annotations": {"r": np.stack([at, np.full(WINDOWS, -1)], axis=1)},
    }  # fmt: skip
    keys = np.random.default_rng(1).integers(-(2**62), 2**62, WINDOWS)
    signal = np.repeat(bump[:, None], 2, axis=1).astype(np.float32)
    return Batch(signal, FS, ("I", "II"), record_keys=keys, seed=4, **{**facts, **more})


def chain(names=TIME, **options):
    return Compose([TRANSFORMS.build({"name": name, "p": 1.0}) for name in names], **options)


def same(a, b, rows=slice(None)):
    fields = ("signal", "targets", "step_targets", "mask")
    return all(np.array_equal(getattr(a, f), getattr(b, f)[rows]) for f in fields) and np.array_equal(
        a.annotations["r"], b.annotations["r"][rows]
    )


def part(batch, rows):
    arrays = {f: getattr(batch, f)[rows] for f in ("signal", "record_keys", "targets", "step_targets", "mask")}
    return replace(batch, annotations={"r": batch.annotations["r"][rows]}, **arrays)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_bump_is_where_the_position_the_mask_and_the_step_targets_say(options):
    given = bumps()
    out = chain(**options)(given)
    found = out.signal[:, 0].argmax(axis=1)
    assert abs(found - out.annotations["r"][:, 0]).max() <= 1
    assert np.array_equal(out.mask, out.step_targets.astype(bool))
    for row in range(WINDOWS):
        marked = np.flatnonzero(out.mask[row])
        assert abs(marked.mean() - found[row]) <= 1.5
        assert 17 <= len(marked) <= 33  # 25 samples, stretched by at most 12 % and warped by at most 20 %
    moved = (out.signal != given.signal).any(axis=(1, 2))
    assert moved.all() if "p" not in options else 8 <= moved.sum() <= 32
    assert same(part(out, ~moved), given, ~moved)


def test_the_positions_of_a_window_depend_on_its_order_and_are_those_of_doing_that_order_by_hand():
    given, draws = bumps(), bumps().draws()
    both = chain(TIME[:2], random_order=True)
    steps, out = both.transforms, both(given)
    by_hand = []
    for order in ((0, 1), (1, 0)):
        value = given
        for number in order:
            value = steps[number](value, generator=draws.child(number))
        by_hand.append(value)
    first, second = ([bool(np.array_equal(out.signal[i], hand.signal[i])) for i in range(WINDOWS)] for hand in by_hand)
    assert all(a or b for a, b in zip(first, second, strict=True))
    assert 8 < sum(first) < 32
    for row in range(WINDOWS):
        hand = by_hand[0 if first[row] else 1]
        assert np.array_equal(out.annotations["r"][row], hand.annotations["r"][row])
        assert np.array_equal(out.mask[row], hand.mask[row])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("nested", [False, True])
def test_a_window_comes_out_alike_in_any_batch_with_all_its_facts(options, nested):
    steps = [*chain().transforms, TRANSFORMS.build({"name": "label_smooth", "n_classes": WINDOWS})]
    inner = Compose(steps, **options)
    whole_chain = Compose([inner, *chain(("time_shift",)).transforms]) if nested else inner
    whole = whole_chain(bumps())
    for rows in (np.array([7]), np.array([31, 2, 9]), np.arange(WINDOWS)[::-1]):
        assert same(whole_chain(part(bumps(), rows)), whole, rows)


def test_a_record_is_moved_as_the_same_window_of_a_batch_is():
    for options in OPTIONS:
        given = bumps()
        out = chain(**options)(given)
        for row in range(6):
            record = Record(given.signal[row], FS, ("I", "II"), f"w{row}", annotations={"r": given.annotations["r"][row, :1]})
            draws = Draws(given.draws().keys[row : row + 1])
            alone = chain(**options)(record, generator=draws)
            assert np.array_equal(alone.signal, out.signal[row])
            assert alone.annotations["r"].tolist() == [p for p in out.annotations["r"][row] if p >= 0]


def test_a_chain_inside_a_chain_moves_the_facts_too():
    inner = chain(("time_shift", "time_warp"), random_order=True)
    outer = Compose([inner, *chain(("stretch_compress",)).transforms], random_order=True, p=0.8)
    out = outer(bumps())
    assert abs(out.signal[:, 0].argmax(axis=1) - out.annotations["r"][:, 0]).max() <= 1
    assert np.array_equal(out.mask, out.step_targets.astype(bool))


@pytest.mark.parametrize("p", [0.0, 1e-9, 0.5, 1.0])
def test_targets_are_of_one_kind_whoever_is_hit(p):
    smooth = TRANSFORMS.build({"name": "label_smooth", "n_classes": WINDOWS, "smoothing": 0.5, "p": 1.0})
    out = Compose([smooth], p=p)(bumps(step_targets=None))
    if p == 0:
        assert np.array_equal(out.targets, np.arange(WINDOWS))
        return
    own = np.diag(out.targets)
    np.testing.assert_allclose(out.targets.sum(axis=1), 1, atol=1e-5)
    smoothed = np.isclose(own, 0.5 + 0.5 / WINDOWS)
    assert ((own == 1) | smoothed).all()
    assert smoothed.sum() == {1e-9: 0, 1.0: WINDOWS}.get(p, smoothed.sum())
    assert p != 0.5 or 8 <= smoothed.sum() <= 32


def test_windows_that_are_hit_are_mixed_with_one_another_and_their_targets_alike():
    given = bumps(step_targets=None)
    out = Compose([CutMix(n_classes=WINDOWS, p=1.0), *chain(("time_shift",)).transforms], p=0.5)(given)
    hit = (out.signal != given.signal).any(axis=(1, 2))
    assert 8 <= hit.sum() <= 32
    assert np.array_equal(out.targets[~hit], np.eye(WINDOWS, dtype=np.float32)[~hit])
    assert (out.targets[:, ~hit][hit] == 0).all()  # the partner of a window that is hit is one that is hit
    for row in np.flatnonzero(hit):
        seen = out.annotations["r"][row][out.annotations["r"][row] >= 0]
        peaks = out.signal[row, 0, seen]
        owners = np.round((peaks - 1) * 100).astype(int)
        assert all(out.targets[row, owner] > 0 for owner in owners)


def test_mixing_in_an_order_of_ones_own_is_refused_when_the_chain_is_made():
    for steps in ([Mixup()], [Compose([CutMix()])]):
        name = "Mixup" if isinstance(steps[0], Mixup) else "Compose"
        with pytest.raises(ConfigError, match=f"{name} mixes windows with each other, .*put it in front of or behind"):
            Compose(steps, random_order=True)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_step_that_changes_leads_or_length_is_refused_by_name_for_records_as_for_batches(options):
    given = bumps()
    record = Record(given.signal[0], FS, ("I", "II"), "r")
    for step, name in (
        ({"name": "select_leads", "leads": ["II", "I"]}, "SelectLeads"),
        ({"name": "resample", "fs": 125}, "Resample"),
    ):
        for x in (given, record):
            with pytest.raises(ConfigError, match=f"keep the length and fs, and the leads; put {name} in front"):
                Compose([TRANSFORMS.build(step)], **options)(x)


def test_a_window_that_is_hit_gets_what_the_chain_gives_it_at_p_1_filters_included():
    steps = [TRANSFORMS.build({"name": n, "low": 0.5, "high": 40.0} if n == "bandpass" else n) for n in ("bandpass", "normalize")]
    given = replace(bumps(), signal=np.random.default_rng(0).normal(size=(WINDOWS, 2, SAMPLES)).astype(np.float32))
    all_hit, some = Compose(steps)(given), Compose(steps, p=0.5)(given)
    hit = (some.signal != given.signal).any(axis=(1, 2))
    assert 8 <= hit.sum() <= 32
    np.testing.assert_allclose(some.signal[hit], all_hit.signal[hit], atol=1e-6)


@pytest.mark.parametrize("options", OPTIONS)
def test_facts_move_alike_in_numpy_and_torch_and_the_given_batch_stays_as_it_is(options):
    pytest.importorskip("torch")
    given, before = bumps(), bumps()
    here, there = chain(**options)(given), chain(**options)(given.to("cpu"))
    np.testing.assert_allclose(there.signal.numpy(), here.signal, atol=2e-6)
    assert np.array_equal(there.annotations["r"].numpy(), here.annotations["r"])
    assert np.array_equal(there.mask.numpy(), here.mask)
    assert same(given, before)

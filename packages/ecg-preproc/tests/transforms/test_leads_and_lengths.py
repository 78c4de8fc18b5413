"""Clip, CropOrPad, SelectLeads, DeriveLeads and InterpolateGaps: exact, sample by sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecg_core.contracts.compose import Compose
from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_preproc.transforms.clip import Clip
from ecg_preproc.transforms.crop_or_pad import CropOrPad
from ecg_preproc.transforms.gaps import InterpolateGaps
from ecg_preproc.transforms.leads import DeriveLeads, SelectLeads

NAN = np.nan


def test_clip_holds_the_range_and_lets_nan_be_seen():
    out = Clip(low=-1, high=2)(np.array([[-5.0, -1.0, 0.5, 3.0, np.inf, -np.inf, NAN]]))
    np.testing.assert_array_equal(out, [[-1, -1, 0.5, 2, 2, -1, NAN]])
    with pytest.raises(ValueError, match=r"low must be below high \(mV\), got \(1, 1\)"):
        Clip(low=1, high=1)


# ---------------------------------------------------------------------------------------------- crop or pad

SIX = np.arange(1.0, 7.0)[None]


@pytest.mark.parametrize(("where", "kept"), [("start", [1, 2, 3]), ("end", [4, 5, 6]), ("centre", [2, 3, 4])])
def test_a_longer_signal_keeps_the_stated_part(where, kept):
    assert CropOrPad(seconds=0.3, where=where)(SIX, fs=10).tolist() == [kept]


@pytest.mark.parametrize(
    ("where", "mode", "expected"),
    [
        ("start", "constant", [1, 2, 3, 9, 9, 9, 9]),
        ("end", "constant", [9, 9, 9, 9, 1, 2, 3]),
        ("centre", "constant", [9, 9, 1, 2, 3, 9, 9]),
        ("centre", "edge", [1, 1, 1, 2, 3, 3, 3]),
        ("centre", "mirror", [3, 2, 1, 2, 3, 2, 1]),
        ("start", "mirror", [1, 2, 3, 2, 1, 2, 3]),
    ],
)
def test_a_shorter_signal_is_padded_where_it_does_not_stand(where, mode, expected):
    assert CropOrPad(seconds=0.7, where=where, mode=mode, value=9)(SIX[:, :3], fs=10).tolist() == [expected]


@pytest.mark.parametrize("where", ["start", "centre", "end"])
@pytest.mark.parametrize("seconds", [0.3, 0.6, 0.9])
def test_positions_masks_and_labels_stay_on_their_samples(where, seconds):
    fit = CropOrPad(seconds=seconds, where=where)
    batch = Batch(
        SIX[None], 10, ("I",), annotations={"r": np.array([[0, 2, 5, -1]])}, mask=np.array([[1, 1, 0, 1, 1, 1]], bool),
        step_targets=np.array([[1, 2, 3, 4, 5, 6]]),
    )  # fmt: skip
    out = fit(batch)
    values = out.signal[0, 0]
    for before, after in zip([0, 2, 5], out.annotations["r"][0], strict=False):
        assert after == -1 or values[after] == SIX[0, before]
        assert (after == -1) == (SIX[0, before] not in values)
    assert out.step_targets[0].tolist() == values.tolist()
    assert out.mask[0].tolist() == [v not in (0, 3) for v in values]


def test_padding_is_not_measured_even_where_nobody_had_a_mask():
    plain = Batch(SIX[None], 10, ("I",))
    assert CropOrPad(seconds=0.4)(plain).mask is None
    assert CropOrPad(seconds=0.8)(plain).mask.tolist() == [[True] * 6 + [False] * 2]
    assert Compose([Clip(), CropOrPad(seconds=0.8)])(plain).mask.tolist() == [[True] * 6 + [False] * 2]
    torch = pytest.importorskip("torch")
    padded = CropOrPad(seconds=0.8, where="end")(replace(plain, signal=torch.ones(1, 1, 6)))
    assert padded.mask.dtype == torch.bool
    assert padded.mask.tolist() == [[False] * 2 + [True] * 6]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seconds": 0}, "seconds must be a positive length, got 0"),
        ({"where": "middle"}, "where must be start, centre or end, got 'middle'"),
        ({"mode": "wrap"}, "mode must be constant, edge or mirror, got 'wrap'"),
        ({"seconds": 0.01}, r"a window needs at least one sample, got 0.01 s at 10 Hz; ask for more seconds"),
    ],
)
def test_a_length_that_cannot_be_is_one_clear_error(arguments, said):
    with pytest.raises(ValueError, match=said):
        CropOrPad(**arguments)(SIX, fs=10)


# ---------------------------------------------------------------------------------------------- leads

LIMB = np.array([[1.0, 2.0], [5.0, -3.0], [7.0, 8.0]])  # I, II, V1
NAMES = ("I", "II", "V1")


def test_einthoven_and_goldberger():
    out = DeriveLeads()(Record(LIMB.astype(np.float32), 100, NAMES))
    assert out.leads == ("I", "II", "V1", "III", "aVR", "aVL", "aVF")
    by = dict(zip(out.leads, out.signal, strict=True))
    np.testing.assert_array_equal(by["I"] + by["III"], by["II"])
    np.testing.assert_array_equal(by["aVR"] + by["aVL"] + by["aVF"], [0, 0])
    np.testing.assert_array_equal(by["aVL"], (by["I"] - by["III"]) / 2)


def test_leads_come_by_name_in_the_stated_order_and_are_derived_where_absent():
    select = SelectLeads(leads=("v1", "AVF", "I"))
    expected = [LIMB[2], LIMB[1] - LIMB[0] / 2, LIMB[0]]
    np.testing.assert_array_equal(select(LIMB, leads=NAMES), expected)
    np.testing.assert_array_equal(SelectLeads(leads=("V1", "aVF", "I"), of=NAMES)(LIMB), expected)
    out = select(Batch(LIMB[None], 100, NAMES))
    assert out.leads == ("V1", "aVF", "I")
    np.testing.assert_array_equal(out.signal[0], expected)
    assert select(LIMB[[1, 0, 2]], leads=("II", "I", "V1")).tolist() == np.array(expected).tolist()


def test_names_travel_through_a_chain_of_a_bare_array():
    chain = Compose([DeriveLeads(leads=["III"]), SelectLeads(leads=["III", "V1"], derive=False)])
    np.testing.assert_array_equal(chain(LIMB, leads=NAMES), [LIMB[1] - LIMB[0], LIMB[2]])


def test_nan_in_one_lead_stays_out_of_the_others():
    x = LIMB.copy()
    x[2] = NAN
    assert np.isfinite(DeriveLeads(of=NAMES)(x)[3:]).all()
    assert np.isfinite(SelectLeads(leads=["II", "aVR"], of=NAMES)(x)).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SelectLeads(leads=["V1"])(LIMB), r"SelectLeads goes by lead names: call it with leads=\(…\) for an array, or"),
        (lambda: DeriveLeads()(LIMB), "DeriveLeads goes by lead names"),
        (
            lambda: SelectLeads(leads=["V6"], of=NAMES)(LIMB),
            r"there is no lead V6 \(there are I, II, V1\); ask for leads there are",
        ),
        (lambda: SelectLeads(leads=["III"], derive=False, of=NAMES)(LIMB), "there is no lead III"),
        (lambda: DeriveLeads(of=("II", "V1"))(LIMB[1:]), r"there is no lead III, aVR, aVL, aVF \(there are II, V1\)"),
        (
            lambda: SelectLeads(leads=["I"], of=NAMES)(LIMB[:2]),
            r"expected 3 leads \(I, II, V1\), got a signal of 2; name its own",
        ),
        (lambda: DeriveLeads(leads=["V1", "III"]), "only III, aVR, aVL, aVF follow from I and II, got V1; leave it out"),
    ],
)
def test_leads_that_are_not_there_are_one_clear_error(make, said):
    with pytest.raises(DataError, match=said):
        make()


# ---------------------------------------------------------------------------------------------- gaps

GAPPY = np.array([[NAN, 1.0, NAN, NAN, NAN, 5.0, np.inf, 7.0, NAN, NAN]])


@pytest.mark.parametrize(
    ("method", "seconds", "expected"),
    [
        ("linear", None, [1, 1, 2, 3, 4, 5, 6, 7, 7, 7]),
        ("hold", None, [1, 1, 1, 1, 1, 5, 5, 7, 7, 7]),
        ("zero", None, [0, 1, 0, 0, 0, 5, 0, 7, 0, 0]),
        ("linear", 0.2, [1, 1, NAN, NAN, NAN, 5, 6, 7, 7, 7]),
        ("hold", 0.1, [1, 1, NAN, NAN, NAN, 5, 5, 7, NAN, NAN]),
    ],
)
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_gaps_become_what_is_written_down(method, seconds, expected, framework):
    x = GAPPY if framework == "numpy" else pytest.importorskip("torch").from_numpy(GAPPY)
    np.testing.assert_array_equal(np.asarray(InterpolateGaps(method=method, max_seconds=seconds)(x, fs=10)), [expected])


def test_a_lead_without_any_number_stays_nan_and_a_whole_one_keeps_its_bits():
    x = np.stack([np.full(50, NAN), np.random.default_rng(0).normal(size=50)])
    out = InterpolateGaps(max_seconds=None)(x, fs=10)
    assert np.isnan(out[0]).all()
    assert np.array_equal(out[1], x[1])


def test_gradients_reach_what_is_there_and_are_finite():
    torch = pytest.importorskip("torch")
    x = torch.tensor(GAPPY, requires_grad=True)
    InterpolateGaps(max_seconds=None)(x, fs=10).sum().backward()
    # Each of the three samples in the gap 1 … 5 leans on its ends by 3/4, 1/2 and 1/4, 6 on both by a half; the ends are held.
    assert x.grad[0].tolist() == [0, 3.5, 0, 0, 0, 3.0, 0, 4.5 - 1.0, 0, 0]


def test_wrong_arguments_are_one_clear_error():
    with pytest.raises(ValueError, match="method must be linear, hold or zero, got 'cubic'"):
        InterpolateGaps(method="cubic")
    with pytest.raises(ValueError, match="max_seconds must be a positive length or None, got 0"):
        InterpolateGaps(max_seconds=0)

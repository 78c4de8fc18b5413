"""Record and lead names: the limb leads' closed forms, crops that take their annotations along, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.leads import INDEPENDENT_8, STANDARD_12, canonical_lead, canonical_leads, limb_lead_weights
from ecg_core.data.record import Record
from ecg_core.errors import DataError


def record(*, leads=("I", "II"), samples=10, fs=100, **facts) -> Record:
    signal = np.random.default_rng(0).normal(size=(len(leads), samples)).astype(np.float32)
    return Record(signal, fs, leads, "r1", **facts)


# ---------------------------------------------------------------------------------------------- leads


def test_limb_leads_follow_einthoven_and_goldberger_from_the_electrodes():
    right, left, foot = np.random.default_rng(1).normal(size=(3, 500))
    electrodes = {
        "I": left - right, "II": foot - right, "III": foot - left,
        "aVR": right - (left + foot) / 2, "aVL": left - (right + foot) / 2, "aVF": foot - (right + left) / 2,
    }  # fmt: skip
    given = Record(np.stack([electrodes["I"], electrodes["II"]]), 500, ("I", "II"))
    derived = given.select_leads(("III", "aVR", "aVL", "aVF"))
    for lead, row in zip(derived.leads, derived.signal, strict=True):
        np.testing.assert_allclose(row, electrodes[lead], atol=1e-6)


def test_einthovens_law_and_goldbergers_sum_hold_for_derived_leads():
    r = record(samples=200).select_leads(STANDARD_12[:6])
    one, two, three, avr, avl, avf = r.signal
    np.testing.assert_allclose(one + three, two, atol=1e-6)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=1e-6)


def test_a_recorded_lead_is_never_replaced_by_a_derived_one():
    r = record(leads=("I", "II", "III"))
    assert np.array_equal(r.select_leads(("III",)).signal[0], r.signal[2])


def test_the_eight_independent_leads_give_the_twelve():
    r = record(leads=INDEPENDENT_8)
    twelve = r.select_leads(STANDARD_12)
    assert twelve.leads == STANDARD_12
    assert np.array_equal(twelve.select_leads(INDEPENDENT_8).signal, r.signal)


@given(st.permutations(STANDARD_12), st.integers(1, 12))
def test_selection_reorders_rows_by_name(order, count):
    r = record(leads=STANDARD_12)
    chosen = r.select_leads(order[:count])
    assert chosen.leads == tuple(order[:count])
    for lead, row in zip(chosen.leads, chosen.signal, strict=True):
        assert np.array_equal(row, r.signal[STANDARD_12.index(lead)])


def test_a_lead_that_is_absent_is_named_with_those_there():
    said = r"record 'r1' has no lead III, V1 \(it has I, V2\); ask for leads it has, e.g. --leads I,V2"
    with pytest.raises(DataError, match=said):
        record(leads=("I", "V2")).select_leads(("I", "III", "V1"))
    with pytest.raises(DataError, match=r"has no lead aVF"):
        record().select_leads(("aVF",), derive=False)


@pytest.mark.parametrize(
    ("given", "canonical"), [("AVR", "aVR"), ("avf", "aVF"), (" v1 ", "V1"), ("ii", "II"), ("mlii", "MLII"), ("ECG", "ECG")]
)
def test_spellings_become_canonical(given, canonical):
    assert canonical_lead(given) == canonical
    assert record(leads=(given,)).leads == (canonical,)


def test_only_the_four_limb_leads_can_be_derived():
    assert [lead for lead in STANDARD_12 if limb_lead_weights(lead)] == ["III", "aVR", "aVL", "aVF"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), r"every lead needs a name, got \(\)"),
        (("I", ""), "every lead needs a name"),
        (("avr", "I", "AVR"), "lead names must be unique, got aVR more than once"),
        ("II", r"leads must be a sequence of names, got the string 'II'; write \('II',\)"),
    ],
)
def test_lead_names_that_cannot_be_are_one_clear_error(names, said):
    with pytest.raises(DataError, match=said):
        canonical_leads(names)


# ---------------------------------------------------------------------------------------------- construction


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signal": np.zeros(5, np.float32)}, r"record 'r1': signal must be \(leads, samples\), got shape \(5,\)"),
        ({"signal": np.zeros((2, 2, 5), np.float32)}, r"got shape \(2, 2, 5\)"),
        ({"signal": np.zeros((2, 5), np.int16)}, "signal must be floating point in mV, got int16; divide by the gain first"),
        ({"signal": np.zeros((2, 5), complex)}, "signal must be floating point in mV, got complex128"),
        ({"leads": ("I",)}, "record 'r1': 1 lead names for a signal of 2 leads"),
        ({"leads": "II"}, "got the string 'II'"),
        ({"fs": 0}, "record 'r1': fs must be a positive number of Hz, got 0"),
        ({"fs": float("nan")}, "fs must be a positive number of Hz, got nan"),
        ({"fs": float("inf")}, "fs must be a positive number of Hz, got inf"),
        ({"fs": None}, "fs must be a positive number of Hz, got None"),
        ({"fs": "250"}, "fs must be a positive number of Hz, got '250'"),
        ({"sex": "male"}, "sex must be 'F', 'M' or None, got 'male'"),
        ({"labels": {"dx": "AF"}}, "labels are tuples of classes, got dx='AF'"),
    ],
)
def test_facts_that_contradict_each_other_are_refused(change, said):
    with pytest.raises(DataError, match=said):
        Record(**{"signal": np.zeros((2, 5), np.float32), "fs": 100, "leads": ("I", "II"), "record_id": "r1", **change})


def test_the_signal_becomes_float32_and_facts_cannot_be_reassigned():
    r = Record(np.zeros((1, 5)), np.int64(250), ["i"])
    assert r.signal.dtype == np.float32
    assert (type(r.fs), r.leads, r.n_samples, r.seconds) == (float, ("I",), 5, 0.02)
    with pytest.raises(AttributeError):
        r.fs = 100


def test_it_prints_who_and_what_it_is():
    assert repr(record(patient_id="p1")) == "Record('r1', I,II, 0.1 s at 100 Hz, patient p1)"
    assert repr(record(leads=STANDARD_12)) == "Record('r1', 12 leads, 0.1 s at 100 Hz)"


# ---------------------------------------------------------------------------------------------- time


@given(st.data())
def test_a_crop_is_that_stretch_and_its_annotations(data):
    r = record(samples=50, annotations={"r_peaks": np.array([0, 7, 20, 49])})
    start = data.draw(st.integers(0, 49))
    stop = data.draw(st.integers(start + 1, 50))
    crop = r.crop(start, stop)
    assert np.array_equal(crop.signal, r.signal[:, start:stop])
    assert (crop.annotations["r_peaks"] + start).tolist() == [p for p in (0, 7, 20, 49) if start <= p < stop]
    assert (crop.record_id, crop.fs, crop.leads) == (r.record_id, r.fs, r.leads)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 5), (6, 5), (0, 11)])
def test_a_crop_outside_the_record_is_one_clear_error(start, stop):
    with pytest.raises(DataError, match=rf"record 'r1': cannot crop \[{start}, {stop}\) out of 10 samples"):
        record().crop(start, stop)


def test_windows_are_consecutive_and_leave_out_the_rest():
    r = record(samples=107, annotations={"r_peaks": np.array([10, 55, 104])})
    windows = r.windows(0.25)
    assert [w.n_samples for w in windows] == [25] * 4
    assert np.array_equal(np.concatenate([w.signal for w in windows], axis=1), r.signal[:, :100])
    assert [w.annotations["r_peaks"].tolist() for w in windows] == [[10], [], [5], []]
    assert r.windows(2) == []
    with pytest.raises(DataError, match="a window needs at least one sample, got 0.001 s at 100 Hz"):
        r.windows(0.001)


# ---------------------------------------------------------------------------------------------- flaws


def test_flaws_are_named_lead_by_lead():
    r = record(leads=("I", "II", "V1", "V2"))
    assert r.flaws() == []
    signal = r.signal.copy()
    signal[0, 3], signal[1, 4], signal[2] = np.nan, -np.inf, 1.5
    assert r.with_signal(signal).flaws() == ["NaN or infinite samples in I, II", "flat V1"]


def test_a_record_without_samples_has_no_flaws_to_name():
    assert Record(np.zeros((1, 0), np.float32), 100, ("I",)).flaws() == []

"""Quality flags: each fault made by hand is named with its lead, and a clean recording has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.leads import STANDARD_12, limb_lead_weights
from ecg_core.data.quality import FLAGS, einthoven_error, quality_flags
from ecg_core.data.record import Record

FS = 250


def beats(seconds: float = 8.0, height: float = 1.0) -> np.ndarray:
    """One narrow bump a second on a little noise; no two neighbouring samples are equal."""
    t = np.arange(round(seconds * FS)) / FS
    noise = np.random.default_rng(0).normal(scale=0.01, size=t.size)
    return (height * np.exp(-((((t % 1) - 0.5) / 0.02) ** 2)) + noise).astype(np.float32)


def twelve() -> dict[str, np.ndarray]:
    one, two = beats(height=0.8), np.roll(beats(height=1.2), 3)
    limb = {n: limb_lead_weights(n)[0] * one + limb_lead_weights(n)[1] * two for n in ("III", "aVR", "aVL", "aVF")}
    return {"I": one, "II": two, **limb, **{f"V{i}": np.roll(beats(height=i / 3), i) for i in range(1, 7)}}


def flags(**changed) -> tuple[str, ...]:
    leads = {**twelve(), **changed}
    return quality_flags(Record(np.stack([leads[n] for n in STANDARD_12]).astype(np.float32), FS, STANDARD_12))


def test_a_clean_recording_has_no_flag():
    assert flags() == ()


def test_a_dead_lead_and_one_that_falls_off_for_a_second_differ():
    off = beats()
    off[500:760] = 0.3
    assert flags(V2=np.zeros(2000), V5=off) == ("flat:V2", "lead_off:V5")


def test_less_than_a_second_of_silence_is_no_lead_off():
    quiet = beats()
    quiet[500:700] = 0.01
    assert flags(V5=quiet) == ()


def test_a_clipped_lead_is_saturated_and_a_single_high_sample_is_not():
    assert flags(V4=np.clip(beats(height=3), None, 0.5)) == ("saturated:V4",)
    spike = beats()
    spike[700:702] = 9.0
    assert flags(V4=spike) == ()


def test_microvolts_read_as_millivolts_are_a_wrong_gain():
    assert flags(V3=1000 * beats()) == ("wrong_gain:V3",)
    tiny = {n: x / 1000 for n, x in twelve().items()}
    assert flags(**tiny) == tuple(f"wrong_gain:{n}" for n in STANDARD_12)


def test_one_small_lead_among_large_ones_is_no_fault():
    assert flags(V1=beats(height=0.0) / 10) == ()


def test_nan_is_named_and_does_not_hide_the_rest():
    gap = beats()
    gap[100:120] = np.nan
    gap[900:1300] = 0.25
    assert flags(V6=gap) == ("nan:V6", "lead_off:V6")


@pytest.mark.parametrize("exchange", [("II", "III"), ("aVL", "aVF"), ("I", "aVR")])
def test_exchanged_limb_leads_contradict_einthoven(exchange):
    a, b = exchange
    x = twelve()
    assert flags(**{a: x[b], b: x[a]}) == ("einthoven",)


@given(st.floats(-5, 5), st.floats(-5, 5), st.sampled_from(["III", "aVR", "aVL", "aVF"]), st.floats(-1, 1))
def test_the_error_is_zero_exactly_when_the_law_holds_whatever_the_offset(a, b, lead, offset):
    t = np.arange(500)
    one, two = a * np.sin(t / 7), b * np.cos(t / 11)
    weights = limb_lead_weights(lead)
    x = np.stack([one, two, weights[0] * one + weights[1] * two + offset]).astype(np.float32)
    error = einthoven_error(Record(x, FS, ("I", "II", lead)))
    assert error == pytest.approx(0, abs=1e-5) or abs(a) + abs(b) < 1e-2


def test_the_error_of_a_reversed_lead_is_twice_its_share():
    x = np.stack([np.sin(np.arange(1000) / 9)] * 2 + [np.zeros(1000)]).astype(np.float32)  # III = II - I = 0
    assert einthoven_error(Record(x, FS, ("I", "II", "III"))) == pytest.approx(0, abs=1e-6)
    avr = np.stack([x[0], x[1], x[0]])  # should be -(I + II) / 2 = -I
    assert einthoven_error(Record(avr, FS, ("I", "II", "aVR"))) == pytest.approx(2.0, rel=1e-4)


def test_without_limb_leads_there_is_nothing_to_contradict():
    assert einthoven_error(Record(np.stack([beats(), beats()]), FS, ("V1", "V2"))) is None
    assert einthoven_error(Record(np.stack([beats(), beats()]), FS, ("I", "II"))) is None


def test_every_flag_that_is_given_is_explained():
    given_ = {"nan", "flat", "lead_off", "saturated", "wrong_gain", "einthoven"}
    assert set(FLAGS) == given_

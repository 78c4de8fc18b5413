"""Who belongs to whom, and where segments are cut."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecg_core.data.batch import Batch
from ecg_ssl.positives import known_patients, patient_numbers, recording_numbers, same
from ecg_ssl.segments import adjacent_segments


def ramp(windows=3, leads=2, samples=1000, fs=100.0, **facts):
    """Windows of which each sample tells its place, its lead and its window."""
    place, lead, window = torch.arange(samples), torch.arange(leads)[:, None], torch.arange(windows)[:, None, None]
    return Batch((place + 10_000 * lead + 100_000 * window).double(), fs, ("I", "II", "V1")[:leads], **facts)


def test_a_batch_without_patients_is_refused_by_name():
    with pytest.raises(ValueError, match="CLOCS needs patient in every batch; prepare the data with it"):
        known_patients(ramp(), who="CLOCS")
    assert known_patients(ramp(patient=np.array([4, 4, 9])), who="CLOCS").tolist() == [4, 4, 9]


def test_equal_names_of_patients_in_two_data_sets_are_two_patients():
    numbers = patient_numbers(["7", "7", "8", "7"], datasets=["ptbxl", "chapman", "ptbxl", "ptbxl"])
    assert same(numbers).int().tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]
    assert (numbers >= 0).all()
    with pytest.raises(ValueError, match="window 1 has no patient or no data set; leave such windows out"):
        patient_numbers(["7", None], datasets=["ptbxl", "ptbxl"])
    with pytest.raises(ValueError, match="each patient needs a data set, got 2 patients and 1 data sets"):
        patient_numbers(["7", "8"], datasets=["ptbxl"])


def test_windows_of_one_recording_have_one_number():
    numbers = recording_numbers(ramp(record_ids=("a", "b", "a")), who="COMET")
    assert same(numbers).int().tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    with pytest.raises(ValueError, match="COMET needs record_ids in every batch, which name the recording"):
        recording_numbers(ramp(), who="COMET")


def test_halves_of_a_window_are_adjacent_do_not_overlap_and_cover_it():
    batch = ramp(samples=1001, mask=torch.ones(3, 1001, dtype=torch.bool))
    first, second = adjacent_segments(batch)
    assert torch.equal(torch.cat([first.signal, second.signal], dim=-1), batch.signal[..., :1000])
    assert first.mask.shape == (3, 500)


def test_segments_of_given_length_are_adjacent_in_the_same_lead_and_window_at_places_of_their_own():
    batch = ramp(windows=200)
    first, second = adjacent_segments(batch, seconds=3.0)
    assert first.signal.shape == (200, 2, 300)
    assert torch.equal(second.signal[..., 0] - first.signal[..., -1], torch.ones(200, 2, dtype=torch.float64))
    whole = torch.cat([first.signal, second.signal], dim=-1)
    assert (whole.diff(dim=-1) == 1).all()
    start = first.signal[:, 0, 0] % 10_000
    assert torch.equal(start, first.signal[:, 1, 0] % 10_000)
    assert start.min() < 20 < 380 < start.max() <= 400
    later, _ = adjacent_segments(replace(batch, epoch=1), seconds=3.0)
    assert not torch.equal(later.signal, first.signal)


def test_segments_that_fit_exactly_stand_at_the_beginning():
    first, second = adjacent_segments(ramp(), seconds=5.0)
    assert (first.signal[0, 0, 0], second.signal[0, 0, -1]) == (0, 999)


def test_windows_too_short_for_segments_are_refused():
    with pytest.raises(ValueError, match=r"a window of 1000 samples has no room for 2 segments of 6 s \(600 samples at 100 Hz\)"):
        adjacent_segments(ramp(), seconds=6.0)
    with pytest.raises(ValueError, match="a window of 1 samples has no room for 2 segments; use longer windows"):
        adjacent_segments(ramp(samples=1))

"""Predict: recordings as they come, the mean over their windows, and what is said of the rest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_core.data.store import Store
from ecg_core.errors import DataError, MissingExtraError, OutputExistsError, RunError
from ecg_core.run.inference import predict as module
from ecg_core.run.inference.predict import predict, record_probabilities
from ecg_core.run.inference.recordings import find_record
from ecg_core.run.inference.scorer import load_task
from ecg_core.run.load import load


@pytest.fixture
def run(finetuned: Callable[..., Path]) -> Path:
    return finetuned()


def _by_hand(run: Path, recordings: Path, name: str) -> np.ndarray:
    signal = np.load(recordings / f"{name}.npy")
    windows = torch.from_numpy(np.stack([signal[:, i : i + 100] for i in (0, 100, 200)]))
    task = load(run).module
    return torch.stack([task.predict(Batch(w[None], fs=50, leads=("I", "II")))[0] for w in windows]).mean(dim=0).numpy()


def test_a_recording_of_three_windows_gives_the_mean_of_their_probabilities(run: Path, recordings: Path) -> None:
    table = predict(run, recordings).table.set_index("record_id")
    assert list(table.columns) == ["DOWN", "UP", "WIDE"]
    assert len(table) == 24
    for name in ("r00", "r07", "r23"):
        np.testing.assert_allclose(table.loc[name].to_numpy(), _by_hand(run, recordings, name), atol=1e-6)


def test_a_rest_shorter_than_a_window_is_left_out(run: Path, recordings: Path) -> None:
    before = predict(run, recordings / "r03").table
    signal = np.load(recordings / "r03.npy")
    np.save(recordings / "r03.npy", np.concatenate([signal, 9 * np.ones((2, 99), dtype=np.float32)], axis=1))
    pd.testing.assert_frame_equal(predict(run, recordings / "r03").table, before)


def test_a_long_recording_is_predicted_in_parts(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, signal = load_task(run)
    record = Record(np.random.default_rng(0).normal(size=(2, 700)).astype(np.float32), 50, ("I", "II"), "long")
    whole, sizes, real = record_probabilities(task, signal, record), [], task.predict
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    monkeypatch.setattr(task, "predict", lambda batch: sizes.append(len(batch)) or real(batch))
    np.testing.assert_allclose(record_probabilities(task, signal, record), whole, atol=1e-6)
    assert sizes == [3, 3, 1]


def test_leads_are_found_by_name_whatever_their_order(run: Path, recordings: Path) -> None:
    task, signal = load_task(run)
    array = np.load(recordings / "r05.npy")
    swapped = Record(array[::-1].copy(), 50, ("II", "I"), "swapped")
    np.testing.assert_allclose(record_probabilities(task, signal, swapped), _by_hand(run, recordings, "r05"), atol=1e-6)


def test_what_cannot_be_used_is_listed_with_its_reason_and_the_rest_go_on(run: Path, recordings: Path) -> None:
    (recordings / "notes.txt").write_text("no array", encoding="utf-8")
    np.save(recordings / "r01.npy", np.zeros((3, 300), dtype=np.float32))
    np.save(recordings / "r02.npy", np.zeros((2, 50), dtype=np.float32))
    (recordings / "r04.npy").write_bytes(b"cut")  # NumPy says so with a ValueError of its own
    found = predict(run, recordings)
    reasons = found.rejects.set_index("path")["reason"]
    assert len(found.table) == 21
    assert reasons["notes.txt"] == "notes.txt is no array"
    assert reasons["r01"] == "r01 has 3 leads"
    assert "r02" in reasons
    assert "r04" in reasons


def test_when_nothing_can_be_used_an_example_says_why(run: Path, recordings: Path) -> None:
    for file in recordings.glob("*.npy"):
        np.save(file, np.zeros((3, 300), dtype=np.float32))
    with pytest.raises(DataError, match="none of the 24 recordings in .* can be used, e.g. r00: r00 has 3 leads"):
        predict(run, recordings)


def test_a_reader_that_finds_nothing_at_all_is_an_error_in_words(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is no recording in"):
        predict(run, tmp_path / "empty", reader="numpy")


def test_progress_counts_every_recording(run: Path, recordings: Path) -> None:
    calls = []
    predict(run, recordings, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 24) for i in range(24)]


def test_probabilities_are_written_as_csv(run: Path, recordings: Path, tmp_path: Path) -> None:
    table = predict(run, recordings, tmp_path / "new" / "p.csv").table
    written = pd.read_csv(tmp_path / "new" / "p.csv")
    pd.testing.assert_frame_equal(written, table, atol=1e-6, check_dtype=False)
    with pytest.raises(OutputExistsError, match="--force"):
        predict(run, recordings, tmp_path / "new" / "p.csv")
    predict(run, recordings, tmp_path / "new" / "p.csv", force=True)


def test_parquet_without_pyarrow_is_refused_before_any_work(
    run: Path, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(module, "load_scorer", lambda run: pytest.fail("the model was loaded first"))
    with pytest.raises(MissingExtraError, match="Parquet needs pyarrow: pip install pyarrow; or write CSV instead"):
        predict(run, recordings, tmp_path / "p.parquet")


def test_parquet_holds_the_table_and_nothing_else(run: Path, recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    table = predict(run, recordings, tmp_path / "p.parquet").table
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "p.parquet"), table, check_dtype=False)


def test_a_backbone_answers_no_question(tmp_path: Path, store: Store, recordings: Path) -> None:
    from ecg_core.contracts.lazy import materialize
    from ecg_core.discovery.registries import BACKBONES
    from ecg_core.run.card import SignalContract, save_model

    backbone = materialize(BACKBONES.build("toy", in_leads=2), torch.zeros(2, 2, 100))
    card = save_model(tmp_path, "backbone", backbone, kind="backbones", signal=SignalContract.of(store))
    with pytest.raises(RunError, match="holds a pre-trained backbone, which answers no question yet; run `ecg finetune"):
        predict(card, recordings)


def test_a_recording_is_found_by_its_path(recordings: Path) -> None:
    record = find_record(recordings / "r05")
    assert record.record_id == "r05"
    assert np.array_equal(record.signal, np.load(recordings / "r05.npy"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("r77", "there is no recording 'r77' in .*recordings"),
        ("absent/r01", "absent/r01 does not exist; give a folder of recordings or the path of one without its suffix"),
        ("notes", "notes.txt is no array"),  # refused while scanning: its own reason
    ],
)
def test_a_recording_that_is_not_there_is_an_error_in_words(recordings: Path, path: str, message: str) -> None:
    (recordings / "notes.txt").touch()
    with pytest.raises(DataError, match=message):
        find_record(recordings / path)

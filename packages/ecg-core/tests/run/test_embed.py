"""Embed: the mean over a recording's windows of what the encoder pools, from recordings as they come or from a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ecg_core.data.store import Store
from ecg_core.errors import ConfigError, DataError, OutputExistsError, RunError
from ecg_core.run.inference.embed import embed
from ecg_core.run.load import load


@pytest.fixture
def run(finetuned: Callable[..., Path]) -> Path:
    return finetuned()


def test_a_recording_is_the_mean_of_its_windows(run: Path, recordings: Path) -> None:
    found = embed(run, recordings)
    encoder = load(run).module.backbone
    windows = torch.from_numpy(np.load(recordings / "r07.npy")).reshape(2, 3, 100).swapaxes(0, 1).contiguous()
    with torch.no_grad():
        expected = encoder.pool(encoder.forward_features(windows)).mean(dim=0)
    np.testing.assert_allclose(found.values[found.record_ids.index("r07")], expected.numpy(), atol=1e-6)
    assert found.values.dtype == np.float32
    assert len(found.record_ids) == 24


def test_a_store_gives_what_its_recordings_give_but_for_the_rounding_to_int16(run: Path, store: Store, recordings: Path) -> None:
    of_store, of_files = embed(run, store.path), embed(run, recordings)
    order = [of_store.record_ids.index(name) for name in of_files.record_ids]
    np.testing.assert_allclose(of_store.values[order], of_files.values, atol=1e-3)


def test_a_long_recording_is_read_in_parts(run: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = embed(run, recordings).values
    monkeypatch.setattr("ecg_core.run.inference.embed._AT_ONCE", 2)
    np.testing.assert_allclose(embed(run, recordings).values, whole, atol=1e-6)


def test_files_hold_what_was_returned(run: Path, recordings: Path, tmp_path: Path) -> None:
    (recordings / "notes.txt").write_text("no array", encoding="utf-8")
    found = embed(run, recordings, tmp_path / "e.npz")
    with np.load(tmp_path / "e.npz", allow_pickle=False) as file:
        assert np.array_equal(file["values"], found.values)
        assert file["record_ids"].tolist() == found.record_ids
    embed(run, recordings, tmp_path / "e.csv")
    table = pd.read_csv(tmp_path / "e.csv")
    assert list(table.columns) == ["record_id", "e0", "e1", "e2", "e3"]
    np.testing.assert_allclose(table.iloc[:, 1:].to_numpy(), found.values, rtol=1e-5)
    assert found.rejects["path"].tolist() == ["notes.txt"]
    with pytest.raises(OutputExistsError):
        embed(run, recordings, tmp_path / "e.csv")


def test_what_cannot_be_embedded_is_said(run: Path, recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"written as \.npz, \.csv, \.parquet, got e\.txt"):
        embed(run, recordings, tmp_path / "e.txt")
    for file in recordings.glob("*.npy"):
        np.save(file, np.zeros((3, 300), dtype=np.float32))
    with pytest.raises(DataError, match=r"none of the 24 recordings .* can be used, e\.g\. r00: r00 has 3 leads"):
        embed(run, recordings)
    with pytest.raises(RunError, match="does not exist"):
        embed(tmp_path / "none", recordings)

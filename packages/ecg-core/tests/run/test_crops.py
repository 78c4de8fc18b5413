"""Crops: short ones at random to learn from, the mean over evenly spaced ones as an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecg_core.data.prepare import prepare
from ecg_core.data.store import Store
from ecg_core.errors import ConfigError
from ecg_core.run.inference.export import export
from ecg_core.run.inference.predict import predict
from ecg_core.run.inference.window_scores import score_windows
from ecg_core.run.load import load
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.training.crops import Crops
from ecg_core.run.training.finetune import finetune
from ecg_core.testing.toy import toy_batch


@pytest.fixture
def longer(recordings: Path, labels: Path, tmp_path: Path) -> Store:
    """The recordings whole: windows of 6 s."""
    words = {"fs": 50.0, "seconds": 6.0, "leads": ("I", "II"), "reader": "numpy", "pipeline": []}
    return prepare(recordings, tmp_path / "longer", labels=labels, **words)


@pytest.fixture
def train(finetuned: Callable[..., Path], longer: Store, tmp_path: Path) -> Callable[..., Path]:
    """From a run on windows of 2 s, on windows of 6 s."""
    first = finetuned("first")

    def run(name: str = "run", **words: Any) -> Path:
        settings = {"target": "dx", "head": "toy_head", "epochs": 2, "device": "cpu", "source": first, **words}
        return finetune(settings.pop("data", longer), tmp_path / name, **settings).path

    return run


@pytest.mark.parametrize(("count", "starts"), [(1, [100]), (2, [0, 200]), (3, [0, 100, 200]), (4, [0, 67, 133, 200])])
def test_the_answer_for_a_long_window_is_the_mean_over_crops_that_span_it(
    train: Callable[..., Path], longer: Store, count: int, starts: list[int]
) -> None:
    task = load(train(crops=count)).module
    batch = longer.batch([0, 5]).to("cpu")
    parts = [task.probabilities(task(batch.signal[..., start : start + 100])) for start in starts]
    torch.testing.assert_close(task.predict(batch), torch.stack(parts).mean(dim=0))


def test_the_largest_answer_counts_where_that_is_asked_for_also_once_saved_and_for_a_new_backbone(
    finetuned: Callable[..., Path], longer: Store, tmp_path: Path
) -> None:
    words: dict[str, Any] = {"backbone": "toy", "head": "toy_head", "target": "dx", "epochs": 1, "device": "cpu"}
    run = finetune(longer, tmp_path / "max", crops=3, crop_seconds=1.5, crop_answer="max", **words).path
    loaded = load(run)
    assert loaded.signal.samples == 75
    x = longer.batch([0, 5]).to("cpu")
    answers = [loaded.module.probabilities(loaded.module(x.signal[..., s : s + 75])) for s in (0, 112, 225)]
    torch.testing.assert_close(loaded.module.predict(x), torch.stack(answers).amax(dim=0))


@pytest.mark.skipif(find_spec("onnxruntime") is None or find_spec("onnxscript") is None, reason="needs onnxruntime, onnxscript")
def test_the_scales_of_int8_are_of_crops_and_the_file_answers_for_a_recording_as_the_run_does(
    longer: Store, recordings: Path, tmp_path: Path
) -> None:
    words: dict[str, Any] = {"backbone": "toy", "head": "toy_head", "target": "dx", "epochs": 1, "device": "cpu"}
    run = finetune(longer, tmp_path / "max", crops=3, crop_seconds=2.0, crop_answer="max", **words).path
    report = export(run, int8=True, pipeline=True, recorded_fs=50, tolerance=0.2)
    assert (report.takes.samples, load(report.path).crop_answer) == (100, "max")
    one, other = (predict(who, recordings, reader="numpy").table.iloc[:, 1:].to_numpy() for who in (run, report.path))
    assert np.abs(one - other).max() < 0.1
    each = predict(run, recordings, reader="numpy", windows=True).table.groupby("record_id", sort=False)[["DOWN", "UP", "WIDE"]]
    np.testing.assert_allclose(one, each.max().to_numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"crops": 2, "crop_seconds": 6.0}, "crop_seconds must lie between 0 and the 6 s of a window, got 6"),
        ({"crops": 2, "crop_seconds": 1.0, "crop_answer": "median"}, "crop_answer must be mean or max, got 'median'"),
        ({"crop_seconds": 1.0}, "crop_seconds and crop_answer say of crops how long they are .*; give crops"),
        ({"crop_answer": "max"}, "crop_seconds and crop_answer say of crops how long they are .*; give crops"),
        ({"crops": 2}, "give --from RUN, say how long they are with --crop-seconds, or prepare shorter windows"),
    ],
)
def test_crops_that_make_no_sense_are_one_clear_error(longer: Store, tmp_path: Path, words: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        finetune(longer, tmp_path / "run", target="dx", backbone="toy", head="toy_head", **words)


def test_a_model_of_crops_expects_windows_of_a_crop_and_evaluates_long_ones(
    train: Callable[..., Path], longer: Store, recordings: Path
) -> None:
    """Three crops of 2 s tile a recording of 6 s, as `ecg predict` cuts it."""
    run = train(crops=3, mode="lora", rank=2)
    assert load(run).signal.samples == 100
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["crops"] == 3
    evaluation = evaluate(run, repeats=5)
    assert evaluation.n_records == 4
    fresh = predict(run, recordings).table.set_index("record_id")
    stored = score_windows(load(run).module, longer, np.arange(len(longer)))
    names = longer.table["record_id"].tolist()
    np.testing.assert_allclose(stored, fresh.loc[names].to_numpy(), atol=1e-3)  # up to the store's rounding


def test_crops_are_pieces_of_their_windows_and_another_each_epoch() -> None:
    batch, crops = toy_batch(6, 3, 400), Crops(150, 1)
    cut = crops.cut(batch).signal
    starts = []
    for window, piece in zip(batch.signal, cut, strict=True):
        found = [s for s in range(251) if torch.equal(window[:, s : s + 150], piece)]
        assert len(found) == 1
        starts += found
    assert len(set(starts)) > 3
    assert torch.equal(crops.cut(batch).signal, cut)
    again = toy_batch(6, 3, 400)
    object.__setattr__(again, "epoch", 1)
    assert not torch.equal(crops.cut(again).signal, cut)


def test_every_start_is_drawn_the_first_and_the_last_too() -> None:
    batch = toy_batch(200, 1, 60)
    ramp = torch.arange(60.0).expand(200, 1, 60)
    cut = Crops(58, 1).cut(batch.with_signal(ramp))
    assert set(cut.signal[:, 0, 0].int().tolist()) == {0, 1, 2}


def test_windows_of_a_crops_length_and_shorter_ones_are_taken_whole(train: Callable[..., Path], store: Store) -> None:
    task = load(train(crops=2)).module
    batch = store.batch([0]).to("cpu")
    assert torch.equal(task.predict(batch), task.probabilities(task(batch.signal)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"crops": 0}, "crops must be at least 1, got 0"),
        ({"crops": 2, "mode": "linear"}, "runs the frozen backbone once over whole windows, so it takes no crops; use mode=lora"),
        ({"crops": 2, "source": None, "backbone": "toy"}, "crops are as long as the windows of a pre-training; give --from RUN"),
    ],
)
def test_crops_that_cannot_be_are_refused(train: Callable[..., Path], tmp_path: Path, words: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(**words)
    assert not (tmp_path / "run").exists()


def test_windows_no_longer_than_those_of_the_source_are_refused(train: Callable[..., Path], store: Store) -> None:
    with pytest.raises(
        ConfigError, match="was trained on windows of 2 s, and .* has windows of 2 s, .* nothing to crop; prepare"
    ):
        train(crops=2, data=store)


def test_a_model_of_samples_takes_no_crops() -> None:
    class Labels:
        per_step = True

    with pytest.raises(ConfigError, match="Labels labels every sample, so there are no crops to average; leave crops out"):
        Crops(100, 2).tell(Labels())

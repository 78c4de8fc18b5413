"""Models with parts of their own are trained by the same command, and what cannot be trained on a store says so."""

from __future__ import annotations

from pathlib import Path

import pytest

import ecg_core as ecg
from ecg_core.errors import ConfigError

TINY = {"name": "resnet18", "widths": (4, 8), "depths": (1, 1)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("models")
    ecg.demo(folder / "wfdb", records=24, seed=0)
    return ecg.prepare(folder / "wfdb", folder / "store", fs=100.0, seconds=4.0, labels=folder / "wfdb" / "labels.csv")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("fcn_wang", {}),
        ("crnn", {"backbone": TINY}),
        (
            {"name": "crnn", "pooling": "attention", "hidden": [4]},
            {"backbone": {"name": "resnet18", "widths": (4,), "depths": (1,)}},
        ),
    ],
    ids=["fcn_wang", "crnn", "crnn with attention"],
)
def test_a_model_is_trained_evaluated_and_explained(store, model, words, tmp_path: Path) -> None:
    run = ecg.finetune(store, tmp_path / "run", target="dx", model=model, epochs=1, device="cpu", **words)
    assert run.facts["config"]["name"] == (model if isinstance(model, str) else model["name"])
    assert (
        ecg.evaluate(run.path, split="train", repeats=5).n_records
        == store.table[store.table["split"] == "train"]["record_id"].nunique()
    )
    explanation = ecg.explain(run.path, store.record(0))
    assert explanation.relevance.shape == store.record(0).signal.shape


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"model": "unet"}, "labels every sample, and target .dx. is about whole recordings"),
        ({"model": "crnn"}, "give either --from RUN .* or --backbone NAME"),
        ({"model": "classifier"}, "give either --from RUN .* or --backbone NAME"),
        (
            {"model": "crnn", "backbone": "resnet18", "mode": "linear"},
            "CRNN has layers of its own before its head; use mode=full",
        ),
    ],
)
def test_what_cannot_be_trained_says_so(store, words, message, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        ecg.finetune(store, tmp_path / "run", target="dx", epochs=1, device="cpu", **words)

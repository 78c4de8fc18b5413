"""Protocols of papers: their values are the published ones, explicit words win and are recorded, other data are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.store import Store
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import HEADS, READERS
from ecg_core.errors import ConfigError, RunError
from ecg_core.evaluation.evaluation import Evaluation
from ecg_core.run.inference.predict import predict
from ecg_core.run.load import load
from ecg_core.run.optimization.optimization import Rates, build_optimizer
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.settings import Settings
from ecg_core.run.training.finetune import finetune
from ecg_core.run.training.protocols import TRAINING_PROTOCOLS, protocol_sentences, training_protocol

SUPER = ("NORM", "MI", "CD")


@pytest.fixture
def heads() -> Iterator[None]:
    """The toy's head under the names that protocols ask for."""

    class Named(HEADS.get("toy_head")):  # type: ignore[misc]
        def __init__(self, classes: int, *, hidden: int = 4, dropout: float = 0.0, normalise: bool = False) -> None:
            super().__init__(classes, normalise=normalise)
            self.hidden, self.dropout, self.normalise = hidden, dropout, normalise

    with HEADS.isolated():
        for name in ("linear", "mlp"):
            HEADS.add(Named, name, override=True)
        yield


class TenSeconds(Reader):
    """``NAME.npy``: two leads of ten seconds, at whatever rate."""

    def recognises(self, path: Path) -> bool:
        return any(path.glob("*.npy"))

    def scan(self, path: Path) -> RecordTable:
        return RecordTable.from_rows(
            [{"record_id": f.stem, "root": str(path), "path": f.name} for f in sorted(path.glob("*.npy"))]
        )

    def read(self, row: Any) -> Record:
        signal = np.load(Path(row["root"]) / row["path"], allow_pickle=False)
        return Record(signal, signal.shape[1] / 10, ("I", "II"), row["record_id"])


@pytest.fixture
def ptbxl(tmp_path: Path, heads: None) -> Iterator[Callable[..., Store]]:
    """Makes stores of 24 patients under PTB-XL's names, each with its recordings in ``raw/``."""
    splits = ["train"] * 12 + ["val"] * 6 + ["test"] * 6
    rows = [
        {"record_id": f"r{i:02d}", "patient_id": f"p{i}", "superclass": SUPER[i % 3], "split": s} for i, s in enumerate(splits)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "ptbxl.csv", index=False)
    raw = tmp_path / "raw"
    raw.mkdir()

    def make(name: str = "ptbxl", *, fs: float = 100.0, seconds: float = 10.0, split: str | None = "ptbxl_super") -> Store:
        for i in range(24):
            noise = np.random.default_rng(i).normal((1.0, -1.0, 0.0)[i % 3], 0.3, (2, round(10 * fs)))
            np.save(raw / f"r{i:02d}.npy", noise.astype(np.float32))
        words: dict[str, Any] = {"leads": ("I", "II"), "reader": "ten_seconds", "pipeline": [], "facts": False}
        return prepare(raw, tmp_path / name, fs=fs, seconds=seconds, labels=tmp_path / "ptbxl.csv", split=split, **words)

    with READERS.isolated():
        READERS.add(TenSeconds, "ten_seconds")
        yield make


def test_merl_v1_has_the_values_of_the_scripts_of_merl() -> None:
    # cheliu-computation/MERL-ICML2024 at 38799b7d: sub_script/ptbxl/*.sh and main_single.py.
    merl = TRAINING_PROTOCOLS["merl_v1"]
    assert (merl.recipe.lr, merl.recipe.weight_decay, merl.recipe.decay_all) == (0.001, 1e-4, True)
    assert (merl.values["epochs"], merl.values["batch_size"], merl.values["mode"]) == (100, 16, "linear")
    assert merl.fractions == (0.01, 0.1)
    assert (merl.fs, merl.seconds) == (500, 10)
    assert merl.divisions == ("ptbxl_super", "ptbxl_sub", "ptbxl_form", "ptbxl_rhythm")
    settings = Settings.from_recipe(merl.recipe, epochs=100, optimizer="adam", scheduler=merl.values["scheduler"])
    optimizer = build_optimizer(torch.nn.Linear(3, 2), settings)
    assert type(optimizer) is torch.optim.Adam  # whose decay is coupled
    assert [group["weight_decay"] for group in optimizer.param_groups] == [1e-4]  # the bias too
    rates = Rates(settings, 1000)  # of ten batches an epoch
    assert [rates.at(step, ()) for step in (0, 41, 399, 400, 999)] == pytest.approx([1e-3, 1e-3, 1e-3, 1e-4, 1e-4])


def test_strodthoff_has_the_values_of_the_benchmark_of_ptb_xl() -> None:
    # helme/ecg_ptbxl_benchmarking at cdbf4e66: models/fastai_model.py; what it leaves to fastai 1.0 is
    # fit_one_cycle(div_factor=25, pct_start=0.3), betas (0.9, 0.99) and decoupled decay of every parameter.
    values, recipe = TRAINING_PROTOCOLS["strodthoff"].values, TRAINING_PROTOCOLS["strodthoff"].recipe
    assert (recipe.lr, recipe.weight_decay, recipe.betas, recipe.decay_all, recipe.clip) == (1e-2, 1e-2, (0.9, 0.99), True, None)
    assert (values["epochs"], values["batch_size"], values["mode"], values["optimizer"]) == (50, 128, "full", "adamw")
    assert (values["crop_seconds"], values["crop_answer"]) == (2.5, "max")
    assert (values["head"]["hidden"], values["head"]["dropout"]) == (128, 0.5)
    settings = Settings.from_recipe(recipe, epochs=50, scheduler=values["scheduler"])
    rates = [Rates(settings, 1000).at(step, ()) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-2 / 25)
    assert max(rates) == pytest.approx(1e-2)
    assert int(np.argmax(rates)) == pytest.approx(300, abs=1)
    assert rates[-1] == pytest.approx(1e-2 / 25 / 1e4, rel=1e-3)
    # Its windows of 250 samples start every 125 of 1,000, and the last that fits at 750.
    starts = [start for start in range(0, 1000, 125) if start + 250 <= 1000]
    assert values["crops"] == len(starts)
    assert [round(750 * i / (values["crops"] - 1)) for i in range(values["crops"])] == starts


def test_strodthoff_from_store_to_report(ptbxl: Callable[..., Store], tmp_path: Path) -> None:
    store = ptbxl()
    words: dict[str, Any] = {"target": "superclass", "backbone": "toy", "device": "cpu"}
    run = finetune(store, tmp_path / "run", protocol="strodthoff", epochs=3, **words)
    saved = json.loads((run.path / "run.json").read_text())
    settings = saved["settings"]
    assert (settings["lr"], settings["batch_size"], settings["weight_decay"]) == (1e-2, 128, 1e-2)
    assert settings["scheduler"]["name"] == "one_cycle"
    assert (saved["mode"], saved["crops"], saved["crop_answer"]) == ("full", 7, "max")
    assert saved["protocol"]["name"] == "strodthoff"
    assert saved["protocol"]["changes"] == {"epochs": {"protocol": 50, "run": 3}}

    loaded = load(run.path)
    assert loaded.signal.samples == 250
    batch = store.batch([0, 5]).to("cpu")
    answers = [loaded.module.probabilities(loaded.module(batch.signal[..., s : s + 250])) for s in range(0, 751, 125)]
    torch.testing.assert_close(loaded.module.predict(batch), torch.stack(answers).amax(dim=0))
    found = predict(run.path, tmp_path / "raw", reader="ten_seconds", overlap=0.5).table.set_index("record_id")
    name = store.table["record_id"].iloc[0]
    np.testing.assert_allclose(found.loc[name].to_numpy(float), loaded.module.predict(batch)[0].numpy(), atol=2e-3)  # int16

    told = "trained by the protocol strodthoff, changed by hand (epochs 3 instead of 50), so the numbers are not those of"
    evaluation = evaluate(run.path, floors=False, repeats=20, html=tmp_path / "report.html", examples=0)
    assert isinstance(evaluation, Evaluation)
    assert told in str(evaluation)
    stored = json.loads((run.path / "evaluation-test.json").read_text())
    assert stored["protocol"] == saved["protocol"]
    page = (tmp_path / "report.html").read_text()
    assert "protocol strodthoff, full, 3 epochs" in page
    assert "published: the last one" in page


def test_merl_v1_is_a_probe_of_a_frozen_encoder_on_a_fraction_of_the_labels(ptbxl: Callable[..., Store], tmp_path: Path) -> None:
    store = ptbxl("merl", fs=500.0)
    words: dict[str, Any] = {"target": "superclass", "device": "cpu", "seed": 1}
    first = finetune(store, tmp_path / "first", backbone="toy", epochs=1, head="toy_head", **words)
    before = {name: value.clone() for name, value in load(first.path).module.backbone.state_dict().items()}
    run = finetune(store, tmp_path / "probe", source=first.path, protocol="merl_v1", fraction=0.1, **words)
    after = load(run.path).module.backbone.state_dict()
    assert "norm.running_mean" in after
    for name, value in before.items():
        assert torch.equal(after[name], value), name
    saved = json.loads((run.path / "run.json").read_text())
    assert saved["protocol"]["changes"] == {}
    assert (saved["epochs"], saved["settings"]["batch_size"], saved["few_labels"]) == (100, 16, {"fraction": 0.1})
    assert saved["config"]["head"]["normalise"] is False
    assert protocol_sentences(saved["protocol"])[0] == "trained by the protocol merl_v1"
    assert "published: the best test AUROC of all epochs" in protocol_sentences(saved["protocol"])[1]


def test_without_a_protocol_nothing_is_said_of_one(finetuned: Callable[..., Path]) -> None:
    saved = json.loads((finetuned() / "run.json").read_text())
    assert saved["protocol"] is None
    assert protocol_sentences(None) == []
    assert training_protocol(None) is None


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"epochs": 50, "lr": 1e-2, "crop_answer": "max"}, {}),  # its own values, said again
        ({"lr": 1e-3}, {"lr": (1e-2, 1e-3)}),
        (
            {"augment": [{"name": "flip"}], "layer_decay": 0.5},
            {"augment": (None, [{"name": "flip"}]), "layer_decay": (None, 0.5)},
        ),
        ({"fraction": 0.1}, {"fraction": ([1.0], 0.1)}),
        ({"loss": torch.nn.BCEWithLogitsLoss()}, {"loss": (None, "BCEWithLogitsLoss")}),
    ],
)
def test_what_explicit_words_change_is_recorded(given: dict[str, Any], changed: dict[str, Any]) -> None:
    found = TRAINING_PROTOCOLS["strodthoff"].changes(given)
    assert found == {word: {"protocol": theirs, "run": ours} for word, (theirs, ours) in changed.items()}
    json.dumps(found)


def test_the_fractions_of_merl_are_part_of_it_and_others_are_not() -> None:
    merl = TRAINING_PROTOCOLS["merl_v1"]
    assert [bool(merl.changes({"fraction": fraction})) for fraction in (0.01, 0.1, 1.0, 0.2)] == [False, False, False, True]


def test_a_store_of_another_kind_is_one_sentence_with_the_fitting_command(ptbxl: Callable[..., Store], tmp_path: Path) -> None:
    words: dict[str, Any] = {"target": "superclass", "backbone": "toy", "protocol": "strodthoff"}
    wrong = ptbxl("wrong", fs=50.0, seconds=5.0, split=None)
    said = (
        r"strodthoff is of PTB-XL at 100 Hz in windows of 10 s, divided by its own folds, and .*wrong has 50 Hz, windows of 5 s, "
        r"the split of its source; prepare it with `ecg prep .*raw NEW --reader ptbxl --fs 100 --seconds 10 --split ptbxl_super`"
    )
    with pytest.raises(RunError, match=said):
        finetune(wrong, tmp_path / "run", **words)
    with pytest.raises(RunError, match=r"and .*dealt has the split 8/1/1; prepare it"):
        finetune(ptbxl("dealt", split="8/1/1"), tmp_path / "run", **words)
    with pytest.raises(
        RunError, match=r"the protocol merl_v1 asks for the target superclass or subclass or form or rhythm .* 'dx'"
    ):
        finetune(wrong, tmp_path / "run", **{**words, "target": "dx", "protocol": "merl_v1"})
    assert not (tmp_path / "run").exists()


def test_an_unknown_protocol_is_named_with_what_there_is(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="protocol must be one of merl_v1, strodthoff, got 'merl'$"):
        finetune(store, tmp_path / "run", target="dx", backbone="toy", protocol="merl")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="ptbxl_super divides data: `ecg prep --split ptbxl_super`"):
        training_protocol("ptbxl_super")

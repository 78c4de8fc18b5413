"""Explain: relevance lies where the score comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.head import Head
from ecg_core.data.record import Record
from ecg_core.errors import ConfigError, DataError, OutputExistsError
from ecg_core.run.inference.explain import explain, explain_folder, explain_window
from ecg_core.run.load import load
from ecg_core.tasks.classification import ClassificationTask

SAMPLES, STRIDE = 400, 10


class Power(Backbone):
    """Squared signal, averaged over patches of ten samples; ``lead_wise`` keeps leads apart until the end."""

    def __init__(self, *, lead_wise: bool = False) -> None:
        super().__init__()
        self.in_leads, self.lead_wise = 3, lead_wise
        self.stages = (Stage(1, STRIDE, (STRIDE - 1) / 2),)

    def forward_lead_features(self, x: Tensor) -> Tensor:
        rows = x.square().unflatten(-1, (-1, STRIDE)).mean(dim=-1)[:, :, None]  # (batch, leads, 1, steps)
        return rows if self.lead_wise else rows.mean(dim=1, keepdim=True)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [self.forward_lead_features(x).mean(dim=1)]


class Halves(Power):
    """Channel 0 sees the first half of the window only, channel 1 the second."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = (Stage(2, STRIDE, (STRIDE - 1) / 2),)

    def forward_lead_features(self, x: Tensor) -> Tensor:
        power = super().forward_lead_features(x)
        early = torch.arange(power.shape[-1]) < power.shape[-1] // 2
        return torch.cat([power * early, power * ~early], dim=2)


class Difference(Head):
    """Class EARLY is the first half against the second, LATE the second against the first."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = 2
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * torch.stack([x[:, 0] - x[:, 1], x[:, 1] - x[:, 0]], dim=1)


class Mean(Head):
    """Class POWER is the mean power, CALM its opposite."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = 2

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, -x], dim=1)


def _window(*bursts: tuple[int, int, int]) -> Record:
    """Silence with a burst of ±1 mV in ``(lead, start, stop)``."""
    signal = np.zeros((3, SAMPLES), dtype=np.float32)
    for lead, start, stop in bursts:
        signal[lead, start:stop] = np.where(np.arange(stop - start) % 2, 1.0, -1.0)
    return Record(signal, 100, ("I", "II", "V1"), "planted")


def _task(*, lead_wise: bool = False) -> ClassificationTask:
    return ClassificationTask(Power(lead_wise=lead_wise), Mean(), classes=("POWER", "CALM"))


@pytest.mark.parametrize("start", [0, 130, 360])
def test_the_relevance_of_a_planted_burst_lies_on_the_burst(start: int) -> None:
    found = explain_window(_task(), _window((1, start, start + 40)), "POWER")
    here = found.relevance[:, start + 10 : start + 30]
    assert here.min() == 1.0
    away = np.delete(found.relevance, slice(max(0, start - STRIDE), start + 40 + STRIDE), axis=1)
    assert away.max() == 0.0


def test_the_relevance_of_one_patch_is_centred_on_the_patch() -> None:
    relevance = explain_window(_task(), _window((0, 130, 140)), "POWER").relevance[0]
    assert np.average(np.arange(SAMPLES), weights=relevance) == pytest.approx(134.5)


@pytest.mark.parametrize(("target", "there", "elsewhere"), [("EARLY", 70, 320), ("LATE", 320, 70)])
def test_a_score_that_depends_on_one_segment_is_explained_by_that_segment(target: str, there: int, elsewhere: int) -> None:
    """Both halves hold the same burst; each class is about one of them."""
    task = ClassificationTask(Halves(), Difference(), classes=("EARLY", "LATE"))
    relevance = explain_window(task, _window((0, 50, 90), (0, 300, 340)), target).relevance
    assert relevance[0, there] == 1.0
    assert relevance[0, elsewhere] == 0.0


def test_a_class_nothing_speaks_for_has_no_relevance() -> None:
    assert explain_window(_task(), _window((0, 50, 90)), "CALM").relevance.max() == 0.0


def test_leads_kept_apart_are_told_apart() -> None:
    found = explain_window(_task(lead_wise=True), _window((2, 200, 240)), "POWER")
    assert found.relevance[2].max() == 1.0
    assert found.relevance[:2].max() == 0.0


def test_leads_mixed_at_once_all_get_the_same() -> None:
    found = explain_window(_task(), _window((2, 200, 240)), "POWER")
    assert np.array_equal(found.relevance[0], found.relevance[2])
    assert found.relevance.max() == 1.0


@pytest.mark.parametrize(("name", "apart"), [("vit_tiny", True), ("resnet18", False)])
def test_shipped_backbones_are_explained_lead_by_lead_or_all_at_once(name: str, apart: bool) -> None:
    pytest.importorskip("ecg_backbones")
    from ecg_core.contracts.lazy import materialize
    from ecg_core.discovery.registries import BACKBONES

    torch.manual_seed(0)
    small = {"depth": 1} if apart else {"widths": (8, 16), "depths": (1, 1)}
    task = ClassificationTask(BACKBONES.build(name, in_leads=3, **small), Mean(), classes=("A", "B"))
    materialize(task, torch.zeros(2, 3, SAMPLES))
    task.scores = lambda features: features.mean(dim=-1)[:, :2]
    relevance = explain_window(task, _window((1, 100, 200)), "A").relevance
    assert relevance.shape == (3, SAMPLES)
    assert (not np.array_equal(relevance[0], relevance[1])) is apart


def test_without_a_target_the_most_probable_class_is_explained() -> None:
    found = explain_window(_task(), _window((0, 0, 40)))
    assert found.target == "POWER"
    assert found.probability == pytest.approx(1 / (1 + np.exp(-(40 / SAMPLES) / 3)), rel=1e-5)  # sigmoid of the mean power


def test_explaining_changes_neither_weights_nor_gradients_nor_the_window() -> None:
    task = ClassificationTask(Halves(), Difference(), classes=("A", "B"))
    window = _window((0, 0, 40))
    before = window.signal.copy()
    explain_window(task, window, "B")
    assert task.head.weight.grad is None
    assert np.array_equal(window.signal, before)


def test_a_run_explains_the_first_window_of_a_recording(finetuned: Callable[..., Path], recordings: Path) -> None:
    run = finetuned()
    found = explain(run, recordings / "r05", target="UP")
    assert (found.record.record_id, found.target) == ("r05", "UP")
    signal = np.load(recordings / "r05.npy")[:, :100]
    assert np.array_equal(found.record.signal, signal)
    with torch.no_grad():
        logits = load(run).module(torch.from_numpy(signal)[None])[0]
    assert found.probability == pytest.approx(float(logits.sigmoid()[1]), rel=1e-5)
    again = explain(run, Record(np.load(recordings / "r05.npy"), 50, ("I", "II"), "r05"), target="UP")
    assert np.array_equal(again.relevance, found.relevance)


def test_what_cannot_be_explained_is_said_in_words(finetuned: Callable[..., Path], recordings: Path, tmp_path: Path) -> None:
    run = finetuned()
    with pytest.raises(ConfigError, match=r"does not know the class 'AFIB'; it knows DOWN, UP, WIDE"):
        explain(run, recordings / "r05", target="AFIB")
    with pytest.raises(ConfigError, match="no method of explanation is named 'lime'. There are grad_cam, grad_cam_pp, layer"):
        explain(run, recordings / "r05", method="lime")
    with pytest.raises(DataError, match="no recording 'r99'"):
        explain(run, recordings / "r99")
    (tmp_path / "x.png").write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="--force"):
        explain(run, recordings / "r05", tmp_path / "x.png")


def test_the_picture_is_a_png(finetuned: Callable[..., Path], recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    explain(finetuned(), recordings / "r05", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("method", ["grad_cam_pp", "layer_cam", "integrated_gradients", "occlusion", "lead_occlusion"])
def test_every_method_marks_the_burst_in_its_lead_and_says_so_below_the_picture(method: str) -> None:
    task = ClassificationTask(Power(lead_wise=True), Mean(), classes=("POWER", "CALM"))
    task.train()
    found = explain_window(task, _window((1, 200, 240)), "POWER", method=method.upper())
    lead, sample = divmod(int(np.abs(found.relevance).argmax()), SAMPLES)
    assert lead == 1
    assert method == "lead_occlusion" or 180 <= sample < 260
    assert found.relevance.max() == pytest.approx(1.0)
    assert found.method == method
    assert task.training
    assert max(found.lead_shares, key=found.lead_shares.get) == found.record.leads[1]
    assert sum(found.lead_shares.values()) == pytest.approx(1.0)
    words = " ".join(text.get_text() for text in found.draw().axes[0].texts)
    assert f"Most of it in {found.record.leads[1]} (" in words


def test_evidence_against_the_class_is_negative_where_a_method_finds_it() -> None:
    task = ClassificationTask(Power(lead_wise=True), Mean(), classes=("POWER", "CALM"))
    found = explain_window(task, _window((1, 200, 240)), "CALM", method="integrated_gradients")
    assert found.relevance.min() == pytest.approx(-1.0)
    assert found.relevance.max() <= 0


def test_a_method_that_does_not_suit_the_model_is_an_error_in_words() -> None:
    task = ClassificationTask(Power(), Mean(), classes=("POWER", "CALM"))
    with pytest.raises(ConfigError, match="method attention_rollout does not suit this model: .* needs a backbone of tokens"):
        explain_window(task, _window(), "POWER", method="attention_rollout")


def test_a_folder_becomes_a_picture_each_and_a_table(finetuned, recordings, tmp_path):
    pytest.importorskip("matplotlib", reason="draws")
    run = finetuned()
    (recordings / "notes.txt").write_text("no array", encoding="utf-8")
    for name in (f"r{i:02d}" for i in range(3, 24)):
        (recordings / f"{name}.npy").unlink()
    table = explain_folder(run, recordings, tmp_path / "pictures")
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == ["explanations.csv", "r00.png", "r01.png", "r02.png"]
    assert table.set_index("record_id").loc["notes.txt", "reason"] == "notes.txt is no array"
    shown = table.dropna(subset=["target"])
    one = explain(run, recordings / "r01")
    row = shown.set_index("record_id").loc["r01"]
    assert (row["target"], row["probability"]) == (one.target, pytest.approx(one.probability, abs=1e-6))
    assert row["share/I"] == pytest.approx(one.lead_shares["I"], abs=1e-6)
    with pytest.raises(OutputExistsError):
        explain_folder(run, recordings, tmp_path / "pictures")
    with pytest.raises(ConfigError, match="does not know the class 'FLAT'"):
        explain_folder(run, recordings, tmp_path / "other", target="FLAT")
    for file in recordings.glob("*.npy"):
        np.save(file, np.zeros((3, 300), dtype=np.float32))
    with pytest.raises(DataError, match=r"none of the 4 recordings .*notes\.txt is no array"):
        explain_folder(run, recordings, tmp_path / "none")

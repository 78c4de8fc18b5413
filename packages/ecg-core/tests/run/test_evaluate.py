"""What an evaluation of a run adds to its areas: thresholds from elsewhere, other models, floors, groups and leads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Stage
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.prepare import prepare
from ecg_core.data.store import Store
from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import DataError, RunError
from ecg_core.evaluation.embeddings import ridge_scores
from ecg_core.evaluation.evaluation import Evaluation
from ecg_core.evaluation.metrics import auroc
from ecg_core.evaluation.paired import compare_scores
from ecg_core.evaluation.thresholds import best_f1_thresholds
from ecg_core.run.inference.scorer import load_task
from ecg_core.run.inference.window_scores import mean_by_record, score_recordings
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.scoring.floors import score_floors
from ecg_core.run.scoring.reduced_leads import score_lead_sets, takes_leads_by_name
from ecg_core.run.scoring.thresholds import stored_thresholds
from ecg_core.run.training.finetune import build_task
from ecg_core.run.training.monitor import embed_windows


def test_thresholds_are_chosen_on_validation_recordings_and_kept_in_the_run(finetuned: Callable[..., Path], store: Store) -> None:
    run = finetuned()
    found = evaluate(run, repeats=5, floors=False)
    task, _ = load_task(run)
    val = score_recordings(task, store, "val", "dx")
    expected = best_f1_thresholds(val.targets, val.scores)
    assert found.decisions.thresholds.values == pytest.approx(tuple(np.where(np.isnan(expected), 0.5, expected)))
    assert found.decisions.thresholds.source == f"greatest F1 on the validation split of {store.path}"
    assert stored_thresholds(run) == found.decisions.thresholds


def test_without_validation_recordings_the_threshold_is_a_named_default(finetuned: Callable[..., Path], store: Store) -> None:
    run = finetuned()
    store.table.loc[store.table["split"] == "val", "split"] = "train"
    found = evaluate(run, data=store, repeats=5, floors=False)
    assert found.decisions.thresholds.values == (0.5, 0.5, 0.5)
    assert "the default 0.5 is used there" in str(found)
    with pytest.raises(DataError, match="a temperature is fitted on validation recordings, and there are none"):
        evaluate(run, data=store, repeats=5, calibrate=True)


def test_thresholds_judged_on_the_recordings_they_were_chosen_on_are_flagged(finetuned: Callable[..., Path]) -> None:
    run = finetuned()
    assert "chosen on these very recordings" in evaluate(run, split="val", repeats=5, floors=False).notes[0]
    assert not evaluate(run, repeats=5, floors=False).notes


def test_a_damaged_file_of_thresholds_is_said_and_an_absent_one_is_none(finetuned: Callable[..., Path]) -> None:
    run = finetuned()
    assert stored_thresholds(run) is None
    (run / "thresholds.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"thresholds\.json is damaged \(KeyError\); evaluate the run again"):
        stored_thresholds(run)


def test_a_model_that_is_tried_elsewhere_keeps_the_thresholds_it_came_with(
    finetuned: Callable[..., Path], store: Store, recordings: Path, labels: Path, tmp_path: Path
) -> None:
    run = finetuned()
    here = evaluate(run, repeats=5, floors=False).decisions.thresholds
    other = _elsewhere(tmp_path)
    assert evaluate(run, data=other, split="test", repeats=5, floors=False).decisions.thresholds == here


def test_where_the_data_of_the_run_are_gone_other_validation_recordings_stand_in_and_it_is_said(
    finetuned: Callable[..., Path], store: Store, tmp_path: Path
) -> None:
    run = finetuned()
    store.path.rename(tmp_path / "gone")
    found = evaluate(run, data=_elsewhere(tmp_path), repeats=5)
    assert "(the data of the run are no longer there)" in found.decisions.thresholds.source
    assert "the data of the run are no longer there, so there are no floors" in found.notes


def test_a_multi_class_run_decides_by_the_highest_score(store: Store, finetuned: Callable[..., Path], tmp_path: Path) -> None:
    run = finetuned(problem="multi_class")
    found = evaluate(run, repeats=5, floors=False)
    assert found.decisions.thresholds.rule == "argmax"
    assert sum(map(sum, found.decisions.confusion)) + found.decisions.without_one_class == found.n_records
    assert found.decisions.without_one_class > 0  # WIDE stands beside UP or DOWN
    assert "true DOWN" in str(found)


def test_scores_at_a_fitted_temperature_are_what_is_written_and_judged(finetuned: Callable[..., Path]) -> None:
    run = finetuned()
    plain, cooled = (evaluate(run, repeats=5, floors=False, calibrate=c) for c in (False, True))
    assert plain.calibration.temperature is None
    assert cooled.calibration.temperature > 0
    assert json.loads((run / "thresholds.json").read_text())["temperature"] == cooled.calibration.temperature
    assert [r.auroc.value for r in plain.per_class] == [r.auroc.value for r in cooled.per_class]
    assert plain.calibration.brier != cooled.calibration.brier


def test_another_run_is_compared_pair_by_pair(finetuned: Callable[..., Path], store: Store) -> None:
    run, other = finetuned("run"), finetuned("other", seed=3)
    evaluate(other, repeats=5, floors=False)
    found = evaluate(run, compare=[other], repeats=20, floors=False)
    (comparison,) = found.comparisons
    a, b = (score_recordings(load_task(r)[0], store, "test", "dx") for r in (run, other))
    patients = store.table["patient_id"].iloc[a.first].tolist()
    same = compare_scores(
        a.targets, a.scores, b.scores, name=comparison.name, classes=found.classes, patients=patients, repeats=20
    )
    assert comparison.auroc_difference.value == pytest.approx(same.auroc_difference.value)
    assert comparison.auroc_difference.p == same.auroc_difference.p
    again = Evaluation.from_dict(json.loads((run / "evaluation-test.json").read_text()))
    assert str(again.comparisons) == str(found.comparisons)
    assert "other (from scratch, full)" in str(found)


def test_scores_of_another_run_that_are_gone_or_of_other_recordings_are_refused(finetuned: Callable[..., Path]) -> None:
    run, other = finetuned("run"), finetuned("other")
    evaluate(other, repeats=5, floors=False)
    file = other / "predictions-test.csv"
    table = pd.read_csv(file)
    for changed, message in (
        (table.iloc[1:], "holds other recordings than this run was evaluated on; run `ecg evaluate .*other --split test` again"),
        (table.rename(columns={"UP": "HIGH"}), "knows the classes DOWN, HIGH, WIDE, this run DOWN, UP, WIDE"),
    ):
        changed.to_csv(file, index=False)
        with pytest.raises(RunError, match=message):
            evaluate(run, compare=[other], repeats=5, floors=False)
    file.unlink()
    with pytest.raises(RunError, match=r"other has no predictions-test\.csv to compare with"):
        evaluate(run, compare=[other], repeats=5, floors=False)


def test_the_random_floor_is_the_same_backbone_with_other_weights_under_a_ridge(
    finetuned: Callable[..., Path], store: Store
) -> None:
    run = finetuned()
    task, _ = load_task(run)
    before = {name: t.clone() for name, t in task.state_dict().items()}
    test = score_recordings(task, store, "test", "dx")
    made = score_floors(task, store, store, test, target="dx", seed=4)
    assert all(torch.equal(t, before[name]) for name, t in task.state_dict().items())
    with torch.random.fork_rng():
        torch.manual_seed(4)
        fresh = BACKBONES.build({"name": "toy", "in_leads": 2})
    learned = store.indices("train", target="dx")
    labels = store.target_matrix("dx", task.classes, learned)
    scores = ridge_scores(embed_windows(fresh, store, learned, "cpu"), labels, embed_windows(fresh, store, test.windows, "cpu"))
    _, expected, _ = mean_by_record(store.table["record_id"].iloc[test.windows].tolist(), scores)
    np.testing.assert_allclose(made.scores["random encoder"], expected)


def test_floors_are_there_by_default_the_same_for_the_same_seed_and_can_be_turned_off(finetuned: Callable[..., Path]) -> None:
    run = finetuned()
    first, second = (evaluate(run, repeats=5) for _ in range(2))
    assert [c.name for c in first.comparisons if c.floor] == ["random encoder"]
    assert str(first) == str(second)
    # The toys' windows have 50 Hz, which cannot hold a QRS complex: said, and no reason to stop.
    assert any("the floor of hand-crafted features could not be made: R peaks" in note for note in first.notes)
    assert not evaluate(run, repeats=5, floors=False).comparisons


def test_hand_crafted_features_tell_fast_hearts_from_slow_ones(tmp_path: Path) -> None:
    from ecg_core.evaluation.handcrafted import handcrafted_features

    rng = np.random.default_rng(0)
    fs, fast = 100.0, np.arange(60) % 2 == 0
    x = 0.02 * rng.normal(size=(60, 2, 1000))
    for window, quick in zip(x, fast, strict=True):
        beats = np.arange(0.3, 9.7, 0.5 if quick else 1.0)
        window += np.exp(-0.5 * ((np.arange(1000) / fs - beats[:, None]) / 0.015) ** 2).sum(axis=0)
    features = np.nan_to_num(handcrafted_features(x, fs=fs))
    scores = ridge_scores(features[:40], fast[:40, None], features[40:])
    assert auroc(fast[40:, None], scores)[0] == 1.0


def test_groups_come_from_the_facts_of_the_store(finetuned: Callable[..., Path], store: Store) -> None:
    run = finetuned()
    store.table["sex"] = ["F" if int(r[1:]) % 4 < 2 else "M" for r in store.table["record_id"]]
    store.table["age"] = 71.0
    store.table["database"] = pd.Series([("ptb",) if int(r[1:]) % 4 else ("ptb_xl",) for r in store.table["record_id"]])
    store.table["source"] = "one"
    found = evaluate(run, data=store, split="train", repeats=5, floors=False)
    assert {(g.attribute, g.name, g.records) for g in found.subgroups} == {
        ("age", "60 to 79 years", 16), ("sex", "F", 8), ("sex", "M", 8),
        ("database", "ptb", 12), ("database", "ptb_xl", 4),
    }  # fmt: skip
    assert all(g.note == "fewer than 20 records" for g in found.subgroups)


def test_leads_that_are_left_out_are_zero_and_all_of_them_change_nothing(finetuned: Callable[..., Path], store: Store) -> None:
    run = finetuned()
    task, _ = load_task(run)
    test = score_recordings(task, store, "test", "dx")
    sets, notes = score_lead_sets(task, store, test, repeats=5)
    assert [(s.name, s.how) for s in sets] == [("2", "all"), ("II", "zeros"), ("I", "zeros")]
    assert notes == ["the store has 2 leads, so the lead sets 12, 8, 6, 3 are left out"]
    whole = evaluate(run, repeats=5, floors=False)
    assert sets[0].auroc == whole.macro_auroc
    silent = torch.from_numpy(store.signals(test.windows))
    silent[:, 0] = 0
    with torch.no_grad():
        scores = task.probabilities(task(silent)).double().numpy()
    _, expected, _ = mean_by_record(store.table["record_id"].iloc[test.windows].tolist(), scores)
    values = auroc(test.targets, expected)
    assert sets[1].auroc.value == pytest.approx(np.nanmean(values))
    assert [s.name for s in evaluate(run, repeats=5, floors=False, leads_table=True).lead_sets] == ["2", "II", "I"]


class LeadTokens(TokenBackbone):
    """One token per lead and patch: a lead that is not there has no token."""

    def __init__(self, *, in_leads: int = 2, width: int = 4) -> None:
        super().__init__()
        self.in_leads, self.width, self.patch_size = in_leads, width, 20
        self.stages = (Stage(width, 20, 9.5),)
        self.line = nn.Linear(20, width)
        self.names = nn.Parameter(torch.arange(float(in_leads))[:, None].repeat(1, width))

    def patchify(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (-1, 20))

    def embed(self, patches: Tensor) -> Tensor:
        return self.line(patches)

    def encode(self, tokens: Tensor, keep: Tensor | None = None, lead_index: Tensor | None = None) -> Tensor:
        index = torch.arange(self.in_leads) if lead_index is None else lead_index
        return tokens + self.names[index][None, :, None]

    def forward_features(self, x: Tensor, lead_index: Tensor | None = None) -> Tensor:
        return self.encode(self.embed(self.patchify(x)), lead_index=lead_index).mean(dim=1).transpose(1, 2)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [self.forward_features(x)]


def test_a_backbone_of_tokens_is_given_the_remaining_leads_and_no_zeros(store: Store) -> None:
    with BACKBONES.isolated():
        BACKBONES.add(LeadTokens, "lead_tokens")
        task = build_task(store, None, "lead_tokens", "toy_head", ("DOWN", "UP", "WIDE"), seed=0).eval()
        assert takes_leads_by_name(task, store)
        test = score_recordings(task, store, "test", "dx")
        sets, _ = score_lead_sets(task, store, test, repeats=5)
        assert [(s.name, s.how) for s in sets] == [("2", "all"), ("II", "tokens"), ("I", "tokens")]
        x = torch.from_numpy(store.signals(test.windows))
        with torch.no_grad():
            features = task.backbone.forward_features(x[:, 1:], torch.tensor([1]))
            scores = task.probabilities(task.scores(features)).double().numpy()
        _, expected, _ = mean_by_record(store.table["record_id"].iloc[test.windows].tolist(), scores)
        assert sets[1].auroc.value == pytest.approx(np.nanmean(auroc(test.targets, expected)))


def test_a_convolution_cannot_do_without_a_lead(store: Store) -> None:
    assert not takes_leads_by_name(build_task(store, None, "toy", "toy_head", ("A", "B"), seed=0), store)


def _elsewhere(tmp_path: Path) -> Store:
    """Other recordings of other patients, of the same kind."""
    folder = tmp_path / "elsewhere"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(9)
    rows = []
    for i in range(12):
        signal = rng.normal(0, 0.3, (2, 100)).astype(np.float32)
        signal[0] += 1.0 if i % 2 else -1.0
        np.save(folder / f"e{i:02d}.npy", signal)
        rows.append({"record_id": f"e{i:02d}", "dx": "UP" if i % 2 else "DOWN", "split": ("train", "val", "test")[i // 4]})
    pd.DataFrame(rows).to_csv(tmp_path / "elsewhere.csv", index=False)
    words = {"fs": 50.0, "seconds": 2.0, "leads": ("I", "II"), "reader": "numpy", "pipeline": []}
    return prepare(folder, tmp_path / "other-store", labels=tmp_path / "elsewhere.csv", **words)

"""Bad input gets one sentence and exit code 2, no traceback, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

RUN = ["--method", "simclr", "--backbone", "resnet18", "--epochs", 1]


def _refused(said, *words: str) -> None:
    assert said.code == 2, said
    assert "Traceback" not in said.error
    assert said.error.startswith("ecg: ")
    for word in words:
        assert word in said.error, f"{word!r} is not in: {said.error}"


def _only(folder: Path, *names: str) -> Path:
    """Leave only these recordings in a folder."""
    for file in folder.iterdir():
        if file.stem not in names:
            file.unlink()
    return folder


def _edit(file: Path, old: str, new: str, count: int = -1) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new, count), encoding="utf-8")


def test_an_empty_folder(ecg, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _refused(ecg("prep", tmp_path / "empty", tmp_path / "p"), "empty", "*.hea")
    _refused(ecg("prep", tmp_path / "absent", tmp_path / "p"), "absent", "does not exist")
    assert not (tmp_path / "p").exists()


HEADER_DAMAGE = {
    "a header without its signal file": (lambda f: (f / "r00001.dat").unlink(), "r00001.dat"),
    "a truncated signal": (lambda f: (f / "r00001.dat").write_bytes((f / "r00001.dat").read_bytes()[:5000]), "r00001"),
    "counts that disagree": (lambda f: _edit(f / "r00001.hea", " 12 100 1000", " 12 100 2000"), "2000"),
    "an unknown unit": (lambda f: _edit(f / "r00001.hea", "/mV", "/bananas"), "bananas"),
    "no sampling frequency": (lambda f: _edit(f / "r00001.hea", " 12 100 1000", " 12"), "sampling frequency"),
    "a duplicated lead": (lambda f: _edit(f / "r00001.hea", " II\n", " I\n", 1), "more than once"),
    "a missing lead": (lambda f: _edit(f / "r00001.hea", " V6\n", " V9\n"), "V6"),
}


@pytest.mark.parametrize("name", list(HEADER_DAMAGE))
def test_a_damaged_recording_is_listed_with_its_reason_and_the_others_go_on(
    ecg, copy, wfdb_folder: Path, tmp_path: Path, name: str
) -> None:
    damage, word = HEADER_DAMAGE[name]
    folder = copy(wfdb_folder)
    damage(folder)
    said = ecg("prep", folder, tmp_path / "p", "--fs", 100)
    assert said.code == 0, said.error
    assert "refused 1 recordings" in said.out
    rejects = pd.read_csv(tmp_path / "p" / "rejects.csv")
    assert len(rejects) == 1
    assert "r00001" in rejects["path"][0]
    assert word in rejects["reason"][0], rejects["reason"][0]


@pytest.mark.parametrize("name", list(HEADER_DAMAGE))
def test_a_folder_with_only_a_damaged_recording_is_an_error(ecg, copy, wfdb_folder: Path, tmp_path: Path, name: str) -> None:
    damage, word = HEADER_DAMAGE[name]
    folder = copy(wfdb_folder)
    damage(folder)
    _refused(ecg("prep", _only(folder, "r00001"), tmp_path / "p", "--fs", 100), "none of the 1 recordings", word)
    assert not (tmp_path / "p").exists()


def test_nan_and_flat_leads(ecg, copy, wfdb_folder: Path, tmp_path: Path) -> None:
    import numpy as np

    import ecg_core
    from ecg_preproc.readers.write import write_record

    folder = copy(wfdb_folder)
    reader = ecg_core.READERS.build("wfdb")
    row = next(reader.scan(folder).rows())
    record = reader.read(row)
    flat, gone = record.signal.copy(), record.signal.copy()
    flat[2] = 0.0
    gone[4, 100:200] = np.nan
    for name, signal in (("r00000", flat), ("r00001", gone)):
        write_record(record.with_signal(signal, record_id=name), folder)
    assert ecg("prep", folder, tmp_path / "p", "--fs", 100).code == 0
    reasons = " ".join(pd.read_csv(tmp_path / "p" / "rejects.csv")["reason"])
    assert "flat III" in reasons
    assert "NaN or infinite samples in aVL" in reasons


def test_a_recording_shorter_than_the_window(ecg, wfdb_folder: Path, tmp_path: Path) -> None:
    _refused(ecg("prep", wfdb_folder, tmp_path / "p", "--seconds", 20), "lasts 10 s, a window 20 s", "--seconds 10")


def test_labels_that_name_unknown_recordings(ecg, wfdb_folder: Path, tmp_path: Path) -> None:
    labels = pd.read_csv(wfdb_folder / "labels.csv")
    labels.loc[0, "record_id"] = "r99999"
    labels.to_csv(tmp_path / "labels.csv", index=False)
    _refused(ecg("prep", wfdb_folder, tmp_path / "p", "--labels", tmp_path / "labels.csv"), "r99999", "not in the folder")


def test_the_same_patient_in_two_splits(ecg, wfdb_folder: Path, tmp_path: Path) -> None:
    labels = pd.read_csv(wfdb_folder / "labels.csv")
    labels["split"] = ["train", "test"] * (len(labels) // 2)
    labels.to_csv(tmp_path / "labels.csv", index=False)
    _refused(ecg("prep", wfdb_folder, tmp_path / "p", "--labels", tmp_path / "labels.csv"), "more than one split", "patient")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("words", "near"),
    [(("--backbone", "rsnet18"), "resnet18"), (("--method", "sim_clr2"), "simclr"), (("--method", "stmen"), "st_mem")],
)
def test_an_unknown_component_name(ecg, store: Path, tmp_path: Path, words: tuple[str, str], near: str) -> None:
    _refused(ecg("pretrain", store, "--out", tmp_path / "r", *words), f"Did you mean '{near}'", "ecg plugins list")
    assert not (tmp_path / "r").exists()


def test_a_method_with_a_backbone_it_cannot_use(ecg, store: Path, tmp_path: Path) -> None:
    _refused(ecg("pretrain", store, "--out", tmp_path / "r", "--method", "st_mem", "--backbone", "resnet18"), "vit_tiny")


def test_a_run_directory_that_is_not_one(ecg, store: Path, tmp_path: Path) -> None:
    (tmp_path / "not").mkdir()
    _refused(ecg("evaluate", tmp_path / "not"), "is not a run directory")
    _refused(ecg("evaluate", tmp_path / "absent"), "does not exist")
    _refused(
        ecg("finetune", store, "--from", tmp_path / "not", "--target", "dx", "--out", tmp_path / "r"), "is not a run directory"
    )
    _refused(ecg("pretrain", tmp_path / "not", "--out", tmp_path / "r"), "is not a prepared store")


def test_a_pretrained_run_answers_no_question_yet(ecg, pretrained: Path, wfdb_folder: Path) -> None:
    _refused(ecg("predict", pretrained, wfdb_folder), "ecg finetune")


def test_a_checkpoint_cut_in_half(ecg, copy, pretrained: Path, store: Path) -> None:
    run = copy(pretrained)
    for weights in run.glob("checkpoints/*/learner.safetensors"):
        weights.write_bytes(weights.read_bytes()[:1000])
    config = json.loads((run / "run.json").read_text(encoding="utf-8"))["config"]["backbone"]
    import ecg_core
    from ecg_core.errors import CheckpointError

    backbone = {key: value for key, value in config.items() if key not in ("kind", "in_leads")}
    with pytest.raises(CheckpointError, match=r"is damaged.*start again with --force"):
        ecg_core.pretrain(store, run, method="simclr", backbone=backbone, epochs=2, batch_size=8, resume=True)


def test_weights_cut_in_half_or_with_one_flipped_bit(ecg, copy, finetuned: Path, wfdb_folder: Path) -> None:
    run = copy(finetuned)
    weights = run / "model.safetensors"
    whole = weights.read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    for damaged in (whole[: len(whole) // 2], bytes(flipped)):
        weights.write_bytes(damaged)
        _refused(ecg("predict", run, wfdb_folder), "model.safetensors is damaged")


def test_a_card_that_is_no_json(ecg, copy, finetuned: Path, wfdb_folder: Path) -> None:
    run = copy(finetuned)
    (run / "model.json").write_text("{", encoding="utf-8")
    _refused(ecg("predict", run, wfdb_folder), "is not a model card")


def test_an_existing_output_is_refused_without_force(
    ecg, store: Path, pretrained: Path, finetuned: Path, wfdb_folder: Path
) -> None:
    before = (pretrained / "run.json").read_bytes()
    _refused(ecg("prep", wfdb_folder, store), "already exists", "--force")
    _refused(ecg("pretrain", store, *RUN, "--out", pretrained), "already exists", "--resume", "--force")
    _refused(ecg("predict", finetuned, wfdb_folder, "-o", finetuned / "model.json"), "already exists", "--force")
    _refused(ecg("demo", wfdb_folder), "--force")
    assert (pretrained / "run.json").read_bytes() == before


def test_data_the_model_was_not_trained_for(ecg, finetuned: Path, wfdb_folder: Path, tmp_path: Path) -> None:
    assert ecg("prep", wfdb_folder, tmp_path / "p", "--fs", 125, "--labels", wfdb_folder / "labels.csv").code == 0
    _refused(ecg("evaluate", finetuned, "--data", tmp_path / "p"), "100 Hz", "125 Hz", "--fs 100")


def test_an_unknown_target_or_class(ecg, store: Path, finetuned: Path, wfdb_folder: Path, tmp_path: Path) -> None:
    words = ("--backbone", "resnet18", "--out", tmp_path / "r")
    _refused(ecg("finetune", store, "--target", "diagnosis", *words), "no target 'diagnosis'", "dx")
    _refused(ecg("explain", finetuned, wfdb_folder / "r00001", "-o", tmp_path / "x.png", "--target", "AFLT"), "'AFLT'", "AFIB")
    _refused(ecg("explain", finetuned, wfdb_folder / "r77777", "-o", tmp_path / "x.png"), "r77777")


def test_neither_or_both_of_a_source_and_a_backbone(ecg, store: Path, pretrained: Path, tmp_path: Path) -> None:
    both = ("--from", pretrained, "--backbone", "resnet18")
    for words in ((), both):
        _refused(ecg("finetune", store, "--target", "dx", "--out", tmp_path / "r", *words), "--from RUN", "--backbone NAME")


def test_resuming_with_other_settings_or_other_data(
    ecg, copy, pretrained: Path, store: Path, wfdb_folder: Path, tmp_path: Path
) -> None:
    run = copy(pretrained)
    _refused(ecg("pretrain", store, *RUN, "--resume", "--out", run), "another", "start again with --force")


def test_words_the_command_line_does_not_know(ecg, store: Path) -> None:
    _refused(ecg("evaluat"), "evaluate")
    _refused(ecg("pretrain", store, "--out", "x", "--epoch", 3), "--epoch")
    _refused(ecg("pretrain", store, "--out", "x", "--epochs", "many"), "epochs")


def test_debug_shows_the_traceback(wfdb_folder: Path, tmp_path: Path) -> None:
    from ecg_core.cli.main import main
    from ecg_core.errors import DataError

    with pytest.raises(DataError, match="does not exist"):
        main(["prep", str(tmp_path / "absent"), str(tmp_path / "p"), "--debug"])


def test_a_full_disk_keeps_the_previous_weights(copy, finetuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ecg_core
    from ecg_core.run import card as cards

    run = copy(finetuned)
    before = {f.name: f.read_bytes() for f in run.glob("model.*")}
    loaded = ecg_core.load(run)

    def full(path: Path, tensors: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cards, "save_tensors", full)
    with pytest.raises(OSError, match="No space left"):
        cards.save_model(run, "model", loaded.module, kind="models", signal=loaded.signal)
    assert {f.name: f.read_bytes() for f in run.glob("model.*")} == before
    assert not list(run.glob(".*tmp"))
    shutil.rmtree(run)

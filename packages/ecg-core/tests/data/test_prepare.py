"""prepare: a folder becomes a store; interrupted, it goes on; damaged recordings are refused with a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.contracts.transform import Transform
from ecg_core.data import prepare as prepare_module
from ecg_core.data.source import choose_reader
from ecg_core.data.store import Store
from ecg_core.discovery.registries import READERS, TRANSFORMS
from ecg_core.errors import DataError, LeakError, OutputExistsError


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def reasons(store: Store) -> dict[str, str]:
    return dict(zip(store.rejects["path"], store.rejects["reason"], strict=True))


def write_csv(path: Path, **columns) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


# ---------------------------------------------------------------------------------------------- what is kept


def test_every_window_comes_back_within_half_a_quantisation_step(prepare, source):
    store = prepare()
    assert len(store) == 20  # ten recordings of 2.5 s give two windows of 1 s each
    for i, row in enumerate(store.table.to_dict("records")):
        signal = np.load(source / f"{row['record_id']}.npy")[:, row["segment"] * 100 : (row["segment"] + 1) * 100]
        found = store.signals([i])[0]
        # 16 bits over the peak: a step is peak / 32767, an error at most half of it (and float32's own rounding).
        step = np.abs(signal).max() / 32767
        assert row["scale"] == pytest.approx(step, rel=1e-6)
        assert np.abs(found - signal).max() <= 0.5 * step * (1 + 1e-4) + np.spacing(np.abs(signal).max())


def test_the_table_says_who_and_where(prepare):
    store = prepare()
    assert store.table["record_id"].tolist() == [f"p{i // 2}_{i}" for i in range(10) for _ in range(2)]
    assert store.table["segment"].tolist() == [0, 1] * 10
    assert store.table["patient_id"].tolist() == [f"p{i // 2}" for i in range(10) for _ in range(2)]
    assert (store.facts["recordings"], store.facts["patients"], store.facts["rejects"]) == (10, 5, 0)
    assert [s["windows"] for s in store.facts["shards"]] == [8, 8, 4]
    assert all(len(set(splits)) == 1 for _, splits in store.table.groupby("patient_id")["split"])


def test_a_flat_window_of_a_longer_recording_comes_back_as_it_was(prepare, source):
    signal = np.load(source / "p0_0.npy")
    signal[:, :100] = 0
    np.save(source / "p0_0.npy", signal)
    assert (prepare().signals([0]) == 0).all()


def test_the_same_input_gives_the_same_bytes(prepare, tmp_path):
    prepare("a")
    prepare("b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_only_the_store_is_left_behind(prepare, tmp_path):
    prepare()
    shards = {f"shards/0000{i}.i16" for i in range(3)}
    assert set(contents(tmp_path / "store")) == {"rejects.csv", "store.json", "table.csv"} | shards
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "store"]


def test_labels_become_targets_facts_and_splits(prepare, tmp_path):
    names = [f"p{i // 2}_{i}" for i in range(10)]
    labels = write_csv(
        tmp_path / "labels.csv",
        record_id=names, who=["007"] * 2 + [f"q{i // 2}" for i in range(2, 10)], age=[50.5] * 9 + [None],
        sex=["F"] * 10, split=["train"] * 6 + ["val"] * 2 + ["test"] * 2, dx=["AF;SR"] + [""] * 8 + ["01"],
    )  # fmt: skip
    store = prepare(labels=labels, patient="who")
    assert store.targets == ("dx",)
    assert store.table["dx"].tolist()[:2] == [("AF", "SR")] * 2
    assert store.table["dx"].tolist()[-1] == ("01",)
    assert store.table["split"].value_counts().to_dict() == {"train": 12, "val": 4, "test": 4}
    assert store.record(0).patient_id == "007"
    assert (store.record(0).age, store.record(0).sex, store.record(0).labels) == (50.5, "F", {"dx": ("AF", "SR")})
    assert store.record(19).age is None


def test_a_patient_column_without_labels_is_one_of_the_readers(prepare):
    assert prepare("a", patient="record_id").facts["patients"] == 10
    with pytest.raises(DataError, match=r"there is no column 'who' \(--patient\); give it with --labels FILE"):
        prepare("b", patient="who")


def test_unknown_patients_are_each_their_own_and_numbers_are_patients_too(prepare, toy_reader, monkeypatch):
    scan = toy_reader.scan
    monkeypatch.setattr(toy_reader, "scan", lambda self, path: scan(self, path).with_columns(patient_id=[7] * 10))
    assert len(set(prepare("a").table["split"])) == 1
    monkeypatch.setattr(toy_reader, "scan", lambda self, path: scan(self, path).with_columns(patient_id=None))
    store = prepare("b", split="5/5/0")
    assert store.facts["patients"] == 0
    assert store.table["split"].value_counts().to_dict() == {"train": 10, "val": 10}


def test_a_random_transform_in_the_pipeline_still_gives_one_store(prepare, tmp_path):
    class Jitter(RandomTransform):
        """Noise."""

        p = 1.0

        def draw(self, shape, generator):
            return {"noise": generator.normal(shape[1:])}

        def apply(self, x, *, fs, noise):
            return x + noise

    TRANSFORMS.add(Jitter, "toy_jitter")
    prepare("a", pipeline=["toy_jitter"])
    prepare("b", pipeline=["toy_jitter"])
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_progress_ends_with_all_recordings(prepare):
    seen = []
    prepare(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (10, 10)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


# ---------------------------------------------------------------------------------------------- what is refused


def test_what_is_unfit_is_refused_with_a_sentence_and_the_rest_is_kept(prepare, source):
    signal = np.load(source / "p0_0.npy")
    np.save(source / "x_nan.npy", np.where(np.arange(250) == 7, np.nan, signal))
    np.save(source / "x_flat.npy", signal * [[1], [0]])
    np.save(source / "x_short.npy", signal[:, :99] + 1)
    np.save(source / "x_lead.npy", signal[:1] + 2)
    np.save(source / "x_int.npy", (signal * 1000).astype(np.int16))
    np.save(source / "x_again.npy", signal)
    (source / "x_cut.npy").write_bytes((source / "p0_1.npy").read_bytes()[:500])
    (source / "notes.txt").write_text("")
    store = prepare()
    assert store.facts["recordings"] == 10
    found = reasons(store)
    assert found.pop("x_cut.npy").startswith("x_cut.npy: ")
    assert found == {
        "notes.txt": "not a NumPy file",
        "x_nan.npy": "record 'x_nan' has NaN or infinite samples in I, II; mend or leave out these leads",
        "x_flat.npy": "record 'x_flat' has flat II; mend or leave out these leads",
        "x_short.npy": "record 'x_short' lasts 0.99 s, a window 1 s; use shorter windows (--seconds 1) or leave it out",
        "x_lead.npy": "record 'x_lead' has no lead II (it has I); ask for leads it has, e.g. --leads I",
        "x_int.npy": "record 'x_int': signal must be floating point in mV, got int16; divide by the gain first",
        "x_again.npy": "the same signal as record 'p0_0'; kept once",
    }
    assert len(store.rejects) == store.facts["rejects"] == 8
    assert store.verify() == 20


def test_a_shard_without_a_single_usable_recording_is_no_harm(prepare, source):
    for i in range(4):
        np.save(source / f"a_{i}.npy", np.zeros((2, 250), np.float32))
    store = prepare()
    assert store.facts["shards"][0]["windows"] == 0
    assert store.verify() == 20
    assert np.abs(store.signals(np.arange(20))).max() > 1


def test_nothing_usable_is_an_error_with_an_example_and_leaves_no_store(prepare, source, tmp_path):
    for file in source.glob("*.npy"):
        np.save(file, np.zeros((2, 250), np.float32))
    with pytest.raises(
        DataError, match=r"none of the 10 recordings in .*source can be used, e.g. p0_0.npy: record 'p0_0' has flat I"
    ):
        prepare()
    assert not (tmp_path / "store").exists()


def test_a_leak_in_the_given_split_names_the_patient(prepare, tmp_path):
    names = [f"p{i // 2}_{i}" for i in range(10)]
    labels = write_csv(tmp_path / "l.csv", record_id=names, split=["train"] * 5 + ["test"] * 5)
    with pytest.raises(LeakError, match=r"1 patient\(s\) stand in more than one split, e.g. p2: p2_4 in train"):
        prepare(labels=labels)
    assert not (tmp_path / "store").exists()


def test_a_split_of_some_recordings_only_is_refused(prepare, tmp_path):
    labels = write_csv(tmp_path / "l.csv", record_id=["p0_0"], split=["train"])
    with pytest.raises(DataError, match="18 of 20 windows have no split; give one to each recording"):
        prepare(labels=labels)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"seconds": 0}, DataError, "seconds and fs must be positive, got seconds=0"),
        ({"seconds": 0.001}, DataError, "a window needs at least one sample, got 0.001 s at 100 Hz"),
        ({"split": "8:1:1"}, DataError, "a split is train/val/test such as 8/1/1"),
        ({"leads": "II"}, DataError, r"got the string 'II'; write \('II',\)"),
        ({"labels": "absent.csv"}, DataError, "the labels file absent.csv does not exist"),
        ({"reader": "tyo"}, LookupError, "no reader named 'tyo'. Did you mean 'toy'"),
        ({"pipeline": ["nothing_like_it"]}, LookupError, "no transform named 'nothing_like_it'"),
    ],
)
def test_a_wrong_setting_is_one_clear_error_before_anything_is_read(prepare, toy_reader, tmp_path, settings, error, said):
    with pytest.raises(error, match=said):
        prepare(**settings)
    assert toy_reader.reads == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


def test_a_labels_file_that_is_no_table_is_one_clear_error(prepare, tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    for name in ("empty.csv", "picture.csv"):
        with pytest.raises(DataError, match=f"the labels file .*{name} cannot be read as CSV"):
            prepare(labels=tmp_path / name)


def test_a_label_column_named_like_the_stores_own_is_refused(prepare, tmp_path):
    labels = write_csv(tmp_path / "l.csv", record_id=["p0_0"], scale=["big"])
    with pytest.raises(DataError, match="a store keeps the column name 'scale' for itself; rename that column"):
        prepare(labels=labels)


def test_a_pipeline_that_changes_length_rate_or_makes_nan_refuses_every_recording(prepare):
    class First(Transform):
        """The first half."""

        def output_length(self, n_samples, fs):
            return n_samples // 4

        def apply(self, x, *, fs, **drawn):
            return x[..., : x.shape[-1] // 4] + 0

    class Faster(Transform):
        """Another rate."""

        def output_fs(self, fs):
            return 2 * fs

        def apply(self, x, *, fs, **drawn):
            return x + 0

    class Broken(Transform):
        """NaN."""

        def apply(self, x, *, fs, **drawn):
            return x * np.float32("nan")

    for cls, said in (
        (First, "the pipeline leaves 62 samples of record 'p0_0', a window has 100"),
        (Faster, r"the pipeline gives 200 Hz, the store wants 100 Hz; end it with resample\(fs=100\)"),
        (Broken, "the pipeline made NaN or infinite samples of record 'p0_0'"),
    ):
        TRANSFORMS.add(cls, "toy_step", override=True)
        with pytest.raises(DataError, match=said):
            prepare(pipeline=["toy_step"])


def test_the_reader_is_found_by_the_layout_and_a_broken_plugin_does_not_matter(source, toy_reader, monkeypatch):
    from ecg_core.errors import ComponentLoadError

    assert isinstance(choose_reader(source), toy_reader)
    build = READERS.build

    def build_or_break(name, **arguments):
        if name == "toy":
            return build(name, **arguments)
        raise ComponentLoadError(f"readers '{name}' failed to import: RuntimeError")

    monkeypatch.setattr(READERS, "build", build_or_break)
    monkeypatch.setattr(READERS, "names", lambda: ["broken", "toy"])
    assert isinstance(choose_reader(source), toy_reader)
    with pytest.raises(
        DataError, match=r"no reader recognises .*/; expected|no reader recognises .* readers 'broken' failed to import"
    ):
        choose_reader(source.parent)


def test_a_folder_that_does_not_exist_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match="absent does not exist; give a folder of recordings"):
        prepare_module.prepare(tmp_path / "absent", tmp_path / "out")


# ---------------------------------------------------------------------------------------------- replacing and resuming


def test_an_existing_store_is_replaced_only_when_asked(prepare, tmp_path):
    first = prepare().fingerprint
    with pytest.raises(OutputExistsError, match="store already exists; choose another output or pass --force"):
        prepare(seed=1)
    assert Store(tmp_path / "store").fingerprint == first
    assert prepare(seed=1, force=True).facts["seed"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "store"]


@pytest.mark.parametrize("options", [{"force": True}, {"resume": True}, {"force": True, "resume": True}])
def test_a_folder_that_is_no_store_is_never_replaced(prepare, source, tmp_path, options):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    (tmp_path / "file").write_text("more")
    for out in ("thesis", "file", "source"):
        with pytest.raises(OutputExistsError):
            prepare(out, **options)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"
    assert len(list(source.iterdir())) == 10


def test_an_empty_folder_may_be_filled(prepare, tmp_path):
    (tmp_path / "store").mkdir()
    assert len(prepare()) == 20


def test_a_failure_while_replacing_leaves_the_old_store(prepare, tmp_path, toy_reader):
    before = prepare().fingerprint
    toy_reader.reads.clear()
    toy_reader.stop_after = 5
    with pytest.raises(KeyboardInterrupt):
        prepare(seed=1, force=True)
    assert Store(tmp_path / "store").fingerprint == before


@pytest.mark.parametrize("after", [0, 1, 4, 5, 9])
def test_an_interrupted_preparation_goes_on_where_it_was_and_gives_the_same_bytes(prepare, tmp_path, toy_reader, after):
    prepare("whole")
    toy_reader.reads.clear()
    toy_reader.stop_after = after
    with pytest.raises(KeyboardInterrupt):
        prepare()
    assert not (tmp_path / "store").exists()
    with pytest.raises(DataError, match="store.json.; the preparation was interrupted, finish it with --resume"):
        Store(tmp_path / "store")
    toy_reader.stop_after = None
    toy_reader.reads.clear()
    prepare(resume=True)
    assert len(toy_reader.reads) == 10 - after // 4 * 4  # whole shards of four are not read again
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_a_kill_leaves_nothing_in_the_way(prepare, tmp_path, toy_reader):
    prepare("whole")
    toy_reader.reads.clear()
    toy_reader.stop_after = 5
    with pytest.raises(KeyboardInterrupt):
        prepare()
    (tmp_path / "store.partial" / "shards" / ".00001.i16.4711.tmp").write_bytes(b"half a shard of a process that was killed")
    toy_reader.stop_after = None
    prepare(resume=True)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


@pytest.mark.parametrize("step", ["replace_folder", "write_json"])
def test_a_crash_in_the_last_steps_is_resumed_without_reading_again(prepare, tmp_path, toy_reader, monkeypatch, step):
    prepare("whole")
    original = getattr(prepare_module, step)

    def crash(path, value):
        if step == "replace_folder" or path.name == "store.json":
            raise OSError("no space left on device")
        return original(path, value)

    with monkeypatch.context() as patch:
        patch.setattr(prepare_module, step, crash)
        with pytest.raises(OSError, match="no space left"):
            prepare()
    toy_reader.reads.clear()
    prepare(resume=True)
    assert toy_reader.reads == []
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_without_resume_an_interrupted_preparation_starts_again(prepare, toy_reader):
    toy_reader.stop_after = 5
    with pytest.raises(KeyboardInterrupt):
        prepare()
    toy_reader.stop_after = None
    toy_reader.reads.clear()
    assert len(prepare()) == 20
    assert len(toy_reader.reads) == 10


CHANGES = [{"seconds": 0.5}, {"fs": 50.0}, {"leads": ("II",)}, {"split": "1/1/1"}, {"seed": 9}, {"pipeline": ["compose_nothing"]}]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: next(iter(c)))
def test_other_settings_are_not_resumed(prepare, toy_reader, change):
    from ecg_core.contracts.compose import Compose

    class Nothing(Compose):
        """An empty chain."""

        def __init__(self) -> None:
            super().__init__([])

        arguments = {}

    TRANSFORMS.add(Nothing, "compose_nothing")
    toy_reader.stop_after = 5
    with pytest.raises(KeyboardInterrupt):
        prepare()
    toy_reader.stop_after = None
    with pytest.raises(
        DataError, match="was started with other settings or other recordings; run without --resume to start again"
    ):
        prepare(resume=True, **change)
    prepare(resume=True)
    with pytest.raises(DataError, match="was prepared with other settings or other recordings; replace it with --force"):
        prepare(resume=True, **change)


def test_other_recordings_or_labels_are_not_resumed(prepare, source, tmp_path):
    prepare()
    (source / "p0_0.npy").rename(source / "p0_x.npy")
    with pytest.raises(DataError, match="other recordings; replace it with --force"):
        prepare(resume=True)
    (source / "p0_x.npy").rename(source / "p0_0.npy")
    with pytest.raises(DataError, match="other recordings; replace it with --force"):
        prepare(resume=True, labels=write_csv(tmp_path / "l.csv", record_id=["p0_0"], dx=["AF"]))


def test_resuming_a_finished_store_reads_nothing_and_moving_the_source_does_not_matter(prepare, source, toy_reader, tmp_path):
    first = prepare().fingerprint
    toy_reader.reads.clear()
    shutil.copytree(source, tmp_path / "elsewhere")
    settings = {"fs": 100, "seconds": 1.0, "leads": ("I", "II"), "pipeline": [], "reader": "toy", "resume": True}
    assert prepare_module.prepare(tmp_path / "elsewhere", tmp_path / "store", **settings).fingerprint == first
    assert toy_reader.reads == []


def test_the_facts_of_a_store_say_how_it_was_made(prepare, tmp_path):
    prepare(split="6/2/2", seed=4)
    facts = json.loads((tmp_path / "store" / "store.json").read_text())
    assert facts["reader"] == {"name": "toy"}
    assert (facts["split"], facts["seed"], facts["fs"], facts["leads"], facts["n_samples"]) == ("6/2/2", 4, 100, ["I", "II"], 100)
    assert facts["pipeline"] == []

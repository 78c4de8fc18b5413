"""Files and folders appear whole or not at all."""

from __future__ import annotations

import os

import pytest

from ecg_core.data.files import checked_output, new_folder, read_json, replace_folder, sha256, write_atomic, write_json
from ecg_core.errors import DataError, OutputExistsError


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_atomic(tmp_path / "a.json", fail)
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"new": float("nan")})
    assert read_json(tmp_path / "a.json") == {"old": 1}
    assert names(tmp_path) == ["a.json"]


def test_json_keeps_its_order_and_its_letters(tmp_path):
    write_json(tmp_path / "deep" / "a.json", {"z": "µV", "a": [1, 2.5, None]})
    assert (tmp_path / "deep" / "a.json").read_text(
        encoding="utf-8"
    ) == '{\n  "z": "µV",\n  "a": [\n    1,\n    2.5,\n    null\n  ]\n}\n'


def test_a_file_is_as_readable_as_the_umask_allows(tmp_path):
    write_json(tmp_path / "a.json", 1)
    (tmp_path / "b").touch()
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_folder_appears_when_its_block_ends_and_not_before(tmp_path):
    with new_folder(tmp_path / "out") as temporary:
        (temporary / "a").write_text("1")
        assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["out"]
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out") as temporary:
        (temporary / "a").write_text("2")
        raise RuntimeError
    assert (tmp_path / "out" / "a").read_text() == "1"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_crash_while_folders_change_places_leaves_one_of_them_whole(tmp_path, monkeypatch, failing):
    for name in ("new", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    calls, replace = [], os.replace

    def crash(a, b):
        calls.append((a, b))
        if len(calls) - 1 == failing:
            raise OSError("power cut")
        replace(a, b)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(OSError, match="power cut"):
            replace_folder(tmp_path / "out", tmp_path / "new")
    assert (tmp_path / "new" / "a").read_text() == "new"
    old = tmp_path / "out" if failing == 0 else next(tmp_path.glob(".out.*.old"))
    assert (old / "a").read_text() == "out"


def test_folders_change_places(tmp_path):
    (tmp_path / "new").mkdir()
    replace_folder(tmp_path / "out", tmp_path / "new")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "b").touch()
    replace_folder(tmp_path / "out", tmp_path / "new")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["b"]


def test_an_output_that_is_there_is_refused_unless_asked_for(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "empty").mkdir()
    for free in ("absent", "empty"):
        assert checked_output(tmp_path / free, force=False) == tmp_path / free
    for taken in ("file", "full"):
        with pytest.raises(OutputExistsError, match=f"{taken} already exists; choose another output or pass --force"):
            checked_output(tmp_path / taken, force=False)
        assert checked_output(tmp_path / taken, force=True) == checked_output(tmp_path / taken, force=False, resume=True)


def test_a_checksum_is_the_published_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_output_below_a_file_or_where_nothing_may_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputExistsError, match=r"file is a file, so .*report\.html cannot be written below it"):
        checked_output(tmp_path / "file" / "deep" / "report.html", force=True)
    monkeypatch.setattr("ecg_core.data.files.os.access", lambda path, mode: False)
    with pytest.raises(DataError, match=r"no permission to write in .*; choose another output than .*report\.html"):
        checked_output(tmp_path / "new" / "report.html", force=False)

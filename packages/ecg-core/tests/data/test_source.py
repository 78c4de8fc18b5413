"""Which reader an unnamed folder gets: the least general that recognises it, and none where two data sets look alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.source import choose_reader
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS
from ecg_core.errors import ComponentLoadError, DataError

asked: list[str] = []


def _reader(name: str, level: int, knows: bool = True) -> None:
    class Toy(Reader):
        """Recognises everything, or nothing."""

        generality = level

        def __init__(self) -> None:
            pass

        def recognises(self, path: Path) -> bool:
            asked.append(name)
            return knows

        def scan(self, path: Path) -> RecordTable:
            raise NotImplementedError

        def read(self, row: object) -> Record:
            raise NotImplementedError

    READERS.add(Toy, name, override=True)
    Toy.__qualname__ = name


@pytest.fixture(autouse=True)
def only_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry names what a test adds, and nothing that is installed."""
    asked.clear()
    names: list[str] = []
    add = READERS.add
    monkeypatch.setattr(READERS, "add", lambda reader, name, **how: (names.append(name), add(reader, name, **how)))
    monkeypatch.setattr(READERS, "names", lambda: sorted(names))


def _chosen(path: Path) -> str:
    return type(choose_reader(path)).__qualname__


def test_a_layout_comes_before_a_format_and_a_format_before_arrays_whatever_their_names(tmp_path: Path):
    _reader("a_arrays", 2)
    _reader("b_format", 1)
    assert _chosen(tmp_path) == "b_format"
    _reader("z_layout", 0)
    assert _chosen(tmp_path) == "z_layout"


def test_wfdb_comes_before_the_other_formats_and_those_by_name(tmp_path: Path):
    for name in ("scp", "edf"):
        _reader(name, 1)
    assert _chosen(tmp_path) == "edf"
    _reader("wfdb", 1)
    assert _chosen(tmp_path) == "wfdb"


def test_formats_are_not_searched_for_where_a_layout_is_recognised(tmp_path: Path):
    _reader("layout", 0)
    _reader("other_layout", 0, knows=False)
    _reader("edf", 1)
    choose_reader(tmp_path)
    assert asked == ["layout", "other_layout"]


def test_a_reader_that_says_nothing_reads_one_layout(tmp_path: Path):
    assert Reader.generality == 0


def test_two_layouts_that_both_recognise_a_folder_are_named_and_none_is_taken(tmp_path: Path):
    for name, level in (("hospital", 0), ("clinic", 0), ("wfdb", 1)):
        _reader(name, level)
    said = (
        "is laid out as the readers 'clinic' and 'hospital' expect; choose one of them with --reader clinic or --reader hospital"
    )
    with pytest.raises(DataError, match=f"{said}$"):
        choose_reader(tmp_path)
    assert type(choose_reader(tmp_path, "clinic")).__qualname__ == "clinic"


def test_a_plugin_that_cannot_be_imported_stops_no_other_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _reader("broken", 0)
    _reader("format", 1, knows=False)
    build = READERS.build

    def build_or_break(name: str) -> Reader:
        if name == "broken":
            raise ComponentLoadError("readers 'broken' failed to import: RuntimeError")
        return build(name)

    monkeypatch.setattr(READERS, "build", build_or_break)
    with pytest.raises(
        DataError,
        match=r"no reader recognises .*; expected e\.g\. WFDB headers \(\*\.hea\) below it\. Readers: broken, format\. "
        "readers 'broken' failed to import: RuntimeError$",
    ):
        choose_reader(tmp_path)
    _reader("format", 1)
    assert _chosen(tmp_path) == "format"

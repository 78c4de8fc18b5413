"""What every reader must satisfy: recordings come back as they were written, the same every time, and nothing is touched."""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS
from ecg_core.errors import DataError
from ecg_core.testing.checks import applies, check, refuses, require
from ecg_core.testing.example import Example
from ecg_core.testing.process import in_a_fresh_process

__all__ = ["dataset"]

_READ = """
reader, row = given
record = reader.read(row)
result = record.signal, record.fs, record.leads, sorted({"torch"} & set(sys.modules))
"""


@contextmanager
def dataset(example: Example) -> Iterator[tuple[Reader, Path, Sequence[Record]]]:
    """The reader, a folder with the data set that its author's ``fixture`` writes, and what must be read back from it."""
    applies(example.fixture is not None, "conformance_params() states no fixture(folder) that writes a small data set")
    assert example.fixture is not None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "data"
        root.mkdir()
        try:
            written = list(example.fixture(root))
        except ModuleNotFoundError as error:  # a format that is an extra
            applies(False, f"its fixture needs {error.name}, which is not installed")
        require(len(written) >= 3, f"the fixture writes {len(written)} recording(s); write three or more, so that order shows")
        yield example.build(), root, written


@check("readers")
def derives_from_reader(example: Example) -> None:
    """It is an ``ecg_core`` Reader."""
    built = example.build()
    require(isinstance(built, Reader), f"{type(built).__name__} does not derive from ecg_core.Reader")


@check("readers")
def an_empty_folder_is_one_clear_error(example: Example) -> None:
    """An empty folder and one that does not exist are not recognised, and a DataError that names the folder."""
    with tempfile.TemporaryDirectory() as folder:
        for path in (Path(folder), Path(folder) / "absent"):
            what = f"{'an empty folder' if path.exists() else 'a folder that does not exist'}"
            require(not example.build().recognises(path), f"{what} is recognised")
            refuses(lambda: example.build().scan(path), what, str(path), errors=(DataError,))  # noqa: B023 - called at once


@check("readers")
def a_folder_of_something_else_is_not_recognised(example: Example) -> None:
    """A folder of texts and pictures is not recognised, and a DataError."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "notes.txt").write_text("no ECG here")
        (Path(folder) / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        require(not example.build().recognises(Path(folder)), "a folder of texts and pictures is recognised")
        refuses(lambda: example.build().scan(Path(folder)), "a folder of texts and pictures", folder, errors=(DataError,))


@check("readers")
def config_round_trip_and_pickle(example: Example) -> None:
    """Built again from its JSON configuration, or unpickled, it has the same configuration."""
    reader = example.build()
    config = json.loads(json.dumps(READERS.to_config(reader)))
    for what, other in {"configuration": READERS.build(config), "pickle": pickle.loads(pickle.dumps(reader))}.items():  # noqa: S301
        found = READERS.to_config(other)
        require(found == config, f"through its {what} its configuration came back as {found} instead of {config}")


@check("readers")
def scan_lists_every_recording(example: Example) -> None:
    """``scan`` lists each recording of the data set once, in the stated order, and refuses none."""
    with dataset(example) as (reader, root, written):
        require(reader.recognises(root), "the data set that its own fixture writes is not recognised")
        table = reader.scan(root)
        require(isinstance(table, RecordTable), f"scan gives a {type(table).__name__} instead of a RecordTable")
        refused = [f"{path}: {reason}" for path, reason in table.rejects.itertuples(index=False)]
        require(not refused, f"scan refuses {len(refused)} of its own fixture, the first because {refused[:1]}")
        found, stated = list(table.frame["record_id"]), [record.record_id for record in written]
        require(found == stated, f"scan lists {found}, the fixture wrote {stated}")


@check("readers")
def recordings_are_as_written(example: Example) -> None:
    """``read`` gives float32 mV, ``fs``, lead names and facts as the fixture states them."""
    with dataset(example) as (reader, root, written):
        for row, expected in zip(reader.scan(root).rows(), written, strict=True):
            record, name = reader.read(row), expected.record_id
            require(isinstance(record, Record), f"read gives a {type(record).__name__} instead of a Record")
            for fact in ("record_id", "fs", "leads", "patient_id", "age", "sex", "labels"):
                found, stated = getattr(record, fact), getattr(expected, fact)
                require(found == stated, f"{name}: {fact} is read as {found!r}, written was {stated!r}")
            shape = expected.signal.shape
            require(record.signal.shape == shape, f"{name}: the signal is read as {record.signal.shape}, written was {shape}")
            apart = float(np.nanmax(np.abs(record.signal - expected.signal)))
            require(
                apart <= example.tolerance and np.array_equal(np.isnan(record.signal), np.isnan(expected.signal)),
                f"{name}: the signal is up to {apart:.4g} mV from what was written, allowed is {example.tolerance:g}; "
                "mind gain, offset and unit",
            )


@check("readers")
def rows_agree_with_the_recordings(example: Example) -> None:
    """What the table says of ``fs``, ``n_samples`` and ``leads`` is what ``read`` gives, and ``source`` lies in the folder."""
    with dataset(example) as (reader, root, _):
        for row in reader.scan(root).rows():
            record = reader.read(row)
            for fact, found in (("fs", record.fs), ("n_samples", record.n_samples), ("leads", record.leads)):
                require(fact in row, f"the table has no column {fact}, by which recordings are chosen before they are read")
                require(row[fact] == found, f"{row['record_id']}: the table says {fact} {row[fact]!r}, the recording {found!r}")
            require(str(root) in record.source, f"{record.record_id}: source is {record.source!r}; say which file it came from")


@check("readers")
def a_part_is_that_part_of_the_whole(example: Example) -> None:
    """``read_part`` gives what ``read`` gives, cropped, annotations included; a part that is not there is a DataError."""
    with dataset(example) as (reader, root, _):
        for row in reader.scan(root).rows():
            whole = reader.read(row)
            name, n = whole.record_id, whole.n_samples
            for start, stop in ((0, n), (n // 3, n // 3 * 2), (0, 1), (n - 1, n)):
                part, expected = reader.read_part(row, start, stop), whole.crop(start, stop)
                what = f"{name}: samples {start} to {stop}"
                same = np.array_equal(part.signal, expected.signal, equal_nan=True)
                require(same, f"{what} alone are other samples than in the whole recording")
                for fact in ("fs", "leads", "record_id", "patient_id", "age", "sex", "labels"):
                    found, stated = getattr(part, fact), getattr(expected, fact)
                    require(found == stated, f"{what} have {fact} {found!r}, the whole recording {stated!r}")
                found, stated = ({k: np.asarray(v).tolist() for k, v in r.annotations.items()} for r in (part, expected))
                require(found == stated, f"{what} have the annotations {found}, in the whole recording they are {stated}")
            for start, stop in ((-1, 1), (1, 1), (0, n + 1), (n, n + 1)):
                what = f"the part from {start} to {stop} of {n} samples"
                refuses(lambda: reader.read_part(row, start, stop), what, errors=(DataError,))  # noqa: B023 - called at once


@check("readers")
def order_and_ids_are_the_same_every_time(example: Example) -> None:
    """Two scans, and a scan of a copy whose files were written in another order, give the same rows."""
    with dataset(example) as (reader, root, _):
        first = reader.scan(root).frame.drop(columns="root")
        require(first.equals(reader.scan(root).frame.drop(columns="root")), "two scans of one folder differ")
        other = root.parent / "copy"
        for path in sorted((p for p in root.rglob("*") if p.is_file()), reverse=True):
            target = other / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        copied = reader.scan(other).frame.drop(columns="root")
        require(first.equals(copied), "a copy whose files were written in another order has other rows; sort what you find")


@check("readers")
def nothing_is_written(example: Example) -> None:
    """Scanning and reading a read-only folder works, and leaves every file, name and time as it is."""
    with dataset(example) as (reader, root, _):
        paths = [root, *root.rglob("*")]
        before = _tree(root)
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            for row in reader.scan(root).rows():
                reader.read(row)
        except PermissionError as error:
            require(False, f"it needs to write: {error}")
        finally:
            for path in paths:
                path.chmod(0o755 if path.is_dir() else 0o644)
        changed = sorted({path for path, _ in set(_tree(root).items()) ^ set(before.items())})
        require(not changed, f"scanning and reading changed {', '.join(changed)}; readers never write")


@check("readers")
def works_in_a_spawned_worker(example: Example) -> None:
    """Sent to a fresh process with a row, it reads the same there, without torch."""
    with dataset(example) as (reader, root, _):
        row: dict[str, Any] = next(iter(reader.scan(root).rows()))
        here = reader.read(row)
        signal, fs, leads, torch = in_a_fresh_process(_READ, (reader, row))
        require(np.array_equal(signal, here.signal, equal_nan=True), "in a fresh process it reads another signal")
        require((fs, leads) == (here.fs, here.leads), f"in a fresh process it reads {fs} Hz and {leads}")
        require(not torch, "reading loads torch, which a machine that only prepares data does not have")


def _tree(root: Path) -> dict[str, tuple[int, int]]:
    return {str(p.relative_to(root)): (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(root.rglob("*"))}

"""What every reader must satisfy when files are damaged or hostile: a sentence that names the file, and the others go on."""

from __future__ import annotations

import shutil
from pathlib import Path

from ecg_core.data.reader import Reader
from ecg_core.errors import DataError
from ecg_core.testing.checks import CheckFailed, applies, check, require
from ecg_core.testing.example import Example
from ecg_core.testing.reader_checks import dataset


def _complaints(reader: Reader, root: Path) -> tuple[list[str], int]:
    """What scanning and reading everything complains of, and how many recordings were read."""
    try:
        table = reader.scan(root)
    except DataError as error:
        return [str(error)], 0
    complaints = [f"{path}: {reason}" for path, reason in table.rejects.itertuples(index=False)]
    without = [path for path, reason in table.rejects.itertuples(index=False) if not str(reason).strip()]
    require(not without, f"refused without a reason: {', '.join(map(str, without))}")
    read = 0
    for row in table.rows():
        try:
            reader.read(row)
            read += 1
        except DataError as error:
            complaints.append(str(error))
        except Exception as error:
            raise CheckFailed(f"reading {row['record_id']} ends in {type(error).__name__}: {error}; raise a DataError") from error
    return complaints, read


def _require_named(complaints: list[str], name: str, what: str) -> None:
    require(complaints, f"{what} goes unnoticed")
    named = any(name in complaint for complaint in complaints)
    require(named, f"{what} is refused without naming {name!r}: {complaints[0]}")


@check("readers")
def a_cut_file_is_refused_by_name_and_the_scan_goes_on(example: Example) -> None:
    """With the largest file cut in half, its recording is refused by name and the others are read."""
    with dataset(example) as (reader, root, written):
        path = max((p for p in sorted(root.rglob("*")) if p.is_file()), key=lambda p: p.stat().st_size)
        alone = sum(p.is_file() for p in root.rglob("*")) == 1
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        complaints, read = _complaints(reader, root)
        _require_named(complaints, path.stem, f"{path.name}, cut in half,")
        require(alone or read > 0, f"one cut file keeps all {len(written)} recordings from being read: {complaints[0]}")
        require(read < len(written), f"{path.name} is cut in half, and yet all {len(written)} recordings are read")


@check("readers")
def an_emptied_file_is_refused_by_name_and_the_scan_goes_on(example: Example) -> None:
    """With the largest file emptied, its recording is refused by name and the others are read."""
    with dataset(example) as (reader, root, written):
        path = max((p for p in sorted(root.rglob("*")) if p.is_file()), key=lambda p: p.stat().st_size)
        alone = sum(p.is_file() for p in root.rglob("*")) == 1
        path.write_bytes(b"")
        complaints, read = _complaints(reader, root)
        _require_named(complaints, path.stem, f"{path.name}, emptied,")
        require(alone or 0 < read < len(written), f"{read} of {len(written)} recordings are read beside the emptied {path.name}")


@check("readers")
def stated_damages_are_refused_by_name(example: Example) -> None:
    """Each of ``damages``, such as an unknown unit or a missing rate, is refused by name and the other recordings are read."""
    applies(example.damages, "conformance_params() states no damages={'what is wrong': damage(folder)}")
    for what, damage in example.damages.items():
        with dataset(example) as (reader, root, written):
            name = damage(root)
            complaints, read = _complaints(reader, root)
            _require_named(complaints, name, what)
            require(
                0 < read < len(written), f"{what}: {read} of {len(written)} recordings are read; only the damaged one is refused"
            )


@check("readers")
def paths_cannot_leave_the_folder(example: Example) -> None:
    """A row whose ``path`` climbs out of its ``root``, or is absolute, is a DataError even where a recording lies there."""
    with dataset(example) as (reader, root, _):
        row = next(iter(reader.scan(root).rows()))
        outside = root.parent / "outside"
        shutil.copytree(root, outside)
        for path in (f"../outside/{row['path']}", str(outside / row["path"])):
            try:
                reader.read({**row, "path": path})
            except DataError as error:
                require(str(error).strip(), f"the error for the path {path!r} has no message")
            except Exception as error:
                raise CheckFailed(f"the path {path!r} ends in {type(error).__name__}: {error}; raise a DataError") from error
            else:
                raise CheckFailed(f"the path {path!r} of a crafted table is read, outside of {root.name}; refuse it")


@check("readers")
def links_cannot_leave_the_folder(example: Example) -> None:
    """A link in the data set that leads out of it is refused by name and the other recordings are read."""
    with dataset(example) as (reader, root, written):
        path = max((p for p in sorted(root.rglob("*")) if p.is_file()), key=lambda p: p.stat().st_size)
        secret = root.parent / f"elsewhere{path.suffix}"
        shutil.move(path, secret)
        try:
            path.symlink_to(secret)
        except OSError as error:
            applies(False, f"this system makes no links ({error})")
        complaints, read = _complaints(reader, root)
        _require_named(complaints, path.stem, f"{path.name}, a link that leaves the folder,")
        require(read < len(written), "a link that leaves the folder was followed")

"""Write a file or a folder so that a crash leaves either the old one or the new one, never a half."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecg_core.errors import DataError, OutputExistsError

__all__ = [
    "checked_output",
    "new_folder",
    "read_json",
    "remove_replaced",
    "replace_folder",
    "sha256",
    "write_atomic",
    "write_json",
]

_UMASK = os.umask(0o022)
os.umask(_UMASK)


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary sibling, then put it in place of ``path`` in one step, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_UMASK)  # some writers make private files; a result is as readable as any other
        _sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def write_json(path: Path, value: Any, *, compact: bool = False) -> None:
    """Write JSON atomically, keys in the given order: readable by people, or ``compact``, which is made six times as fast."""
    text = json.dumps(value, indent=None if compact else 2, ensure_ascii=False, allow_nan=False) + "\n"

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomic(path, write)


def read_json(path: Path) -> Any:
    """Read JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary sibling that becomes ``path`` when the block ends without an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _sync(file)
        _sync(temporary)
        replace_folder(path, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(path: Path, new: Path) -> None:
    """Put ``new`` in place of ``path``. The old folder is deleted last, so a crash in between leaves one of them whole."""
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    if path.exists():
        os.replace(path, old)
    os.replace(new, path)
    _sync(path.parent)
    remove_replaced(path)


def remove_replaced(path: Path) -> None:
    """Delete what was in place of ``path`` before; a process that was killed while doing so left it behind."""
    for replaced in path.parent.glob(f".{glob.escape(path.name)}.*.old"):
        shutil.rmtree(replaced, ignore_errors=True)


def checked_output(path: Path, *, force: bool, resume: bool = False, option: str = "--force") -> Path:
    """The path itself if it may be written.

    Raises:
        OutputExistsError: Something is there and neither ``force`` nor ``resume`` was given, or a file is where its folder
            would be.
        DataError: Its folder may not be written in.
    """
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise OutputExistsError(f"{folder} is a file, so {path} cannot be written below it; choose another output")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"there is no permission to write in {folder}; choose another output than {path}")
    there = path.exists() and (path.is_file() or any(path.iterdir()))
    if there and not force and not resume:
        raise OutputExistsError(f"{path} already exists; choose another output or pass {option}")
    return path


def sha256(path: Path) -> str:
    """Checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

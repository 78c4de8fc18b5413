"""Opening what a stranger's header names: regular files inside the folder that is read, and nothing else.

A recording may come from anywhere, so a pipe (which would block), a device, a folder, a path that climbs out and a link that
leaves the data set are refused before a byte is read. Errors here say what is wrong; callers add which record it was.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ecg_core.errors import DataError

__all__ = ["below", "check_inside", "read_bytes", "read_range", "regular_size"]


def below(root: str | Path, path: str) -> str:
    """``path`` joined to ``root``; an absolute path, a drive, a ``..`` or a NUL is refused.

    Raises:
        DataError: The path does not lead below the root.
    """
    parts = path.replace("\\", "/").split("/")
    if not path or path.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in path:
        raise DataError(f"the path {path!r} does not lead to a place below {os.fspath(root)}; refused for safety")
    return os.path.join(root, path)


def check_inside(path: str | Path, root: str | Path) -> None:
    """Follow every link of ``path`` and see that it ends below ``root``.

    Raises:
        DataError: It leads elsewhere.
    """
    real, home = os.path.realpath(path), os.path.realpath(root)
    if real != home and not real.startswith(home.rstrip(os.sep) + os.sep):
        raise DataError(f"{os.path.basename(path)!r} is a link that leaves {os.fspath(root)}; copy the file there instead")


def regular_size(path: str | Path, root: str | Path) -> int:
    """Size in bytes of a regular file inside ``root``, without opening it.

    Raises:
        DataError: It is missing, not regular, or a link that leaves ``root``.
    """
    name = os.path.basename(path)
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            check_inside(path, root)
            found = os.stat(path)
    except (OSError, ValueError) as error:
        raise DataError(_why(name, error)) from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{name!r} is not a regular file but a pipe, device or folder; expected recorded data")
    return found.st_size


def read_bytes(path: str | Path, root: str | Path, *, limit: int) -> bytes:
    """The content of a regular file inside ``root``.

    Args:
        path: The file.
        root: The folder it must not leave.
        limit: Most bytes it may have.

    Raises:
        DataError: It is missing, not regular, unreadable, too long, or a link that leaves ``root``.
    """
    size = regular_size(path, root)
    if size > limit:
        raise DataError(f"{os.path.basename(path)!r} has {size} bytes, expected at most {limit}; is it what its name says?")
    return _read(path, 0, size)


def read_range(path: str | Path, root: str | Path, start: int, stop: int) -> bytes:
    """Bytes ``start`` up to, not including, ``stop`` of a regular file inside ``root``; nothing else of it is read.

    Raises:
        DataError: It is missing, not regular, unreadable, shorter than that, or a link that leaves ``root``.
    """
    size = regular_size(path, root)
    if size < stop:
        raise DataError(f"{os.path.basename(path)!r} has {size} bytes, expected at least {stop}; the file is cut, restore it")
    return _read(path, start, stop - start)


def _read(path: str | Path, start: int, count: int) -> bytes:
    try:
        # O_NONBLOCK (absent on Windows): a file that became a pipe since the look at it must not make us wait.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            if start:
                os.lseek(descriptor, start, os.SEEK_SET)
            content = os.read(descriptor, count)
            # One call reads at most 2 GiB, and joining pieces in a loop would copy them over and over.
            if 0 < len(content) < count:
                pieces, left = [content], count - len(content)
                while left and (more := os.read(descriptor, left)):
                    pieces.append(more)
                    left -= len(more)
                content = b"".join(pieces)
            return content
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DataError(_why(os.path.basename(path), error)) from None


def _why(name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no file {name!r}; restore it or remove what names it"
    return f"{name!r} cannot be read ({getattr(error, 'strerror', None) or error})"

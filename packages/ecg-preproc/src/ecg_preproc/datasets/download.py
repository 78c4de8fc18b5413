"""Download: the files of a data set, resumed where it was interrupted, each checked against the publisher's SHA-256.

The folder of a PhysioNet project holds a ``SHA256SUMS.txt`` that names every file. A file arrives as ``NAME.part``, goes on
from where it stopped, is checked when it is complete, and only then gets its name: what has its name is whole and right.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from fnmatch import fnmatch
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath

from ecg_core import __version__
from ecg_core.errors import DataError

__all__ = ["RemoteFile", "download", "remote_files"]

SUMS = "SHA256SUMS.txt"

_LINE_RE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(\S.*)")
_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte
_ATTEMPTS = 6  # without progress
_MOST_SUMS = 1 << 30  # bytes; MIMIC-IV-ECG's list of 1.6 million files has 150 MB
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set.

    Args:
        path: Below the folder of the data set, with forward slashes.
        sha256: Of its content, in hexadecimal.
    """

    path: str
    sha256: str


def remote_files(
    url: str, out: Path, patterns: Sequence[str] = ("*",), *, wait: Callable[[float], None] = time.sleep
) -> list[RemoteFile]:
    """The files that the publisher lists and one of the patterns names.

    Args:
        url: Folder of the data set.
        out: Where the list is kept.
        patterns: As in a shell, on the whole path: ``"records100/*"``, ``"*.csv"``.
        wait: How to wait before another attempt.

    Raises:
        DataError: The list cannot be had or names files outside the folder, or no pattern names a file.
    """
    listing = out / SUMS
    if not listing.is_file():
        out.mkdir(parents=True, exist_ok=True)
        _fetch(_address(url, SUMS), listing, most=_MOST_SUMS, wait=wait)
    found = [RemoteFile(path, digest) for digest, path in _lines(listing)]
    chosen = [file for file in found if any(fnmatch(file.path, pattern) for pattern in patterns)]
    if not chosen:
        some = ", ".join(file.path for file in found[:3])
        raise DataError(f"none of the {len(found)} files of {url} fits {', '.join(patterns)}; there are e.g. {some}")
    return chosen


def download(
    url: str,
    out: str | Path,
    *,
    patterns: Sequence[str] = ("*",),
    jobs: int = 4,
    progress: Callable[[int, int], None] | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Get the files of a data set that are not there yet; the number of files that now are.

    Args:
        url: Folder of the data set, with a ``SHA256SUMS.txt`` in it.
        out: Folder to fill; what an interrupted download left in it is gone on with.
        patterns: Which files.
        jobs: How many at a time.
        progress: Called with (files done, files in all).
        wait: How to wait before another attempt.

    Raises:
        DataError: The address is none of the web, a file cannot be had after several attempts, or its content is not what
            the publisher's checksum says.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"only http and https addresses are downloaded from, got {url!r}")
    if jobs < 1:
        raise DataError(f"jobs must be at least 1, got {jobs!r}")
    out = Path(out)
    wanted = remote_files(url, out, patterns, wait=wait)
    missing = [file for file in wanted if not (out / file.path).is_file()]
    done = len(wanted) - len(missing)
    tell = progress or (lambda done, total: None)
    tell(done, len(wanted))
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(_get, url, out, file, wait) for file in missing]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                tell(done, len(wanted))
        finally:
            for future in futures:  # an error, or Ctrl-C, must not wait for thousands of others
                future.cancel()
    return done


def _lines(listing: Path) -> Iterator[tuple[str, str]]:
    with listing.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            found = _LINE_RE.fullmatch(line.strip())
            if not found:
                raise DataError(f"{listing}: line {number} is no checksum and name; delete the file and download it again")
            path = PurePosixPath(found[2])
            inside = not path.is_absolute() and ".." not in path.parts and not set(found[2]) & set("\\:\0")
            if not inside:
                raise DataError(f"{listing}: line {number} names {found[2]!r}, which is outside the folder; refused for safety")
            if str(path) != SUMS:
                yield found[1].lower(), str(path)


def _get(url: str, out: Path, file: RemoteFile, wait: Callable[[float], None]) -> None:
    target = out / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for attempt in (1, 2):
        _fetch(_address(url, file.path), part, wait=wait)
        with part.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found == file.sha256:
            os.replace(part, target)
            return
        part.unlink()  # the first time it may be what an older version of the data set left behind
        if attempt == 2:
            raise DataError(
                f"{file.path} of {url} has the SHA-256 {found[:12]}…, the publisher's list says {file.sha256[:12]}…; "
                "try again later, and tell the publisher if it stays"
            )


def _address(url: str, path: str) -> str:
    return url.rstrip("/") + "/" + urllib.parse.quote(path)


def _fetch(address: str, part: Path, *, most: int | None = None, wait: Callable[[float], None] = time.sleep) -> None:
    """Fill a file from an address, going on from its end; several attempts as long as there is no progress."""
    attempts = 0
    while True:
        begin = part.stat().st_size if part.is_file() else 0
        try:
            if _pour(address, part, begin, most):
                return
            problem = "the connection was closed early"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in _AGAIN:
                said = f"HTTP {error.code} {error.reason}"
                raise DataError(f"{address} cannot be had: {said}; check the name and the address") from None
            problem = f"HTTP {error.code} {error.reason}"
        except (OSError, HTTPException) as error:
            problem = str(getattr(error, "reason", None) or error) or type(error).__name__
        arrived = part.stat().st_size if part.is_file() else 0
        attempts = 0 if arrived > begin else attempts + 1
        if attempts >= _ATTEMPTS:
            raise DataError(f"{address} cannot be had ({problem}); what arrived is kept, run the same command again to go on")
        wait(min(60.0, 2.0**attempts))


def _pour(address: str, part: Path, begin: int, most: int | None) -> bool:
    """One request, appended to ``part``; whether the file is now complete."""
    headers = {"User-Agent": f"ecg-preproc/{__version__}"} | ({"Range": f"bytes={begin}-"} if begin else {})
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 — the scheme was checked
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == 416 and begin:
            error.close()
            # Nothing follows what is there: it is complete, or of another version, as the checksum will tell.
            return True
        raise
    with response:
        resumed = response.status == 206
        length = response.headers.get("Content-Length")
        expected = None if length is None else int(length) + (begin if resumed else 0)
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                if most is not None and file.tell() > most:
                    raise DataError(f"{address} is longer than {most} bytes; refused for safety")
        return expected is None or part.stat().st_size >= expected

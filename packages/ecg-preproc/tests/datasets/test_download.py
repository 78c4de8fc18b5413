"""Downloads from a server on this machine that breaks off, refuses, lies and comes back: what has its name is right."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_core.errors import DataError
from ecg_preproc.datasets.download import download

FILES = {
    "RECORDS": b"r1\nr2\n",
    "data/r1.hea": b"r1 1 100 3\n",
    "data/r1.dat": np.random.default_rng(0).bytes(100_000),
    "data/with space.txt": b"a name with a space",
}


class Server:
    """Serves FILES; ``cuts`` says after how many bytes each request for a path breaks off, ``fails`` which codes come first."""

    def __init__(self) -> None:
        self.content = dict(FILES)
        self.cuts: dict[str, list[int]] = {}
        self.fails: dict[str, list[int]] = {}
        self.ranges = True
        self.requests: list[tuple[str, str | None]] = []
        self.sums: bytes | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *words: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/files/set/1.0/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def listing(self) -> bytes:
        if self.sums is not None:
            return self.sums
        return "".join(f"{hashlib.sha256(c).hexdigest()}  {p}\n" for p, c in FILES.items()).encode()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.removeprefix("/files/set/1.0/").replace("%20", " ")
        asked = request.headers.get("Range")
        self.requests.append((path, asked))
        if self.fails.get(path):
            request.send_error(self.fails[path].pop(0))
            return
        if path not in (*self.content, "SHA256SUMS.txt"):
            request.send_error(404)
            return
        content = self.listing() if path == "SHA256SUMS.txt" else self.content[path]
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        if begin and begin >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if begin else 200)
        rest = content[begin:]
        request.send_header("Content-Length", str(len(rest)))
        request.end_headers()
        cut = self.cuts[path].pop(0) if self.cuts.get(path) else len(rest)
        request.wfile.write(rest[:cut])
        request.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Callable[..., int]:
    return lambda **words: download(server.url, tmp_path / "set", **{"wait": lambda seconds: None, **words})


def there(folder: Path) -> dict[str, bytes]:
    listed = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    listed.pop("SHA256SUMS.txt", None)
    return listed


def test_every_listed_file_arrives_and_a_second_time_nothing_is_asked_for(fetch, server, tmp_path):
    told: list[tuple[int, int]] = []
    assert fetch(progress=lambda done, total: told.append((done, total))) == 4
    assert there(tmp_path / "set") == FILES
    assert told[0] == (0, 4)
    assert told[-1] == (4, 4)
    before = len(server.requests)
    assert fetch() == 4
    assert len(server.requests) == before


def test_a_connection_that_breaks_off_is_gone_on_with_where_it_stopped(fetch, server, tmp_path):
    server.cuts["data/r1.dat"] = [1000, 20_000, 0, 50_000]
    fetch()
    assert there(tmp_path / "set") == FILES
    asked = [r for p, r in server.requests if p == "data/r1.dat"]
    assert asked == [None, "bytes=1000-", "bytes=21000-", "bytes=21000-", "bytes=71000-"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 40_000), max_size=12),
    fails=st.lists(st.sampled_from([500, 503, 429]), max_size=3),
    jobs=st.integers(1, 4),
)
def test_whatever_the_interruptions_the_files_are_right_or_can_be_gone_on_with(server, tmp_path_factory, cuts, fails, jobs):
    folder = tmp_path_factory.mktemp("any")
    server.cuts["data/r1.dat"], server.fails["RECORDS"] = list(cuts), list(fails)
    for _ in range(20):
        try:
            download(server.url, folder, jobs=jobs, wait=lambda seconds: None)
            break
        except DataError as error:
            assert "what arrived is kept, run the same command again to go on" in str(error)
    assert there(folder) == FILES


def test_a_process_that_was_stopped_is_gone_on_with_by_the_next(fetch, server, tmp_path):
    part = tmp_path / "set" / "data" / "r1.dat.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(FILES["data/r1.dat"][:777])
    fetch()
    assert there(tmp_path / "set") == FILES
    assert ("data/r1.dat", "bytes=777-") in server.requests


def test_what_is_left_of_another_version_is_thrown_away(fetch, server, tmp_path):
    part = tmp_path / "set" / "data" / "r1.dat.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 200_000)
    fetch()
    assert there(tmp_path / "set") == FILES


def test_a_server_without_ranges_is_read_from_the_start_again(fetch, server, tmp_path):
    server.ranges = False
    server.cuts["data/r1.dat"] = [1000]
    fetch()
    assert there(tmp_path / "set") == FILES


def test_altered_content_is_refused_after_a_second_try_and_leaves_no_file(fetch, server, tmp_path):
    server.content["data/r1.dat"] = b"y" * 100_000
    with pytest.raises(DataError, match=r"data/r1.dat of .* has the SHA-256 .*, the publisher's list says .*; try again later"):
        fetch()
    assert "data/r1.dat" not in there(tmp_path / "set")
    assert Counter(p for p, _ in server.requests)["data/r1.dat"] == 2


def test_a_file_that_is_not_there_is_one_clear_error_at_once(fetch, server):
    del server.content["RECORDS"]
    with pytest.raises(DataError, match=r"RECORDS cannot be had: HTTP 404 Not Found; check the name and the address"):
        fetch()
    assert Counter(p for p, _ in server.requests)["RECORDS"] == 1


def test_a_server_that_keeps_failing_is_left_after_six_attempts_with_longer_waits(fetch, server):
    server.fails["SHA256SUMS.txt"] = [503] * 10
    waits: list[float] = []
    with pytest.raises(DataError, match=r"cannot be had \(HTTP 503 .*\); what arrived is kept, run the same command again"):
        fetch(wait=waits.append)
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0]


def test_only_what_the_patterns_name_is_downloaded(fetch, tmp_path):
    assert fetch(patterns=["data/*.hea", "RECORDS"]) == 2
    assert set(there(tmp_path / "set")) == {"data/r1.hea", "RECORDS"}
    with pytest.raises(DataError, match=r"none of the 4 files of .* fits \*.edf; there are e.g. RECORDS, "):
        fetch(patterns=["*.edf"])


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil", "C:evil", "a\\..\\evil"])
def test_a_list_cannot_name_a_file_outside_the_folder(fetch, server, tmp_path, name):
    server.sums = f"{'0' * 64}  {name}\n".encode()
    with pytest.raises(DataError, match="line 1 names .* which is outside the folder; refused for safety"):
        fetch()
    assert list(tmp_path.rglob("*evil*")) == []


def test_a_list_that_is_none_is_one_clear_error(fetch, server):
    server.sums = b"<html>log in first</html>\n"
    with pytest.raises(DataError, match="line 1 is no checksum and name; delete the file and download it again"):
        fetch()


def test_other_addresses_than_the_webs_are_refused(tmp_path):
    for url in ("file:///etc/", "ftp://example.org/", "set/1.0"):
        with pytest.raises(DataError, match="only http and https addresses are downloaded from, got"):
            download(url, tmp_path)

"""A stand-in of the hub on this machine: what huggingface_hub asks for when it fetches, makes a repository and commits."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest


@dataclass
class StandIn:
    """Repositories, each with its commits in order: ``{repo: [(commit, {file: bytes}), …]}``."""

    repos: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=dict)
    created: list[dict] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    large: dict[str, bytes] = field(default_factory=dict)
    full: bool = False
    refuse: int | None = None
    code: str = ""
    listings_too: bool = True
    url: str = ""

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """Put files on top of a repository's last state; the commit's name."""
        before = self.repos.setdefault(repo, [])
        state = {**(before[-1][1] if before else {}), **files}
        name = hashlib.sha1(repr((repo, len(before), sorted(state.items()))).encode()).hexdigest()
        before.append((name, state))
        return name

    def put(self, repo: str, folder: Path) -> str:
        """A folder as a commit."""
        return self.commit(repo, {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()})

    def state(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit that a revision names."""
        commits = self.repos.get(repo, [])
        return commits[-1] if revision == "main" and commits else next((c for c in commits if c[0] == revision), None)


class Answers(BaseHTTPRequestHandler):
    """The endpoints."""

    hub: StandIn

    def log_message(self, *words) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(path)
        if self.hub.refuse and (self.hub.listings_too or ("/resolve/" in path and self.command == "GET")):
            return self._error(self.hub.refuse, self.hub.code)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            repo, what, revision = found[1], found[2], found[3] or "main"
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/(resolve)/([^/]+)/(.+)", path):
            repo, what, revision = found[1], found[2], found[3]
        else:
            return self._error(404, "EntryNotFound")
        if repo not in self.hub.repos:
            return self._error(404, "RepoNotFound")
        state = self.hub.state(repo, revision)
        if state is None:
            return self._error(404, "RevisionNotFound")
        commit, files = state
        if what == "tree":
            return self._json(
                [{"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()} for n, c in files.items()]
            )
        if what == "resolve":
            if found[4] not in files:
                return self._error(404, "EntryNotFound")
            if self.command == "GET":
                self.hub.fetched.append(found[4])
            return self._send(
                200, files[found[4]], {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(files[found[4]]).hexdigest()}"'}
            )
        return self._json({"id": repo, "modelId": repo, "sha": commit, "private": False, "tags": [], "downloads": 0, "likes": 0})

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.hub.refuse:
            return self._error(self.hub.refuse, "")
        if path == "/api/repos/create":
            wanted = json.loads(body)
            repo = f"{wanted.get('organization') or 'owner'}/{wanted['name']}"
            self.hub.created.append({**wanted, "token": self.headers.get("Authorization", "")})
            self.hub.repos.setdefault(repo, [])
            return self._json({"url": f"{self.hub.url}/{repo}"})
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if "/preupload/" in path:
            modes = {True: "lfs", False: "regular"}
            return self._json(
                {
                    "files": [
                        {"path": f["path"], "uploadMode": modes[f["path"].endswith(".safetensors")], "shouldIgnore": False}
                        for f in json.loads(body)["files"]
                    ]
                }
            )
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.hub.url}/large/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            return self._json({"transfer": "basic", "objects": objects})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            lines = [json.loads(line) for line in body.splitlines()]
            self.hub.messages += [line["value"]["summary"] for line in lines if line["key"] == "header"]
            files = {x["value"]["path"]: base64.b64decode(x["value"]["content"]) for x in lines if x["key"] == "file"}
            files |= {x["value"]["path"]: self.hub.large[x["value"]["oid"]] for x in lines if x["key"] == "lfsFile"}
            commit = self.hub.commit(found[1], files)
            return self._json({"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/{found[1]}/commit/{commit}"})
        return self._error(404, "EntryNotFound")

    def do_PUT(self) -> None:
        content = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.hub.full:
            return self._error(400, "")
        assert hashlib.sha256(content).hexdigest() == self.path.rpartition("/")[2]
        self.hub.large[self.path.rpartition("/")[2]] = content
        self._send(200, b"", {})

    def _json(self, value) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str) -> None:
        self._send(status, b'{"error": "no"}', {"X-Error-Code": code, "Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The stand-in, running, in place of the real hub, with a cache and a login of its own (no login)."""
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    stand_in = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Answers,), {"hub": stand_in}))
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    home = tmp_path / "hf"
    for name, value in {
        "ENDPOINT": stand_in.url,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_ASSETS_CACHE": str(home / "assets"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HUGGINGFACE_CO_URL_TEMPLATE": stand_in.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield stand_in
    server.shutdown()
    server.server_close()
    thread.join()

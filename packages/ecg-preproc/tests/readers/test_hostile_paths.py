"""Paths a stranger's table may name: none leads any reader out of the folder, makes it wait, or ends in a raw exception."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ecg_core.discovery.index import get_index
from ecg_core.discovery.registries import READERS
from ecg_core.errors import DataError, MissingExtraError

NAMES = [
    "../secret", "../../secret", "a/../../secret", "a/b/../../../secret", "..", ".", "./..", "a/..", "/etc/passwd",
    "/etc/../etc/passwd", "//server/share/x", "\\\\server\\share\\x", "\\secret", "..\\secret", "a\\..\\..\\secret",
    "C:\\secret", "C:secret", "c:/secret", "file:///etc/passwd", "http://example.org/x", "https://example.org/x",
    "s3://bucket/x", "~/.ssh/id_rsa", "~root/x", "$HOME/x", "a\0b", "\0", "", " ", "link/secret", "pipe", "device",
    "con", "nul:", "a" * 300, "a/" * 200 + "x", "%2e%2e/secret", "\uff0e\uff0e/secret", "....//secret", "-", "|ls", "folder",
]  # fmt: skip
READER_NAMES = [component.name for component in get_index().components("readers") if component.provider == "ecg-preproc"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("secret", "secret.hea", "secret.npy", "secret.edf", "secret.dcm", "secret.xml", "secret.scp"):
        (tmp_path / name).write_text("outside")
    folder = tmp_path / "data"
    (folder / "folder").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    for suffix in ("", ".hea", ".npy"):
        os.mkfifo(folder / f"pipe{suffix}")
        (folder / f"device{suffix}").symlink_to("/dev/zero")
    assert stat.S_ISFIFO((folder / "pipe").lstat().st_mode)
    return folder


def test_there_are_forty_names_and_every_reader_of_ours():
    assert len(set(NAMES)) >= 40
    assert len(READER_NAMES) >= 12


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", READER_NAMES)
def test_no_name_leads_a_reader_out_of_its_folder(name, root):
    reader = READERS.build(name)
    for path in NAMES:
        for suffix in ("", *getattr(reader, "suffixes", ())):
            row = {"record_id": "x", "root": str(root), "path": path + suffix, "fs": 100.0, "n_samples": 100, "leads": ("I",)}
            for act in (lambda row=row: reader.read(row), lambda row=row: reader.read_part(row, 0, 10)):
                with pytest.raises((DataError, MissingExtraError)) as caught:
                    act()
                assert "outside" not in str(caught.value), f"{name} read {path!r}"

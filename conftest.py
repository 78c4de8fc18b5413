"""Fixtures of all tests: where the reference outputs and the real recordings lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent


def _shared(part: str) -> Path:
    folder = Path(os.environ.get("ECG_SHARED", ROOT.parent / "shared")) / part
    if not folder.is_dir():
        reason = f"{part} is not there; set ECG_SHARED to the folder that holds it"
        if os.environ.get("ECG_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of the reference outputs of the original implementations."""
    return _shared("golden")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of real, labelled recordings."""
    return _shared("data")

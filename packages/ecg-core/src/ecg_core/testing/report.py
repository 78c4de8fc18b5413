"""A pytest plugin that writes what became of each check as JSON, to the file that ECG_CONFORMANCE_REPORT names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

__all__: list[str] = []

_cases: list[dict[str, Any]] = []
_errors: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep one line per check: its call, or the phase that failed."""
    if report.when == "call" or report.outcome == "failed":
        name = report.nodeid.partition("[")[2].removesuffix("]") or report.nodeid
        _cases.append({"id": name, "outcome": report.outcome, "message": _said(report)})


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Keep why nothing could be collected."""
    if report.failed:
        _errors.append(_said(report).strip().splitlines()[-1])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file, once: workers of pytest-xdist report to the process that started them."""
    if not hasattr(session.config, "workerinput"):
        text = json.dumps({"cases": _cases, "errors": _errors})
        Path(os.environ["ECG_CONFORMANCE_REPORT"]).write_text(text, encoding="utf-8")


def _said(report: pytest.TestReport | pytest.CollectReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr or "")

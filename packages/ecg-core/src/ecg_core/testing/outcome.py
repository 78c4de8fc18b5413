"""run_conformance: the contract kit over an installed distribution, without a test file, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Outcome", "run_conformance"]

_TEST = "from ecg_core.testing import conformance\n\ntest_conformance = conformance({name!r}, expected_failures={expected!r})\n"


@dataclass(frozen=True)
class Outcome:
    """How a distribution did.

    Args:
        distribution: Its name.
        passed: Checks that passed.
        failed: Checks that failed.
        skipped: Checks that do not apply.
        failures: ``(id, message)`` of each that failed; one with an empty id says why the kit could not run at all.
        kinds: Checks of each kind, whatever became of them.
    """

    distribution: str
    passed: int
    failed: int
    skipped: int
    failures: tuple[tuple[str, str], ...] = ()
    kinds: tuple[tuple[str, int], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether checks ran and none failed."""
        return self.passed > 0 and not self.failures

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "kinds": dict(self.kinds), "failures": [list(f) for f in self.failures], "ok": self.ok}


def run_conformance(
    distribution: str, *, expected_failures: Mapping[str, str] | None = None, workers: int = 0, timeout: float = 1800.0
) -> Outcome:
    """Run the contract kit over a distribution in a fresh interpreter.

    Args:
        distribution: Name of an installed distribution.
        expected_failures: ``{"component::check": "reason"}``, as of :func:`~ecg_core.testing.conformance`; they count as skipped.
        workers: Processes that share the work, where pytest-xdist is installed; 0 runs them in one.
        timeout: Seconds after which it counts as failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        test, report = Path(folder) / "test_conformance.py", Path(folder) / "report.json"
        test.write_text(_TEST.format(name=distribution, expected=dict(expected_failures or {})), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "ecg_core.testing.report", "-p", "no:cacheprovider"]
        command += ["-c", os.devnull, "--rootdir", folder, *(["-n", str(workers)] if workers else []), str(test)]
        environment = {**os.environ, "ECG_CONFORMANCE_REPORT": str(report), "PYTEST_ADDOPTS": ""}
        try:
            done = subprocess.run(  # noqa: S603 - this very interpreter
                command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            return Outcome(distribution, 0, 1, 0, (("", f"the kit did not finish within {timeout:g} s"),))
        if not report.is_file():
            said = (done.stdout + done.stderr).strip().splitlines()
            return Outcome(distribution, 0, 1, 0, (("", said[-1] if said else f"pytest ended with {done.returncode}"),))
        return _outcome(distribution, json.loads(report.read_text(encoding="utf-8")))


def _outcome(distribution: str, found: dict[str, Any]) -> Outcome:
    count = {word: sum(case["outcome"] == word for case in found["cases"]) for word in ("passed", "failed", "skipped")}
    failures = [(case["id"], case["message"]) for case in found["cases"] if case["outcome"] == "failed"]
    failures += [("", message) for message in found["errors"]]
    kinds: dict[str, int] = {}
    for case in found["cases"]:
        kind = case["id"].partition(":")[0]
        if kind != "census":
            kinds[kind] = kinds.get(kind, 0) + 1
    # The census is a case of pytest's and no check.
    passed = count["passed"] - sum(case["id"].startswith("census:") and case["outcome"] == "passed" for case in found["cases"])
    return Outcome(
        distribution, passed, count["failed"] + len(found["errors"]), count["skipped"], tuple(failures), tuple(kinds.items())
    )

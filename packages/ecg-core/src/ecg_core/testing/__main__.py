"""``python -m ecg_core.testing ecg-tcn``: the contract kit over installed distributions, without a test file."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from ecg_core.testing.outcome import run_conformance


def main() -> int:
    """Print the counts and every failure; exit code 1 when a check failed or none ran."""
    parser = argparse.ArgumentParser(prog="python -m ecg_core.testing", description="Run the public contract kit.")
    parser.add_argument("distributions", nargs="+", metavar="DISTRIBUTION", help="an installed distribution, such as ecg-tcn")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.add_argument("--workers", type=int, default=0, help="processes that share the work (needs pytest-xdist)")
    parser.add_argument(
        "--expected-failures", metavar="FILE", help='JSON: {"component::check": "the reason"}, of one distribution'
    )
    words = parser.parse_args()
    expected = None
    if words.expected_failures is not None:
        if len(words.distributions) > 1:
            parser.error(
                f"--expected-failures is for one distribution, got {' '.join(words.distributions)}; check each by itself"
            )
        expected = json.loads(Path(words.expected_failures).read_text(encoding="utf-8"))
    outcomes = []
    for name in words.distributions:
        start = time.perf_counter()
        outcome = run_conformance(name, expected_failures=expected, workers=words.workers)
        outcomes.append(outcome)
        if not words.json:
            counts = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} do not apply"
            kinds = ", ".join(f"{kind} {count}" for kind, count in outcome.kinds)
            print(f"{name}: {counts} in {time.perf_counter() - start:.0f} s ({kinds or 'nothing ran'})")
            for number, (_, message) in enumerate(outcome.failures, start=1):
                print(f"\n{number}. {message}")
    if words.json:
        print(json.dumps([outcome.to_dict() for outcome in outcomes], indent=2))
    return 0 if all(outcome.ok for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

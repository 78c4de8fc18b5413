"""The public contract kit: one line in a test file checks every component of a distribution.

``from ecg_core.testing import conformance; test_conformance = conformance("ecg-tcn")``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecg_core.testing.checks import CheckFailed, NotApplicable, check_names
    from ecg_core.testing.example import Example
    from ecg_core.testing.kit import conformance
    from ecg_core.testing.outcome import Outcome, run_conformance
    from ecg_core.testing.toy import toy_batch, toy_signal

_WHERE = {
    "CheckFailed": "checks",
    "Example": "example",
    "NotApplicable": "checks",
    "Outcome": "outcome",
    "check_names": "checks",
    "conformance": "kit",
    "run_conformance": "outcome",
    "toy_batch": "toy",
    "toy_signal": "toy",
}

__all__ = [
    "CheckFailed", "Example", "NotApplicable", "Outcome", "check_names", "conformance", "run_conformance", "toy_batch",
    "toy_signal",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'ecg_core.testing' has no attribute '{name}'")
    return getattr(import_module(f"ecg_core.testing.{_WHERE[name]}"), name)

"""Other names of our methods: that of a survey, as it is written there. Not listed, and asked after a miss only."""

from __future__ import annotations

from collections.abc import Callable

from ecg_core.discovery.hooks import hookimpl


@hookimpl
def ecg_register_components(register: Callable[[str, str, str], None]) -> None:
    """Hyphens and case do not matter, so that ``3M-ECG``, ``3m_ecg`` and ``3mecg`` are one name."""
    register("ssl", "3m_ecg", "ecg_ssl.methods.unpublished_name:survey_3m_ecg")

"""Grouping: what a method asks of the order of windows, when it compares several of one patient."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Grouping"]


@dataclass(frozen=True)
class Grouping:
    """So many windows of one patient stand next to each other in a batch, which holds whole groups only.

    Patients with fewer windows are left out. Otherwise each patient's windows are cut into as many groups as there are, recording
    after recording, so that neighbours are of one recording where it has several windows; which ones are left over changes with
    the epoch.

    Args:
        size: Windows of a group, at least 2.
        apart: Every window of a group is of another recording, drawn at random among the recording's. Each patient then has one
            group in an epoch, so that no patient is twice in a batch.

    Raises:
        ValueError: ``size`` is below 2.
    """

    size: int = 2
    apart: bool = False

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ValueError(f"a group has at least 2 windows, got size={self.size!r}; leave the grouping out for windows alone")

    @property
    def what(self) -> str:
        """What a patient needs so many of, for messages."""
        return "recordings" if self.apart else "windows"

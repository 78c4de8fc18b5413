"""Demo: the word ``ecg_core.demo``; the generator itself is a command that a package ships through an entry point."""

from __future__ import annotations

from pathlib import Path

from ecg_core.discovery.registries import COMMANDS

__all__ = ["demo"]


def demo(
    out: str | Path, *, records: int = 400, seconds: float = 10.0, fs: float = 500.0, seed: int = 0, force: bool = False
) -> Path:
    """Write synthetic 12-lead ECGs as WFDB records with ``labels.csv``, offline.

    Args:
        out: Folder to write.
        records: How many.
        seconds: Length of each.
        fs: Hz.
        seed: Another seed gives other patients.
        force: Replace an earlier demo.

    Raises:
        UnknownComponentError: ecg-preproc, which ships the generator, is not installed.
    """
    return Path(COMMANDS.get("demo")(Path(out), records=records, seconds=seconds, fs=fs, seed=seed, force=force))

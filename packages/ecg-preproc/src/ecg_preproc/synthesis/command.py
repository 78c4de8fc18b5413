"""``ecg demo`` (and ``ecg_core.demo``): synthetic recordings to try everything out with, made offline in seconds."""

from __future__ import annotations

import math
import os
import re
import shutil
from pathlib import Path

from ecg_core.cli.output import next_command, shell_path, tell
from ecg_core.errors import DataError, OutputExistsError

__all__ = ["demo"]

_OURS_RE = re.compile(r"labels\.csv|r\d{5}\.(hea|dat)")
_MOST = 100_000  # r00000 to r99999


def demo(out: Path, *, records: int = 400, seconds: float = 10.0, fs: float = 500.0, seed: int = 0, force: bool = False) -> Path:
    """Write synthetic 12-lead WFDB records and their labels.csv.

    Nine diagnoses that are true of the drawn signals (NORM, AFIB, SBRAD, STACH, PVC, CLBBB, CRBBB, STE, LVOLT), one to four
    records per patient, and the noise of real recordings. The same seed writes the same files; record i does not depend on
    ``records``.

    Args:
        out: Folder to write.
        records: How many recordings.
        seconds: Length of each, 5 or more.
        fs: Sampling frequency, Hz.
        seed: Another seed, other patients.
        force: Replace what an earlier demo wrote there.

    Returns:
        ``out``.

    Raises:
        OutputExistsError: The folder holds something already.
        DataError: An argument is out of its range.
    """
    if not 1 <= records <= _MOST:
        raise DataError(f"records must be 1 to {_MOST}, got {records}")
    if not (math.isfinite(seconds) and 5 <= seconds <= 3600):
        raise DataError(f"seconds must be 5 to 3600, got {seconds}")
    if not (math.isfinite(fs) and 100 <= fs <= 5000):
        raise DataError(f"fs must be 100 to 5000 Hz, got {fs}")
    if seed < 0:
        raise DataError(f"seed must not be negative, got {seed}")
    out = Path(out)
    _refuse_to_overwrite(out, force)

    from ecg_preproc.synthesis.dataset import write_dataset  # numpy and pandas: only when there is work

    # Everything is written beside the folder and moved when complete: a demo that was interrupted leaves nothing half done.
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.parent / f".{out.name}.{os.getpid()}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        write_dataset(partial, records=records, seconds=seconds, fs=fs, seed=seed)
        _move(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    labels = out / "labels.csv"
    tell(f"{records} synthetic recordings of {seconds:g} s in {out}, labels in {labels}")
    next_command(f"ecg prep {shell_path(out)} {shell_path(out.parent / 'prepared')} --labels {shell_path(labels)}")
    return out


def _refuse_to_overwrite(out: Path, force: bool) -> None:
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir():
        raise OutputExistsError(f"{out} is a file, expected a folder or nothing; choose another place for the demo")
    names = [path.name for path in out.iterdir()]
    if not names:
        return
    if not force:
        raise OutputExistsError(f"{out} is not empty; choose another folder, or replace an earlier demo with --force")
    if "labels.csv" not in names or not any(re.fullmatch(r"r\d{5}\.hea", name) for name in names):
        raise OutputExistsError(f"{out} holds no earlier demo (labels.csv and r00000.hea), so --force replaces nothing there")


def _move(partial: Path, out: Path) -> None:
    """Put the new files where the old ones were. Files that no demo wrote stay."""
    if out.exists():
        for path in [path for path in out.iterdir() if _OURS_RE.fullmatch(path.name) and path.is_file()]:
            path.unlink()
        if any(out.iterdir()) or out.is_symlink():
            for path in sorted(partial.iterdir(), reverse=True):  # labels.csv last: it stands for a complete demo
                os.replace(path, out / path.name)
            return
        out.rmdir()
    os.replace(partial, out)

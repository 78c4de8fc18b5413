"""What a command that trains says when Ctrl-C stops it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["resumable"]


@contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Turn the interruption of a run, which has saved a checkpoint, into how to go on with it."""
    from ecg_core.run.run import Interrupted

    try:
        yield
    except Interrupted:
        raise Interrupted(
            f"interrupted; nothing is lost, go on with the same command and --resume (checkpoint in {out})"
        ) from None

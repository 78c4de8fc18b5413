"""TensorBoard: a hook module of ours that writes what a run tells into event files, for runs that ask for it.

Steps go under ``train/``, what validation measured under ``validation/``. A run that is resumed adds a file to the same series,
which begins by taking back what was written after its checkpoint, so that no step stands twice.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ecg_core.discovery.hooks import RunEvent, hookimpl

if TYPE_CHECKING:
    from ecg_core.run.run import Run

__all__ = ["FOLDER", "ecg_run_event"]

FOLDER = "tensorboard"
"""Of the event files, in the run's directory."""

_NO_CURVES = ("step", "epoch", "validation")
_writers: WeakKeyDictionary[Run, Any] = WeakKeyDictionary()


@hookimpl
def ecg_run_event(run: Run, event: RunEvent) -> None:
    """Write one event of a run whose ``log`` is ``"tensorboard"``."""
    if run.log != "tensorboard":
        return
    if event.name == "start":
        from torch.utils.tensorboard import SummaryWriter

        _writers[run] = SummaryWriter(str(run.directory / FOLDER), purge_step=event.step + 1)
    writer = _writers.get(run)
    if writer is None:  # it could not be opened, which was told
        return
    group = "validation" if event.name == "epoch" else "train"
    for name, value in event.numbers.items():
        if name not in _NO_CURVES and isinstance(value, (int, float)) and math.isfinite(value):
            writer.add_scalar(f"{group}/{name}", value, event.step)
    if event.name in ("end", "failure"):
        _writers.pop(run).close()
    elif event.name != "step":
        writer.flush()

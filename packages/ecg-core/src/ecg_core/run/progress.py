"""What a run tells while it trains: a live line for people, ``metrics.jsonl`` for everything else."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ecg_core.data.files import write_atomic

__all__ = ["MetricsFile", "Reporter", "Stopwatch", "read_metrics"]


class MetricsFile:
    """One JSON object per line; lines after the step a run resumes from are dropped.

    Args:
        path: The file.
        after: Step of the checkpoint the run goes on from; 0 starts anew.
    """

    def __init__(self, path: Path, *, after: int = 0) -> None:
        kept = [line for line in read_metrics(path) if line["step"] <= after] if after else []

        def write(temporary: Path) -> None:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

        write_atomic(path, write)
        self._file = path.open("a", encoding="utf-8")

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line, at once; JSON has no NaN and no infinity, so these become ``null``."""
        plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
        self._file.write(json.dumps(plain, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a ``metrics.jsonl``; a last line cut by a crash is left out."""
    lines = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


class Stopwatch:
    """Windows per second since an epoch began; what lies between two laps, such as writing a checkpoint, is not counted."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._windows, self._seconds, self._began = 0, 0.0, 0.0

    def start(self) -> None:
        """A step begins."""
        self._began = self._clock()

    def lap(self, windows: int) -> float:
        """A step over so many windows ends; the throughput so far, to three digits."""
        self._windows += windows
        self._seconds += self._clock() - self._began
        return float(f"{self._windows / max(self._seconds, 1e-9):.3g}")


class Reporter:
    """A progress bar with throughput and the latest numbers; silent when the output is not a terminal."""

    def __init__(self, title: str, total: int, *, done: int = 0, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._progress.add_task(title, total=total, completed=done, numbers="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def step(self, done: int, numbers: Mapping[str, float]) -> None:
        """Show how far the work is and its latest numbers."""
        text = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        self._progress.update(self._task, completed=done, numbers=text)

"""What every command prints: its result, and the next command to type."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

__all__ = ["console", "next_command", "shell_path", "tell", "working"]

console = Console(highlight=False, soft_wrap=True)


def tell(text: str) -> None:
    """Print a line as it is."""
    console.print(text, markup=False, emoji=False)


def next_command(*commands: str) -> None:
    """Print what to type next."""
    for number, command in enumerate(commands):
        console.print(Text.assemble(("next:" if number == 0 else "  or:", "dim"), " ", (command, "bold")))


def shell_path(path: Path | str) -> str:
    """A path as a shell takes it; an address of the hub, which a path holds with one slash, as it was given."""
    text = str(path)
    return shlex.quote(f"hf://{text[4:]}" if isinstance(path, Path) and text.startswith("hf:/") else text)


@contextmanager
def working(title: str, things: str = "") -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, silent when that is no terminal; yields ``update(done, total)``.

    Until the first update, and after one of a total of 0, it shows that work is going on and not how much is left.

    Args:
        title: What is done.
        things: What is counted; names the unit of the rate.
    """
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),  # this very one, also while an exporter is kept from writing to it
        transient=True,
    )
    bar.disable = not bar.console.is_terminal
    with bar:
        task = bar.add_task(title, total=None, rate="")

        def update(done: int, total: int) -> None:
            speed = bar.tasks[task].speed
            bar.update(
                task, completed=done, total=total or None, rate="" if not speed else f"{speed:,.0f} {things}/s".replace(" /", " ")
            )

        yield update

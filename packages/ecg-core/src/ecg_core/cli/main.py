"""Where ``ecg …`` begins."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ecg_core.cli.listing import print_plugins, understood

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code: 0 done, 1 a check failed, 2 bad input, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a sign for "…" or "✓" shows "?" and no traceback
    wanted = understood(words[2:]) if words[:2] == ["plugins", "list"] else None
    if wanted is None:
        from ecg_core.cli.app import run

        run(words)
    try:
        print_plugins(wanted)
        sys.stdout.flush()
    except BrokenPipeError:  # `ecg plugins list | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)

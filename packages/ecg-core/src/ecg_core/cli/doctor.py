"""``ecg doctor``."""

from __future__ import annotations

from rich.text import Text

from ecg_core.cli.output import console, next_command


def doctor() -> None:
    """Is this machine ready, and what is missing for what? Exit code 1 if something is broken."""
    from ecg_core.run.doctor import doctor as diagnose

    marks = {"ok": ("✓", "green"), "note": ("·", "yellow"), "problem": ("✗", "red")}
    found = diagnose()
    for diagnostic in found:
        console.print(Text.assemble(marks[diagnostic.level], " ", diagnostic.message))
    next_command("ecg demo wfdb/")
    if any(d.level == "problem" for d in found):
        raise SystemExit(1)

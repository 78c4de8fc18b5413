"""The ``ecg`` command: built-in words first, then the commands that plugins ship; one sentence per error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError
from rich.console import Console

from ecg_core import __version__
from ecg_core.discovery.registries import COMMANDS
from ecg_core.errors import ECGError, missing_extra

__all__ = ["app", "main"]

# Strings: the module of a command, with torch and pandas behind it, is imported when the command runs.
_BUILT_IN = {
    "doctor": "ecg_core.cli.doctor:doctor",
    "prep": "ecg_core.cli.prep:prep",
    "pretrain": "ecg_core.cli.pretrain:pretrain",
    "finetune": "ecg_core.cli.finetune:finetune",
    "evaluate": "ecg_core.cli.evaluate:evaluate",
    "explain": "ecg_core.cli.explain:explain",
    "predict": "ecg_core.cli.predict:predict",
    "plugins": "ecg_core.cli.plugins:plugins",
}
_SUMMARY = {
    "doctor": "Is this machine ready, and what is missing for what?",
    "prep": "Turn a folder of recordings into a prepared store.",
    "pretrain": "Teach a backbone from unlabelled recordings.",
    "finetune": "Train a classifier on a pre-trained or new backbone.",
    "evaluate": "Score a classifier on held-out patients, with intervals and a report.",
    "explain": "Draw on ECG paper where a model looked.",
    "predict": "Probabilities for recordings the model has never seen.",
    "plugins": "Who is installed, by name.",
}


def app() -> App:
    """The command line with every command, none of them imported."""
    built = App(
        name="ecg",
        help="ECG recordings to a trained, evaluated, explained model. First hour: ecg demo wfdb/",
        version=__version__,
        help_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    for name, target in _BUILT_IN.items():
        built.command(target, name=name, help=_SUMMARY[name])
    for name in COMMANDS.names():
        if name not in _BUILT_IN:
            built.command(COMMANDS.describe(name).target, name=name)
    return built


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code: 0 done, 2 bad input, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or bool(os.environ.get("ECG_DEBUG"))
    words = [w for w in words if w != "--debug"]
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app()(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        _fail(console, str(error) or type(error).__name__, 2)
    except KeyboardInterrupt as error:
        if debug:
            raise
        _fail(console, str(error) or "interrupted", 130)
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if debug or missing is None:
            raise
        _fail(console, str(missing), 2)
    except (ECGError, ValueError, TypeError, OSError, LookupError) as error:
        if debug or not _is_for_users(error):
            raise
        _fail(console, str(error), 2)
    raise SystemExit(0)


def _is_for_users(error: BaseException) -> bool:
    """Whether an error was raised on purpose: ours, a file's, or one of our packages' own argument checks."""
    if isinstance(error, (ECGError, OSError)):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).split(".")[0].startswith("ecg_")


def _fail(console: Console, message: str, code: int) -> NoReturn:
    console.print(f"[bold red]ecg:[/] {_escaped(message)}")
    raise SystemExit(code)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")

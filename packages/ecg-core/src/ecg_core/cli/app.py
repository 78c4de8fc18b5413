"""The ``ecg`` command: built-in words first, then the commands that plugins ship; one sentence per error."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from cyclopts import App, CycloptsError
from rich.console import Console
from rich.text import Text

from ecg_core import __version__
from ecg_core.discovery.index import get_index, matching
from ecg_core.discovery.names import comparison_key, near_names
from ecg_core.discovery.registries import COMMANDS
from ecg_core.discovery.summaries import summary
from ecg_core.discovery.torch_backends import keep_torch_importable
from ecg_core.errors import (
    CollapseWarning,
    ContentWarning,
    ECGError,
    PluginWarning,
    ProvenanceWarning,
    UnknownComponentError,
    missing_extra,
)

__all__ = ["BUILT_IN", "app", "run"]

# Strings: the module of a command, with torch and pandas behind it, is imported when the command runs.
BUILT_IN = {
    "doctor": "ecg_core.cli.doctor:doctor",
    "prep": "ecg_core.cli.prep:prep",
    "pretrain": "ecg_core.cli.pretrain:pretrain",
    "finetune": "ecg_core.cli.finetune:finetune",
    "evaluate": "ecg_core.cli.evaluate:evaluate",
    "explain": "ecg_core.cli.explain:explain",
    "predict": "ecg_core.cli.predict:predict",
    "embed": "ecg_core.cli.embed:embed",
    "export": "ecg_core.cli.export:export",
    "hub": "ecg_core.cli.hub:hub",
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
    "embed": "What an encoder makes of each recording, as numbers.",
    "export": "Write a trained model as one file that runs elsewhere.",
    "hub": "A trained model for others: saved with all that is known of it, put on the hub, fetched.",
    "plugins": "Who is installed, by name.",
}

_FLAGS = ("--help", "-h", "--version")


def app(chosen: str | None = None) -> App:
    """The command line with every command, none of them imported but the one that is chosen.

    A plugin's command can neither take the place of a built-in word nor keep one from working: it is imported only when it
    is asked for.

    Raises:
        UnknownComponentError: Nobody ships the chosen command.
        ComponentLoadError: Its module cannot be imported.
    """
    built = App(
        name="ecg",
        help="ECG recordings to a trained, evaluated, explained model. First hour: ecg demo wfdb/",
        version=__version__,
        help_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    for name, target in BUILT_IN.items():
        built.command(target, name=name, help=_SUMMARY[name])
    for name in filter(_may_be_listed, COMMANDS.names()):
        if name != chosen:
            component = COMMANDS.describe(name)
            built.command(component.target, name=name, help=summary(component) if chosen is None else "")
    if chosen is not None and chosen not in BUILT_IN:
        built.command(_shipped(chosen), name=chosen)
    return built


def _may_be_listed(name: str) -> bool:
    taken = {comparison_key(built_in) for built_in in BUILT_IN}
    return re.fullmatch(r"\w[\w-]*", name) is not None and comparison_key(name) not in taken


def _shipped(name: str) -> Any:
    """The command a plugin ships under this name, imported."""
    near = near_names(name, [*BUILT_IN, *filter(_may_be_listed, COMMANDS.names())])
    shipped = next(matching(get_index().components("commands"), name), None) is not None
    if ":" in name or (_may_be_listed(name) and (shipped or name in COMMANDS)):
        return COMMANDS.get(name)
    hint = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
    raise UnknownComponentError(f"there is no command '{name}'.{hint} All commands: `ecg --help`.")


def run(words: Sequence[str]) -> NoReturn:
    """Run the command that these words are, and leave with its exit code."""
    debug = "--debug" in words or bool(os.environ.get("ECG_DEBUG"))
    words = [w for w in words if w != "--debug"]
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        chosen = next((word for word in words if word not in _FLAGS), None)
        with _told_in_one_line(console):
            if chosen not in (None, "plugins") and not set(_FLAGS) & set(words):
                keep_torch_importable()
            app(chosen)(words, exit_on_error=False, print_error=False, result_action="return_value")
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


@contextmanager
def _told_in_one_line(console: Console) -> Iterator[None]:
    """Warnings that are meant for users, without the file and line of the code that gives them."""
    show = warnings.showwarning

    def tell(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, (CollapseWarning, ContentWarning, PluginWarning, ProvenanceWarning, FutureWarning)):
            console.print(Text.assemble(("ecg:", "bold yellow"), " ", str(message)))
        else:
            show(message, category, *where, **more)

    warnings.showwarning = tell
    try:
        yield
    finally:
        warnings.showwarning = show


def _is_for_users(error: BaseException) -> bool:
    """Whether an error was raised on purpose: ours, a file's, or one of our packages' own argument checks."""
    if isinstance(error, (ECGError, OSError)):
        return True
    if type(error) in (KeyError, IndexError):  # a missing key is no sentence; whoever means it for users subclasses
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).split(".")[0].startswith("ecg_")


def _fail(console: Console, message: str, code: int) -> NoReturn:
    console.print(Text.assemble(("ecg:", "bold red"), " ", message))
    raise SystemExit(code)

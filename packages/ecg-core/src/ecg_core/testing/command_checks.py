"""What every command must satisfy: help without loading anything heavy, words that are explained, no built-in word taken."""

from __future__ import annotations

import inspect
import re

from ecg_core.discovery.names import comparison_key
from ecg_core.testing.checks import applies, check, require
from ecg_core.testing.common_checks import parameters_of
from ecg_core.testing.example import Example
from ecg_core.testing.process import in_a_fresh_process

_HELP = """
import contextlib, io
from ecg_core.cli.app import main
said = io.StringIO()
with contextlib.redirect_stdout(said):
    try:
        main([given, "--help"])
    except SystemExit as error:
        code = error.code
result = code, said.getvalue(), sorted({name.split(".")[0] for name in sys.modules} & {"torch", "numpy", "pandas"})
"""


@check("commands")
def it_can_be_called(example: Example) -> None:
    """It is a function, or an object that can be called."""
    require(callable(example.cls), f"{example.component.target} is a {type(example.cls).__name__}, which cannot be called")


@check("commands")
def the_first_line_of_its_docstring_says_what_it_does(example: Example) -> None:
    """`ecg --help` shows the first line of the docstring."""
    first = (inspect.getdoc(example.cls) or "").split("\n")[0]
    require(first, "it has no docstring, so `ecg --help` has nothing to say about it")
    require(len(first) <= 100, f"the first line of its docstring has {len(first)} characters; a list has room for 100")


@check("commands")
def every_word_is_typed_and_documented(example: Example) -> None:
    """Every parameter has an annotation, from which the command line reads it, and stands in the docstring."""
    applies(inspect.isfunction(example.cls), "it is no plain function, so it parses its own words")
    text, words = inspect.getdoc(example.cls) or "", parameters_of(example.cls)
    untyped = [name for name, p in words.items() if p.annotation is p.empty]
    require(not untyped, f"without an annotation: {', '.join(untyped)}")
    unknown = [name for name in words if not re.search(rf"\b{re.escape(name)}\b", text)]
    require(not unknown, f"not documented: {', '.join(unknown)}; add them to Args in the docstring")


@check("commands")
def help_is_shown_without_anything_heavy(example: Example) -> None:
    """`ecg NAME --help` ends with code 0 and loads neither torch, NumPy nor pandas."""
    code, said, heavy = in_a_fresh_process(_HELP, example.component.name)
    require(code in (0, None), f"`ecg {example.component.name} --help` ends with code {code}")
    require(said.strip(), f"`ecg {example.component.name} --help` says nothing")
    require(not heavy, f"`ecg {example.component.name} --help` loads {', '.join(heavy)}; import them inside it")


@check("commands")
def no_built_in_word_is_taken(example: Example) -> None:
    """A built-in command would always win, and this one could never be reached."""
    built_in = in_a_fresh_process("from ecg_core.cli.app import _BUILT_IN\nresult = sorted(_BUILT_IN)", None)
    taken = [word for word in built_in if comparison_key(word) == comparison_key(example.component.name)]
    require(not taken, f"'{example.component.name}' is a word of ecg itself; choose another name")

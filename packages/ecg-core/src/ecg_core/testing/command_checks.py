"""What every command must satisfy: help without loading anything heavy, words that are explained, no built-in word taken."""

from __future__ import annotations

import inspect
import re
from functools import lru_cache

from ecg_core.testing.checks import applies, check, require
from ecg_core.testing.common_checks import parameters_of
from ecg_core.testing.example import Example
from ecg_core.testing.process import in_a_fresh_process

_HELP = """
import contextlib, io, runpy
said, code = io.StringIO(), 0
sys.argv = ["ecg", given, "--help"]
with contextlib.redirect_stdout(said):
    try:
        runpy.run_module("ecg_core", run_name="__main__")
    except SystemExit as error:
        code = error.code
result = code, said.getvalue(), sorted({name.split(".")[0] for name in sys.modules} & {"torch", "numpy", "pandas"})
"""


@lru_cache(maxsize=16)
def _help(name: str) -> tuple[int | None, str, list[str]]:
    """Exit code and text of `ecg NAME --help` in a fresh process, and what heavy packages it loaded."""
    code, said, heavy = in_a_fresh_process(_HELP, name)
    return code, said, heavy


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
    code, said, heavy = _help(example.component.name)
    require(code in (0, None), f"`ecg {example.component.name} --help` ends with code {code}")
    require(said.strip(), f"`ecg {example.component.name} --help` says nothing")
    require(not heavy, f"`ecg {example.component.name} --help` loads {', '.join(heavy)}; import them inside it")


@check("commands")
def no_built_in_word_is_taken(example: Example) -> None:
    """`ecg NAME` is this command and no other: a built-in word always wins, and this one could never be reached."""
    applies(inspect.isfunction(example.cls), "it is no plain function, whose help is its docstring")
    first, said = ((inspect.getdoc(example.cls) or "").split("\n")[0], _help(example.component.name)[1])
    shown = " ".join(first.split())[:40] in " ".join(said.split())
    require(shown, f"'{example.component.name}' is a word of ecg itself, or of another package; choose another name")

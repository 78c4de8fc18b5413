"""Commands: a sound one, and the ways to break it. Light, as the module of a command should be."""

from __future__ import annotations

from ecg_kit_toys.table import EVERYTHING, broken, healthy


@healthy("commands")
def greet(name: str = "heart") -> None:
    """Say hello.

    Args:
        name: To whom.
    """


class _Text(str):
    """Something that an entry point names and nobody can call."""


text = _Text("hello")
text.__module__, text.__qualname__ = __name__, "text"
broken("commands", "it_can_be_called", "which cannot be called", EVERYTHING)(text)


@broken("commands", "the_first_line_of_its_docstring_says_what_it_does", "has nothing to say about it")
def silent() -> None:
    pass


@broken("commands", "every_word_is_typed_and_documented", "without an annotation: who")
def untyped(who=1) -> None:
    """Say hello to who."""


@broken("commands", "no_built_in_word_is_taken", "'doctor' is a word of ecg itself", EVERYTHING)
def doctor() -> None:
    """Say hello."""

"""Markdown and YAML of a model card: tables, code and front matter from plain values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["code", "front_matter", "interval", "table"]


def front_matter(facts: Mapping[str, str | Sequence[str] | None]) -> list[str]:
    """The YAML between ``---`` that the hub reads; what is ``None`` or empty is left out. JSON's strings are YAML's."""
    lines = ["---"]
    for word, value in facts.items():
        if not value:
            continue
        if isinstance(value, str):
            lines.append(f"{word}: {json.dumps(value, ensure_ascii=False)}")
        else:
            lines += [f"{word}:", *(f"- {json.dumps(one, ensure_ascii=False)}" for one in value)]
    return [*lines, "---"]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table; a bar in a cell does not end it."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]


def code(language: str, *lines: str) -> list[str]:
    """A block of code."""
    return [f"```{language}", *lines, "```"]


def interval(number: Mapping[str, Any] | None, digits: int = 3) -> str:
    """A stored number with its interval, ``0.912 (0.880 to 0.940)``; what is undefined says so."""
    if number is None or number.get("value") is None:
        return "undefined"
    value, low, high = (number.get(word) for word in ("value", "low", "high"))
    text = f"{value:.{digits}f}"
    return text if low is None or high is None else f"{text} ({low:.{digits}f} to {high:.{digits}f})"

"""What the README shows, taken out of it, so that the tests run what a stranger reads."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str = "") -> list[str]:
    """Every fenced block of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def readme_files(prefix: str) -> dict[str, str]:
    """Files shown as `` `path` `` followed by a block."""
    shown = re.findall(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    return {name: text for name, text in shown if name.startswith(prefix)}


def commands(word: str) -> list[str]:
    """Every line of a block that begins with a word, without its comment."""
    lines = (line.split(" #")[0].rstrip() for block in blocks() for line in block.splitlines())
    return [line for line in lines if line.startswith(word + " ")]

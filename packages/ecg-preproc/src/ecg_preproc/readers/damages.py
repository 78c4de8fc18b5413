"""Damages: what may happen to a file of a small data set, for the contract kit; each says by which word it must be refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["edited", "flipped", "shortened"]


def edited(file: str, old: str, new: str, *, cut: tuple[str, int] | None = None) -> Callable[[Path], str]:
    """``old`` in a text becomes ``new``; with ``cut``, another file keeps only so many bytes."""

    def damage(folder: Path) -> str:
        if cut is not None:
            (folder / cut[0]).write_bytes((folder / cut[0]).read_bytes()[: cut[1]])
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return path.stem

    return damage


def shortened(file: str, count: int) -> Callable[[Path], str]:
    """The last ``count`` bytes of a file are gone."""

    def damage(folder: Path) -> str:
        path = folder / file
        path.write_bytes(path.read_bytes()[:-count])
        return path.name

    return damage


def flipped(file: str, *, place: int = 100) -> Callable[[Path], str]:
    """One bit of a file is another."""

    def damage(folder: Path) -> str:
        path = folder / file
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(bytes(content))
        return path.stem

    return damage

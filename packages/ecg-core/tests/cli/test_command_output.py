"""What commands print: results as they are, and a next command that a shell takes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.cli.output import next_command, shell_path, tell, working


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("runs/dx", "runs/dx"),
        ("my runs/dx", "'my runs/dx'"),
        ("it's/dx", "'it'\"'\"'s/dx'"),
        ("a$HOME;b", "'a$HOME;b'"),
        (Path("x(1)"), "'x(1)'"),
        (Path("hf://owner/name@v1"), "hf://owner/name@v1"),
    ],
)
def test_a_path_is_quoted_where_a_shell_needs_it(path: Path | str, typed: str) -> None:
    assert shell_path(path) == typed


@given(st.text(min_size=1))
def test_a_shell_reads_every_path_back(path: str) -> None:
    assert shlex.split(shell_path(path)) == [path]


def test_the_next_command_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = "ecg explain 'my [bold] runs' -o x.png", "ecg predict a:heart:b \\[x]"
    next_command(first, second)
    assert capsys.readouterr().out == f"next: {first}\n  or: {second}\n"


def test_a_result_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[red]" + 200 * "x" + ":heart: \\[y]"
    tell(text)
    assert capsys.readouterr().out == text + "\n"


def test_progress_is_silent_when_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with working("prepare") as update:
        update(1, 2)
    assert capsys.readouterr() == ("", "")

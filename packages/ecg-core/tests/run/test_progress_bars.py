"""Bars where a command takes its time: seen on a terminal, and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

from ecg_core.cli.main import main
from ecg_core.cli.output import working
from ecg_core.run.scoring.evaluate import evaluate


class Screen(io.StringIO):
    """A standard error that says whether somebody watches."""

    def __init__(self, watched: bool) -> None:
        super().__init__()
        self.watched = watched

    def isatty(self) -> bool:
        return self.watched


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch):
    """Run a command before a screen; what stands on it."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)

    def show(*words: object, watched: bool) -> str:
        there = Screen(watched)
        monkeypatch.setattr(sys, "stderr", there)
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        assert left.value.code == 0, there.getvalue()
        return there.getvalue()

    return show


@pytest.mark.parametrize("command", ["evaluate", "explain", "export", "hub", "prep", "overview"])
def test_a_command_that_takes_its_time_shows_so_on_a_terminal_only(command, screen, finetuned, store, recordings, tmp_path):
    (tmp_path / "none.json").write_text("[]")
    run = finetuned() if command not in ("prep", "overview") else None
    words = {
        "evaluate": ("evaluate", run, "--no-floors", "--repeats", 5),
        "explain": ("explain", run, recordings / "r01", "--reader", "numpy", "--force", "-o", tmp_path / "r01.png"),
        "export": ("export", run, "--to", "torch", "--force"),
        "hub": ("hub", "save", run, tmp_path / "saved", "--force"),
        "prep": ("prep", store.path, "--verify"),
        "overview": (
            "prep", recordings, tmp_path / "again", "--fs", 50, "--seconds", 2, "--leads", "I,II", "--reader", "numpy", "--force",
            "--pipeline", tmp_path / "none.json",
        ),
    }[command]  # fmt: skip
    title = {"hub": "save", "prep": "verify"}.get(command, command)
    assert title in screen(*words, watched=True)
    assert screen(*words, watched=False) == ""


def test_evaluate_tells_of_the_windows_it_scores_and_then_that_only_statistics_are_left(finetuned):
    told: list[tuple[int, int]] = []
    evaluate(finetuned(), repeats=5, floors=False, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 12), (0, 12), (0, 0)]


def test_a_bar_of_a_total_of_nothing_goes_on_without_one(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    there = Screen(True)
    monkeypatch.setattr(sys, "stderr", there)
    with working("count", "things") as progress:
        progress(2, 4)
        progress(0, 0)
    assert "count" in there.getvalue()
    assert "0/?" in there.getvalue()

"""Commands of strangers: listed, run, and never able to lock anyone out."""

from __future__ import annotations

import sys

import pytest

from ecg_core.cli import app as module
from ecg_core.discovery.registries import COMMANDS

HELLO = 'def run(name: str = "you"):\n    """Say hello."""\n    print("hello", name)\n'
BROKEN = 'raise RuntimeError("boom")\n'
BUILT_IN = ("doctor", "prep", "pretrain", "finetune", "evaluate", "explain", "predict", "embed", "export", "hub", "plugins")


def test_a_command_of_a_plugin_is_listed_with_its_first_line_and_runs(ecg, ship) -> None:
    ship("ecg-x", {"hello": "ecg_x_hello:run"}, ecg_x_hello=HELLO)
    said = ecg("--help")
    assert said.code == 0
    assert "Say hello" in said.out
    assert "ecg_x_hello" not in sys.modules  # listing imports nothing
    assert ecg("hello").out == "hello you\n"
    assert ecg("hello", "--name", "world").out == "hello world\n"
    said = ecg("hello", "--nme", "world")
    assert (said.code, said.error) == (2, "ecg: Unknown option: --nme. Did you mean --name?\n")
    assert "Say hello" in ecg("hello", "--help").out


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (BROKEN, "RuntimeError: boom"),
        ("def other():\n    pass\n", "AttributeError"),
        ("import ecg_x_absent\n", "ModuleNotFoundError"),
        ("raise SystemExit(0)\n", "SystemExit: 0"),
        ("def run(:\n", "SyntaxError"),
    ],
)
def test_a_broken_command_says_whose_it_is_and_disturbs_no_other(ecg, ship, source: str, cause: str) -> None:
    ship("ecg-x", {"broken": "ecg_x_broken:run", "hello": "ecg_x_hello:run"}, ecg_x_broken=source, ecg_x_hello=HELLO)
    assert "broken" in ecg("--help").out
    for words in (("broken",), ("broken", "--help"), ("broken", "x")):
        said = ecg(*words)
        assert said.code == 2
        assert said.error.startswith("ecg: commands 'broken' from ecg-x 0.3.1 (ecg_x_broken:run) failed to import")
        assert cause in said.error
        assert said.error.count("\n") == 1
    assert ecg("hello").code == 0
    for name in BUILT_IN:
        assert ecg(name, "--help").code == 0


@pytest.mark.parametrize(("typed", "meant"), [("evaluat", "evaluate"), ("helo", "hello"), ("doktor", "doctor")])
def test_a_mistyped_command_is_corrected_without_importing_any(ecg, ship, typed: str, meant: str) -> None:
    ship("ecg-x", {"broken": "ecg_x_broken:run", "hello": "ecg_x_hello:run"}, ecg_x_broken=BROKEN, ecg_x_hello=HELLO)
    said = ecg(typed)
    assert said.code == 2
    assert said.error.startswith(f"ecg: there is no command '{typed}'. Did you mean '{meant}'")
    assert said.error.endswith("All commands: `ecg --help`.\n")


@pytest.mark.parametrize("typed", ["--hlp", "--", "-x", "qqqqqq", "[bold]", ""])
def test_what_is_no_command_at_all_is_refused_in_one_line(ecg, ship, typed: str) -> None:
    ship("ecg-x", {"broken": "ecg_x_broken:run"}, ecg_x_broken=BROKEN)
    said = ecg(typed)
    assert said.code == 2
    assert said.error.startswith(f"ecg: there is no command '{typed}'.")
    assert said.error.count("\n") == 1


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("--version",), ()])
def test_help_and_version_import_nobody(ecg, ship, words: tuple[str, ...]) -> None:
    ship("ecg-x", {"broken": "ecg_x_broken:run"}, ecg_x_broken=BROKEN)
    said = ecg(*words)
    assert (said.code, said.error) == (0, "")


def test_help_in_front_of_a_command_is_about_that_command(ecg, ship) -> None:
    ship("ecg-x", {"broken": "ecg_x_broken:run"}, ecg_x_broken=BROKEN)
    assert "RuntimeError: boom" in ecg("--help", "broken").error
    assert "there is no command 'qqq'" in ecg("--help", "qqq").error
    assert "prepared store" in ecg("--help", "prep").out


@pytest.mark.parametrize("name", ["doctor", "Doctor", "pre-train", "plugins", "--help", "-h", "--version", "a b", "--debug"])
def test_no_plugin_can_take_the_place_of_a_built_in_word(ecg, ship, name: str) -> None:
    ship("ecg-x", {name: "ecg_x_hello:run"}, ecg_x_hello="def run():\n    raise SystemExit(77)\n")
    assert "Is this machine ready" in ecg("--help").out
    assert ecg("--version").out.strip() == module.__version__
    assert "Is this machine ready" in ecg("doctor", "--help").out
    assert "List every component" in ecg("plugins", "--help").out
    assert ecg(name).code != 77
    assert "ecg_x_hello" not in sys.modules


def test_a_hidden_command_is_reached_by_its_full_name(ecg, ship) -> None:
    ship("ecg-x", {"doctor": "ecg_x_hello:run"}, ecg_x_hello=HELLO)
    assert ecg("ecg-x:doctor", "--name", "world").out == "hello world\n"
    said = ecg("ecg-x:absent")
    assert (said.code, "no command named 'ecg-x:absent'" in said.error) == (2, True)


def test_a_command_that_two_strangers_ship_is_refused_with_both_full_names(ecg, ship) -> None:
    ship("ecg-x", {"hello": "ecg_x_hello:run"}, ecg_x_hello=HELLO)
    ship("ecg-y", {"hello": "ecg_x_hello:run"})
    assert ecg("--help").code == 0
    said = ecg("hello")
    assert said.code == 2
    assert "ecg-x:hello" in said.error
    assert "ecg-y:hello" in said.error
    assert ecg("ecg-y:hello").out == "hello you\n"


def test_a_command_whose_module_is_not_there_says_so(ecg, ship) -> None:
    ship("ecg-x", {"hello": "ecg_x_nowhere:run"})
    assert "hello" not in ecg("--help").out
    said = ecg("hello")
    assert (said.code, "module ecg_x_nowhere is not found; reinstall ecg-x" in said.error) == (2, True)


def test_a_command_registered_in_this_process_runs(ecg) -> None:
    with COMMANDS.isolated():

        @COMMANDS.register("greet")
        def greet(name: str = "you") -> None:
            """Greet."""
            print("greetings", name)

        assert "greet" in ecg("--help").out
        assert ecg("greet", "world").out == "greetings world\n"

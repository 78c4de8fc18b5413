"""``ecg plugins list``, ``info`` and ``check``: what they say, and what they say when the words are wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ecg_core.cli.listing import Wanted, understood
from ecg_core.discovery.registries import BACKBONES

NET = '''
"""A network.

Somebody, "On networks", Journal 1999.
"""

class Net:
    """One layer.

    Args:
        width: Channels.

    Shape:
        ``(batch, leads, samples)`` to ``(batch, width)``
    """

    def __init__(self, width: int = 8, *, deep: bool) -> None:
        self.width = width
'''.lstrip()
LATE = """
from ecg_core import hookimpl

@hookimpl
def ecg_register_components(register):
    register("losses", "late", "ecg_x_net:Net")
"""


def test_the_list_understands_its_plain_words_and_leaves_the_rest_to_the_parser():
    assert understood([]) == Wanted()
    assert understood(["--json", "--kind", "ssl"]) == Wanted("ssl", as_json=True)
    for words in (["--kind"], ["--kind", "sls"], ["--kind=ssl"], ["--help"], ["--all"], ["x"], ["--jsn"]):
        assert understood(words) is None


@pytest.mark.parametrize("words", [(), ("--json",), ("--kind", "heads"), ("--kind", "heads", "--json")])
def test_both_ways_to_the_list_print_the_same(ecg, words):
    quick = ecg("plugins", "list", *words)
    parsed = ecg("--debug", "plugins", "list", *words)  # anything in front goes through the parser
    assert (parsed.code, parsed.out) == (quick.code, quick.out)


def test_a_wrong_word_for_the_list_is_corrected(ecg):
    said = ecg("plugins", "list", "--kind", "backbone")
    assert said.code == 2
    assert "backbones" in said.error
    said = ecg("plugins", "lst")
    assert said.code == 2
    assert "list" in said.error


def test_a_reader_who_stops_reading_is_no_error():
    words = [
        sys.executable,
        "-c",
        "import sys; sys.stdout.write(''); from ecg_core.cli.main import main; main(['plugins', 'list'])",
    ]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["plugins", "list"], ["doctor"], ["plugins", "check", "ecg-core"]])
def test_a_terminal_that_knows_few_signs_gets_question_marks_and_no_traceback(words):
    pytest.importorskip("torch")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "40"}
    done = subprocess.run(
        [sys.executable, "-m", "ecg_core", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout


def test_what_a_stranger_writes_cannot_steer_the_terminal(ecg, ship):
    ship("ecg-x", "[ecg_core.losses]\nnet = ecg_x_net:Net\n", ecg_x_net='class Net:\n    """Red \\x1b[31malert."""\n')
    assert "\x1b" not in ecg("plugins", "list").out


def test_names_registered_at_run_time_are_listed_on_demand(ecg, ship):
    ship("ecg-x", "[ecg_core.plugins]\nhooks = ecg_x_hooks\n", ecg_x_hooks=LATE, ecg_x_net=NET)
    assert not any(line.startswith("late ") for line in ecg("plugins", "list").out.splitlines())
    assert "ecg_x_hooks" not in sys.modules
    said = ecg("plugins", "list", "--all")
    assert any(line.startswith("late ") and "ecg-x 0.3.1" in line and "One layer" in line for line in said.out.splitlines())
    listed = json.loads(ecg("plugins", "list", "--all", "--json").out)["run_time"]
    assert [c for c in listed if c["qualified"].startswith("ecg-x:")] == [
        {"qualified": "ecg-x:late", "kind": "losses", "target": "ecg_x_net:Net", "status": "ok"}
    ]


def test_info_shows_everything_about_a_component(ecg, ship):
    folder = ship("ecg-x", "[ecg_core.losses]\nnet = ecg_x_net:Net\n", ecg_x_net=NET)
    said = ecg("plugins", "info", "net")
    assert said.code == 0
    shown = [" ".join(line.split()) for line in said.out.splitlines()]
    assert shown[0] == "net(width=8, deep)"
    for line in (
        "kind loss",
        "provider ecg-x 0.3.1",
        "full name ecg-x:net",
        "target ecg_x_net:Net",
        f"source {folder / 'ecg_x_net.py'}:6",
        'paper Somebody, "On networks", Journal 1999.',
        "shapes ``(batch, leads, samples)`` to ``(batch, width)``",
        "width int default 8",
        "deep bool required",
    ):
        assert line in shown
    assert said.out.index("One layer.") < said.out.index("arguments")


def test_info_of_a_variant_shows_its_own_defaults(ecg):
    pytest.importorskip("ecg_backbones")
    said = ecg("plugins", "info", "ecg-backbones:vit_tiny", "--json")
    (facts,) = json.loads(said.out)["components"]
    defaults = {p["name"]: p["default"] for p in facts["parameters"]}
    assert defaults["width"] == repr(BACKBONES.get("vit_tiny").defaults["width"])
    assert facts["paper"].count("ICLR 2021") + facts["paper"].count("2024") >= 1


def test_info_of_a_name_that_is_installed_imports_no_hook_module(ecg, ship):
    ship(
        "ecg-x", "[ecg_core.plugins]\nh = ecg_x_hooks\n[ecg_core.losses]\nnet = ecg_x_net:Net\n", ecg_x_hooks=LATE, ecg_x_net=NET
    )
    assert ecg("plugins", "info", "net").code == 0
    assert "ecg_x_hooks" not in sys.modules
    assert "full name  ecg-x:late" in ecg("plugins", "info", "late").out  # only a hook knows this one


def test_info_of_a_component_that_cannot_be_imported_says_why(ecg, ship):
    ship("ecg-x", "[ecg_core.losses]\nnet = ecg_x_net:Net\n", ecg_x_net="raise RuntimeError('boom')\n")
    said = ecg("plugins", "info", "net")
    assert said.code == 0
    assert "not imported  RuntimeError: boom" in said.out


def test_info_of_a_broken_entry_says_what_is_wrong_with_it(ecg, ship):
    ship("ecg-x", "[ecg_core.losses]\nnet = ecg_x_gone:Net\n")
    assert "missing: module ecg_x_gone is not found; reinstall ecg-x" in ecg("plugins", "info", "net").out


def test_info_of_a_package_imports_nothing(ecg, ship):
    ship("ecg-x", "[ecg_core.plugins]\nh = ecg_x_net\n[ecg_core.losses]\nnet = ecg_x_net:Net\n", ecg_x_net=NET)
    said = ecg("plugins", "info", "ECG_X")
    for text in ("ecg-x 0.3.1", "file:///src/x", ">=0.1,<0.2", "net (loss, ecg_x_net:Net)", "h (hooks, ecg_x_net)"):
        assert text in said.out
    assert "ecg_x_net" not in sys.modules


def test_info_of_a_name_that_a_package_and_a_component_share_shows_both(ecg, ship):
    ship("ecg-x", "[ecg_core.losses]\necg_x = ecg_x_net:Net\n", ecg_x_net=NET)
    for name in ("ecg-x", "ecg_x"):
        said = ecg("plugins", "info", name)
        assert "full name  ecg-x:ecg_x" in said.out
        assert said.out.index("ecg_x(width=8, deep)") < said.out.index("ecg-x 0.3.1\n  location")
    found = json.loads(ecg("plugins", "info", "ecg-x", "--json").out)
    assert (found["package"]["name"], found["components"][0]["component"]["name"]) == ("ecg-x", "ecg_x")


def test_info_shows_a_name_of_several_kinds_once_for_each(ecg, ship):
    ship("ecg-x", "[ecg_core.losses]\nnet = ecg_x_net:Net\n[ecg_core.schedulers]\nnet = ecg_x_net:Net\n", ecg_x_net=NET)
    assert ecg("plugins", "info", "net").out.count("full name") == 2
    assert ecg("plugins", "info", "net", "--kind", "losses").out.count("full name") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("resnt18",), "ecg: no component or package named 'resnt18'. Did you mean 'resnet18'"),
        (("ecg-sll",), "ecg: no component or package named 'ecg-sll'. Did you mean 'ecg-ssl'"),
        (("simclr", "--kind", "backbones"), "ecg: no backbone named 'simclr'."),
        (("ecg-ssl:resnet18",), "ecg: no component or package named 'ecg-ssl:resnet18'."),
    ],
)
def test_info_of_something_unknown_is_one_line_with_what_is_near(ecg, words, said):
    pytest.importorskip("ecg_ssl")
    done = ecg("plugins", "info", *words)
    assert done.code == 2
    assert done.error.startswith(said)
    assert done.error.count("\n") == 1


def test_check_is_silent_about_a_sound_package_and_leaves_with_zero(ecg, ship):
    ship("ecg-x", "[ecg_core.losses]\nnet = ecg_x_net:Net\n", ecg_x_net=NET)
    said = ecg("plugins", "check", "ecg-x")
    assert said.code == 0, said
    assert said.out.splitlines()[0].startswith("✓ ecg-x 0.3.1  1 component, 0 hook modules, ")
    assert said.out.splitlines()[1] == "1 of 1 packages are sound"


def test_check_tells_what_each_part_does_wrong_and_leaves_with_one(ecg, ship):
    entry_points = "[ecg_core.plugins]\nh = ecg_x_hooks\n[ecg_core.losses]\nlost = ecg_x_gone:Net\nnet = ecg_x_net:Net\n"
    hooks = (
        "from ecg_core import Alias, hookimpl\n\n@hookimpl\ndef ecg_aliases():\n"
        '    yield Alias("losses", "older", "net", since="0.1", remove_in="0.3")\n'
    )
    ship("ecg-x", entry_points, ecg_x_hooks=hooks, ecg_x_net="import random\nrandom.random()\nprint('hi')\n" + NET)
    said = ecg("plugins", "check", "ecg-x")
    assert said.code == 1
    for line in (
        "losses:lost  missing: module ecg_x_gone is not found; reinstall ecg-x",
        "plugins:h  hooks: the old name 'older' was to go away in 0.3, and this is 0.3.1; remove the alias",
        "losses:net  noise: importing it prints 'hi'; a library is silent",
        "losses:net  changes: importing it changes Python's random state",
    ):
        assert f"    {line}\n" in said.out
    found = json.loads(ecg("plugins", "check", "ecg-x", "--json").out)
    (package,) = found["packages"]
    assert (found["schema"], package["failed"]) == (1, True)
    assert {f["cause"] for f in package["findings"]} == {"missing", "hooks", "noise", "changes"}
    assert {p["what"]: p["outcome"] for p in package["probes"]} == {"plugins:h": "ok", "losses:net": "ok"}


def test_check_of_something_unknown_or_for_no_time_is_one_line(ecg):
    said = ecg("plugins", "check", "ecg-croe")
    assert (said.code, said.error.count("\n")) == (2, 1)
    assert said.error.startswith(
        "ecg: no installed distribution 'ecg-croe' ships components. Did you mean 'ecg-core'? Those that do: "
    )
    said = ecg("plugins", "check", "--timeout", "0")
    assert (said.code, said.error) == (2, "ecg: --timeout expects a positive number of seconds, got 0\n")

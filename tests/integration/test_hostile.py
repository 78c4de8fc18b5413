"""With the worst neighbours installed all at once, the list works, the check names each cause, and ours build as ever."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)

BUILD_ALL = """
from ecg_core import BACKBONES, Backbone  # before torch: see docs/adr/0013
from ecg_core.discovery.index import get_index
from ecg_core.discovery.kinds import FIRST_PARTY
from ecg_core.discovery.registry import registry_of
from ecg_core.testing.kit import Example

import torch

given = {
    "heads": lambda example: {"classes": 3},
    "ssl": lambda example: {"backbone": BACKBONES.build(example.backbones[0], in_leads=example.leads)},
    "optimizers": lambda example: {"params": [torch.nn.Parameter(torch.zeros(1))]},
}
built = 0
for component in (c for c in get_index().components() if c.provider in FIRST_PARTY):
    registry = registry_of(component.kind)
    # By its plain name: nobody has taken it over.
    assert registry.get(component.name) is registry.get(component.qualified)
    if component.kind != "commands":  # building a command would run it
        example = Example.of(component)
        more = given.get(component.kind, lambda example: {})(example)
        registry.build({"name": component.name, **example.arguments}, **more)
    built += 1
print(built)
"""
REVERSED = "import sys; sys.path.reverse(); from ecg_core.cli.main import main; main(['plugins', 'list', '--json'])"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every bad neighbour in it."""
    return hostile.settle(tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def run(site: Path):
    """Run Python with the neighbours on the path."""

    def python(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment}
        return subprocess.run([sys.executable, *map(str, words)], env=env, capture_output=True, text=True, check=False)

    return python


def test_the_list_shows_everybody_and_ends_well(run) -> None:
    for words in (("plugins", "list"), ("plugins", "list", "--json"), ("plugins", "list", "--kind", "backbones"), ("--help",)):
        done = run("-m", "ecg_core", *words)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    shown = run("-m", "ecg_core", "plugins", "list").stdout
    for name in ("resnet18", "raising", "sleeping", "crashing", "twin", "future", "lost"):
        assert f"\n{name} " in shown
    assert "\nold " not in shown  # what the leftover metadata of an older version advertised


def test_the_check_names_the_cause_of_each(run) -> None:
    done = run("-m", "ecg_core", "plugins", "check", "--timeout", "3")
    assert done.returncode == 1, done.stderr
    missed = {key: it.cause for key, it in hostile.NEIGHBOURS.items() if it.cause not in done.stdout}
    assert missed == {}, done.stdout
    for name in ("ecg-core", "ecg-backbones", "ecg-preproc", "ecg-ssl"):
        assert f"✓ {name} " in done.stdout


def test_ctrl_c_ends_a_check_at_once_and_leaves_no_process_behind(tmp_path: Path) -> None:
    site = hostile.settle(tmp_path / "site")
    (site / "ecg_sleeps.py").write_text(
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nwhile True:\n    time.sleep(60)\n",
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "ecg_core", "plugins", "check", "ecg-sleeps"]
    # What a shell starts in the background ignores Ctrl-C, and so would everything these tests start from there.
    hears = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    check = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=hears)
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    check.send_signal(signal.SIGINT)
    _, said = check.communicate(timeout=30)
    assert (check.returncode, said) == (130, "ecg: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_check_of_one_package_leaves_the_others_alone(run) -> None:
    assert run("-m", "ecg_core", "plugins", "check", "ecg-core").returncode == 0
    done = run("-m", "ecg_core", "plugins", "check", "ecg-raises", "--json")
    assert done.returncode == 1
    (package,) = json.loads(done.stdout)["packages"]
    assert [(f["where"], f["cause"]) for f in package["findings"]] == [("backbones:raising", "exception")]


def test_every_component_of_ours_still_builds(run) -> None:
    done = run("-c", BUILD_ALL)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 28


def test_a_miss_survives_the_hook_modules_and_says_what_is_near(run) -> None:
    done = run("-W", "ignore", "-c", "from ecg_core import BACKBONES; BACKBONES.get('resnet81')")
    assert "UnknownComponentError: no backbone named 'resnet81'. Did you mean 'resnet18'" in done.stderr


def test_the_doctor_tells_of_them_and_ends_with_one(run) -> None:
    done = run("-m", "ecg_core", "doctor")
    assert done.returncode == 1, done.stderr
    assert "ecg-misspells 1.0: hook module ecg_misspells is left out" in done.stdout
    assert "torch looks for no device backends of other packages" in done.stderr  # or `import torch` itself would raise


def test_the_list_is_the_same_bytes_for_any_path_order_and_hash_seed(run) -> None:
    words = ("-m", "ecg_core", "plugins", "list", "--json")
    printed = {run(*words, PYTHONHASHSEED=seed).stdout for seed in ("0", "1", "2", "3", "4294967295")}
    printed.add(run("-c", REVERSED).stdout)
    assert len(printed) == 1
    assert json.loads(printed.pop())["schema"] == 2


def test_strict_mode_refuses_to_go_on(run) -> None:
    code = "from ecg_core import BACKBONES; BACKBONES.build('resnet18')"
    done = run("-c", code, ECG_PLUGINS_STRICT="1")
    assert "PluginError: ECG_PLUGINS_STRICT is set, and " in done.stderr
    # Whoever only looks must still see what is wrong.
    looks = ("plugins list", "plugins list --kind=heads", "plugins info resnet18", "plugins check ecg-core", "--help")
    for words in looks:
        looked = run("-m", "ecg_core", *words.split(), ECG_PLUGINS_STRICT="1")
        assert looked.returncode == 0, looked.stderr
        assert "ECG_PLUGINS_STRICT" not in looked.stderr


def test_the_block_list_leaves_a_quiet_house(run) -> None:
    done = run("-c", "from ecg_core import BACKBONES; print(BACKBONES.names())", ECG_PLUGINS="")
    assert "twin" not in done.stdout
    assert "resnet18" in done.stdout

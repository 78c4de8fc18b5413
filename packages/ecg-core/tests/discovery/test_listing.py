"""What ``ecg plugins list`` loads and prints: nothing heavy, everything whole, the same bytes everywhere."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest
from pluggy import HookimplMarker

import ecg_core
from ecg_core.cli.plugins import Kind
from ecg_core.discovery.index import get_index
from ecg_core.discovery.kinds import KINDS
from ecg_core.discovery.registries import COMMANDS
from ecg_core.discovery.registry import Registry

HEAVY = ("torch", "numpy", "pandas", "scipy", "matplotlib")
REPORT = f"import sys; print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
COMMAND = "from ecg_core.cli.main import main\ntry: main({words})\nexcept SystemExit as e: assert not e.code, e.code\n"


@pytest.mark.parametrize("package", ["ecg_core", "ecg_backbones", "ecg_preproc", "ecg_ssl"])
def test_importing_a_package_loads_nothing_heavy(python, package):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    done = python("-c", f"import {package}; dir({package}); {REPORT}")
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    "words", [["plugins", "list"], ["plugins", "list", "--json"], ["--help"], ["plugins", "--help"], ["--version"]]
)
def test_a_command_that_lists_loads_nothing_heavy(python, words):
    done = python("-c", COMMAND.format(words=words) + REPORT)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "[]\n"
    assert done.stdout


def test_no_plugin_code_runs_while_listing_however_hostile(python, site):
    hostile = "import os; os._exit(9)\n"
    site.install("ecg-x", "[ecg_core.backbones]\nboom = ecg_x.model:TCN\n", {"ecg_x/model.py": hostile})
    (site.folder / "ecg_x" / "__init__.py").write_text(hostile)
    (site.folder / "torch.py").write_text(hostile)
    for words in (["plugins", "list"], ["--help"]):
        done = python("-m", "ecg_core", *words, path=(site.folder,))
        assert done.returncode == 0, done.stderr
    done = python("-m", "ecg_core", "plugins", "list", path=(site.folder,))
    assert "boom" in done.stdout
    assert "resnet18" in done.stdout


def test_the_json_is_the_same_bytes_for_any_path_order_and_hash_seed(python, site, tmp_path):
    site.install("ecg-tcn")
    other = type(site)(tmp_path / "other", site.prepend)
    other.install("ecg-x", "[ecg_core.backbones]\nresnet18 = ecg_tcn.model:TCN\ntcn = ecg_tcn.model:TCN\nb = nowhere:B\n", {})
    other.install("ecg-x-broken", b"[ecg_core.backbones]\nbad = caf\xe9:X\n", {})
    site.install("ecg-x-also", b"[ecg_core.backbones]\nbad = caf\xe9:X\n", {})
    both = (site.folder, other.folder)
    printed = [
        python("-m", "ecg_core", "plugins", "list", "--json", path=path, PYTHONHASHSEED=seed).stdout
        for path, seed in ((both, "0"), (both[::-1], "0"), (both, "1"), (both[::-1], "4294967295"))
    ]
    assert len(set(printed)) == 1
    found = json.loads(printed[0])
    assert [p["name"] for p in found["plugins"]][-2:] == ["ecg-tcn", "ecg-x"]
    assert len(found["problems"]) == 2


def test_the_json_of_one_kind_holds_that_kind_only(python):
    found = json.loads(python("-m", "ecg_core", "plugins", "list", "--json", "--kind", "losses").stdout)
    assert {c["kind"] for p in found["plugins"] for c in p["components"]} == {"losses"}


@pytest.mark.parametrize("columns", ["10", "20", "40", "60", "80", "120", "300"])
def test_names_providers_and_complaints_are_whole_in_any_terminal(python, site, columns):
    long = "a_network_with_a_name_that_fills_half_a_terminal"
    site.install("ecg-x", f"[ecg_core.backbones]\n{long} = ecg_tcn.model:TCN\nlost = ecg_x_nowhere.deep.inside:Model\n")
    done = python("-m", "ecg_core", "plugins", "list", path=(site.folder,), COLUMNS=columns)
    assert done.returncode == 0
    printed = done.stdout.splitlines()
    for component in (c for c in get_index(refresh=True).components() if c.status in ("ok", "missing")):
        line = next(x for x in printed if x.split(" ")[0] == component.name and component.provider in x)
        assert f" {component.provider} {component.version}" in line
    (lost,) = (x for x in printed if x.startswith("lost "))
    assert lost.endswith("missing: module ecg_x_nowhere.deep.inside is not found; reinstall ecg-x")


def test_a_summary_fits_the_terminal_and_square_brackets_and_colons_are_printed_as_they_are(python, site):
    docs = '"""Pools the [CLS] token :heart: [red]quickly[/], """\n'
    site.install("ecg-x", "[ecg_core.backbones]\ntoy = ecg_x.model:TCN\n", {"ecg_x/model.py": f"class TCN:\n    {docs}"})
    wide = python("-m", "ecg_core", "plugins", "list", path=(site.folder,), COLUMNS="200").stdout
    assert "Pools the [CLS] token :heart: [red]quickly[/]," in wide
    narrow = python("-m", "ecg_core", "plugins", "list", path=(site.folder,), COLUMNS="72").stdout
    (line,) = (x for x in narrow.splitlines() if x.startswith("toy "))
    assert len(line) == 72
    assert line.endswith("…")


def test_a_variants_summary_is_its_modules_and_a_broken_source_has_none(site):
    from ecg_core.discovery.summaries import summary

    source = '"""Networks of many sizes.\n\nMore."""\nclass A:\n    pass\nsmall: object = A()\nlarge = A()\n'
    entry_points = "[ecg_core.backbones]\nsmall = ecg_x.m:small\nlarge = ecg_x.m:large\nplain = ecg_x.m:A\nbroken = ecg_x.b:A\n"
    site.install("ecg-x", entry_points, {"ecg_x/m.py": source, "ecg_x/b.py": "class A(:\n"})
    found = {c.name: summary(c) for c in site.refresh().plugins["ecg-x"].components}
    assert found == {"small": "Networks of many sizes", "large": "Networks of many sizes", "plain": "", "broken": ""}


def test_the_kinds_of_the_command_line_of_the_index_and_of_the_registries_are_the_same():
    assert Kind.__args__ == KINDS
    assert set(Registry._all) == set(KINDS)


def test_a_plugin_command_cannot_replace_a_built_in_one(python, site):
    site.install(
        "ecg-x",
        "[ecg_core.commands]\nplugins = ecg_x.c:run\nhello = ecg_x.c:run\n",
        {"ecg_x/c.py": "def run():\n    print('hi')\n"},
    )
    assert "resnet18" in python("-m", "ecg_core", "plugins", "list", path=(site.folder,)).stdout
    assert python("-m", "ecg_core", "hello", path=(site.folder,)).stdout.startswith("hi\n")


def test_every_name_in_the_commands_of_this_installation_resolves():
    assert [COMMANDS.get(name).__name__ for name in COMMANDS.names()] == COMMANDS.names()


@pytest.mark.parametrize("name", ecg_core.__all__)
def test_a_public_name_resolves(name):
    pytest.importorskip("torch")
    value = getattr(ecg_core, name)
    assert value is getattr(ecg_core, name)
    assert value.__name__ == name if hasattr(value, "__name__") else isinstance(value, (Registry, HookimplMarker))


def test_public_names_are_those_a_type_checker_sees():
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(ecg_core))
    (block,) = (n for n in tree.body if isinstance(n, ast.If))
    seen = {(f"{a.name}", n.module) for n in block.body for a in n.names}
    assert seen == {(name, f"ecg_core.{module}") for name, module in ecg_core._MODULE.items()}


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ecg_core' has no attribute 'Trainer'"):
        ecg_core.Trainer


@pytest.mark.parametrize("package", ["discovery", "config"])
def test_the_ground_floor_imports_nothing_heavy(python, package):
    found = importlib.import_module(f"ecg_core.{package}")
    modules = [f"ecg_core.{package}.{m.name}" for m in pkgutil.iter_modules(found.__path__)]
    assert modules
    assert python("-c", f"import {', '.join(modules)}; {REPORT}").stderr == "[]\n"

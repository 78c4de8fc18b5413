"""``ecg plugins new``: what it writes is complete, clean and named as asked; what it cannot do is one sentence."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ecg_core import __version__
from ecg_core.errors import ConfigError
from ecg_core.templates.kinds import KINDS
from ecg_core.templates.names import Names
from ecg_core.templates.package_files import core_range, package_files

LONG = "ecg-quite-a-long-name-for-a-package-of-mine"
GROUPS = {
    "backbone": "backbones", "ssl": "ssl", "transform": "transforms", "reader": "readers", "model": "models",
    "command": "commands",
}  # fmt: skip


def _made(given: str, kind: str) -> dict[str, str]:
    return package_files(Names.of(given, KINDS[kind].group), KINDS[kind])


@pytest.mark.parametrize("kind", list(GROUPS))
def test_a_package_has_every_file_a_stranger_expects(ecg, tmp_path: Path, kind: str) -> None:
    assert ecg("plugins", "new", f"my-{kind}", "--kind", kind, "--out", tmp_path).code == 0
    folder = tmp_path / f"my-{kind}"
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert found == {
        "pyproject.toml", "README.md", "LICENSE", ".gitignore", ".github/workflows/test.yml", "tests/test_conformance.py",
        f"src/my_{kind}/__init__.py", f"src/my_{kind}/{KINDS[kind].module}.py", f"src/my_{kind}/py.typed",
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(GROUPS))
def test_its_entry_point_leads_to_what_its_module_defines(kind: str) -> None:
    made = _made("ecg-my-thing", kind)
    project = tomllib.loads(made["pyproject.toml"])["project"]
    assert project["name"] == "ecg-my-thing"
    assert project["description"]
    assert project["license"] == "MIT"
    ((group, entries),) = project["entry-points"].items()
    assert group == f"ecg_core.{GROUPS[kind]}"
    ((name, target),) = entries.items()
    module, _, attribute = target.partition(":")
    assert (name, module) == ("my_thing", f"ecg_my_thing.{KINDS[kind].module}")
    tree = ast.parse(made[f"src/{module.replace('.', '/')}.py"])
    defined = [n for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef)) and n.name == attribute]
    assert len(defined) == 1
    assert ast.get_docstring(defined[0])
    assert attribute == ("run" if kind == "command" else "MyThing")


@pytest.mark.parametrize("kind", list(GROUPS))
def test_it_asks_for_the_running_minor_version_of_every_package_of_ours(kind: str) -> None:
    project = tomllib.loads(_made("my-thing", kind)["pyproject.toml"])["project"]
    ours = [d for d in (*project["dependencies"], *project["optional-dependencies"]["test"]) if d.startswith("ecg-")]
    assert any(d.startswith("ecg-core") for d in project["dependencies"])
    assert all(d.endswith(core_range(__version__)) for d in ours)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.1.0", ">=0.1,<0.2"), ("0.9.3", ">=0.9,<0.10"), ("1.4.0", ">=1.4,<2"), ("0.2.0.dev1", ">=0.2,<0.3")],
)
def test_the_range_ends_where_compatibility_may_end(version: str, expected: str) -> None:
    assert core_range(version) == expected


@pytest.mark.parametrize("kind", list(GROUPS))
def test_no_placeholder_is_left_and_python_compiles(kind: str) -> None:
    for path, text in _made("my-thing", kind).items():
        assert not re.search(r"\$(?!\{\{ matrix)", text), f"{path} holds a placeholder"
        assert text == "" or text.endswith("\n")
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")
@pytest.mark.parametrize("given", ["a", "my-thing", LONG])
def test_ruff_finds_nothing_with_its_default_settings(tmp_path: Path, given: str) -> None:
    for kind in GROUPS:
        for path, text in _made(given, kind).items():
            file = tmp_path / kind / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    for words in (["check"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--isolated", "--no-cache", str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "distribution", "package", "name", "class_name"),
    [
        ("my-backbone", "my-backbone", "my_backbone", "my_backbone", "MyBackbone"),
        ("ecg-my-net", "ecg-my-net", "ecg_my_net", "my_net", "MyNet"),
        ("My_Net.2", "my-net-2", "my_net_2", "my_net_2", "MyNet2"),
        ("ecg-tcn9", "ecg-tcn9", "ecg_tcn9", "tcn9", "Tcn9"),
        ("ecg-select", "ecg-select", "ecg_select", "select", "Select"),
        ("ecg-backbone", "ecg-backbone", "ecg_backbone", "backbone", "EcgBackbone"),  # Backbone is what it derives from
        ("ecg-exception", "ecg-exception", "ecg_exception", "exception", "EcgException"),
    ],
)
def test_all_names_follow_from_the_given_one(given: str, distribution: str, package: str, name: str, class_name: str) -> None:
    assert Names.of(given, "backbones") == Names(distribution, package, name, class_name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "'' cannot name a package; expected letters, digits and hyphens, a letter first, such as my-backbone"),
        ("1d-net", "'1d-net' cannot name a package; expected letters"),
        ("my net", "'my net' cannot name a package; expected letters"),
        ("../evil", "'../evil' cannot name a package; expected letters"),
        ("/tmp/x", "'/tmp/x' cannot name a package; expected letters"),
        ("nëtz", "'nëtz' cannot name a package; expected letters"),
        ("-net", "'-net' cannot name a package; expected letters"),
        ("ecg-", "'ecg-' cannot name a package; expected letters"),
        ("ecg-2", "'ecg-2' cannot name a package; expected letters"),
        ("class", "'class' cannot name a package, because 'class' is a word of Python's; add a word to it"),
        ("ecg-lambda", "because 'lambda' is a word of Python's"),
        ("signal", "'signal' cannot name a package, because 'signal' is a word of Python's"),
        ("resnet18", "ecg-backbones already ships one of backbones called 'resnet18'; choose another name"),
        ("ecg-ResNet-18", "ecg-backbones already ships one of backbones called 'resnet_18'"),
        ("ecg-ssl", "a package called 'ecg-ssl' is already installed; choose another name"),
        ("numpy", "a package called 'numpy' is already installed; choose another name"),
        ("ecg-core", "a package called 'ecg-core' is already installed"),
        ("dateutil", "an installed package already has a module 'dateutil'"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_in_a_sentence(given: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Names.of(given, "backbones")


def test_a_name_is_taken_only_within_its_kind() -> None:
    assert Names.of("ecg-resnet18", "transforms").name == "resnet18"


def test_what_a_stranger_already_ships_is_taken_too(ecg, ship, tmp_path: Path) -> None:
    ship("ecg-x", {"hello": "ecg_x_hello:run"}, ecg_x_hello="def run():\n    pass\n")
    said = ecg("plugins", "new", "ecg-hello", "--kind", "command", "--out", tmp_path / "out")
    assert (said.code, said.error) == (2, "ecg: ecg-x already ships one of commands called 'hello'; choose another name\n")
    assert not (tmp_path / "out").exists()


def test_a_command_cannot_take_a_word_of_ours(ecg, tmp_path: Path) -> None:
    said = ecg("plugins", "new", "ecg-doctor", "--kind", "command", "--out", tmp_path)
    assert said.code == 2
    assert said.error.startswith("ecg: 'doctor' is a word of ecg itself, so a command of that name could never run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["folder", "file", "broken link"])
def test_nothing_is_overwritten(ecg, tmp_path: Path, there: str) -> None:
    target = tmp_path / "my-net"
    if there == "folder":
        target.mkdir()
    elif there == "file":
        target.write_text("mine", encoding="utf-8")
    else:
        target.symlink_to(tmp_path / "absent")
    said = ecg("plugins", "new", "my-net", "--out", tmp_path)
    assert said.code == 2
    assert said.error == f"ecg: {target} is already there, and nothing is overwritten; choose another name or --out\n"
    assert [path.name for path in tmp_path.iterdir()] == ["my-net"]
    assert there != "folder" or not list(target.iterdir())
    assert there != "file" or target.read_text(encoding="utf-8") == "mine"


def test_an_unknown_kind_is_refused_with_the_known_ones(ecg, tmp_path: Path) -> None:
    said = ecg("plugins", "new", "my-net", "--kind", "backbon", "--out", tmp_path)
    assert said.code == 2
    assert "backbon" in said.error
    assert "reader" in said.error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", list(GROUPS))
def test_it_says_what_to_type_next(ecg, tmp_path: Path, kind: str) -> None:
    said = ecg("plugins", "new", "ecg-my-thing", "--kind", kind, "--out", tmp_path)
    lines = [line.removeprefix("next:").strip() for line in said.out.splitlines()[1:]]
    assert lines[:4] == [
        f"cd {tmp_path}/ecg-my-thing", 'pip install -e ".[test]"', f"ecg plugins list --kind {GROUPS[kind]}", "pytest",
    ]  # fmt: skip
    assert "my_thing" in lines[-1] or "my-thing" in lines[-1]
    assert lines[-1] in (tmp_path / "ecg-my-thing" / "README.md").read_text(encoding="utf-8")


def test_writing_a_package_loads_neither_torch_nor_numpy(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from ecg_core.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as left: assert not left.code, left.code\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code, "plugins", "new", "my-net", "--out", str(tmp_path)], check=True)
    assert (tmp_path / "my-net").is_dir()

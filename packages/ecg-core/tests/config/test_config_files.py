"""Configuration files: three formats, one meaning; what is wrong with one is said with file, line and column."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.config import files
from ecg_core.config.files import load_config, parse_json, save_config
from ecg_core.errors import ConfigError, MissingExtraError

yaml = pytest.importorskip("yaml")

CONFIG = {
    "name": "simclr",
    "temperature": 1e-3,
    "hidden": 64,
    "backbone": {"kind": "backbones", "name": "ecg-tcn:tcn", "widths": [8, 16], "causal": True},
    "augment": [{"name": "random_crop", "seconds": 5.0}, "gaussian_noise"],
}
TOML = """
name = "simclr"
temperature = 1e-3
hidden = 64
augment = [{name = "random_crop", seconds = 5.0}, "gaussian_noise"]

[backbone]
kind = "backbones"
name = "ecg-tcn:tcn"
widths = [8, 16]
causal = true
"""
YAML = """
name: simclr            # a comment
temperature: 1e-3
hidden: 64
backbone: {kind: backbones, name: "ecg-tcn:tcn", widths: [8, 16], causal: true}
augment:
  - name: random_crop
    seconds: 5.0
  - gaussian_noise
"""


def write(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refused(folder: Path, name: str, text: str | bytes) -> str:
    """What is said about a file, with the folder left out."""
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, name, text))
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(("name", "text"), [("a.json", json.dumps(CONFIG)), ("a.toml", TOML), ("a.yaml", YAML), ("A.YML", YAML)])
def test_every_format_says_the_same(tmp_path, name, text):
    found = load_config(str(write(tmp_path, name, text)))
    assert found == CONFIG
    assert type(found["temperature"]) is float
    assert load_config(write(tmp_path, name, b"\xef\xbb\xbf" + text.encode())) == CONFIG  # as some editors begin a file


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.yml"])
def test_what_is_saved_is_loaded_the_same(tmp_path, name):
    save_config(tmp_path / name, CONFIG)
    assert load_config(tmp_path / name) == CONFIG
    assert list(load_config(tmp_path / name)) == list(CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == [name]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    max_leaves=10,
)


@settings(deadline=None)
@given(config=st.dictionaries(st.text(), VALUES))
def test_whatever_can_be_saved_comes_back(tmp_path_factory, config):
    for name in ("a.json", "a.yaml"):
        file = tmp_path_factory.mktemp("saved") / name
        save_config(file, config)
        assert load_config(file) == config


@pytest.mark.parametrize("text", ["1e-3", "1E5", "-2e+3", "+1.5e-3", "6.02e23", "1.e-3"])
def test_a_number_with_an_exponent_is_a_number_in_yaml_too(tmp_path, text):
    assert load_config(write(tmp_path, "a.yaml", f"rate: {text}\n")) == {"rate": float(text)}


def test_words_that_look_a_little_like_numbers_stay_words(tmp_path):
    assert load_config(write(tmp_path, "a.yaml", "a: e3\nb: 1e\nc: v1e5\n")) == {"a": "e3", "b": "1e", "c": "v1e5"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"name": "x",\n "width": }', "a.json:2:11: not JSON (Expecting value)"),
        ("a.json", "", "a.json:1:1: not JSON (Expecting value)"),
        ("a.toml", 'name = "x"\nwidth = = 3\n', "a.toml:2:9: not TOML (Invalid value)"),
        ("a.toml", 'name = "x', "a.toml"),
        ("a.yaml", "name: x\nwidth: [1, 2\n", "a.yaml:3:1: not YAML (expected ',' or ']', but got '<stream end>')"),
        ("a.yaml", "a: b: c\n", "a.yaml:1:5: "),
        ("a.yaml", "a: \x07\n", "a.yaml: not YAML ("),
        ("a.yaml", "a: 1\n---\nb: 2\n", "a.yaml:2:1: not YAML (but found another document)"),
        ("a.json", b'{"name": "\xff"}', "a.json is not UTF-8 text (invalid start byte at byte 10)"),
        # no mapping
        ("a.json", "[1]", 'a.json holds a list, a configuration is a mapping such as {"name": "resnet18", …}'),
        ("a.yaml", "", "a.yaml holds nothing, a configuration is a mapping"),
        ("a.yaml", "resnet18", "a.yaml holds text, a configuration is a mapping"),
        ("a.json", "3", "a.json holds a number, "),
        # twice
        ("a.json", '{"a": {"b": 1, "b": 2}}', "a.json: the key 'b' stands twice in one mapping; keep one of them"),
        ("a.yaml", "a:\n  b: 1\n  b: 2\n", "a.yaml:3:3: the key 'b' stands twice in one mapping; keep one of them"),
        ("a.toml", "a = 1\na = 2\n", "a.toml:2:"),
        # what JSON cannot say
        ("a.json", '{"a": NaN}', "a.json: NaN is no JSON number; use null or a large one"),
        ("a.json", '{"a": [1e999]}', "a.json.a[0]: inf cannot be written to a configuration"),
        ("a.toml", "a = {b = inf}\n", "a.toml.a.b: inf cannot be written to a configuration"),
        ("a.yaml", "a: .nan\n", "a.yaml.a: nan cannot be written to a configuration"),
        ("a.toml", "a = 2026-01-02\n", "a.toml.a: date cannot be written to a configuration; put it in quotes"),
        ("a.yaml", "a: 2026-01-02\n", "a.yaml.a: date cannot be written to a configuration; put it in quotes"),
        ("a.yaml", "a: 2026-99-99\n", "a.yaml: not YAML (month must be in 1..12)"),
        ("a.yaml", "3: x\n", "a.yaml: the key 3 is int, keys of a configuration are strings; put it in quotes"),
        ("a.yaml", "on: x\n", "a.yaml: the key True is bool, keys of a configuration are strings; put it in quotes"),
        ("a.yaml", "[a]: x\n", "a.yaml:1:1: a key is a word, not a list or a mapping"),
        # what only YAML can say
        ("a.yaml", "a: &x [1]\nb: *x\n", "a.yaml:2:4: an alias (*) cannot stand in a configuration; write the values out"),
        ("a.yaml", "a: &x [*x]\n", "a.yaml:1:8: an alias (*) cannot stand in a configuration"),
        ("a.yaml", "a: !!set {x}\n", "a.yaml:1:4: the tag tag:yaml.org,2002:set cannot stand in a configuration"),
        ("a.yaml", "a: !env HOME\n", "a.yaml:1:4: the tag !env cannot stand in a configuration, which names components and"),
        ("a.json", '{"a":' * 100_000 + "1" + "}" * 100_000, "a.json is nested too deeply to be a configuration"),
        ("a.yaml", "[" * 100_000 + "]" * 100_000, "a.yaml is nested too deeply to be a configuration"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_in_words(tmp_path, name, text, message):
    assert refused(tmp_path, name, text).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch made']",
        "a: !!python/object/new:subprocess.Popen [['touch', 'made']]",
        "!!python/object/apply:pathlib.Path.touch [made]",
        "a: !!python/name:os.system ''",
        "? !!python/object/apply:os.system ['touch made']\n: 1",
        "- {b: [!!python/module:antigravity ]}",
    ],
)
def test_no_tag_of_yaml_executes_anything(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    assert "cannot stand in a configuration, which names components and never Python objects" in refused(tmp_path, "a.yaml", text)
    assert [p.name for p in tmp_path.iterdir()] == ["a.yaml"]


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no configuration file .*a\.json"):
        load_config(tmp_path / "a.json")
    (tmp_path / "b.toml").mkdir()
    with pytest.raises(ConfigError, match=r"b\.toml cannot be read \(Is a directory\)"):
        load_config(tmp_path / "b.toml")


@pytest.mark.parametrize("name", ["config", "config.ini", "config.json.bak", ".json"])
def test_a_file_of_another_suffix_is_refused_by_both(tmp_path, name):
    message = r"is no configuration file by its name; it must end in \.json, \.toml, \.yaml, \.yml"
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, name, "{}"))
    with pytest.raises(ConfigError, match=message):
        save_config(tmp_path / name, {})


def test_toml_is_not_written_and_says_what_to_write(tmp_path):
    with pytest.raises(ConfigError, match=r"TOML is read but not written, since it has no null; save it as a\.json"):
        save_config(tmp_path / "a.toml", CONFIG)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_saved_leaves_the_old_file_as_it_was(tmp_path):
    save_config(tmp_path / "a.json", CONFIG)
    for wrong, message in (({"a": [float("nan")]}, r"a\.json\.a\[0\]: nan"), ({"a": object()}, r"a\.json\.a: object cannot")):
        with pytest.raises(ConfigError, match=message):
            save_config(tmp_path / "a.json", wrong)
    with pytest.raises(ConfigError, match="a configuration is a mapping, got a list; write a component with"):
        save_config(tmp_path / "a.json", [1])
    assert load_config(tmp_path / "a.json") == CONFIG


def test_yaml_without_pyyaml_gives_the_install_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "ecg_core.config.yaml", raising=False)
    monkeypatch.delattr(sys.modules["ecg_core.config"], "yaml", raising=False)
    line = r"YAML files need PyYAML, which is not installed: pip install 'ecg-core\[yaml\]'"
    for use in (lambda: load_config(write(tmp_path, "a.yaml", "a: 1")), lambda: save_config(tmp_path / "b.yml", {})):
        with pytest.raises(MissingExtraError, match=line):
            use()
    save_config(tmp_path / "a.json", {"a": 1})
    assert load_config(tmp_path / "a.json") == {"a": 1}


def test_json_on_its_own_is_read_with_the_same_care():
    assert parse_json('{"a": 1}', "x") == {"a": 1}
    with pytest.raises(ConfigError, match=r"^x:1:2: not JSON \(.*\)!$"):
        parse_json("{", "x", hint="!")


def test_reading_configurations_loads_neither_torch_nor_numpy_nor_pandas(tmp_path):
    file = write(tmp_path, "a.json", "{}")
    code = (
        f"import sys, ecg_core; ecg_core.load_config({str(file)!r}); ecg_core.save_config({str(tmp_path / 'b.json')!r}, {{}});"
        "print([m for m in ('torch', 'numpy', 'pandas', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_suffixes_are_those_the_command_line_knows():
    assert files.SUFFIXES == (".json", ".toml", ".yaml", ".yml")

"""A component on the command line: a name, JSON, or a file that holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecg_core.cli.spec import component, components, pipeline
from ecg_core.discovery.registries import SCHEDULERS
from ecg_core.errors import ConfigError

TEXTS = {
    "net.json": '{"name": "resnet18", "widths": [8, 16]}',
    "net.toml": 'name = "resnet18"\nwidths = [8, 16]\n',
    "net.yaml": "name: resnet18\nwidths: [8, 16]\n",
    "NET.YML": "name: resnet18\nwidths:\n  - 8\n  - 16\n",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_name_stays_a_name() -> None:
    assert component("st_mem") == "st_mem"
    assert component("ecg-tcn:tcn") == "ecg-tcn:tcn"


def test_json_becomes_a_configuration() -> None:
    assert component(' {"name": "resnet18", "widths": [8, 16]}') == {"name": "resnet18", "widths": [8, 16]}


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_is_what_it_holds(here: Path, name: str) -> None:
    if name.lower().endswith((".yaml", ".yml")):
        pytest.importorskip("yaml")
    (here / name).write_text(TEXTS[name], encoding="utf-8")
    assert component(name) == component(str(here / name)) == {"name": "resnet18", "widths": [8, 16]}


def test_a_word_with_the_suffix_of_a_configuration_is_a_file_even_if_it_is_not_there() -> None:
    with pytest.raises(ConfigError, match="there is no configuration file resnet18.json"):
        component("resnet18.json")


def test_a_file_that_is_called_like_a_component_does_not_hide_it(here: Path) -> None:
    (here / "resnet18").write_text(TEXTS["net.json"], encoding="utf-8")
    assert component("resnet18") == "resnet18"


def test_a_file_without_a_name_is_refused(here: Path) -> None:
    (here / "card.json").write_text('{"kind": "backbones", "config": {"name": "resnet18"}}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"card\.json names no component; it needs a 'name'"):
        component("card.json")


@pytest.mark.parametrize("text", ["{", "{name: resnet18}", "{'name': 'resnet18'}", '{"name": "a"} x'])
def test_what_begins_like_json_and_is_none_is_refused_with_the_form_it_should_have(text: str) -> None:
    with pytest.raises(ConfigError, match=r'\d: not JSON \(.+\); write a name or \{"name": …, …\}') as caught:
        component(text)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": "a", "name": "b"}', "the key 'name' stands twice"),
        ('{"name": "a", "rate": NaN}', "NaN is no JSON number"),
        ('{"name": "a", "rate": 1e999}', "rate: inf cannot be written to a configuration"),
    ],
)
def test_json_that_would_be_misread_in_silence_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        component(text)


def test_json_without_a_name_is_refused_where_it_is_built() -> None:
    with pytest.raises(ConfigError, match="schedulers: expected a name or a mapping with a 'name', got {'warmup': 0.5}"):
        SCHEDULERS.build(component('{"warmup": 0.5}'))


def test_several_components_are_names_a_list_or_a_file(here: Path) -> None:
    chain = [{"name": "random_crop", "seconds": 5.0}, "gaussian_noise"]
    assert components("") == []
    assert components("random_crop,ecg-x:noise,") == ["random_crop", "ecg-x:noise"]
    assert components('[{"name": "random_crop", "seconds": 5.0}, "gaussian_noise"]') == chain
    assert components('{"name": "random_crop", "seconds": 5.0}') == chain[:1]
    (here / "views.json").write_text('[{"name": "random_crop", "seconds": 5.0}, "gaussian_noise"]', encoding="utf-8")
    assert components("views.json") == chain


def test_a_pipeline_in_toml_is_an_array_of_tables(here: Path) -> None:
    text = '[[transforms]]\nname = "bandpass"\nlow = 0.5\n\n[[transforms]]\nname = "resample"\nfs = 250.0\n'
    (here / "p.toml").write_text(text, encoding="utf-8")
    assert pipeline(here / "p.toml") == [{"name": "bandpass", "low": 0.5}, {"name": "resample", "fs": 250.0}]


def test_a_pipeline_that_is_no_list_is_refused(here: Path) -> None:
    (here / "p.json").write_text('{"name": "bandpass"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"p\.json holds dict, a pipeline is a list of transforms"):
        pipeline(here / "p.json")

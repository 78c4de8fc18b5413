"""A component on the command line: a name, or JSON."""

from __future__ import annotations

import pytest

from ecg_core.cli.spec import component
from ecg_core.discovery.registries import SCHEDULERS
from ecg_core.errors import ConfigError


def test_a_name_stays_a_name() -> None:
    assert component("st_mem") == "st_mem"
    assert component("ecg-tcn:tcn") == "ecg-tcn:tcn"


def test_json_becomes_a_configuration() -> None:
    assert component(' {"name": "resnet18", "widths": [8, 16]}') == {"name": "resnet18", "widths": [8, 16]}


@pytest.mark.parametrize("text", ["{", "{name: resnet18}", "{'name': 'resnet18'}", '{"name": "a"} x'])
def test_what_begins_like_json_and_is_none_is_refused_with_the_form_it_should_have(text: str) -> None:
    with pytest.raises(ConfigError, match=r'is not JSON \(.+\); write a name or \{"name": …, …\}') as caught:
        component(text)
    assert str(caught.value).startswith(text)


def test_json_without_a_name_is_refused_where_it_is_built() -> None:
    with pytest.raises(ConfigError, match="schedulers: expected a name or a mapping with a 'name', got {'warmup': 0.5}"):
        SCHEDULERS.build(component('{"warmup": 0.5}'))

"""Doctor: what is there, what is missing for what, and what is broken."""

from __future__ import annotations

import builtins
from types import MappingProxyType

import pytest

from ecg_core.discovery.index import Component, Plugin, PluginIndex
from ecg_core.run import doctor as module
from ecg_core.run.doctor import doctor


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch):
    """Make the doctor see these plugins."""

    def see(*plugins: Plugin, problems: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        found = PluginIndex(MappingProxyType({p.name: p for p in plugins}), problems)
        monkeypatch.setattr("ecg_core.discovery.index._cached", found)
        return [(d.level, d.message) for d in doctor()]

    return see


def _plugin(name: str, *components: Component) -> Plugin:
    return Plugin(name, "0.3.1", "/site", components=components)


def test_packages_of_ours_that_are_absent_come_with_their_install_line(index) -> None:
    said = index(_plugin("ecg-ssl", Component("ssl", "simclr", "a:B", "ecg-ssl", "0.3.1")))
    assert ("ok", "ecg-ssl 0.3.1: 1 components") in said
    assert ("note", "ecg-preproc is not installed: pip install ecg-preproc") in said


def test_a_sick_component_and_a_damaged_package_are_problems(index) -> None:
    sick = Component("backbones", "tcn", "ecg_tcn:TCN", "ecg-tcn", "0.3.1", "missing", "module ecg_tcn is not found")
    said = index(_plugin("ecg-tcn", sick), problems=("ecg-x: its entry points cannot be read",))
    problems = [message for level, message in said if level == "problem"]
    assert problems == ["ecg-tcn:tcn (backbones): missing, module ecg_tcn is not found", "ecg-x: its entry points cannot be read"]


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("matplotlib", "matplotlib is not installed, needed for pictures: pip install 'ecg-core[plots]'"),
        ("torch", "torch is not installed, needed for training: pip install 'ecg-core[torch]'"),
        ("pyarrow", "pyarrow is not installed, needed for Parquet tables: pip install 'pyarrow'"),
        (
            "pytorch_optimizer",
            "pytorch_optimizer is not installed, needed for the optimizers LAMB and LARS: pip install 'ecg-core[optimizers]'",
        ),
    ],
)
def test_an_optional_package_that_is_absent_is_a_note_with_its_purpose(
    index, monkeypatch: pytest.MonkeyPatch, package: str, line: str
) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None if name == package else object())
    assert ("note", line) in index()


def test_a_torch_that_cannot_be_imported_is_a_problem_and_not_a_crash(index, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def broken(name: str, *words, **more):
        if name == "torch":
            raise OSError("libcudart.so.12: cannot open shared object file")
        return real(name, *words, **more)

    monkeypatch.setattr(builtins, "__import__", broken)
    problems = [message for level, message in index() if level == "problem"]
    assert problems == [
        "torch cannot be imported (libcudart.so.12: cannot open shared object file); "
        "install it again: pip install 'ecg-core[torch]'"
    ]


def test_gpus_are_named_and_their_absence_is_no_problem(index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert any(level == "note" and message.startswith("no GPU; training uses") for level, message in index())
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda number: "Some GPU")
    assert ("ok", "2 GPU: Some GPU") in index()

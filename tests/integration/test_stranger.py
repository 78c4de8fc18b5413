"""The README's plugin, installed by pip as a package of its own, goes the whole road without any change here."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("readme", Path(__file__).with_name("readme.py"))
_readme = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_readme)
readme_files = _readme.readme_files


@pytest.fixture(scope="module")
def site(installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the README's ``ecg-tiny`` was installed."""
    source = tmp_path_factory.mktemp("source")
    for name, text in readme_files("ecg-tiny/").items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    return installed(source / "ecg-tiny")


@pytest.fixture
def stranger(python, site: Path):
    """Run Python with the stranger's package on the path."""
    return functools.partial(python, site)


def test_it_is_listed_with_its_provider(stranger) -> None:
    index = json.loads(stranger("-m", "ecg_core", "plugins", "list", "--json", "--kind", "backbones").stdout)
    shipped = {c["name"]: (p["name"], p["version"], c["status"]) for p in index["plugins"] for c in p["components"]}
    assert shipped["tiny"] == ("ecg-tiny", "0.1.0", "ok")


def test_it_is_pretrained_finetuned_evaluated_and_explained(stranger, store: Path, wfdb_folder: Path, tmp_path: Path) -> None:
    ecg = ("-m", "ecg_core")
    stranger(
        *ecg,
        "pretrain",
        store,
        "--method",
        "simclr",
        "--backbone",
        "tiny",
        "--epochs",
        1,
        "--batch-size",
        8,
        "--out",
        tmp_path / "s",
    )
    words = ("--from", tmp_path / "s", "--target", "dx", "--mode", "linear", "--epochs", 3)
    stranger(*ecg, "finetune", store, *words, "--out", tmp_path / "f")
    stranger(*ecg, "evaluate", tmp_path / "f", "--html", tmp_path / "report.html")
    stranger(*ecg, "explain", tmp_path / "f", wfdb_folder / "r00002", "-o", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    card = json.loads((tmp_path / "f" / "model.json").read_text(encoding="utf-8"))
    assert {"kind": "backbones", "name": "tiny", "provider": "ecg-tiny", "version": "0.1.0", "target": "ecg_tiny:Tiny"} in card[
        "provenance"
    ]


def test_it_passes_the_contract_kit_with_one_line(stranger, site: Path, tmp_path: Path) -> None:
    test = tmp_path / "test_it.py"
    test.write_text('from ecg_core.testing import conformance\n\ntest_conformance = conformance("ecg-tiny")\n', encoding="utf-8")
    done = stranger("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path, test)
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_a_model_whose_package_is_gone_gives_the_install_line(
    stranger, ecg, store: Path, wfdb_folder: Path, tmp_path: Path
) -> None:
    words = ("--backbone", "tiny", "--target", "dx", "--mode", "linear", "--epochs", 1)
    stranger("-m", "ecg_core", "finetune", store, *words, "--out", tmp_path / "f")
    said = ecg("predict", tmp_path / "f", wfdb_folder)  # this process does not have the stranger's package
    assert said.code == 2
    assert "built with ecg-tiny 0.1.0, which is not installed: pip install 'ecg-tiny>=0.1,<0.2'" in said.error

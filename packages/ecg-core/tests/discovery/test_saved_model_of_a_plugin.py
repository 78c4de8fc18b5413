"""A stranger's model, saved with one version of its package and loaded with others: the whole way, weights included."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import CheckpointError, ProvenanceWarning, UnknownComponentError
from ecg_core.run.card import SignalContract, save_model
from ecg_core.run.load import load

MODEL = '''
from torch import nn
from ecg_core import Backbone, Stage

class TCN(Backbone):
    """One strided convolution."""

    def __init__(self, *, in_leads=None, {word}=4):
        super().__init__()
        self.in_leads = in_leads
        self.stages = (Stage({word}, 4),)
        self.conv = nn.Conv1d(in_leads, {word}, 4, stride=4)

    def forward_intermediates(self, x):
        return [self.conv(x)]
'''
HOOKS = """
from ecg_core import hookimpl

@hookimpl
def ecg_migrate_config(kind, name, config, from_version):
    if "width" in config:
        return {("channels" if word == "width" else word): value for word, value in config.items()}
"""
ENTRIES = "[ecg_core.backbones]\ntcn = ecg_tcn.model:TCN\n"
SIGNAL = SignalContract(100.0, ("I", "II"), 64, ())


def install(site, version: str, word: str, *, migrates: bool) -> None:
    """``ecg-tcn`` in a version whose argument has this name, in place of any other."""
    uninstall(site)
    entries = ENTRIES + ("[ecg_core.plugins]\nhooks = ecg_tcn.hooks\n" if migrates else "")
    site.install(
        "ecg-tcn", entries, {"ecg_tcn/model.py": MODEL.replace("{word}", word), "ecg_tcn/hooks.py": HOOKS}, version=version
    )
    site.refresh()


def uninstall(site) -> None:
    for path in site.folder.glob("ecg_tcn*"):
        shutil.rmtree(path)
    for name in [n for n in sys.modules if n.split(".")[0] == "ecg_tcn"]:
        del sys.modules[name]
    site.refresh()


@pytest.fixture
def card(site, tmp_path: Path) -> Path:
    """Saved with version 0.3.1, whose argument is called ``width``."""
    install(site, "0.3.1", "width", migrates=False)
    torch.manual_seed(0)
    return save_model(tmp_path, "backbone", BACKBONES.build("tcn", in_leads=2, width=6), kind="backbones", signal=SIGNAL)


@pytest.fixture
def expected(card: Path) -> torch.Tensor:
    """What the model said then."""
    return load(card).module(X)


X = torch.linspace(-1, 1, 2 * 64).reshape(1, 2, 64)


def test_a_newer_version_that_renamed_an_argument_says_what_the_old_one_said(site, card, expected):
    install(site, "0.5.0", "channels", migrates=True)
    before = card.read_bytes()
    with pytest.warns(
        ProvenanceWarning, match=r"was saved with ecg-tcn 0\.3\.1, and the ecg-tcn 0\.5\.0 installed here is newer"
    ):
        loaded = load(card)
    assert torch.equal(loaded.module(X), expected)
    assert card.read_bytes() == before
    again = save_model(card.parent, "again", loaded.module, kind="backbones", signal=SIGNAL)
    facts = json.loads(again.read_text(encoding="utf-8"))
    assert facts["config"] == {"name": "tcn", "in_leads": 2, "channels": 6}
    assert [e["version"] for e in facts["provenance"]] == ["0.5.0"]
    assert torch.equal(load(again).module(X), expected)  # without a warning


def test_a_newer_version_without_a_migration_is_refused_with_the_versions_of_then(site, card, expected):
    install(site, "0.5.0", "channels", migrates=False)
    with pytest.warns(ProvenanceWarning), pytest.raises(CheckpointError) as caught:
        load(card)
    assert "cannot be built here (TypeError: " in str(caught.value)
    assert "unexpected keyword argument 'width'" in str(caught.value)
    assert str(caught.value).endswith("it was saved with ecg-tcn 0.3.1")


def test_a_patch_of_the_same_version_is_loaded_in_silence(site, card, expected):
    install(site, "0.3.9", "width", migrates=True)
    assert torch.equal(load(card).module(X), expected)


def test_without_the_package_the_line_that_installs_it_is_given(site, card):
    uninstall(site)
    with pytest.raises(
        UnknownComponentError, match=r"^built with ecg-tcn 0\.3\.1, which is not installed: pip install 'ecg-tcn>=0"
    ):
        load(card)

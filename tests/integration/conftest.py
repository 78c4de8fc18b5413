"""A small prepared store and runs on it, made once, and the command line as a function."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from ecg_core.cli.main import main

TINY = '{"name": "resnet18", "widths": [8, 16], "depths": [1, 1]}'


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    error: str


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def wfdb_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 synthetic recordings."""
    import ecg_core

    return ecg_core.demo(tmp_path_factory.mktemp("demo") / "wfdb", records=48, fs=100.0)


@pytest.fixture(scope="session")
def store(wfdb_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recordings, prepared at 100 Hz in 10 s windows."""
    import ecg_core

    out = tmp_path_factory.mktemp("store") / "prepared"
    ecg_core.prepare(wfdb_folder, out, fs=100.0, labels=wfdb_folder / "labels.csv", split="6/2/2")
    return out


@pytest.fixture(scope="session")
def pretrained(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone pre-trained for two epochs."""
    import ecg_core

    run = tmp_path_factory.mktemp("runs") / "simclr"
    backbone = {"name": "resnet18", "widths": [8, 16], "depths": [1, 1]}
    ecg_core.pretrain(store, run, method="simclr", backbone=backbone, epochs=2, batch_size=8)
    return run


@pytest.fixture(scope="session")
def finetuned(store: Path, pretrained: Path) -> Path:
    """A classifier on it."""
    import ecg_core

    run = pretrained.with_name("dx")
    ecg_core.finetune(store, run, target="dx", source=pretrained, mode="linear", epochs=5)
    return run


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Path], Path]:
    """A copy of a folder that a test may damage."""
    return lambda folder: Path(shutil.copytree(folder, tmp_path / folder.name))


@pytest.fixture
def ecg(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run ``ecg WORDS`` in this process."""

    def run(*words: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(w) for w in words])
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, " ".join(said.err.split()))

    return run

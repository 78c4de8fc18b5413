"""A toy reader, backbone and head, and a small store, so that runs are tested without any other package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.head import Head
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.store import Store
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import BACKBONES, HEADS, READERS
from ecg_core.errors import DataError

FS, WINDOW, LEADS = 50.0, 100, ("I", "II")


class NumpyReader(Reader):
    """``NAME.npy``: two leads at 50 Hz; a text file is a recording that was refused."""

    def recognises(self, path: Path) -> bool:
        return any(path.glob("*.npy"))

    def scan(self, path: Path) -> RecordTable:
        rows = [{"record_id": f.stem, "root": str(path), "path": f.stem} for f in sorted(path.glob("*.npy"))]
        return RecordTable.from_rows(rows, [(f.name, f"{f.name} is no array") for f in sorted(path.glob("*.txt"))])

    def read(self, row) -> Record:
        signal = np.load(Path(row["root"]) / f"{row['path']}.npy", allow_pickle=False)
        if signal.shape[0] != len(LEADS):
            raise DataError(f"{row['path']} has {signal.shape[0]} leads")
        return Record(signal.astype(np.float32), FS, LEADS, row["record_id"])


class ToyBackbone(Backbone):
    """One strided convolution, batch normalisation and dropout."""

    def __init__(self, *, in_leads: int | None = None, width: int = 4, stride: int = 10, dropout: float = 0.0) -> None:
        super().__init__()
        self.in_leads = in_leads
        self.stages = (Stage(width, stride, (stride - 1) / 2),)
        self.conv = nn.Conv1d(in_leads or 1, width, stride, stride=stride)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [self.dropout(self.norm(self.conv(x)).relu())]


class ToyHead(Head):
    """One linear layer."""

    def __init__(self, classes: int, *, normalise: bool = False) -> None:
        super().__init__()
        self.classes = classes
        self.linear = nn.LazyLinear(classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


@pytest.fixture(autouse=True)
def toys() -> Iterator[None]:
    """Registered as ``numpy``, ``toy`` and ``toy_head`` during a test, on one thread."""
    torch.set_num_threads(1)
    with READERS.isolated(), BACKBONES.isolated(), HEADS.isolated():
        READERS.add(NumpyReader, "numpy")
        BACKBONES.add(ToyBackbone, "toy")
        HEADS.add(ToyHead, "toy_head")
        yield


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """24 recordings of three windows each; class UP has a higher first lead, DOWN a lower one, and every third is also WIDE."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(24):
        signal = rng.normal(0, 0.3, (2, 3 * WINDOW)).astype(np.float32)
        signal[0] += 1.0 if i % 2 else -1.0
        np.save(folder / f"r{i:02d}.npy", signal)
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Their labels: 16 to train with, four to validate, four to test."""
    rows = [
        {
            "record_id": f"r{i:02d}",
            "patient_id": f"p{i:02d}",
            "dx": ("UP" if i % 2 else "DOWN") + (";WIDE" if i % 3 == 0 else ""),
            "split": "train" if i < 16 else ("val" if i < 20 else "test"),
        }
        for i in range(24)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path / "labels.csv"


@pytest.fixture
def store(recordings: Path, labels: Path, tmp_path: Path) -> Store:
    """Prepared: 72 windows of 2 s."""
    return prepare(recordings, tmp_path / "store", fs=FS, seconds=2.0, leads=LEADS, reader="numpy", labels=labels, pipeline=[])


@pytest.fixture
def finetuned(store: Store, tmp_path: Path) -> Callable[..., Path]:
    """Fine-tune a toy for two epochs; the run directory."""
    from ecg_core.run.training.finetune import finetune

    def train(name: str = "run", **settings) -> Path:
        words = {"target": "dx", "backbone": "toy", "head": "toy_head", "epochs": 2, "batch_size": 16, "device": "cpu"}
        return finetune(store, tmp_path / name, **{**words, **settings}).path

    return train

"""A small data set of arrays for the contract kit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.record import Record

__all__ = ["array_example"]


def array_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.arrays.ArrayReader` states to the kit."""
    return {
        "fixture": _write,
        "refused": [{"fs": 0.0}, {"unit": "mmHg"}, {"axes": "time"}],
        "damages": {"a lead twice": _twice, "an unknown sampling frequency": _uneven},
    }


def _write(folder: Path) -> list[Record]:
    leads = ("I", "II", "V2")
    lengths = (2000, 40, 40)  # the kit cuts the largest, and a table cut between two lines cannot be told from a whole one
    noise = [np.random.default_rng(i).normal(0, 0.5, (3, n)).astype(np.float32) for i, n in enumerate(lengths)]
    (folder / "b").mkdir()
    np.savez(folder / "a1.npz", signal=noise[0], fs=250.0, leads=np.array(leads))
    lines = [f"{i / 500},{','.join(map(repr, row))}" for i, row in enumerate(noise[1].T.astype(float).tolist())]
    (folder / "a2.csv").write_text("time," + ",".join(leads) + "\n" + "\n".join(lines) + "\n")
    np.savez_compressed(folder / "b" / "a0.npz", ecg=noise[2], fs=np.array([100]), leads=np.array(["i", "ii", "v2"]))
    rates = (250.0, 500.0, 100.0)
    return [Record(x, fs, leads, name) for x, fs, name in zip(noise, rates, ("a1", "a2", "a0"), strict=True)]


def _twice(folder: Path) -> str:
    file = folder / "a2.csv"
    file.write_text(file.read_text().replace("time,I,II,V2", "time,I,ii,II"))
    return "a2"


def _uneven(folder: Path) -> str:
    file = folder / "a2.csv"
    file.write_text(file.read_text().replace("\n0.02,", "\n0.2,"))
    return "a2"

"""Catalogue: public ECG data sets, their size, licence and place.

Facts of PhysioNet's own pages and of the ECGBench catalogue (https://github.com/vlbthambawita/ECGBench, MIT licence).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from ecg_core.discovery.names import comparison_key, near_names
from ecg_core.errors import DataError

__all__ = ["DataSet", "catalogue", "data_set"]


@dataclass(frozen=True)
class DataSet:
    """One public data set.

    Args:
        name: What it is asked for by.
        title: In full.
        version: The version that is described; ``None`` where there are none.
        access: ``"open"``: downloaded by :func:`ecg_preproc.datasets.download.download`. ``"restricted"``: after an agreement
            is signed on its page. ``"elsewhere"``: from its page, by hand.
        licence: Of the data.
        records: Recordings.
        patients: People; ``None`` where the source does not say.
        leads: Number or range.
        fs: Sampling frequencies, Hz.
        seconds: Length of a recording, or range.
        doi: What to cite.
        page: Where a person reads about it.
        files: Folder of its files and their ``SHA256SUMS.txt``.
        reader: Which reader understands it; ``None`` where none does yet.
    """

    name: str
    title: str
    version: str | None
    access: Literal["open", "restricted", "elsewhere"]
    licence: str
    records: int
    patients: int | None
    leads: str
    fs: tuple[int, ...]
    seconds: str
    doi: str
    page: str
    files: str | None
    reader: str | None


@lru_cache(maxsize=1)
def catalogue() -> tuple[DataSet, ...]:
    """Every data set we know of."""
    entries = json.loads(files("ecg_preproc.datasets").joinpath("catalogue.json").read_text(encoding="utf-8"))
    return tuple(DataSet(**{**entry, "fs": tuple(entry["fs"])}) for entry in entries)


def data_set(name: str) -> DataSet:
    """The data set of this name, however it is spelt (``PTB-XL`` is ``ptbxl``).

    Raises:
        DataError: There is none; the message names near ones.
    """
    wanted = comparison_key(name)
    for entry in catalogue():
        if wanted == comparison_key(entry.name) or wanted in _slugs(entry):
            return entry
    near = near_names(name, [entry.name for entry in catalogue()])
    hint = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
    raise DataError(f"there is no data set {name!r} in the catalogue.{hint} All of them: `ecg data list`.")


def _slugs(entry: DataSet) -> set[str]:
    """PhysioNet's own word for it, from the address of its page."""
    parts = entry.page.split("/content/", 1)
    return {comparison_key(parts[1].split("/")[0])} if len(parts) == 2 else set()

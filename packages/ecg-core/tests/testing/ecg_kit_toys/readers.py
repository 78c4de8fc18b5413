"""Readers: a sound one of .npy files with their facts in JSON, and the ways to break it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecg_core.config.configurable import Configurable
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_kit_toys.table import EVERYTHING, broken, healthy

_count = itertools.count()


def breaks(check: str, says: str, *also: str):
    return broken("readers", check, says, *also)


def _write(folder: Path) -> list[Record]:
    records = []
    for number, name in enumerate(("a", "b", "c")):
        signal = np.random.default_rng(number).normal(size=(2, 50 + number)).astype(np.float32)
        records.append(Record(signal, 100.0, ("I", "II"), record_id=name, patient_id=str(number)))
        np.save(folder / f"{name}.npy", signal)
        (folder / f"{name}.json").write_text(json.dumps({"fs": 100.0, "leads": ["I", "II"], "patient": str(number)}))
    return records


def _no_rate(folder: Path) -> str:
    (folder / "b.json").write_text(json.dumps({"leads": ["I", "II"], "patient": "1"}))
    return "b"


@healthy("readers")
class Arrays(Reader):
    """Reads .npy files.

    Args:
        strict: Refuse what is not there.
    """

    def __init__(self, *, strict: bool = True) -> None:
        if strict not in (True, False):
            raise DataError("strict is yes or no")
        self.strict = strict

    @classmethod
    def conformance_params(cls):
        return {"fixture": _write, "damages": {"no fs": _no_rate}, "refused": [{"strict": "maybe"}]}

    def recognises(self, path):
        return any(Path(path).glob("*.json"))

    def found(self, path):
        return sorted(Path(path).glob("*.json"))

    def scan(self, path):
        rows, rejects = [], []
        for file in self.found(path):
            try:
                rows.append(self.row(Path(path), file))
            except (ValueError, KeyError, OSError, EOFError) as error:
                rejects.append((file.name, self.why(file, error)))
        if not rows and not rejects:
            raise DataError(f"{path}: no recording")
        return RecordTable.from_rows(rows, rejects)

    def why(self, file, error):
        return f"{file}: {error!r}"

    def row(self, root, file):
        facts = json.loads(file.read_text())
        signal = self.signal(root, file.stem)
        return {
            "record_id": file.stem, "patient_id": facts["patient"], "root": str(root), "path": file.stem,
            "fs": facts["fs"], "n_samples": signal.shape[1], "leads": tuple(facts["leads"]),
        }  # fmt: skip

    def signal(self, root, name):
        self.inside(root, name)
        return np.load(Path(root) / f"{name}.npy", allow_pickle=False)

    def inside(self, root, name):
        for suffix in (".npy", ".json"):
            if not (Path(root) / f"{name}{suffix}").resolve().is_relative_to(Path(root).resolve()):
                raise DataError(f"{name} leads out of {root}")

    def read(self, row):
        signal = self.signal(row["root"], row["path"])
        facts = {k: row[k] for k in ("fs", "leads", "record_id", "patient_id")}
        return Record(signal, **facts, source=str(Path(row["root"]) / f"{row['path']}.npy"))


@breaks("derives_from_reader", "does not derive from ecg_core.Reader", EVERYTHING)
class Stranger(Configurable):
    """Nothing."""


@breaks("constructor_takes_no_unknown_words", "the constructor takes **more")
class Loose(Arrays):
    __doc__ = Arrays.__doc__ + "more"

    def __init__(self, *, strict=True, **more):
        super().__init__(strict=strict)


@breaks("constructor_leaves_the_words_of_configurations_free", "has a word of configurations", EVERYTHING)
class Named(Arrays):
    __doc__ = Arrays.__doc__ + "name"

    def __init__(self, *, strict=True, name=""):
        super().__init__(strict=strict)


@breaks("arguments_are_documented", "not documented: strict")
class Undocumented(Arrays):
    """Reads .npy files."""


@breaks("refused_arguments_are_one_clear_error", "{'strict': 'maybe'} is accepted")
class Lenient(Arrays):
    __doc__ = Arrays.__doc__

    def __init__(self, *, strict=True):
        super().__init__(strict=bool(strict))


@breaks("an_empty_folder_is_one_clear_error", "an empty folder is accepted")
class Empty(Arrays):
    __doc__ = Arrays.__doc__

    def scan(self, path):
        return RecordTable.from_rows([]) if not any(Path(path).glob("*")) else super().scan(path)


@breaks("a_folder_of_something_else_is_not_recognised", "a folder of texts and pictures is recognised")
class Greedy(Arrays):
    __doc__ = Arrays.__doc__

    def recognises(self, path):
        return any(Path(path).glob("*"))


@breaks("config_round_trip_and_pickle", "through its pickle its configuration came back as")
class Loses(Arrays):
    __doc__ = Arrays.__doc__

    def __setstate__(self, state):
        self.__dict__ = Arrays(strict=False).__dict__


@breaks("scan_lists_every_recording", "scan lists ['a', 'b']", EVERYTHING)
class Skips(Arrays):
    def found(self, path):
        return super().found(path)[:2]


@breaks("recordings_are_as_written", "mind gain, offset and unit")
class Microvolts(Arrays):
    __doc__ = Arrays.__doc__

    def signal(self, root, name):
        return super().signal(root, name) * 1000


@breaks("rows_agree_with_the_recordings", "the table says fs 200.0")
class Misstates(Arrays):
    __doc__ = Arrays.__doc__

    def row(self, root, file):
        return {**super().row(root, file), "fs": 200.0}

    def read(self, row):
        return super().read({**row, "fs": 100.0})


@breaks("a_part_is_that_part_of_the_whole", "a: samples 16 to 32 have the annotations {'r_peaks': [20]}")
class Forgets(Arrays):
    __doc__ = Arrays.__doc__

    def read(self, row):
        return replace(super().read(row), annotations={"r_peaks": np.array([20])})

    def read_part(self, row, start, stop):
        whole = self.read(row)
        return replace(whole.crop(start, stop), annotations=whole.annotations)


@breaks("order_and_ids_are_the_same_every_time", "two scans of one folder differ")
class Numbers(Arrays):
    __doc__ = Arrays.__doc__

    def row(self, root, file):
        return {**super().row(root, file), "number": next(_count)}


@breaks("nothing_is_written", "readers never write")
class Caches(Arrays):
    __doc__ = Arrays.__doc__

    def scan(self, path):
        table = super().scan(path)
        try:
            (Path(path) / "cache.bin").write_bytes(b"x")
        except PermissionError as error:
            raise DataError("readers never write") from error
        return table


@breaks("works_in_a_spawned_worker", "reading loads torch")
class Torch(Arrays):
    __doc__ = Arrays.__doc__

    def read(self, row):
        import torch  # noqa: F401

        return super().read(row)


@breaks(
    "a_cut_file_is_refused_by_name_and_the_scan_goes_on",
    "keeps all 3 recordings from being read",
    "an_emptied_file_is_refused_by_name_and_the_scan_goes_on",
    "stated_damages_are_refused_by_name",
)
class Fragile(Arrays):
    __doc__ = Arrays.__doc__

    def scan(self, path):
        table = super().scan(path)
        if len(table.rejects):
            raise DataError(str(table.rejects["reason"].iloc[0]))
        return table


@breaks("an_emptied_file_is_refused_by_name_and_the_scan_goes_on", "emptied, goes unnoticed")
class Overlooks(Arrays):
    __doc__ = Arrays.__doc__

    def found(self, path):
        return [f for f in super().found(path) if not f.with_suffix(".npy").exists() or f.with_suffix(".npy").stat().st_size]


@breaks("stated_damages_are_refused_by_name", "no fs goes unnoticed")
class Guesses(Arrays):
    __doc__ = Arrays.__doc__

    def row(self, root, file):
        facts = json.loads(file.read_text())
        file.write_text(json.dumps({"fs": 100.0, **facts})) if "fs" not in facts else None
        return super().row(root, file)


@breaks("paths_cannot_leave_the_folder", "of a crafted table is read, outside of data")
class Climbs(Arrays):
    __doc__ = Arrays.__doc__

    def inside(self, root, name):
        if "/" not in name:
            super().inside(root, name)


@breaks("links_cannot_leave_the_folder", "a link that leaves the folder, goes unnoticed")
class Follows(Arrays):
    __doc__ = Arrays.__doc__

    def inside(self, root, name):
        if "/" in name:
            super().inside(root, name)

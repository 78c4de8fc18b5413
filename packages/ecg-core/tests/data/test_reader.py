"""The reader contract: a part of a recording is that part of the whole, also for a reader that knows nothing of parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError


class Ramp(Reader):
    """One recording, whose samples are their own positions."""

    def recognises(self, path: Path) -> bool:
        return True

    def scan(self, path: Path) -> RecordTable:
        return RecordTable.from_rows([{"record_id": "ramp", "root": str(path), "path": "ramp"}])

    def read(self, row: Mapping[str, Any]) -> Record:
        return Record(np.arange(50.0)[None], 10, ("I",), row["record_id"], annotations={"r_peaks": np.array([5, 20, 40])})


def test_a_part_is_that_part_of_the_whole_with_its_annotations():
    part = Ramp().read_part({"record_id": "ramp"}, 20, 41)
    assert part.signal.tolist() == [list(range(20, 41))]
    assert part.annotations["r_peaks"].tolist() == [0, 20]


@pytest.mark.parametrize("span", [(-1, 5), (5, 5), (0, 51)])
def test_a_part_that_is_not_there_is_an_error(span: tuple[int, int]):
    with pytest.raises(DataError, match=rf"record 'ramp': cannot crop \[{span[0]}, {span[1]}\) out of 50 samples"):
        Ramp().read_part({"record_id": "ramp"}, *span)

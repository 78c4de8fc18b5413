"""Which leads a store has when nobody names them."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.data.leads import INDEPENDENT_8, STANDARD_12, common_leads
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS


@pytest.mark.parametrize(
    ("recordings", "expected"),
    [
        ([], STANDARD_12),
        ([STANDARD_12, ("MLII", "V1")], STANDARD_12),  # those that lack some are refused, with the reason
        ([INDEPENDENT_8], STANDARD_12),  # the others follow from I and II
        ([STANDARD_12[:11]], STANDARD_12),  # one of twelve leads, of which one is missing
        ([("MLII", "V5"), ("V1", "mlii")], ("MLII",)),
        ([("II", "V5"), ("V5", "II")], ("II", "V5")),
        ([("I",), ("II",)], STANDARD_12),  # nothing in common: each is refused, with the reason
    ],
)
def test_the_standard_twelve_or_what_all_recordings_have(recordings, expected):
    assert common_leads(recordings) == expected


def test_a_folder_of_two_leads_is_prepared_without_naming_them(tmp_path):
    class Pair(Reader):
        def recognises(self, path):
            return False

        def scan(self, path):
            names = {"a": ("MLII", "V1"), "b": ("V5", "MLII")}
            rows = [{"record_id": n, "path": n, "root": "", "leads": leads} for n, leads in names.items()]
            return RecordTable.from_rows(rows)

        def read(self, row):
            x = np.random.default_rng(len(row["leads"][0])).normal(size=(2, 200)).astype(np.float32)
            return Record(x, 100, row["leads"], row["record_id"])

    with READERS.isolated():
        READERS.add(Pair, "pair")
        store = prepare(tmp_path, tmp_path / "store", fs=100, seconds=2, pipeline=[], reader="pair")
    assert store.leads == ("MLII",)
    assert len(store) == 2

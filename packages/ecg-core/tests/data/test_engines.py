"""Where bulk work runs: each engine gives the same results, and the same bytes of a store."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from ecg_core.data.engines import checked_engine, each_done
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS
from ecg_core.errors import DataError, MissingExtraError


class Squares(Reader):
    """Recordings that exist only as a number: 40 of them, a sine of a frequency of its own each; number 7 is broken."""

    def recognises(self, path: Path) -> bool:
        return False

    def scan(self, path: Path) -> RecordTable:
        return RecordTable.from_rows([{"record_id": f"r{i:02d}", "root": "", "path": f"r{i:02d}"} for i in range(40)])

    def read(self, row):
        number = int(row["path"][1:])
        if number == 7:
            raise DataError("number 7 is broken")
        return Record(np.sin(np.arange(250) * (number + 1) / 50, dtype=np.float32)[None], 100, ("I",), row["record_id"])


def contents(store) -> dict[str, bytes]:
    return {str(f.relative_to(store.path)): f.read_bytes() for f in sorted(store.path.rglob("*")) if f.is_file()}


def test_results_come_from_every_task_whatever_the_engine():
    for engine, jobs in (("serial", 1), ("processes", 2)):
        assert sorted(each_done(abs, [-3, 1, -2], engine=engine, jobs=jobs)) == [1, 2, 3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_store_has_the_same_bytes_from_one_process_from_two_and_from_a_dask_cluster(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    settings = {"fs": 100, "seconds": 1.0, "leads": ("I",), "pipeline": [], "reader": "squares"}
    # The workers import this file by its name, as they would a stranger's package.
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    import test_engines as importable
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown()  # workers of an earlier test do not know the path

    with READERS.isolated():
        READERS.add(importable.Squares, "squares")
        (tmp_path / "source").mkdir()

        def made(name: str, **options):
            return contents(prepare(tmp_path / "source", tmp_path / name / "store", **settings, **options))

        one = made("one")
        assert len(one) == 3 + 10  # the conftest makes shards of four
        assert made("two", jobs=2) == one
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            assert made("cluster", scheduler=cluster.scheduler_address) == one
        assert made("dask", engine="dask", jobs=2) == one


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ({"engine": None, "jobs": 1, "scheduler": None}, "serial"),
        ({"engine": None, "jobs": 3, "scheduler": None}, "processes"),
        ({"engine": None, "jobs": 1, "scheduler": "tcp://a:1"}, "dask"),
        ({"engine": "dask", "jobs": 2, "scheduler": None}, "dask"),
    ],
)
def test_the_engine_follows_from_what_is_given(words, chosen):
    assert checked_engine(**words) == chosen


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"engine": "threads", "jobs": 1, "scheduler": None}, "an engine is one of serial, processes, dask, got 'threads'"),
        ({"engine": None, "jobs": 0, "scheduler": None}, "jobs must be at least 1, got 0"),
        ({"engine": "serial", "jobs": 2, "scheduler": None}, "the engine serial has one job, got 2; use processes or dask"),
        ({"engine": "processes", "jobs": 2, "scheduler": "tcp://a:1"}, "a scheduler belongs to the engine dask, got processes"),
    ],
)
def test_words_that_contradict_each_other_are_one_clear_error(words, said):
    with pytest.raises(DataError, match=said):
        checked_engine(**words)


def test_without_dask_the_install_line_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"needs Dask: pip install 'ecg-core\[dask\]'; or use --engine processes"):
        each_done(abs, [1], engine="dask")


def test_a_scheduler_that_does_not_answer_is_one_clear_error(monkeypatch):
    distributed = pytest.importorskip("distributed")

    def refuse(address, timeout):
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(DataError, match=r"no Dask scheduler answers at tcp://10.0.0.1:8786 \(timed out\); start one with"):
        list(each_done(abs, [1], engine="dask", scheduler="tcp://10.0.0.1:8786"))

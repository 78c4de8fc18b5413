"""kill -9 while a store is made: whatever the moment, resuming ends in the store that an undisturbed run makes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from ecg_core.data.store import Store

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes to kill them")


def contents(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def killed_after(seconds: float, work) -> bool:
    """Do ``work`` in a fork that is killed after so long; whether it was still at work."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_two_hundred_kills_lose_and_duplicate_nothing(prepare, tmp_path):
    whole = contents(prepare(out="whole").path)
    began = time.perf_counter()
    prepare(out="timed")
    duration = time.perf_counter() - began
    chance = random.Random(0)
    interrupted = finished = 0
    while interrupted < 200:
        # Often enough early, so that many kills hit the same store, and sometimes at the very end.
        if killed_after(chance.uniform(0, 1.1) * duration, lambda: prepare(resume=True)):
            interrupted += 1
            continue
        finished += 1
        assert contents(tmp_path / "store") == whole
        shutil.rmtree(tmp_path / "store")
        assert [f.name for f in tmp_path.iterdir() if f.name.startswith((".", "store"))] == []
    prepare(resume=True)
    assert contents(tmp_path / "store") == whole
    assert Store(tmp_path / "store").verify() == 20
    assert finished > 0, "no run ever reached its end"


def test_a_kill_while_a_store_is_replaced_leaves_the_old_one_or_the_new(prepare, tmp_path):
    old = contents(prepare(seed=1).path)
    new = contents(prepare(out="new", seed=2).path)
    chance = random.Random(1)
    began = time.perf_counter()
    prepare(seed=2, out="timed")
    duration = time.perf_counter() - began
    for _ in range(15):
        killed_after(chance.uniform(0.7, 1.2) * duration, lambda: prepare(seed=2, force=True, resume=True))
        if (tmp_path / "store" / "store.json").exists():
            assert contents(tmp_path / "store") in (old, new) or (tmp_path / "store" / "plan.json").exists()
    prepare(seed=2, resume=True, force=True)
    assert contents(tmp_path / "store") == new
    assert [f.name for f in tmp_path.iterdir() if f.name.startswith(".")] == []

"""Ctrl-C and kill -9 lose nothing: the resumed run ends with the same bits as one that was left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

# vit_tiny and st_mem: dropout-free, but with masks, and slow enough to be caught in the middle.
WORDS = ["--method", "st_mem", "--backbone", "vit_tiny", "--epochs", "3", "--batch-size", "8", "--checkpoint-every", "1"]


def _command(store: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "ecg_core", "pretrain", str(store), *WORDS, "--out", str(out), *more]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def _interrupt(
    store: Path, out: Path, number: signal.Signals, *, after: int, more: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Start a training and send it a signal once it has made a few steps."""
    process = subprocess.Popen(
        _command(store, out, *more), env=_environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    metrics = out / "metrics.jsonl"
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.is_file() and len(metrics.read_text(encoding="utf-8").splitlines()) >= after:
            break
        time.sleep(0.02)
    process.send_signal(number)
    out_text, error = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out_text, error)


@pytest.fixture(scope="module")
def undisturbed(store: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Weights of a training that nobody interrupted."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    subprocess.run(_command(store, out), env=_environment(), check=True, capture_output=True)
    return (out / "backbone.safetensors").read_bytes()


def test_ctrl_c_saves_says_how_to_go_on_and_resumes_to_the_same_bits(store: Path, undisturbed: bytes, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stopped = _interrupt(store, out, signal.SIGINT, after=2)
    assert stopped.returncode == 130, stopped.stderr
    assert "nothing is lost" in stopped.stderr
    assert "--resume" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    subprocess.run(_command(store, out, "--resume"), env=_environment(), check=True, capture_output=True)
    assert (out / "backbone.safetensors").read_bytes() == undisturbed
    steps = [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert steps == sorted(steps)
    assert len(set(steps)) == steps[-1]


def test_kill_9_loses_at_most_the_steps_since_the_last_checkpoint(store: Path, undisturbed: bytes, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert _interrupt(store, out, signal.SIGKILL, after=3).returncode == -signal.SIGKILL
    subprocess.run(_command(store, out, "--resume"), env=_environment(), check=True, capture_output=True)
    assert (out / "backbone.safetensors").read_bytes() == undisturbed


def test_kill_9_in_the_middle_of_a_plateau_resumes_to_the_rate_and_the_bits_it_would_have_had(
    store: Path, tmp_path: Path
) -> None:
    """A falling validation loss that is said to be worse lets the rate fall after every epoch but the first."""
    words = ["--scheduler", '{"name": "plateau", "patience": 0, "factor": 0.5, "mode": "max", "warmup": 0.0}']
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    subprocess.run(_command(store, alone, *words), env=_environment(), check=True, capture_output=True)

    def rates(run: Path) -> list[float]:
        lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
        return [line["lr"] for line in lines if "lr" in line]

    expected = rates(alone)
    assert expected[-1] < expected[0]
    late = expected.index(expected[-1]) + 4  # lines: as many steps, and two validations before them
    assert _interrupt(store, killed, signal.SIGKILL, after=late, more=words).returncode == -signal.SIGKILL
    subprocess.run(_command(store, killed, "--resume", *words), env=_environment(), check=True, capture_output=True)
    assert rates(killed) == expected
    assert (killed / "backbone.safetensors").read_bytes() == (alone / "backbone.safetensors").read_bytes()


def test_a_checkpoint_cut_in_half_gives_way_to_the_one_before(store: Path, undisturbed: bytes, tmp_path: Path) -> None:
    out = tmp_path / "run"
    _interrupt(store, out, signal.SIGINT, after=4)
    newest = sorted((out / "checkpoints").glob("step-*"))[-1] / "learner.safetensors"
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    resumed = subprocess.run(
        _command(store, out, "--resume"),
        env={**_environment(), "PYTHONWARNINGS": "default"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "is damaged" in resumed.stderr
    assert "going on from step-" in resumed.stderr
    assert (out / "backbone.safetensors").read_bytes() == undisturbed

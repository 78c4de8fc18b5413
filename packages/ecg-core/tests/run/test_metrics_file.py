"""What a run tells: metrics.jsonl across crashes, and a throughput that counts only training."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ecg_core.run.progress import MetricsFile, Reporter, Stopwatch, read_metrics


def _written(path: Path, *steps: int) -> Path:
    metrics = MetricsFile(path)
    for step in steps:
        metrics.write({"step": step, "loss": step / 8})
    metrics.close()
    return path


def test_lines_are_there_at_once(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "m.jsonl")
    metrics.write({"step": 1})
    assert read_metrics(tmp_path / "m.jsonl") == [{"step": 1}]
    metrics.close()


def test_lines_after_the_checkpoint_are_dropped_on_resume(tmp_path: Path) -> None:
    file = _written(tmp_path / "m.jsonl", 1, 2, 3, 4)
    MetricsFile(file, after=2).close()
    assert read_metrics(file) == [{"step": 1, "loss": 0.125}, {"step": 2, "loss": 0.25}]
    MetricsFile(file).close()
    assert read_metrics(file) == []


@pytest.mark.parametrize("cut", range(1, 22))
def test_a_last_line_cut_by_a_crash_is_left_out_and_the_file_goes_on(tmp_path: Path, cut: int) -> None:
    file = _written(tmp_path / "m.jsonl", 1, 2)
    file.write_bytes(file.read_bytes()[:-cut])
    assert [line["step"] for line in read_metrics(file)] == ([1, 2] if cut == 1 else [1])
    metrics = MetricsFile(file, after=2)
    metrics.write({"step": 3})
    metrics.close()
    assert [line["step"] for line in read_metrics(file)] == ([1, 2, 3] if cut == 1 else [1, 3])


def test_a_crash_while_resuming_loses_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _written(tmp_path / "m.jsonl", 1, 2)
    monkeypatch.setattr("ecg_core.data.files.os.replace", lambda *words: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        MetricsFile(file, after=2)
    assert len(read_metrics(file)) == 2


def test_bytes_that_are_no_text_end_the_file(tmp_path: Path) -> None:
    file = _written(tmp_path / "m.jsonl", 1)
    file.write_bytes(file.read_bytes() + b"\x00\xff\xfe")
    assert len(read_metrics(file)) == 1


def test_a_file_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert read_metrics(tmp_path / "absent.jsonl") == []


def test_numbers_that_json_does_not_know_become_null(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "m.jsonl")
    metrics.write({"step": 1, "a": float("nan"), "b": float("inf"), "c": 1.5})
    metrics.close()
    text = (tmp_path / "m.jsonl").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == {"step": 1, "a": None, "b": None, "c": 1.5}


def test_throughput_is_windows_over_the_time_of_steps_alone() -> None:
    times = iter([0.0, 2.0, 10.0, 11.0])  # 8 s of something else lie between the steps
    watch = Stopwatch(lambda: next(times))
    watch.start()
    assert watch.lap(64) == 32.0
    watch.start()
    assert watch.lap(64) == pytest.approx(128 / 3, rel=0.005)  # three digits


def test_a_step_too_fast_to_measure_divides_by_no_zero() -> None:
    watch = Stopwatch(lambda: 1.0)
    watch.start()
    assert watch.lap(1) > 0


def test_reporter_is_silent_when_nobody_looks() -> None:
    out = io.StringIO()
    with Reporter("training", 10, console=Console(file=out, force_terminal=False)) as reporter:
        reporter.step(5, {"loss": 0.5})
    assert out.getvalue() == ""


def test_reporter_shows_steps_and_numbers_to_people() -> None:
    out = io.StringIO()
    with Reporter("training", 10, done=2, console=Console(file=out, force_terminal=True, width=100)) as reporter:
        reporter.step(5, {"loss": 0.12345})
    assert "5/10" in out.getvalue()
    assert "loss 0.1235" in out.getvalue()

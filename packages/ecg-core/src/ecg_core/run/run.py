"""Run: the loop over anything with ``loss(batch)``, its checkpoints and its directory.

Killing it at any moment and resuming continues bit-identically on CPU: order, augmentations and masks are pure functions
of counters, and the checkpoint holds the rest (weights, optimizer, torch's random state).
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import nn

from ecg_core.contracts.losses import Losses
from ecg_core.discovery.hooks import EventName, RunEvent
from ecg_core.discovery.installed_hooks import installed_hooks
from ecg_core.errors import ConfigError, RunError
from ecg_core.run.checkpoint import newest_checkpoint, save_checkpoint
from ecg_core.run.log import Log, logging_hooks
from ecg_core.run.optimization.optimization import Rates, build_optimizer
from ecg_core.run.optimization.plateau import Plateau
from ecg_core.run.order import Batches
from ecg_core.run.progress import MetricsFile, Reporter, Stopwatch
from ecg_core.run.settings import Settings

__all__ = ["Interrupted", "Learner", "Run"]


class Learner(Protocol):
    """What a run can train: an ``nn.Module`` with these two."""

    def loss(self, batch: Any) -> Losses: ...

    def after_step(self) -> None: ...


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed; the run saved a checkpoint first."""


class Run:
    """Trains a learner.

    Args:
        directory: Where checkpoints and metrics go; exists.
        learner: A materialised ``nn.Module`` with ``loss(batch)`` and ``after_step()``, on its device.
        batches: What to learn from.
        settings: How; resolved.
        validate: Called after every epoch; returns numbers to log.
        monitor: Number of ``validate`` that decides which epoch is best, the larger the better.
        on_best: Called when the monitored number is the best so far (after every epoch without one).
        title: Shown in front of the progress bar.
        resumable: Save checkpoints; without them an interrupted run begins anew.
        log: Where else to write what is measured: ``"tensorboard"``, into the directory's ``tensorboard/``.
    """

    def __init__(
        self,
        directory: Path,
        learner: nn.Module,
        batches: Batches,
        settings: Settings,
        *,
        validate: Callable[[], Mapping[str, float]] | None = None,
        monitor: str | None = None,
        on_best: Callable[[], None] | None = None,
        title: str = "training",
        resumable: bool = True,
        log: Log | None = None,
    ) -> None:
        self.directory = directory
        self.learner = learner
        self.batches = batches
        self.settings = settings
        self.validate = validate
        self.monitor = monitor
        self.on_best = on_best
        self.title = title
        self.resumable = resumable
        self.log = log
        self.optimizer = build_optimizer(learner, settings)
        self.rates = Rates(settings, self.total_steps)
        if isinstance(self.rates.schedule, Plateau) and validate is None:
            raise ConfigError(
                "the schedule plateau follows validation, and this run has none; keep patients for it (`ecg prep --split 8/1/1`) "
                "or choose another schedule"
            )
        self.numbers: list[dict[str, float | None]] = []  # what validation measured after each epoch
        self.state: dict[str, Any] = {"step": 0, "epoch": 0, "best": None, "best_epoch": None}
        watchers = installed_hooks() if log is None else logging_hooks(log)
        self._watchers = watchers if watchers is not None and watchers.listens("ecg_run_event") else None

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.directory / "checkpoints"

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return len(self.batches) * self.settings.epochs

    def fit(self, *, resume: bool = False) -> dict[str, Any]:
        """Train to the end; with ``resume`` from the newest checkpoint. Returns the final counters and best number.

        Raises:
            Interrupted: Ctrl-C; everything up to the last step is saved. A run that is complete by then ends as if nothing
                had happened.
            RunError: The loss is no longer a finite number.
        """
        torch.manual_seed(self.settings.seed)
        saved = newest_checkpoint(self.checkpoints) if resume else None
        if saved is not None:
            saved.restore(self.learner, self.optimizer)
            self.state = {name: saved.state[name] for name in self.state}
            self.numbers = list(saved.state.get("numbers", []))
        metrics = MetricsFile(self.directory / "metrics.jsonl", after=self.state["step"])
        self._tell("start")
        try:
            with Reporter(self.title, self.total_steps, done=self.state["step"]) as reporter, _interruptible() as stop:
                while self.state["epoch"] < self.settings.epochs:
                    self._epoch(metrics, reporter, stop)
        except BaseException as error:
            self._tell("failure", message=str(error) or type(error).__name__)
            raise
        finally:
            metrics.close()
        self._tell("end")
        return dict(self.state)

    def _epoch(self, metrics: MetricsFile, reporter: Reporter, stop: threading.Event) -> None:
        epoch, per_epoch, every = self.state["epoch"], len(self.batches), self.settings.checkpoint_every
        watch = Stopwatch()
        self.learner.train()
        for number in range(self.state["step"] - epoch * per_epoch, per_epoch):
            watch.start()
            line = self._step(self.batches.get(epoch, number))
            line["windows_per_second"] = watch.lap(self.batches.batch_size)
            metrics.write(line)
            self._tell("step", line)
            reporter.step(self.state["step"], {k: v for k, v in line.items() if k not in ("step", "epoch")})
            if stop.is_set():
                self._save()
                raise self._interrupted()
            if every and self.state["step"] % every == 0 and number + 1 < per_epoch:  # the end of an epoch saves anyway
                self._save()
        self.state["epoch"] = epoch + 1
        self._after_epoch(metrics)
        self._save()
        if stop.is_set() and epoch + 1 < self.settings.epochs:
            raise self._interrupted()

    def _step(self, batch: Any) -> dict[str, Any]:
        step = self.state["step"]
        rate, decay = self.rates.at(step, self.numbers), self.rates.decay_at(step)
        self.rates.apply(self.optimizer, rate, decay)
        with torch.autocast(self.settings.device.split(":")[0], torch.bfloat16, enabled=self.settings.precision == "bf16"):
            losses: Losses = self.learner.loss(batch)  # type: ignore[operator]
        value = float(losses.total.detach())
        if not math.isfinite(value):
            raise RunError(
                f"the loss became {value} at step {step + 1}; "
                f"lower the learning rate (lr={self.settings.lr:g}) or look at the data"
            )
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        if self.settings.clip is not None:
            nn.utils.clip_grad_norm_(self.learner.parameters(), self.settings.clip)
        self.optimizer.step()
        self.learner.after_step()  # type: ignore[operator]
        self.state["step"] = step + 1
        logs = {name: round(float(number), 6) for name, number in losses.logs.items()}
        ramp = {} if decay is None else {"weight_decay": decay}
        return {"step": step + 1, "epoch": self.state["epoch"] + 1, "loss": value, "lr": rate, **ramp, **logs}

    def _after_epoch(self, metrics: MetricsFile) -> None:
        numbers: Mapping[str, float] = {}
        if self.validate is not None:
            self.learner.eval()
            device = torch.device(self.settings.device)
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
                numbers = self.validate()
        self.numbers.append({name: float(v) if math.isfinite(v) else None for name, v in numbers.items()})
        value = numbers.get(self.monitor) if self.monitor else None
        best = self.state["best"]
        if self.monitor is None or (value is not None and math.isfinite(value) and (best is None or value > best)):
            self.state["best"], self.state["best_epoch"] = value, self.state["epoch"]
            if self.on_best is not None:
                self.on_best()
        line = {"step": self.state["step"], "epoch": self.state["epoch"], "validation": True, **numbers}
        metrics.write(line)
        self._tell("epoch", line)

    def _save(self) -> None:
        if not self.resumable:
            return
        state = {**self.state, "numbers": self.numbers}
        save_checkpoint(self.checkpoints, self.learner, self.optimizer, state, keep=self.settings.keep)
        self._tell("checkpoint")

    def _tell(self, name: EventName, numbers: Mapping[str, Any] = MappingProxyType({}), *, message: str = "") -> None:
        """Let plugins know; none of them can disturb the run."""
        if self._watchers is not None:
            event = RunEvent(name, self.state["step"], self.state["epoch"], MappingProxyType(dict(numbers)), message)
            self._watchers.run_event(self, event)

    def _interrupted(self) -> Interrupted:
        saved = f"; all of it is saved in {self.checkpoints}, resume it" if self.resumable else ""
        return Interrupted(f"interrupted after step {self.state['step']}{saved}")


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a flag that is read between steps; a second one acts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        # A handler that was not installed from Python cannot be put back; None stands for it.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)

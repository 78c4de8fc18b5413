"""Crops: a model of short windows learns from a store of longer ones, and answers for a long one by the mean over crops.

Learning from short crops of long recordings is that of Strodthoff et al., "Deep learning for ECG analysis: benchmarks and
insights from PTB-XL", IEEE JBHI 2021, who take the largest of the answers for the crops of a recording. Ours is their mean unless
that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ecg_core.contracts.task import CropAnswer, Task
from ecg_core.data.batch import Batch
from ecg_core.data.store import Store
from ecg_core.errors import ConfigError
from ecg_core.run.order import Batches
from ecg_core.run.training.sources import card_of

__all__ = ["Crops"]

_SALT = 0x63726F70  # of the draws of starts, so that augmentations draw others


@dataclass(frozen=True)
class Crops:
    """How long and how many.

    Args:
        samples: Of a crop; the length the backbone was pre-trained on, unless given in seconds.
        count: Crops that make an answer, evenly spaced from the beginning to the end of a window.
        answer: How they make one.
    """

    samples: int
    count: int
    answer: CropAnswer = "mean"

    @classmethod
    def of(
        cls,
        count: int | None,
        source: str | Path | None,
        store: Store,
        *,
        linear: bool,
        seconds: float | None = None,
        answer: CropAnswer | None = None,
    ) -> Crops | None:
        """The crops that were asked for; ``None`` for none.

        Raises:
            ConfigError: There is nothing to crop, or nothing that says how long a crop is.
        """
        if count is None:
            if seconds is not None or answer is not None:
                raise ConfigError(
                    "crop_seconds and crop_answer say of crops how long they are and what becomes of them; give crops"
                )
            return None
        if count < 1:
            raise ConfigError(f"crops must be at least 1, got {count}")
        if answer not in (None, "mean", "max"):
            raise ConfigError(f"crop_answer must be mean or max, got {answer!r}")
        if linear:
            raise ConfigError("mode=linear runs the frozen backbone once over whole windows, so it takes no crops; use mode=lora")
        if seconds is not None:
            samples = round(seconds * store.fs)
            if not 0 < samples < store.n_samples:
                raise ConfigError(f"crop_seconds must lie between 0 and the {store.seconds:g} s of a window, got {seconds:g}")
            return cls(samples, count, answer or "mean")
        if source is None:
            raise ConfigError(
                "crops are as long as the windows of a pre-training; give --from RUN, say how long they are with --crop-seconds, "
                "or prepare shorter windows"
            )
        signal = card_of(Path(source)).signal
        if signal.samples >= store.n_samples:
            raise ConfigError(
                f"{source} was trained on windows of {signal.seconds:g} s, and {store.path} has windows of {store.seconds:g} s, "
                "of which there is nothing to crop; prepare longer ones with --seconds, or leave crops out"
            )
        return cls(signal.samples, count, answer or "mean")

    def tell(self, task: Task) -> None:
        """Let a task know what a window is cut into when it is asked for an answer.

        Raises:
            ConfigError: It answers for every sample.
        """
        if task.per_step:
            raise ConfigError(f"{type(task).__name__} labels every sample, so there are no crops to average; leave crops out")
        task.crop_samples, task.crops, task.crop_answer = self.samples, self.count, self.answer

    def drawn(self, batches: Batches) -> Batches:
        """The same batches, each window cut to a crop that follows from seed, epoch and record alone."""

        def load(chosen: Any, epoch: int) -> Any:
            return self.cut(batches.load(chosen, epoch))

        return Batches(batches.indices, batches.batch_size, load, seed=batches.seed)

    def cut(self, batch: Batch) -> Batch:
        """One crop at random of each window."""
        latest = batch.signal.shape[-1] - self.samples
        starts = torch.as_tensor(batch.draws(_SALT).integers(latest + 1), device=batch.signal.device)
        places = starts[:, None] + torch.arange(self.samples, device=batch.signal.device)
        index = places[:, None].expand(-1, batch.signal.shape[1], -1)
        return replace(batch, signal=batch.signal.gather(-1, index))

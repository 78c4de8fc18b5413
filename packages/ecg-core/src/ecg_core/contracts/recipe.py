"""Recipe: how a method's paper trains it; the defaults of a run that the user did not choose."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Training defaults of a method or a task.

    Args:
        lr: Learning rate at ``lr_batch`` windows per step; other batch sizes scale it linearly. 0 for ``lr_batch`` turns
            the scaling off.
        lr_batch: See ``lr``.
        betas: Of Adam.
        weight_decay: Decoupled weight decay.
        decay_all: Decay biases and normalisation weights too; most recipes leave them out.
        warmup: Share of all steps in which the learning rate rises linearly.
        clip: Largest gradient norm; ``None`` leaves gradients alone.
        last_weight_decay: Weight decay of the last step, reached by half a cosine; ``None`` keeps it constant.
    """

    lr: float = 1e-3
    lr_batch: int = 256
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.05
    decay_all: bool = False
    warmup: float = 0.1
    clip: float | None = None
    last_weight_decay: float | None = None

    def rate(self, batch_size: int) -> float:
        """Learning rate for this batch size."""
        return self.lr * batch_size / self.lr_batch if self.lr_batch else self.lr

"""FrozenProbe: train only the head, on embeddings that a frozen backbone computes once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecg_core.contracts.losses import Losses
from ecg_core.contracts.task import Task
from ecg_core.data.store import Store

__all__ = ["FrozenProbe"]


class FrozenProbe(nn.Module):
    """The head of a task as a learner of its own.

    The backbone is run in evaluation mode, so its normalisation statistics do not move, and its parameters are not even
    part of this module: what is frozen is frozen.

    Args:
        task: Whose head learns.
        inputs: What the head reads, of the training windows.
        targets: ``(windows, classes)``.
        held_out_inputs: The same of the validation windows.
    """

    def __init__(self, task: Task, inputs: Tensor, targets: Tensor, held_out_inputs: Tensor) -> None:
        super().__init__()
        self.head = task.head
        self._task = (task,)  # in a tuple, so that the frozen backbone is not registered as a submodule
        self._inputs, self._targets, self._held_out = inputs, targets, held_out_inputs

    @classmethod
    def of(cls, task: Task, store: Store, targets: np.ndarray, train: np.ndarray, val: np.ndarray, *, device: str) -> FrozenProbe:
        """Run the backbone over both splits; ``targets`` are those of the training windows."""
        wanted = torch.from_numpy(targets).to(device)
        return cls(task, _head_inputs(task, store, train, device), wanted, _head_inputs(task, store, val, device))

    def batch(self, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
        """Inputs and targets of some training windows."""
        index = torch.from_numpy(chosen).to(self._inputs.device)
        return self._inputs[index], self._targets[index]

    def loss(self, batch: tuple[Tensor, Tensor]) -> Losses:
        """The task's criterion on the head's scores."""
        return Losses(self._task[0].criterion(self.head(batch[0]), batch[1]))

    def after_step(self) -> None:
        """Nothing."""

    @torch.no_grad()
    def held_out(self) -> np.ndarray:
        """Probabilities of the validation windows."""
        return np.asarray(self._task[0].probabilities(self.head(self._held_out)).cpu().numpy())


@torch.no_grad()
def _head_inputs(task: Task, store: Store, indices: np.ndarray, device: str, *, batch_size: int = 64) -> Tensor:
    backbone = task.backbone.eval()
    found = []
    for start in range(0, len(indices), batch_size):
        features = backbone.forward_features(store.batch(indices[start : start + batch_size]).to(device).signal)
        found.append(backbone.pool(features) if task.head.reads == "embedding" else features)
    return torch.cat(found) if found else torch.zeros(0, task.backbone.out_channels, device=device)

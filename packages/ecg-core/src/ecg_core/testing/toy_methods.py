"""What the checks of self-supervised methods share: a small method, its batches, and one plain training step."""

from __future__ import annotations

import torch

from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.batch import Batch
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_core.testing.checks import require
from ecg_core.testing.example import Example
from ecg_core.testing.toy import toy_batch

__all__ = ["batch_of", "built_method", "step"]


def built_method(example: Example, number: int = 0, *, seed: int = 0, **more: object) -> SSLMethod:
    """The method around one of the backbones its author states, with weights from a seed and nothing lazy left."""
    require(example.backbones, "conformance_params() states no backbones=[configuration, configuration] to run the method with")
    torch.manual_seed(seed)
    backbone = BACKBONES.build(dict(example.backbones[number]), in_leads=example.leads)
    spec = {"name": example.component.qualified, **example.arguments}
    method: SSLMethod = SSL.build(spec, backbone=backbone, **more)
    return materialize(method, batch_of(example), call=method.loss)


def batch_of(example: Example, *, seed: int = 0, records: int = 8, samples: int | None = None) -> Batch:
    """Toy ECGs of the size the author states, two recordings per patient."""
    return toy_batch(records, example.leads, samples or example.samples, fs=example.fs, seed=seed)


def step(method: SSLMethod, example: Example, seed: int) -> None:
    """One step of plain gradient descent, and what follows it."""
    loss = method.loss(batch_of(example, seed=seed)).total
    method.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in method.parameters():
            if parameter.grad is not None:
                parameter.sub_(1e-3 * parameter.grad)
    method.after_step()

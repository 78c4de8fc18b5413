"""Materialise lazy modules: sizes nobody wrote down are found by one dry run that leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.parameter import is_lazy

__all__ = ["is_materialized", "materialize"]

M = TypeVar("M", bound=nn.Module)


def is_materialized(module: nn.Module) -> bool:
    """Whether every parameter and buffer has its shape."""
    return not any(is_lazy(t) for t in (*module.parameters(), *module.buffers()))


def materialize(module: M, example: Any, *, call: Callable[[Any], Any] | None = None, seed: int = 0) -> M:
    """Give every lazy parameter its shape and initial value by one dry run; returns the same module.

    The dry run runs without gradients and in evaluation mode; the initial values follow from ``seed``; the global random
    state, the training mode of every submodule and all buffers are as before.

    Args:
        module: Any module, lazy or not; nothing happens when nothing is lazy.
        example: What the module takes, such as a ``(2, leads, samples)`` tensor or a batch.
        call: What to run instead of ``module(example)``, for instance ``module.loss``.
        seed: Of the initial values.
    """
    if is_materialized(module):
        return module
    modes = {name: m.training for name, m in module.named_modules()}
    devices = list({t.device for t in (*module.parameters(), *module.buffers()) if t.device.type == "cuda"})
    buffers = [(b, b.clone()) for b in module.buffers() if not is_lazy(b)]
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        module.eval()
        try:
            (call or module)(example)
        finally:
            for name, m in module.named_modules():
                m.training = modes.get(name, module.training)
            for buffer, before in buffers:
                buffer.copy_(before)
    if not is_materialized(module):
        left = [n for n, t in (*module.named_parameters(), *module.named_buffers()) if is_lazy(t)]
        raise RuntimeError(f"the dry run did not reach {', '.join(left)}; every lazy parameter must take part in it")
    return module

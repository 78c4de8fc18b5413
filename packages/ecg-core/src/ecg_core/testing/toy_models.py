"""What torch checks share: toy ECGs as tensors, seeded components, and comparisons that say by how much."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.testing.checks import CheckFailed, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy import toy_signal

__all__ = ["built_backbone", "first_lines", "gradient_problems", "require_close", "require_equal", "signal", "state_problems"]


def signal(example: Example, records: int = 2, *, samples: int | None = None, leads: int | None = None, seed: int = 0) -> Tensor:
    """Toy ECGs of the size the author states, ``(records, leads, samples)``."""
    sizes = leads or example.leads, samples or example.samples
    return torch.from_numpy(toy_signal(records, *sizes, fs=example.fs, seed=seed))


def built_backbone(example: Example, *, seed: int = 0, leads: int | None = None) -> Backbone:
    """The backbone with weights from a seed."""
    torch.manual_seed(seed)
    backbone: Backbone = example.build(in_leads=example.leads if leads is None else leads)
    return backbone


def require_equal(found: Tensor, expected: Tensor, what: str) -> None:
    """Require the same shape and the same bits (NaN equals NaN)."""
    require(found.shape == expected.shape, f"{what}: shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
    if not torch.equal(found.nan_to_num(1e30), expected.nan_to_num(1e30)):
        raise CheckFailed(f"{what}: they differ by up to {_distance(found, expected):.3g}")


def require_close(found: Tensor, expected: Tensor, what: str, tolerance: float = 1e-4) -> None:
    """Require the same shape and values within a tolerance, absolute and relative."""
    require(found.shape == expected.shape, f"{what}: shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
    if not torch.allclose(found, expected, rtol=tolerance, atol=tolerance):
        raise CheckFailed(f"{what}: they differ by up to {_distance(found, expected):.3g}, allowed is {tolerance:g}")


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a.detach().double() - b.detach().double()).abs().max())


def gradient_problems(module: nn.Module) -> list[str]:
    """Trained parameters that got no finite gradient, as sentences."""
    problems = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            problems.append(f"{name} gets no gradient; use it, or set requires_grad=False")
        elif parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            problems.append(f"{name} gets a gradient that is not finite")
    return problems


def state_problems(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names of tensors that changed between two state dicts."""
    return [name for name in before if not torch.equal(before[name], after[name])]


def first_lines(error: Exception) -> str:
    """The first three lines of an error of torch's, which can have a hundred."""
    return "\n".join(str(error).strip().split("\n")[:3]) or type(error).__name__

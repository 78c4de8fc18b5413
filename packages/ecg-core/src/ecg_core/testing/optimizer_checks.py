"""What every optimizer must satisfy to be driven by a run: parameter groups, a rate set from outside, exact resuming."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ecg_core.testing.checks import check, refuses, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy_models import require_equal


def _pair(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(4, 3, generator=generator)), nn.Parameter(torch.randn(3, generator=generator))]


def _built(example: Example, parameters: object, lr: float = 1e-2) -> torch.optim.Optimizer:
    optimizer: torch.optim.Optimizer = example.build(params=parameters, lr=lr)
    return optimizer


def _loss(parameters: list[nn.Parameter]) -> torch.Tensor:
    return sum(((p - 1.0) ** 2).sum() for p in parameters)  # type: ignore[return-value]


def _steps(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        _loss(parameters).backward()
        optimizer.step()


@check("optimizers")
def derives_from_optimizer(example: Example) -> None:
    """It is a ``torch.optim.Optimizer`` that is built with ``params`` and ``lr``."""
    built = _built(example, _pair())
    require(isinstance(built, torch.optim.Optimizer), f"{type(built).__name__} is no torch.optim.Optimizer")


@check("optimizers")
def steps_lower_a_quadratic(example: Example) -> None:
    """Fifty steps come nearer to the minimum of a parabola."""
    parameters = _pair()
    before = float(_loss(parameters).detach())
    _steps(_built(example, parameters), parameters, 50)
    after = float(_loss(parameters).detach())
    require(after < before, f"after 50 steps the parabola is at {after:.4g}, at the start {before:.4g}")


@check("optimizers")
def each_group_keeps_its_own_rate(example: Example) -> None:
    """A group whose ``lr`` is 0 stands still while another moves, which is what schedules and frozen layers rely on."""
    still, moving = _pair()
    optimizer = _built(example, [{"params": [still], "lr": 0.0}, {"params": [moving]}])
    before = still.detach().clone(), moving.detach().clone()
    _steps(optimizer, [still, moving], 2)
    require(torch.equal(still, before[0]), "a parameter group with lr=0 moved")
    require(not torch.equal(moving, before[1]), "a parameter group with a rate stood still")


@check("optimizers")
def the_rate_can_be_set_between_steps(example: Example) -> None:
    """Setting ``param_groups[i]["lr"]`` to 0 stops it, which is how a run applies its schedule."""
    parameters = _pair()
    optimizer = _built(example, parameters)
    _steps(optimizer, parameters, 1)
    before = [p.detach().clone() for p in parameters]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    _steps(optimizer, parameters, 1)
    require(all(map(torch.equal, parameters, before)), "with the rate set to 0 between steps it still moved")


@check("optimizers")
def parameters_without_a_gradient_stay(example: Example) -> None:
    """A parameter that got no gradient is left alone."""
    used, idle = _pair()
    optimizer = _built(example, [used, idle])
    before = idle.detach().clone()
    _loss([used]).backward()
    optimizer.step()
    require(torch.equal(idle, before), "a parameter without a gradient moved")


@check("optimizers")
def state_resumes_bit_for_bit(example: Example) -> None:
    """Loaded into a new one, its state goes on exactly as it would have."""
    first = _pair()
    optimizer = _built(example, first)
    _steps(optimizer, first, 3)
    second = [nn.Parameter(p.detach().clone()) for p in first]
    twin = _built(example, second)
    twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    _steps(optimizer, first, 2)
    _steps(twin, second, 2)
    for a, b in zip(first, second, strict=True):
        require_equal(b.detach(), a.detach(), "the parameters after resuming and without an interruption")


@check("optimizers")
def a_negative_rate_is_one_clear_error(example: Example) -> None:
    """``lr=-1`` is refused."""
    refuses(lambda: _built(example, _pair(), lr=-1.0), "lr=-1")

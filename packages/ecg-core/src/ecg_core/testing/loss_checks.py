"""What every loss must satisfy: a function of a prediction and what it is compared with."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_core.testing.checks import CheckFailed, check, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy_models import require_equal

__all__: list[str] = []


def _inputs(example: Example) -> list[Tensor]:
    """What the author states, or logits and one class each of four windows, as ``(batch, classes)``."""
    if example.inputs is not None:
        stated: Sequence[Any] = example.inputs()
        return list(stated)
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    return [logits, F.one_hot(torch.tensor([0, 2, 4, 1]), 5).float()]


def _scalar(found: Any) -> Tensor:
    require(isinstance(found, Tensor) and found.ndim == 0, f"the loss is {_shape(found)} instead of a scalar tensor")
    require(torch.isfinite(found), f"the loss is {float(found.detach())}")
    return found


def _shape(found: Any) -> str:
    return f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"


@check("losses")
def is_a_torch_module(example: Example) -> None:
    """It is an ``nn.Module``, so that it moves and saves with what it trains."""
    built = example.build()
    require(isinstance(built, nn.Module), f"{type(built).__name__} is no torch.nn.Module")


@check("losses")
def loss_is_a_finite_scalar(example: Example) -> None:
    """Its default is one finite number for the whole batch."""
    _scalar(example.build()(*_inputs(example)))


@check("losses")
def gradient_reaches_the_prediction(example: Example) -> None:
    """The first input, the prediction, gets a finite gradient that is not zero everywhere."""
    prediction, *rest = _inputs(example)
    prediction.requires_grad_()
    loss = _scalar(example.build()(prediction, *rest))
    require(loss.requires_grad, "the loss is cut off from the prediction")
    (slope,) = torch.autograd.grad(loss, prediction, allow_unused=True)
    if slope is None:
        raise CheckFailed("the prediction gets no gradient")
    require(torch.isfinite(slope).all(), "the gradient of the prediction is not finite")
    require(slope.abs().sum() > 0, "the gradient of the prediction is zero everywhere")


@check("losses")
def following_the_gradient_lowers_it(example: Example) -> None:
    """A small step of the prediction against its gradient lowers the loss."""
    prediction, *rest = _inputs(example)
    prediction.requires_grad_()
    loss = example.build()
    before = _scalar(loss(prediction, *rest))
    (slope,) = torch.autograd.grad(before, prediction)
    after = loss((prediction - 1e-2 * slope / slope.norm().clamp(min=1e-12)).detach(), *rest)
    require(after < before, f"after a step against the gradient it is {float(after):.6g}, before {float(before.detach()):.6g}")


@check("losses")
def inputs_are_not_modified(example: Example) -> None:
    """Prediction and target are as before."""
    inputs = _inputs(example)
    before = [t.clone() for t in inputs]
    example.build()(*inputs)
    for number, (now, then) in enumerate(zip(inputs, before, strict=True)):
        require_equal(now, then, f"input {number} before and after")


@check("losses")
def the_same_inputs_give_the_same_loss(example: Example) -> None:
    """It draws nothing, keeps no count, and its copies agree."""
    loss, inputs = example.build(), _inputs(example)
    first = loss(*inputs)
    require_equal(loss(*inputs), first, "the loss of the same inputs, twice")
    require_equal(copy.deepcopy(loss)(*inputs), first, "the loss and its deep copy")
    require_equal(pickle.loads(pickle.dumps(loss))(*inputs), first, "the loss and its pickle")  # noqa: S301

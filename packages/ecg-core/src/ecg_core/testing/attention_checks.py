"""What every attention layer must satisfy: it weighs features and keeps their shape."""

from __future__ import annotations

import json
import pickle

import torch
from torch import Tensor, nn

from ecg_core.contracts.lazy import materialize
from ecg_core.discovery.registries import ATTN_LAYERS
from ecg_core.testing.checks import check, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy_models import gradient_problems, require_close, require_equal


def _inputs(example: Example) -> list[Tensor]:
    """What the author states, or features ``(batch, channels, steps)`` of 3 windows, 16 channels and 50 steps."""
    if example.inputs is not None:
        return list(example.inputs())
    return [torch.randn(3, 16, 50, generator=torch.Generator().manual_seed(0))]


def _built(example: Example) -> nn.Module:
    torch.manual_seed(0)
    layer: nn.Module = example.build()
    inputs = _inputs(example)
    return materialize(layer, inputs, call=lambda given: layer(*given))


@check("attention")
def is_a_torch_module(example: Example) -> None:
    """It is an ``nn.Module``."""
    built = example.build()
    require(isinstance(built, nn.Module), f"{type(built).__name__} is no torch.nn.Module")


@check("attention")
def shape_is_kept(example: Example) -> None:
    """What comes out has the shape of the first input, and is finite."""
    inputs = _inputs(example)
    found = _built(example).eval()(*inputs)
    require(found.shape == inputs[0].shape, f"{tuple(inputs[0].shape)} becomes {tuple(found.shape)}")
    require(torch.isfinite(found).all(), "the output is not finite")


@check("attention")
def every_parameter_gets_a_finite_gradient(example: Example) -> None:
    """Every trained parameter takes part."""
    layer = _built(example).train()
    found = layer(*_inputs(example))
    (found * torch.randn(found.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    problems = gradient_problems(layer)
    require(not problems, "; ".join(problems))


@check("attention")
def eval_is_deterministic_and_rows_are_independent(example: Example) -> None:
    """In evaluation a window's output depends on nothing but that window."""
    layer, inputs = _built(example).eval(), _inputs(example)
    found = layer(*inputs)
    require_equal(layer(*inputs), found, "two evaluations of one input")
    require_close(layer(*(t[1:2] for t in inputs)), found[1:2], "a window by itself and among others")


@check("attention")
def input_is_not_modified(example: Example) -> None:
    """The features are as before."""
    inputs = _inputs(example)
    before = inputs[0].clone()
    _built(example).train()(*inputs)
    require_equal(inputs[0], before, "the input before and after")


@check("attention")
def config_round_trip_and_pickle(example: Example) -> None:
    """Built again from its JSON configuration, or unpickled, it gives the same."""
    layer, inputs = _built(example).eval(), _inputs(example)
    twin = materialize(ATTN_LAYERS.build(json.loads(json.dumps(ATTN_LAYERS.to_config(layer)))), inputs)
    twin.load_state_dict(layer.state_dict())
    require_equal(twin.eval()(*inputs), layer(*inputs), "the layer and its twin from the configuration")
    require_equal(pickle.loads(pickle.dumps(layer))(*inputs), layer(*inputs), "the layer and its pickle")  # noqa: S301

"""What every self-supervised method must satisfy between runs: seeds, copies, configurations, resuming, number types."""

from __future__ import annotations

import copy
import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.data.files import sha256
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_core.run.checkpoint import load_tensors, save_tensors
from ecg_core.testing.checks import applies, check, require
from ecg_core.testing.example import Example
from ecg_core.testing.process import in_a_fresh_process
from ecg_core.testing.toy_methods import batch_of, built_method, step
from ecg_core.testing.toy_models import require_close, require_equal

_ELSEWHERE = """
import torch
from ecg_core.testing.example import Example
from ecg_core.testing.toy_methods import batch_of, built_method
torch.set_num_threads(1)
example = Example.of(given)
result = float(built_method(example).train().loss(batch_of(example)).total.detach())
"""


@check("ssl")
def loss_is_a_pure_function_of_weights_batch_seed_and_epoch(example: Example) -> None:
    """Torch's global generator has no say in the loss; another epoch has."""
    method = built_method(example).train()
    batch = batch_of(example)
    fresh = copy.deepcopy(method)
    torch.manual_seed(1)
    first = method.loss(batch).total
    torch.manual_seed(2)
    require_equal(fresh.loss(batch).total, first, "two seeds of torch's global generator; draw from batch.draws() instead")
    later = copy.deepcopy(fresh).loss(replace(batch, epoch=1)).total
    require(not torch.equal(first, later), "epochs 0 and 1 have the same loss; draw views and masks from batch.draws()")


@check("ssl")
def another_process_gives_the_same_loss(example: Example) -> None:
    """The same seed and batch give the same loss in a fresh process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = float(built_method(example).train().loss(batch_of(example)).total.detach())
    finally:
        torch.set_num_threads(threads)
    there = in_a_fresh_process(_ELSEWHERE, example.component)
    require(abs(here - there) <= 1e-6 * max(1.0, abs(here)), f"the loss is {here!r} here and {there!r} in a fresh process")


@check("ssl")
def numpy_and_python_randomness_is_left_alone(example: Example) -> None:
    """Building it and computing a loss neither draws from nor seeds NumPy's and Python's global generators."""
    before = np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    built_method(example).loss(batch_of(example))
    after = np.random.get_state()[1], random.getstate()  # type: ignore[index]  # noqa: NPY002
    require(np.array_equal(before[0], after[0]), "it changed NumPy's global random state; draw from batch.draws()")
    require(before[1] == after[1], "it changed Python's global random state; draw from batch.draws()")


@check("ssl")
def backbone_is_a_plain_backbone_that_loads_by_itself(example: Example) -> None:
    """``method.backbone`` is the product: built from its own configuration, its weights load and give the same features."""
    method = built_method(example)
    require(isinstance(method.backbone, Backbone), f"method.backbone is a {type(method.backbone).__name__} and no Backbone")
    other = BACKBONES.build(BACKBONES.to_config(method.backbone))
    other.load_state_dict(method.backbone.state_dict())
    x = batch_of(example).signal
    require_equal(other.eval()(x), method.backbone.eval()(x), "the backbone and its twin without the method")


@check("ssl")
def the_backbone_that_was_given_is_trained(example: Example) -> None:
    """The backbone gets the gradient: a step changes it."""
    method = built_method(example).train()
    before = copy.deepcopy(method.backbone.state_dict())
    step(method, example, 0)
    trained = dict(method.backbone.named_parameters())
    moved = [name for name in trained if not torch.equal(before[name], trained[name])]
    require(moved, "a step leaves every parameter of method.backbone as it was")


@check("ssl")
def nothing_lazy_is_left_and_copies_agree(example: Example) -> None:
    """After its first batch nothing is lazy, and a deep copy has the same loss."""
    method = built_method(example)
    require(is_materialized(method), "after its first batch something is still lazy")
    require_equal(copy.deepcopy(method).loss(batch_of(example)).total, method.loss(batch_of(example)).total, "a deep copy")


@check("ssl")
def state_resumes_bit_for_bit(example: Example) -> None:
    """Loaded into a new one, its state goes on exactly as it would have, whatever queues and copies it keeps."""
    method = built_method(example).train()
    for seed in range(2):
        step(method, example, seed)
    twin = built_method(example, seed=9).train()
    twin.load_state_dict(copy.deepcopy(method.state_dict()))
    for learner in (method, twin):
        step(learner, example, 5)
    for (name, a), b in zip(method.state_dict().items(), twin.state_dict().values(), strict=True):
        require(torch.equal(a, b), f"{name} differs after resuming; what the next step depends on belongs into a buffer")
    batch = batch_of(example, seed=6)
    require_equal(twin.loss(batch).total, method.loss(batch).total, "the next loss after resuming and without an interruption")


@check("ssl")
def config_round_trip_includes_the_backbone(example: Example) -> None:
    """Built again from its JSON configuration, backbone included, with its weights, it has the same loss."""
    method = built_method(example)
    config = json.loads(json.dumps(SSL.to_config(method)))
    twin = SSL.build(config)
    materialize(twin, batch_of(example), call=twin.loss)
    twin.load_state_dict(method.state_dict())
    require_equal(twin.loss(batch_of(example)).total, method.loss(batch_of(example)).total, "its twin from the configuration")


@check("ssl")
def bfloat16_autocast_stays_finite(example: Example) -> None:
    """Under bfloat16 autocast the loss is a finite float32."""
    method = built_method(example)
    with torch.autocast("cpu", torch.bfloat16):
        total = method.loss(batch_of(example)).total
    require(total.dtype == torch.float32, f"under autocast the loss is {total.dtype}; compute it in float32")
    require(torch.isfinite(total), "under autocast the loss is not finite")


@check("ssl")
def extreme_arguments_stay_finite_under_autocast(example: Example) -> None:
    """Under bfloat16 autocast loss and gradient are finite with each set of arguments its author states as ``extremes``."""
    applies(example.extremes, "conformance_params() states no extremes=[{…}] arguments, such as a tiny temperature")
    for arguments in example.extremes:
        method = built_method(example, **arguments).train()
        with torch.autocast("cpu", torch.bfloat16):
            total = method.loss(batch_of(example)).total
        require(torch.isfinite(total), f"with {dict(arguments)} the loss is {float(total.detach())}")
        total.backward()
        wrong = [n for n, p in method.named_parameters() if p.grad is not None and not bool(torch.isfinite(p.grad).all())]
        require(not wrong, f"with {dict(arguments)} these gradients are not finite: {', '.join(wrong[:3])}")


@check("ssl")
def weights_survive_safetensors(example: Example) -> None:
    """What a run saves loads strictly, and gives the same loss."""
    method = built_method(example)
    other = built_method(example, seed=4)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        save_tensors(path, method.state_dict())
        other.load_state_dict(load_tensors(path, expected=sha256(path)))
    require_equal(other.loss(batch_of(example)).total, method.loss(batch_of(example)).total, "one that loaded the saved weights")


@check("ssl")
def frozen_parameters_stay_until_after_step(example: Example) -> None:
    """Parameters with ``requires_grad=False``, such as a momentum encoder, are moved by ``after_step`` only."""
    method = built_method(example).train()
    frozen = {name: p for name, p in method.named_parameters() if not p.requires_grad}
    applies(frozen, "it has no frozen parameters")
    before = {name: p.detach().clone() for name, p in frozen.items()}
    loss = method.loss(batch_of(example)).total
    loss.backward()
    with_gradient = [name for name, p in frozen.items() if p.grad is not None]
    require(not with_gradient, f"frozen, yet with a gradient: {', '.join(with_gradient[:3])}")
    moved = [name for name, p in frozen.items() if not torch.equal(p, before[name])]
    require(not moved, f"moved by loss() instead of after_step(): {', '.join(moved[:3])}")


@check("ssl")
def the_momentum_copy_follows_exactly(example: Example) -> None:
    """After a step the copy is ``rate · copy + (1 - rate) · source``, starts equal to its source and takes no gradient."""
    applies(example.momentum is not None, "conformance_params() states no momentum=(copy, source, rate)")
    assert example.momentum is not None
    copied, source, rate = example.momentum
    method = built_method(example).train()
    target, online = method.get_submodule(copied), method.get_submodule(source)
    for (name, a), b in zip(target.named_parameters(), online.parameters(), strict=True):
        require(torch.equal(a, b), f"{copied}.{name} does not start as a copy of {source}")
        require(not a.requires_grad, f"{copied}.{name} asks for a gradient; the copy must not be trained")
    old = {name: p.detach().clone() for name, p in target.named_parameters()}
    step(method, example, 0)
    for (name, a), b in zip(target.named_parameters(), online.parameters(), strict=True):
        require_close(
            a.detach(), rate * old[name] + (1 - rate) * b.detach(), f"{copied}.{name} after a step at rate {rate}", 1e-6
        )

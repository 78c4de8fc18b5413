"""What every self-supervised method must satisfy."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import torch

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.batch import Batch
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_core.run.checkpoint import load_tensors, save_tensors
from ecg_core.testing.kit import Example, check, signature_is_closed
from ecg_core.testing.toy import toy_batch


def _backbones(example: Example) -> list[dict[str, object]]:
    """Small configurations the method is run with; its author states them as ``backbones`` in ``conformance_params``."""
    stated = example.arguments.get("backbones")
    assert isinstance(stated, (list, tuple)), "conformance_params() must state backbones=[config, config]"
    return [dict(config) for config in stated]


def _built(example: Example, number: int = 0, *, seed: int = 0) -> SSLMethod:
    arguments = {k: v for k, v in example.arguments.items() if k != "backbones"}
    torch.manual_seed(seed)
    backbone = BACKBONES.build(_backbones(example)[number], in_leads=example.leads)
    method: SSLMethod = SSL.build(example.component.qualified, backbone=backbone, **arguments)
    return materialize(method, _batch(example), call=method.loss)


def _batch(example: Example, *, seed: int = 0, records: int = 8) -> Batch:
    return toy_batch(records, example.leads, example.samples, fs=example.fs, seed=seed)


@check("ssl")
def derives_from_ssl_method(example: Example) -> None:
    assert isinstance(_built(example), SSLMethod)


@check("ssl")
def constructor_takes_no_unknown_words(example: Example) -> None:
    assert signature_is_closed(type(_built(example)).__init__)


@check("ssl")
def runs_with_two_different_backbones(example: Example) -> None:
    assert len(_backbones(example)) >= 2
    for number in range(len(_backbones(example))):
        assert torch.isfinite(_built(example, number).loss(_batch(example)).total)


@check("ssl")
def loss_is_a_finite_scalar_with_gradient(example: Example) -> None:
    losses = _built(example).loss(_batch(example))
    assert isinstance(losses, Losses)
    assert losses.total.ndim == 0
    assert losses.total.requires_grad
    assert all(not value.requires_grad for value in losses.logs.values())


@check("ssl")
def loss_falls_on_one_batch(example: Example) -> None:
    method = _built(example).train()
    optimizer = torch.optim.AdamW(method.parameters(), lr=2e-3)
    seen = []
    for _ in range(25):
        loss = method.loss(_batch(example)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.after_step()
        seen.append(float(loss.detach()))
    assert seen[-1] < seen[0], f"the loss went from {seen[0]:.4f} to {seen[-1]:.4f}"


@check("ssl")
def every_backbone_parameter_learns(example: Example) -> None:
    method = _built(example).train()
    method.loss(_batch(example)).total.backward()
    silent = [n for n, p in method.backbone.named_parameters() if p.requires_grad and p.grad is None]
    assert not silent, f"no gradient reaches {silent}"


@check("ssl")
def loss_is_a_pure_function_of_weights_batch_seed_and_epoch(example: Example) -> None:
    method = _built(example).train()
    batch = _batch(example)
    fresh = copy.deepcopy(method)
    torch.manual_seed(1)
    first = method.loss(batch).total
    torch.manual_seed(2)
    assert torch.equal(first, fresh.loss(batch).total)
    assert not torch.equal(first, copy.deepcopy(fresh).loss(replace(batch, epoch=1)).total)


@check("ssl")
def backbone_is_a_plain_backbone_that_loads_by_itself(example: Example) -> None:
    method = _built(example)
    assert isinstance(method.backbone, Backbone)
    other = BACKBONES.build(BACKBONES.to_config(method.backbone))
    other.load_state_dict(method.backbone.state_dict())
    x = _batch(example).signal
    assert torch.equal(other.eval()(x), method.backbone.eval()(x))


@check("ssl")
def nothing_lazy_is_left_and_copies_agree(example: Example) -> None:
    method = _built(example)
    assert is_materialized(method)
    twin = copy.deepcopy(method)
    assert torch.equal(twin.loss(_batch(example)).total, method.loss(_batch(example)).total)


@check("ssl")
def state_resumes_bit_for_bit(example: Example) -> None:
    method = _built(example).train()
    for seed in range(2):
        _step(method, example, seed)
    twin = _built(example, seed=9).train()
    twin.load_state_dict(copy.deepcopy(method.state_dict()))
    for learner in (method, twin):
        _step(learner, example, 5)
    for (name, a), b in zip(method.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.equal(a, b), f"{name} differs after resuming"


@check("ssl")
def config_round_trip_includes_the_backbone(example: Example) -> None:
    method = _built(example)
    config = json.loads(json.dumps(SSL.to_config(method)))
    twin = SSL.build(config)
    materialize(twin, _batch(example), call=twin.loss)
    twin.load_state_dict(method.state_dict())
    assert torch.equal(twin.loss(_batch(example)).total, method.loss(_batch(example)).total)


@check("ssl")
def bfloat16_autocast_stays_finite(example: Example) -> None:
    method = _built(example)
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.loss(_batch(example))
    assert losses.total.dtype == torch.float32
    assert torch.isfinite(losses.total)


@check("ssl")
def missing_requirements_are_one_clear_error(example: Example) -> None:
    method = _built(example)
    if not method.requires:
        return
    bare = replace(_batch(example), patient=None, segment=None)
    try:
        method.check_requirements(bare)
    except ValueError as error:
        assert all(name in str(error) for name in method.requires)
    else:
        raise AssertionError("a batch without the required fields was accepted")


@check("ssl")
def weights_survive_safetensors(example: Example) -> None:
    import tempfile
    from pathlib import Path

    from ecg_core.data.files import sha256

    method = _built(example)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        save_tensors(path, method.state_dict())
        method.load_state_dict(load_tensors(path, expected=sha256(path)))


def _step(method: SSLMethod, example: Example, seed: int) -> None:
    loss = method.loss(_batch(example, seed=seed)).total
    method.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in method.parameters():
            if parameter.grad is not None:
                parameter.sub_(1e-3 * parameter.grad)
    method.after_step()

"""What every head must satisfy."""

from __future__ import annotations

import json

import torch
from torch import Tensor

from ecg_core.contracts.head import Head
from ecg_core.contracts.lazy import materialize
from ecg_core.discovery.registries import HEADS
from ecg_core.testing.kit import Example, check, signature_is_closed

_CLASSES = 5


def _input(head: Head, channels: int = 24, records: int = 4) -> Tensor:
    shape = (records, channels) if head.reads == "embedding" else (records, channels, 9)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _built(example: Example, channels: int = 24) -> Head:
    head: Head = example.build(classes=_CLASSES)
    return materialize(head, _input(head, channels))


@check("heads")
def derives_from_head(example: Example) -> None:
    assert isinstance(example.build(classes=_CLASSES), Head)


@check("heads")
def constructor_takes_no_unknown_words(example: Example) -> None:
    assert signature_is_closed(type(example.build(classes=_CLASSES)).__init__)


@check("heads")
def channels_are_inferred(example: Example) -> None:
    for channels in (3, 24):
        head = _built(example, channels)
        assert tuple(head(_input(head, channels)).shape)[:2] == (4, _CLASSES)


@check("heads")
def every_parameter_gets_a_gradient(example: Example) -> None:
    head = _built(example).train()
    (head(_input(head)) ** 2).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in head.parameters() if p.requires_grad)


@check("heads")
def config_round_trip_gives_equal_outputs(example: Example) -> None:
    head = _built(example).eval()
    other = materialize(HEADS.build(json.loads(json.dumps(HEADS.to_config(head)))), _input(head))
    other.load_state_dict(head.state_dict())
    assert torch.equal(other.eval()(_input(head)), head(_input(head)))


@check("heads")
def exports_with_dynamic_batch(example: Example) -> None:
    head = _built(example).eval()
    program = torch.export.export(head, (_input(head),), dynamic_shapes={"x": {0: torch.export.Dim("batch", min=1, max=64)}})
    torch.testing.assert_close(program.module()(_input(head, records=7)), head(_input(head, records=7)))

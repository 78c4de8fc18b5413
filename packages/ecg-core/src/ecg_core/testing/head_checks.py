"""What every head must satisfy."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.head import Head
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.discovery.registries import HEADS
from ecg_core.testing.checks import CheckFailed, applies, check, refuses, require
from ecg_core.testing.example import Example
from ecg_core.testing.exporting import exported
from ecg_core.testing.toy_models import first_lines, gradient_problems, require_close, require_equal, signal

_CLASSES = 5


class _Strided(Backbone):
    """The plainest backbone: strided convolutions, as many as the head wants maps."""

    def __init__(self, in_leads: int, channels: int, stride: int, maps: int) -> None:
        super().__init__()
        self.in_leads = in_leads
        self.stages = tuple(Stage(channels + number, stride ** (number + 1)) for number in range(maps))
        inputs = [in_leads, *(stage.channels for stage in self.stages)]
        self.layers = nn.ModuleList(
            nn.Conv1d(inputs[i], stage.channels, 2 * stride - 1, stride=stride, padding=stride - 1)
            for i, stage in enumerate(self.stages)
        )

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        self.check_input(x)
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps


def _input(head: Head, channels: int = 24, records: int = 4, steps: int = 9, *, seed: int = 0) -> Any:
    """What the head reads: an embedding, features, or as many maps as it wants, each of half the steps of the one before."""
    generator = torch.Generator().manual_seed(seed)
    if head.reads == "embedding":
        return torch.randn(records, channels, generator=generator)
    maps = [torch.randn(records, channels, max(1, steps >> number), generator=generator) for number in range(-head.grid)]
    return maps if head.reads == "intermediates" else maps[0]


def _rows(x: Any, rows: slice) -> Any:
    return [part[rows] for part in x] if isinstance(x, list) else x[rows]


def _built(example: Example, channels: int = 24, *, classes: int = _CLASSES) -> Head:
    head: Head = example.build(classes=classes)
    return materialize(head, _input(head, channels))


@check("heads")
def derives_from_head(example: Example) -> None:
    """It is an ``ecg_core`` head that says whether it reads the embedding, the features or all maps."""
    head = example.build(classes=_CLASSES)
    require(isinstance(head, Head), f"{type(head).__name__} does not derive from ecg_core.contracts.head.Head")
    known = ("embedding", "features", "intermediates")
    require(head.reads in known, f"reads must be one of {', '.join(known)}, got {head.reads!r}")
    require(head.classes == _CLASSES, f"built with classes={_CLASSES} its classes is {head.classes}")


@check("heads")
def channels_are_inferred(example: Example) -> None:
    """Nobody tells it how many channels come: it takes 3 as well as 24."""
    for channels in (3, 24):
        try:
            head = _built(example, channels)
            found = tuple(head(_input(head, channels)).shape)[:2]
        except RuntimeError as error:
            raise CheckFailed(f"it does not take {channels} channels ({error}); infer them, e.g. with nn.LazyLinear") from error
        require(is_materialized(head), "after its first batch it is still lazy")
        require(found == (4, _CLASSES), f"its scores of {channels} channels are {found}… instead of {(4, _CLASSES)}")


@check("heads")
def fits_any_backbone(example: Example) -> None:
    """It works behind backbones of different width and stride, for even and odd lengths."""
    for channels, stride in ((6, 4), (10, 7)):
        head: Head = example.build(classes=_CLASSES)
        backbone = _Strided(example.leads, channels, stride, -head.grid)
        for samples in (example.samples, example.samples + 1):
            maps = backbone.forward_intermediates(signal(example, samples=samples))
            read = {"embedding": backbone.pool(maps[-1]), "features": maps[-1], "intermediates": maps}[head.reads]
            found = tuple(materialize(head, read)(read).shape)
            require(found[:2] == (2, _CLASSES), f"its scores are {found} instead of (2, {_CLASSES}, …) for {samples} samples")


@check("heads")
def per_step_scores_keep_the_time_grid(example: Example) -> None:
    """A head of scores per step gives as many steps as its features have, or the finest map it reads."""
    head = _built(example)
    applies(head.reads != "embedding", "it reads the embedding, which has no steps")
    applies(head(_input(head)).ndim == 3, "it gives one score per window")
    for steps in (9, 16):
        found = tuple(head(_input(head, steps=steps)).shape)
        require(found == (4, _CLASSES, steps), f"its scores are {found} instead of {(4, _CLASSES, steps)}")


@check("heads")
def one_class_works_and_none_is_refused(example: Example) -> None:
    """One class is enough; zero classes are one clear error when it is built."""
    found = tuple(_built(example, classes=1)(_input(_built(example, classes=1))).shape)[:2]
    require(found == (4, 1), f"its scores of one class are {found} instead of (4, 1)")
    refuses(lambda: example.build(classes=0), "classes=0", errors=(ValueError,))


@check("heads")
def every_parameter_gets_a_gradient(example: Example) -> None:
    """Every trained parameter takes part in the scores."""
    head = _built(example).train()
    (head(_input(head)) ** 2).sum().backward()
    problems = gradient_problems(head)
    require(not problems, "; ".join(problems))


@check("heads")
def eval_is_deterministic_and_rows_are_independent(example: Example) -> None:
    """In evaluation a window's scores depend on nothing but that window."""
    head = _built(example).eval()
    x = _input(head)
    require_equal(head(x), head(x), "two evaluations of one input")
    require_close(head(x)[1:2], head(_rows(x, slice(1, 2))), "a window among others and by itself", 1e-5)


@check("heads")
def input_is_not_modified(example: Example) -> None:
    """The features are as before."""
    head = _built(example).train()
    x = _input(head)
    before = copy.deepcopy(x)
    head(x)
    for found, given in zip(x, before, strict=True):
        require_equal(found, given, "the input before and after")


@check("heads")
def config_round_trip_gives_equal_outputs(example: Example) -> None:
    """Built again from its JSON configuration, with its weights, it gives the same scores."""
    head = _built(example).eval()
    config = json.loads(json.dumps(HEADS.to_config(head)))
    other = materialize(HEADS.build(config), _input(head))
    other.load_state_dict(head.state_dict())
    require_equal(other.eval()(_input(head)), head(_input(head)), "the head and its twin from the configuration")
    require(HEADS.to_config(other) == config, f"its configuration came back as {HEADS.to_config(other)} instead of {config}")


@check("heads")
def pickle_and_deepcopy_keep_everything(example: Example) -> None:
    """Copies give the same scores."""
    head = _built(example).eval()
    x = _input(head)
    for what, other in {"deep copy": copy.deepcopy(head), "pickle": pickle.loads(pickle.dumps(head))}.items():  # noqa: S301
        require_equal(other(x), head(x), f"the head and its {what}")


@check("heads")
def exports_with_dynamic_batch(example: Example) -> None:
    """``torch.export`` gives one program for any number of windows."""
    head = _built(example).eval()
    rows = {0: torch.export.Dim("batch", min=1, max=64)}
    try:
        shapes = ([rows] * -head.grid if head.reads == "intermediates" else rows,)
        program = exported(head, (_input(head),), shapes)
        found = program(_input(head, records=7))
    except Exception as error:  # torch raises many kinds
        raise CheckFailed(f"torch.export with a dynamic batch fails: {first_lines(error)}") from error
    require_close(found, head(_input(head, records=7)), "the exported program and the head")

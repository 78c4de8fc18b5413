"""What every backbone must satisfy."""

from __future__ import annotations

import copy
import inspect
import io
import json
import pickle

import numpy as np
import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.discovery.registries import BACKBONES
from ecg_core.testing.kit import Example, check, signature_is_closed
from ecg_core.testing.toy import toy_signal


def _built(example: Example, *, seed: int = 0, leads: int | None = None) -> Backbone:
    torch.manual_seed(seed)
    built: Backbone = example.build(in_leads=example.leads if leads is None else leads)
    return built


def _input(example: Example, records: int = 2, *, samples: int | None = None, leads: int | None = None, seed: int = 0) -> Tensor:
    return torch.from_numpy(toy_signal(records, leads or example.leads, samples or example.samples, seed=seed))


def _close(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@check("backbones")
def derives_from_backbone(example: Example) -> None:
    assert isinstance(_built(example), Backbone)


@check("backbones")
def constructor_takes_no_unknown_words(example: Example) -> None:
    assert signature_is_closed(type(_built(example)).__init__)


@check("backbones")
def config_round_trip_gives_equal_outputs(example: Example) -> None:
    first = _built(example).eval()
    config = json.loads(json.dumps(BACKBONES.to_config(first)))
    second = BACKBONES.build(config)
    second.load_state_dict(first.state_dict())
    x = _input(example)
    assert torch.equal(first(x), second.eval()(x))
    assert BACKBONES.to_config(second) == BACKBONES.to_config(first)


@check("backbones")
def shape_function_is_exact(example: Example) -> None:
    for leads in (1, 2, 12):
        backbone = _built(example, leads=leads).eval()
        for samples in (example.samples, example.samples + 1, example.samples + 17):
            for records in (1, 2):
                found = tuple(backbone.forward_features(_input(example, records, samples=samples, leads=leads)).shape)
                assert found == backbone.compute_features_output_shape(samples, records)


@check("backbones")
def shape_function_runs_no_forward_pass(example: Example) -> None:
    backbone = _built(example)

    def forbidden(x: Tensor) -> list[Tensor]:
        raise AssertionError("the shape function ran the backbone")

    backbone.forward_intermediates = forbidden  # type: ignore[method-assign]
    batch, channels, steps = backbone.compute_features_output_shape()
    assert batch is None
    assert steps is None
    assert channels == backbone.out_channels


@check("backbones")
def stages_describe_the_intermediates(example: Example) -> None:
    backbone = _built(example).eval()
    maps = backbone.forward_intermediates(_input(example))
    assert len(maps) == len(backbone.stages)
    for number, (found, stage) in enumerate(zip(maps, backbone.stages, strict=True)):
        assert tuple(found.shape) == (2, stage.channels, backbone.steps(example.samples, number))
    assert list(backbone.stages) == sorted(backbone.stages, key=lambda s: s.stride)


@check("backbones")
def lead_features_average_to_the_features(example: Example) -> None:
    backbone, x = _built(example).eval(), _input(example)
    _close(backbone.forward_lead_features(x).mean(dim=1), backbone.forward_features(x))


@check("backbones")
def eval_is_deterministic(example: Example) -> None:
    backbone, x = _built(example).eval(), _input(example)
    assert torch.equal(backbone(x), backbone(x))


@check("backbones")
def rows_of_a_batch_are_independent(example: Example) -> None:
    backbone, x = _built(example).eval(), _input(example, 3)
    _close(backbone(x)[1:2], backbone(x[1:2]), 1e-4)


@check("backbones")
def every_parameter_gets_a_finite_gradient(example: Example) -> None:
    backbone = _built(example).train()
    pooled = backbone.pool(backbone.forward_features(_input(example, 4)))
    (pooled * torch.randn(pooled.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    for name, parameter in backbone.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"{name} gets no gradient"
            assert torch.isfinite(parameter.grad).all(), f"{name} gets a gradient that is not finite"


@check("backbones")
def extreme_inputs_stay_finite(example: Example) -> None:
    backbone, x = _built(example).eval(), _input(example)
    for bad in (torch.zeros_like(x), torch.ones_like(x), x * 1e4, -x * 1e4):
        assert torch.isfinite(backbone(bad)).all()


@check("backbones")
def input_is_not_modified(example: Example) -> None:
    backbone, x = _built(example).train(), _input(example)
    before = x.clone()
    backbone(x)
    assert torch.equal(x, before)


@check("backbones")
def float64_and_bfloat16_work(example: Example) -> None:
    backbone, x = _built(example).eval(), _input(example)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(backbone(x)).all()
    assert backbone.double()(x.double()).dtype == torch.float64


@check("backbones")
def state_keys_are_stable(example: Example) -> None:
    assert list(_built(example, seed=0).state_dict()) == list(_built(example, seed=1).state_dict())


@check("backbones")
def same_seed_gives_same_weights(example: Example) -> None:
    first, second = _built(example, seed=3).state_dict(), _built(example, seed=3).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@check("backbones")
def numpy_and_python_randomness_is_left_alone(example: Example) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    _built(example)(_input(example))
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


@check("backbones")
def pickle_and_deepcopy_keep_everything(example: Example) -> None:
    backbone, x = _built(example).eval(), _input(example)
    stream = io.BytesIO(pickle.dumps(backbone))
    for other in (copy.deepcopy(backbone), pickle.load(stream)):  # noqa: S301
        assert torch.equal(other(x), backbone(x))
        assert BACKBONES.to_config(other) == BACKBONES.to_config(backbone)


@check("backbones")
def compiles_without_graph_breaks(example: Example) -> None:
    backbone, x = _built(example).eval(), _input(example)
    torch._dynamo.reset()
    _close(torch.compile(backbone, fullgraph=True, backend="eager")(x), backbone(x))


@check("backbones")
def exports_with_dynamic_batch(example: Example) -> None:
    backbone, x = _built(example).eval(), _input(example)
    shapes = {"x": {0: torch.export.Dim("batch", min=1, max=64)}}
    program = torch.export.export(backbone, (x,), dynamic_shapes=shapes)
    other = _input(example, 5, seed=1)
    _close(program.module()(other), backbone(other))


@check("backbones")
def no_tensor_is_left_behind_on_another_device(example: Example) -> None:
    with torch.device("meta"):
        backbone: nn.Module = example.build(in_leads=example.leads)
    left = [name for name, t in (*backbone.named_parameters(), *backbone.named_buffers()) if t.device.type != "meta"]
    assert not left, f"built on the meta device, yet on the CPU: {left}"


@check("backbones")
def unknown_leads_are_inferred_from_the_first_batch(example: Example) -> None:
    lazy: Backbone = example.build(in_leads=None)
    materialize(lazy, _input(example))
    assert is_materialized(lazy)
    eager = _built(example)
    eager.load_state_dict(lazy.state_dict())
    x = _input(example, seed=2)
    assert torch.equal(lazy.eval()(x), eager.eval()(x))
    assert lazy.in_leads == example.leads


@check("backbones")
def wrong_input_is_one_clear_error(example: Example) -> None:
    backbone = _built(example).eval()
    cases = [(_input(example, leads=example.leads + 1), str(example.leads)), (_input(example)[0], "(batch, leads, samples)")]
    if backbone.min_samples > 1:
        cases.append((_input(example, samples=backbone.min_samples - 1), str(backbone.min_samples)))
    for x, word in cases:
        try:
            backbone(x)
        except ValueError as error:
            assert word in str(error), f"the message does not say {word!r}: {error}"
        else:
            raise AssertionError(f"an input of shape {tuple(x.shape)} was accepted")


@check("backbones")
def the_shortest_input_works(example: Example) -> None:
    backbone = _built(example).eval()
    found = backbone(_input(example, samples=backbone.min_samples))
    assert tuple(found.shape) == backbone.compute_features_output_shape(backbone.min_samples, 2)


@check("backbones")
def docstring_names_arguments_and_shape(example: Example) -> None:
    cls = type(_built(example))
    text = inspect.getdoc(cls) or ""
    missing = [name for name in inspect.signature(cls.__init__).parameters if name != "self" and name not in text]
    assert not missing, f"not documented: {missing}"
    assert "(batch" in text, "the docstring gives no shapes"

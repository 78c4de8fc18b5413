"""What every backbone must satisfy as a graph: compiled, exported, in other number types, on another device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ecg_core.testing.checks import CheckFailed, check, require
from ecg_core.testing.example import Example
from ecg_core.testing.exporting import exported
from ecg_core.testing.toy_models import built_backbone, first_lines, require_close, signal


@check("backbones")
def float64_and_bfloat16_work(example: Example) -> None:
    """It computes in float64 throughout, and stays finite under bfloat16 autocast."""
    backbone, x = built_backbone(example).eval(), signal(example)
    with torch.autocast("cpu", torch.bfloat16):
        require(torch.isfinite(backbone(x)).all(), "the features under bfloat16 autocast are not finite")
    try:
        found = backbone.double()(x.double())
    except RuntimeError as error:
        raise CheckFailed(f"float64 fails ({error}); a tensor made in forward takes dtype and device of the input") from error
    require(found.dtype == torch.float64, f"a float64 input gives {found.dtype} features")


@check("backbones")
def no_tensor_is_left_behind_on_another_device(example: Example) -> None:
    """Built on another device, all its parameters and buffers are there."""
    with torch.device("meta"):
        backbone: nn.Module = example.build(in_leads=example.leads)
    left = [name for name, t in (*backbone.named_parameters(), *backbone.named_buffers()) if t.device.type != "meta"]
    require(not left, f"built on the meta device, yet on the CPU: {', '.join(left)}")


@check("backbones")
def it_runs_on_another_device(example: Example) -> None:
    """Moved to another device it runs there: no tensor is kept outside parameters and buffers."""
    backbone = built_backbone(example).eval().to("meta")
    try:
        found = backbone(signal(example).to("meta"))
    except (RuntimeError, NotImplementedError) as error:
        raise CheckFailed(
            f"moved to another device it fails ({first_lines(error)}); keep constants as buffers, ask no tensor for its value"
        ) from error
    require(found.device.type == "meta", f"the features are on {found.device} instead of the device of the input")


@check("backbones")
def compiles_without_graph_breaks(example: Example) -> None:
    """``torch.compile(fullgraph=True)`` captures it whole, with the same features."""
    backbone, x = built_backbone(example).eval(), signal(example)
    torch._dynamo.reset()
    try:
        found = torch.compile(backbone, fullgraph=True, backend="eager")(x)
    except Exception as error:  # torch raises many kinds
        raise CheckFailed(f"torch.compile(fullgraph=True) fails: {first_lines(error)}") from error
    require_close(found, backbone(x), "compiled and not", 1e-5)


@check("backbones")
def exports_with_dynamic_batch(example: Example) -> None:
    """``torch.export`` gives one program for any number of windows."""
    _exported(example, {0: torch.export.Dim("batch", min=1, max=64)}, signal(example), [signal(example, 5, seed=1)])


@check("backbones")
def exports_with_dynamic_length(example: Example) -> None:
    """``torch.export`` gives one program for any number of windows and any length of two steps or more."""
    backbone = built_backbone(example)
    shortest = max(backbone.min_samples, 2 * backbone.stages[-1].stride)
    # Poolings that leave out what does not fill a window need more.
    shortest = next((n for n in range(shortest, 4 * shortest) if backbone.steps(n) >= 2), shortest)
    length = torch.export.Dim("samples", min=shortest, max=1_000_000)
    samples = max(example.samples, 2 * shortest)
    others = [signal(example, 2 + more, samples=samples + more, seed=1) for more in (1, shortest)]
    _exported(example, {0: torch.export.Dim("batch", min=1, max=1024), 2: length}, signal(example, samples=samples), others)


def _exported(example: Example, dynamic: dict[int, Any], traced: Tensor, others: list[Tensor]) -> None:
    backbone = built_backbone(example).eval()
    try:
        program: Any = exported(backbone, (traced,), (dynamic,))
        found = [program(other) for other in others]
    except Exception as error:  # torch raises many kinds
        raise CheckFailed(
            f"torch.export with a dynamic {' and '.join(d.__name__ for d in dynamic.values())} fails: {first_lines(error)}"
        ) from error
    for other, features in zip(others, found, strict=True):
        require_close(features, backbone(other), f"the exported program and the backbone for {tuple(other.shape)}")

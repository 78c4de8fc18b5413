"""What every backbone must satisfy: shapes that are known before anything runs, and honest features."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.testing.checks import CheckFailed, applies, check, refuses, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy_models import built_backbone, gradient_problems, require_close, require_equal, signal


@check("backbones")
def derives_from_backbone(example: Example) -> None:
    """It is an ``ecg_core.Backbone``."""
    built = built_backbone(example)
    require(isinstance(built, Backbone), f"{type(built).__name__} does not derive from ecg_core.Backbone")


@check("backbones")
def shape_function_is_exact(example: Example) -> None:
    """``compute_features_output_shape`` is the shape that comes out: 1, 2 and 12 leads, even and odd lengths, 1 and 2 windows."""
    for leads in (1, 2, 12):
        backbone = built_backbone(example, leads=leads).eval()
        for samples in (example.samples, example.samples + 1, example.samples + 17):
            for records in (1, 2):
                x = signal(example, records, samples=samples, leads=leads)
                found, said = tuple(backbone.forward_features(x).shape), backbone.compute_features_output_shape(samples, records)
                require(found == said, f"the features of {tuple(x.shape)} are {found}, compute_features_output_shape says {said}")


@check("backbones")
def shape_function_runs_no_forward_pass(example: Example) -> None:
    """``compute_features_output_shape`` is arithmetic, and leaves ``None`` where it is not told."""
    backbone = built_backbone(example)

    def forbidden(x: Tensor) -> list[Tensor]:
        raise CheckFailed("compute_features_output_shape ran the backbone; compute the shape from the strides")

    backbone.forward_intermediates = forbidden  # type: ignore[method-assign]
    backbone.compute_features_output_shape(example.samples, 2)
    found, expected = backbone.compute_features_output_shape(), (None, backbone.out_channels, None)
    require(found == expected, f"without arguments compute_features_output_shape gives {found} instead of {expected}")


@check("backbones")
def stages_describe_the_intermediates(example: Example) -> None:
    """``stages`` states channels and steps of every map, finest first."""
    backbone = built_backbone(example).eval()
    maps = backbone.forward_intermediates(signal(example))
    require(len(maps) == len(backbone.stages), f"{len(backbone.stages)} stages are stated, {len(maps)} maps come out")
    for number, (found, stage) in enumerate(zip(maps, backbone.stages, strict=True)):
        stated = (2, stage.channels, backbone.steps(example.samples, number))
        require(tuple(found.shape) == stated, f"stage {number} is stated as {stated}, its map is {tuple(found.shape)}")
    strides = [stage.stride for stage in backbone.stages]
    require(strides == sorted(strides), f"the strides of the stages are {strides}; the finest map comes first")


@check("backbones")
def a_step_sees_no_more_than_its_receptive_field(example: Example) -> None:
    """What a step of the features depends on lies within the stated ``receptive_field`` around its centre."""
    backbone = built_backbone(example).eval()
    stage, field = backbone.stages[-1], backbone.stages[-1].receptive_field or 0
    samples = backbone.min_samples + 2 * field
    applies(field, "the stage states no receptive_field: a step may see the whole window")
    applies(samples <= 20_000, f"its receptive field is {field} samples; state smaller arguments")
    x = signal(example, 1, samples=samples).requires_grad_(True)
    features = backbone(x)
    step = features.shape[-1] // 2
    (gradient,) = torch.autograd.grad(features[..., step].square().sum(), x)
    seen = gradient.abs().sum(dim=(0, 1)).nonzero().flatten().tolist()
    middle, half = step * stage.stride + stage.centre, (field - 1) / 2
    outside = [sample for sample in seen if abs(sample - middle) > half]
    require(
        not outside,
        f"step {step} depends on samples {outside[:1]} to {outside[-1:]}, outside {middle - half:g} … {middle + half:g} "
        f"(receptive_field={field} around {middle:g}); state a larger one, or None for the whole window",
    )


@check("backbones")
def features_are_the_last_intermediate(example: Example) -> None:
    """``forward``, ``forward_features`` and the last map of ``forward_intermediates`` are one."""
    backbone, x = built_backbone(example).eval(), signal(example)
    last = backbone.forward_intermediates(x)[-1]
    require_equal(backbone.forward_features(x), last, "forward_features and the last intermediate")
    require_equal(backbone(x), last, "forward and the last intermediate")


@check("backbones")
def lead_features_average_to_the_features(example: Example) -> None:
    """The mean of ``forward_lead_features`` over its rows is the features, so that explanations add up."""
    backbone, x = built_backbone(example).eval(), signal(example)
    require_close(backbone.forward_lead_features(x).mean(dim=1), backbone.forward_features(x), "lead features and features", 1e-5)


@check("backbones")
def pooling_gives_one_vector_per_window(example: Example) -> None:
    """``pool`` turns features into ``(batch, out_channels)``."""
    backbone = built_backbone(example).eval()
    found = tuple(backbone.pool(backbone.forward_features(signal(example, 3))).shape)
    require(found == (3, backbone.out_channels), f"pool gives {found} instead of {(3, backbone.out_channels)}")


@check("backbones")
def eval_is_deterministic(example: Example) -> None:
    """In evaluation the same input gives the same features."""
    backbone, x = built_backbone(example).eval(), signal(example)
    require_equal(backbone(x), backbone(x), "two evaluations of one input")


@check("backbones")
def rows_of_a_batch_are_independent(example: Example) -> None:
    """In evaluation a window's features do not depend on the windows beside it."""
    backbone, x = built_backbone(example).eval(), signal(example, 3)
    require_close(backbone(x)[1:2], backbone(x[1:2]), "a window among others and by itself")


@check("backbones")
def a_damaged_window_does_not_touch_the_others(example: Example) -> None:
    """In evaluation NaN in one window stays in that window."""
    backbone, x = built_backbone(example).eval(), signal(example, 3)
    damaged = x.clone()
    damaged[0, 0, :] = float("nan")
    require_close(backbone(damaged)[1:], backbone(x)[1:], "the neighbours of a window with NaN, before and after")


@check("backbones")
def every_parameter_gets_a_finite_gradient(example: Example) -> None:
    """Every trained parameter takes part in the pooled features."""
    backbone = built_backbone(example).train()
    pooled = backbone.pool(backbone.forward_features(signal(example, 4)))
    (pooled * torch.randn(pooled.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    problems = gradient_problems(backbone)
    require(not problems, "; ".join(problems))


@check("backbones")
def extreme_inputs_stay_finite(example: Example) -> None:
    """Flat, constant and ±10 V inputs give finite features."""
    backbone, x = built_backbone(example).eval(), signal(example)
    cases = {
        "all zeros": torch.zeros_like(x),
        "all ones": torch.ones_like(x),
        "10⁴ times an ECG": x * 1e4,
        "-10⁴ times": -x * 1e4,
    }
    for what, bad in cases.items():
        require(torch.isfinite(backbone(bad)).all(), f"the features of {what} are not finite")


@check("backbones")
def input_is_not_modified(example: Example) -> None:
    """The caller's signal is as before, in training and in evaluation."""
    for train in (True, False):
        backbone, x = built_backbone(example).train(train), signal(example)
        before = x.clone()
        backbone(x)
        require_equal(x, before, f"the input before and after, {'training' if train else 'evaluation'}")


@check("backbones")
def unknown_leads_are_inferred_from_the_first_batch(example: Example) -> None:
    """``in_leads=None`` takes the leads of the first batch, and is then the backbone that was told them."""
    lazy: Backbone = example.build(in_leads=None)
    materialize(lazy, signal(example))
    require(is_materialized(lazy), "built with in_leads=None it is still lazy after its first batch")
    eager = built_backbone(example)
    eager.load_state_dict(lazy.state_dict())
    x = signal(example, seed=2)
    require_equal(lazy.eval()(x), eager.eval()(x), "the lazy backbone and the one that was told its leads")
    require(lazy.in_leads == example.leads, f"after a batch of {example.leads} leads in_leads is {lazy.in_leads}")
    told: Backbone = example.build(in_leads=None)
    told.load_state_dict(eager.state_dict())
    known = (example.leads, None)  # weights that are shared by all leads do not tell how many there are
    require(told.in_leads in known, f"after the saved state of {example.leads} leads in_leads is {told.in_leads}")


@check("backbones")
def wrong_input_is_one_clear_error(example: Example) -> None:
    """Other leads, two dimensions or too few samples are a ValueError that says what was expected."""
    backbone = built_backbone(example).eval()
    cases = [(signal(example, leads=example.leads + 1), str(example.leads)), (signal(example)[0], "(batch, leads, samples)")]
    if backbone.min_samples > 1:
        cases.append((signal(example, samples=backbone.min_samples - 1), str(backbone.min_samples)))
    for x, word in cases:
        refuses(lambda: backbone(x), f"an input of shape {tuple(x.shape)}", word, errors=(ValueError,))  # noqa: B023


@check("backbones")
def the_shortest_input_works(example: Example) -> None:
    """An input of ``min_samples`` samples has features of the computed shape."""
    backbone = built_backbone(example).eval()
    shortest = backbone.min_samples
    try:
        found = tuple(backbone(signal(example, samples=shortest)).shape)
    except (ValueError, RuntimeError) as error:
        raise CheckFailed(
            f"min_samples is {shortest}, yet {shortest} samples fail ({error}); state a larger min_samples"
        ) from error
    said = backbone.compute_features_output_shape(shortest, 2)
    require(found == said, f"the features of {shortest} samples are {found}, compute_features_output_shape says {said}")


@check("backbones")
def docstring_names_arguments_and_shape(example: Example) -> None:
    """The docstring states the shapes, such as ``(batch, in_leads, samples)``."""
    require("(batch" in (inspect.getdoc(example.cls) or ""), "the docstring gives no shapes; add (batch, …) to (batch, …)")

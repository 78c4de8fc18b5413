"""The methods of explanation by name: each from a task, its input and a target to relevance per lead and sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ecg_core.contracts.task import Task
from ecg_core.discovery.names import comparison_key, near_names
from ecg_core.errors import ConfigError
from ecg_core.explanation.attention_rollout import attention_rollout
from ecg_core.explanation.feature_maps import activation_relevance
from ecg_core.explanation.grad_cam import weigh_grad_cam
from ecg_core.explanation.grad_cam_pp import weigh_grad_cam_pp
from ecg_core.explanation.integrated_gradients import integrated_gradients
from ecg_core.explanation.layer_cam import weigh_layer_cam
from ecg_core.explanation.occlusion import lead_occlusion, occlusion, wave_occlusion
from ecg_core.explanation.target import Target

__all__ = ["METHODS", "Method", "method_named"]


@dataclass(frozen=True)
class Method:
    """A method of explanation.

    Args:
        relevance: ``relevance(task, x, target, fs)`` gives ``(batch, leads, samples)``, not normalised; ``fs`` in Hz.
        signed: Whether negative relevance means evidence against the target.
        says: What a mark means, as a sentence about ``{target}``.
        smooth: Seconds over which it is averaged before it is drawn, because it changes from sample to sample.
    """

    relevance: Callable[[Task, Tensor, Target, float], Tensor]
    signed: bool
    says: str
    smooth: float = 0.0


def _above_least(relevance: Tensor) -> Tensor:
    """Every patch keeps a share of itself, which says nothing about where the model looked."""
    return relevance - relevance.flatten(1).amin(dim=1)[:, None, None]


METHODS: Mapping[str, Method] = {
    "grad_cam": Method(
        lambda task, x, target, fs: activation_relevance(task, x, target, weigh=weigh_grad_cam),
        signed=False,
        says="Marked: where Grad-CAM finds support for {target}.",
    ),
    "grad_cam_pp": Method(
        lambda task, x, target, fs: activation_relevance(task, x, target, weigh=weigh_grad_cam_pp),
        signed=False,
        says="Marked: where Grad-CAM++ finds support for {target}.",
    ),
    "layer_cam": Method(
        lambda task, x, target, fs: activation_relevance(task, x, target, weigh=weigh_layer_cam),
        signed=False,
        says="Marked: where LayerCAM finds support for {target}.",
    ),
    "integrated_gradients": Method(
        lambda task, x, target, fs: integrated_gradients(task, x, target),
        signed=True,
        says="Marked: what raises (orange) or lowers (blue) the score of {target} against a flat line; integrated gradients.",
        smooth=0.04,
    ),
    "occlusion": Method(
        lambda task, x, target, fs: occlusion(task, x, target, fs=fs),
        signed=True,
        says="Marked: where hiding 0.2 s of a lead lowers (orange) or raises (blue) the score of {target}.",
    ),
    "wave_occlusion": Method(
        lambda task, x, target, fs: wave_occlusion(task, x, target, fs=fs),
        signed=True,
        says="Marked: P waves, QRS complexes and T waves whose absence lowers (orange) or raises (blue) the score of {target}.",
    ),
    "lead_occlusion": Method(
        lambda task, x, target, fs: lead_occlusion(task, x, target),
        signed=True,
        says="Marked: leads whose absence lowers (orange) or raises (blue) the score of {target}.",
    ),
    "attention_rollout": Method(
        lambda task, x, target, fs: _above_least(attention_rollout(task, x)),
        signed=False,
        says="Marked: what the model attended to more than to the rest, whatever the class; attention rollout.",
    ),
}


def method_named(name: str) -> Method:
    """The method of this name; case, ``-``, ``_`` and spaces do not count.

    Raises:
        ConfigError: There is none; near names are given.
    """
    keys = {comparison_key(known): method for known, method in METHODS.items()}
    found = keys.get(comparison_key(name))
    if found is None:
        near = near_names(name, METHODS)
        hint = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
        raise ConfigError(f"no method of explanation is named {name!r}.{hint} There are {', '.join(METHODS)}.")
    return found

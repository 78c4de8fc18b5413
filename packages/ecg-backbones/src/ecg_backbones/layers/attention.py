"""Our attention layers by name: what a network may put behind its blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

from torch import nn

from ecg_backbones.layers.bam import BAM
from ecg_backbones.layers.cbam import CBAM
from ecg_backbones.layers.coordinate_attention import CoordinateAttention
from ecg_backbones.layers.gather_excite import GatherExcite
from ecg_backbones.layers.global_context import GlobalContext
from ecg_backbones.layers.non_local import NonLocal
from ecg_backbones.layers.selective_kernel import SelectiveKernel
from ecg_backbones.layers.self_attention import StepAttention, TransformerEncoder
from ecg_backbones.layers.squeeze_excite import SqueezeExcite

__all__ = ["Attention", "attention_maker"]

Attention = str | Mapping[str, Any] | Callable[..., nn.Module]

_LAYERS: dict[str, Callable[..., nn.Module]] = {
    "bam": BAM,
    "cbam": CBAM,
    "coordinate_attention": CoordinateAttention,
    "gather_excite": GatherExcite,
    "global_context": GlobalContext,
    "non_local": NonLocal,
    "selective_kernel": SelectiveKernel,
    "self_attention": StepAttention,
    "squeeze_excite": SqueezeExcite,
    "transformer_encoder": TransformerEncoder,
}


def attention_maker(spec: Attention) -> Callable[[int], nn.Module]:
    """What makes this layer for a number of channels.

    Args:
        spec: Name of one of ours, the name with its arguments (``{"name": "squeeze_excite", "reduction": 8}``), or anything that
            is called with ``channels``, such as the class of a layer of your own.

    Raises:
        ValueError: There is no layer of this name.
    """
    if callable(spec):
        return lambda channels: spec(channels=channels)
    words = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = words.pop("name", None)
    if name not in _LAYERS:
        near = get_close_matches(str(name), _LAYERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"attention must be one of {', '.join(_LAYERS)}, got {name!r}{hint}")
    layer = partial(_LAYERS[name], **words)
    return lambda channels: layer(channels=channels)

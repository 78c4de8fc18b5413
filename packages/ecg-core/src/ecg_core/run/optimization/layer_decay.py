"""Layer-wise learning-rate decay: layers near the input keep what pre-training taught them, those near the head move.

Howard and Ruder, "Universal Language Model Fine-tuning", ACL 2018, section 3.2, in the form of BEiT (Bao et al. 2022) and MAE:
the rate of layer ``i`` of ``N`` is ``decay ** (N - i)`` of the head's.

Differs from them: layers are found in any backbone, from its modules in the order they were set
(:mod:`ecg_core.adaptation.depth`). What stands before the first block is layer 0; what stands after the last one, and all
outside the backbone, has the head's full rate.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ecg_core.adaptation.depth import layers_of, parameters_of
from ecg_core.contracts.backbone import Backbone
from ecg_core.errors import ConfigError

__all__ = ["layer_names", "layer_scales"]


def layer_names(backbone: Backbone) -> list[set[str]]:
    """Names of the backbone's parameters, layer by layer from the input on; each stands in exactly one.

    The last set, which may be empty, is what follows the last block.
    """
    return [parameters_of(backbone, part, first=not number) for number, part in enumerate(layers_of(backbone))]


def layer_scales(learner: nn.Module, decay: float) -> Mapping[str, float]:
    """Factor on the learning rate of every parameter of a learner that has a ``backbone``.

    Raises:
        ConfigError: The learner has no backbone of which layers could be told.
    """
    backbone = getattr(learner, "backbone", None)
    if not isinstance(backbone, Backbone):
        raise ConfigError(f"layer_decay needs a learner with a backbone, and {type(learner).__name__} trains none; leave it out")
    layers = layer_names(backbone)
    known = {id(p): name for name, p in backbone.named_parameters()}
    scale = {name: decay ** (len(layers) - 1 - number) for number, layer in enumerate(layers) for name in layer}
    return {name: scale.get(known.get(id(p), ""), 1.0) for name, p in learner.named_parameters()}

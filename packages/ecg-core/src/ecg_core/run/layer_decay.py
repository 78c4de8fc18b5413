"""Layer-wise learning-rate decay: layers near the input keep what pre-training taught them, those near the head move.

Howard and Ruder, "Universal Language Model Fine-tuning", ACL 2018, section 3.2, in the form of BEiT (Bao et al. 2022) and MAE:
the rate of layer ``i`` of ``N`` is ``decay ** (N - i)`` of the head's.

Differs from them: layers are found in any backbone, from its modules in the order they were set. Blocks are the members of its
``nn.ModuleList`` s (and of ``nn.Sequential`` s of composite modules), lists within lists unrolled; what stands before the first
block, parameters of the backbone itself included, is layer 0; what stands between blocks belongs to the one before; what
stands after the last one, and all outside the backbone, has the head's full rate. A backbone without such lists has one layer
for each child that has parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.errors import ConfigError

__all__ = ["layer_names", "layer_scales"]


def layer_names(backbone: Backbone) -> list[set[str]]:
    """Names of the backbone's parameters, layer by layer from the input on; each stands in exactly one.

    The last set, which may be empty, is what follows the last block.
    """
    children = dict(backbone.named_children())
    lists = {name for name, child in children.items() if _is_list(child)}
    own = {name for name, _ in backbone.named_parameters(recurse=False)}
    if not lists:
        layers = [{f"{name}.{p}" for p, _ in child.named_parameters()} for name, child in children.items()]
        layers = [layer for layer in layers if layer]
        if layers:
            layers[0] |= own
            return [*layers, set()]
        return [own, set()]
    layers = [own]
    last = max(number for number, name in enumerate(children) if name in lists)
    for number, (name, child) in enumerate(children.items()):
        if name in lists:
            layers += [{f"{block}.{p}" for p, _ in module.named_parameters()} for block, module in _blocks(child, name)]
        else:
            if number > last and (number == last + 1):
                layers.append(set())
            layers[-1] |= {f"{name}.{p}" for p, _ in child.named_parameters()}
    return layers if last < len(children) - 1 else [*layers, set()]


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


def _is_list(module: nn.Module) -> bool:
    """A list of blocks: a ``ModuleList``, or a ``Sequential`` whose members have members."""
    if isinstance(module, nn.ModuleList):
        return len(module) > 0
    return isinstance(module, nn.Sequential) and any(True for member in module for _ in member.children())


def _blocks(module: nn.Module, name: str) -> Iterator[tuple[str, Any]]:
    for inner, member in module.named_children():
        if _is_list(member):
            yield from _blocks(member, f"{name}.{inner}")
        else:
            yield f"{name}.{inner}", member

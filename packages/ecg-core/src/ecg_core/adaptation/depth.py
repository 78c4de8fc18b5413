"""Depth: the modules of any backbone from its input to its features, as layers (every block) or as stages.

Blocks are the members of its ``nn.ModuleList`` s (and of ``nn.Sequential`` s of composite modules), in the order they were set.
What stands before the first block, parameters of the backbone itself included, comes first; what stands between blocks belongs
to the one before. A backbone without such lists has one layer for each child that has parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from ecg_core.contracts.backbone import Backbone

__all__ = ["Part", "layers_of", "parameters_of", "stages_of"]

Part = list[tuple[str, nn.Module]]
"""Modules that stand at the same depth, by their names in the backbone."""


def layers_of(backbone: Backbone) -> list[Part]:
    """Every block, lists within lists unrolled; the last part, which may be empty, is what follows the last block."""
    return _parts(backbone, unroll=True)


def stages_of(backbone: Backbone) -> list[Part]:
    """The stages of a convolutional network, or the blocks of a transformer: every module is in one, and each has parameters.

    What comes before the first one is a stage too; what follows the last one (a normalisation) belongs to it.
    """
    *parts, behind = _parts(backbone, unroll=False)
    stages: list[Part] = []
    for number, part in enumerate(parts):
        if stages and not parameters_of(backbone, part, first=number == 0):  # a pooling between two
            stages[-1] += part
        elif len(stages) == 1 and not parameters_of(backbone, stages[0], first=True):
            stages[0] += part
        else:
            stages.append(list(part))
    stages[-1] += behind
    return stages


def parameters_of(backbone: Backbone, part: Part, *, first: bool) -> set[str]:
    """Names of the parameters of a part; the first part has those of the backbone itself."""
    own = {name for name, _ in backbone.named_parameters(recurse=False)} if first else set()
    return own | {f"{name}.{p}" for name, module in part for p, _ in module.named_parameters()}


def _parts(backbone: Backbone, *, unroll: bool) -> list[Part]:
    children = dict(backbone.named_children())
    lists = {name for name, child in children.items() if _is_list(child)}
    parts: list[Part] = [[]]
    if not lists:
        for item in children.items():
            if _has_parameters(item[1]) and any(_has_parameters(module) for _, module in parts[-1]):
                parts.append([])
            parts[-1].append(item)
        return [*parts, []]
    last = max(number for number, name in enumerate(children) if name in lists)
    for number, (name, child) in enumerate(children.items()):
        if name in lists:
            parts += [[block] for block in _blocks(child, name, unroll=unroll)]
        else:
            if number == last + 1:
                parts.append([])
            parts[-1].append((name, child))
    return parts if last < len(children) - 1 else [*parts, []]


def _has_parameters(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def _is_list(module: nn.Module) -> bool:
    """A list of blocks: a ``ModuleList``, or a ``Sequential`` whose members have members."""
    if isinstance(module, nn.ModuleList):
        return len(module) > 0
    return isinstance(module, nn.Sequential) and any(True for member in module for _ in member.children())


def _blocks(module: nn.Module, name: str, *, unroll: bool) -> Iterator[tuple[str, Any]]:
    for inner, member in module.named_children():
        if unroll and _is_list(member):
            yield from _blocks(member, f"{name}.{inner}", unroll=True)
        else:
            yield f"{name}.{inner}", member

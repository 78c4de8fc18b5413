"""Names of residual networks as torchvision calls them, which most code of one-dimensional ones kept, and ours.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016. The parts are the same: a convolution, its
normalisation and a pooling by maxima of three steps; stages of basic blocks or of bottlenecks that stride in their middle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

__all__ = ["from_official", "official_name", "our_name", "sizes", "to_official"]

_NORM = r"weight|bias|running_mean|running_var|num_batches_tracked"
_THEIRS = re.compile(
    rf"layer(\d+)\.(\d+)\.(?:(conv[123])\.(weight)|bn([123])\.({_NORM})|downsample\.(?:0\.(weight)|1\.({_NORM})))"
)
_OURS = re.compile(
    rf"blocks\.(\d+)\.(\d+)\.(?:(conv[123])\.(weight)|norm([123])\.({_NORM})|shortcut\.(?:0\.(weight)|1\.({_NORM})))"
)
_STEM = {"conv1.weight": "stem.0.weight"} | {f"bn1.{word}": f"stem.1.{word}" for word in _NORM.split("|")}


def our_name(name: str) -> str:
    """Our name of an official one.

    Raises:
        ValueError: A residual network has no such name.
    """
    found = _THEIRS.fullmatch(name)
    if name in _STEM:
        return _STEM[name]
    if found is None or found[1] == "0":
        raise ValueError(
            f"'{name}' is no name of a residual network (conv1, bn1, layer1.0.conv1 …, without biases of convolutions)"
        )
    return f"blocks.{int(found[1]) - 1}.{found[2]}.{_part(found, 'norm', 'shortcut')}"


def official_name(name: str) -> str:
    """The official name of one of ours.

    Raises:
        ValueError: It is of another backbone, or of a relative of the residual network.
    """
    for theirs, ours in _STEM.items():
        if name == ours:
            return theirs
    found = _OURS.fullmatch(name)
    if found is None:
        raise ValueError(
            f"'{name}' is no name of a plain ResNet of ours; only resnet18, resnet34, resnet50 … have official names"
        )
    return f"layer{int(found[1]) + 1}.{found[2]}.{_part(found, 'bn', 'downsample')}"


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of our ``ResNet`` from an official one.

    Args:
        state: Official names and tensors, of the encoder alone.

    Raises:
        ValueError: A name is unknown, or the network is of images.
    """
    for name, value in state.items():
        if value.ndim == 4:
            raise ValueError(
                f"'{name}' {tuple(value.shape)} has a kernel of two axes, so this network is of images; only one that was "
                "trained on signals, with kernels of one axis, becomes a backbone here"
            )
    return {our_name(name): value for name, value in state.items()}


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict of ours.

    Args:
        state: Our names and tensors, of a ``ResNet``.

    Raises:
        ValueError: A name is unknown.
    """
    return {official_name(name): value for name, value in state.items()}


def sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of our ``ResNet`` as its official tensors tell them; strides they do not tell, and the usual ones are taken.

    Args:
        state: Official names and tensors.

    Raises:
        ValueError: A kernel has no middle.
    """
    stages = sorted({int(found[1]) for name in state if (found := _THEIRS.fullmatch(name))})
    deep = "layer1.0.conv3.weight" in state
    long = [state[f"layer{stage}.0.conv2.weight"] for stage in stages]
    outs = [len(state[f"layer{stage}.0.conv{3 if deep else 2}.weight"]) for stage in stages]
    stem = state["conv1.weight"]
    even = [size for size in (stem.shape[2], *(c.shape[2] for c in long)) if size % 2 == 0]
    if even:
        raise ValueError(f"a kernel of {even[0]} samples has no middle; residual networks here have odd kernels")
    made: dict[str, Any] = {
        "name": "resnet",
        "in_leads": stem.shape[1],
        "stem_widths": [len(stem)],
        "stem_kernel_size": stem.shape[2],
        "widths": [out // 4 for out in outs] if deep else outs,
        "depths": [1 + max(int(f[2]) for n in state if (f := _THEIRS.fullmatch(n)) and int(f[1]) == s) for s in stages],
        "kernel_size": [c.shape[2] for c in long],
        "block": "bottleneck" if deep else "basic",
    }
    if deep:
        groups = long[0].shape[0] // long[0].shape[1]
        made |= {"groups": groups, "neck": long[0].shape[0] / (outs[0] // 4) / groups}
    return made


def _part(found: re.Match[str], norm: str, shortcut: str) -> str:
    if found[3]:
        return f"{found[3]}.{found[4]}"
    if found[5]:
        return f"{norm}{found[5]}.{found[6]}"
    return f"{shortcut}.0.{found[7]}" if found[7] else f"{shortcut}.1.{found[8]}"

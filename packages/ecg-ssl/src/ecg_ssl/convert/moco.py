"""Weights of MoCo v1, v2 and v3 to and from the names of the official code, which people also train on ECGs.

He et al., CVPR 2020; Chen et al., arXiv:2003.04297; Chen, Xie, He, ICCV 2021. The encoder is a residual network of one axis; the
official transformer of v3 has positions of a square image and no counterpart for signals, and is not read.

Official files do not say whose keys the queue holds: on the way out that is lost, and on the way in they are nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from ecg_ssl.convert import resnet

__all__ = ["backbone_from_official", "from_official", "is_beside", "is_head", "to_official"]

# (official, ours): v1 and v2, then v3.
_NETS = {"encoder_q": "", "encoder_k": "target.", "base_encoder": "", "momentum_encoder": "target."}
_HEAD = re.compile(r"(?:fc|head)\.(.+)")
_LAYERS = "projector.layers."


def is_head(name: str) -> bool:
    """Whether a tensor of an encoder is of the projector behind it."""
    return _HEAD.fullmatch(name) is not None


def is_beside(name: str) -> bool:
    """Whether a tensor of a file stands beside the encoder: the momentum encoder, the queue, the predictor."""
    return name.removeprefix("module.").startswith(("encoder_k.", "momentum_encoder.", "predictor.", "queue"))


def backbone_from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of our ``ResNet`` from an official encoder without its projector.

    Args:
        state: Official names without the prefix of the encoder.

    Raises:
        ValueError: The network is of images, a transformer, or of another kind.
    """
    if any(name.startswith(("patch_embed.", "blocks.")) for name in state):
        raise ValueError(
            "it is MoCo v3's transformer, whose positions are of a square image; only residual networks of one axis are read"
        )
    return resnet.from_official(state)


def from_official(state: Mapping[str, Tensor], *, inside: Callable[[str], str] = resnet.our_name) -> dict[str, Tensor]:
    """The state dict of our ``MoCo`` or ``MoCoV3`` from an official one.

    Args:
        state: What is under ``state_dict`` in an official file, with or without ``module.``.
        inside: Our name of a tensor of the encoder.

    Raises:
        ValueError: A name is unknown.
    """
    ours: dict[str, Tensor] = {"target.updates": torch.zeros((), dtype=torch.int64)}
    for full, value in state.items():
        name = full.removeprefix("module.")
        net, _, rest = name.partition(".")
        if name == "queue":  # (width, length)
            ours |= {"queue.keys": value.T.contiguous(), "queue.owners": torch.full((value.shape[1],), -1)}
        elif name == "queue_ptr":
            ours["queue.pointer"] = value.reshape(())
        elif net == "predictor" and rest:
            ours[f"predictor.layers.{rest}"] = value
        elif net in _NETS and (head := _HEAD.fullmatch(rest)):
            # v1 has one layer, which has no number.
            ours[f"{_NETS[net]}{_LAYERS}{head[1] if head[1][0].isdigit() else f'0.{head[1]}'}"] = value
        elif net in _NETS:
            ours[f"{_NETS[net]}backbone.{inside(rest)}"] = value
        else:
            raise ValueError(f"'{full}' is no name of a MoCo state dict; pass what is under 'state_dict' in the file")
    return ours


def to_official(
    state: Mapping[str, Tensor], *, head: Literal["fc", "head"] = "fc", inside: Callable[[str], str] = resnet.official_name
) -> dict[str, Tensor]:
    """The official state dict of ours, without ``module.``.

    Args:
        state: Our names and tensors, of a ``MoCo`` or ``MoCoV3``.
        head: What the projector is called: ``"fc"`` of residual networks, ``"head"`` of v3's transformers.
        inside: Official name of a tensor of the backbone.

    Raises:
        ValueError: A name is unknown.
    """
    third = any(name.startswith("predictor.") for name in state)
    nets = ("base_encoder", "momentum_encoder") if third else ("encoder_q", "encoder_k")
    single = not any(name.startswith(f"{_LAYERS}2.") or name.startswith(f"{_LAYERS}3.") for name in state)
    theirs: dict[str, Tensor] = {}
    for full, value in state.items():
        net, name = nets[full.startswith("target.")], full.removeprefix("target.")
        if name.startswith(_LAYERS):
            rest = name.removeprefix(f"{_LAYERS}0." if single else _LAYERS)
            theirs[f"{net}.{head}.{rest}"] = value
        elif name.startswith("backbone."):
            theirs[f"{net}.{inside(name.removeprefix('backbone.'))}"] = value
        elif name.startswith("predictor.layers."):
            theirs[f"predictor.{name.removeprefix('predictor.layers.')}"] = value
        elif name == "queue.keys":
            theirs["queue"] = value.T.contiguous()
        elif name == "queue.pointer":
            theirs["queue_ptr"] = value.reshape(1)
        elif name not in ("updates", "queue.owners"):
            raise ValueError(f"'{full}' is no name of a MoCo or MoCoV3 of ours")
    return theirs

"""Activations by name: the words of a configuration, and the torch class of each."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

__all__ = ["Activation", "activation_layer"]

Activation = Literal[
    "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish", "hardsigmoid", "tanh", "sigmoid",
    "softplus", "none",
]  # fmt: skip

_LAYERS: dict[str, type[nn.Module]] = {
    "relu6": nn.ReLU6,
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "none": nn.Identity,
}


def activation_layer(name: Activation, *, slope: float = 0.01, overwrite: bool = False) -> nn.Module:
    """A layer of this activation.

    Args:
        name: One of :data:`Activation`; ``"none"`` is the identity.
        slope: Of ``"leaky_relu"`` below zero.
        overwrite: Let rectifiers write into their input, which nobody else may need then: the output of a normalisation.

    Raises:
        ValueError: There is no activation of this name.
    """
    if name == "leaky_relu":
        return nn.LeakyReLU(slope, inplace=overwrite)
    if name == "relu":
        return nn.ReLU(inplace=overwrite)
    if name not in _LAYERS:
        raise ValueError(f"activation must be one of {', '.join(get_args(Activation))}, got {name!r}")
    return _LAYERS[name]()

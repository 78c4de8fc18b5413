"""What mypy --strict must refuse; a comment on the line holds the error's code and words of it. Checked, never run.

mypy reports what a class decorator refuses on the line of the class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ecg_core import (
    BACKBONES,
    SSL,
    TRANSFORMS,
    Backbone,
    Batch,
    Head,
    Losses,
    Reader,
    SSLMethod,
    Task,
    Transform,
    register_backbone,
    register_head,
    register_model,
    register_reader,
    register_ssl,
    register_transform,
)


@register_backbone("plain")
class Plain(nn.Module):  # E: [type-var] Value of type variable "B" of function cannot be "Plain"
    """A module, but no backbone."""


@register_ssl("plain")
class NoMethod(nn.Module):  # E: [type-var] Value of type variable "S" of function cannot be "NoMethod"
    """A module, but no method."""


@register_transform("plain")
class NoTransform:  # E: [type-var] Value of type variable "F" of function cannot be "NoTransform"
    """A class, but no transform."""


@register_model("plain")
class NoModel(Backbone):  # E: [type-var] Value of type variable "M" of function cannot be "NoModel"
    """A backbone, but no model."""

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [x]


@register_head("plain")
class NoHead(nn.Module):  # E: [type-var] Value of type variable "H" of function cannot be "NoHead"
    """A module, but no head."""


@register_reader("plain")
class NoReader:  # E: [type-var] Value of type variable "R" of function cannot be "NoReader"
    """A class, but no reader."""


@register_backbone(3)  # E: [arg-type] Argument 1 to "register_backbone" has incompatible type "int"; expected "str | None"
class Typed(Backbone):
    """A backbone with a typed constructor, which says one thing and gives another."""

    def __init__(self, in_leads: int | None = None) -> None:
        super().__init__()
        self.in_leads = in_leads
        self.stages = (1, 2)  # E: [assignment] expression has type "tuple[int, int]", variable has type "tuple[Stage, ...]"

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [x]

    def forward_features(self, x: Tensor) -> int:  # E: [override] Return type "int" of "forward_features" incompatible with
        return 1


@register_backbone("whole")
class Whole(Backbone):
    """A sound backbone."""

    def __init__(self, in_leads: int | None = None) -> None:
        super().__init__()

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [x]


class OneMap(Backbone):
    """Gives a tensor instead of a list of them."""

    def forward_intermediates(self, x: Tensor) -> Tensor:  # E: [override] Return type "Tensor" of "forward_intermediates"
        return x


class Bare(SSLMethod):
    """Gives a number instead of losses."""

    def loss(self, batch: Batch) -> float:  # E: [override] Return type "float" of "loss" incompatible with return type "Losses"
        return 0.0


class Half(Task):
    """Has no probabilities."""

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        return logits.mean()


class Wordless(Transform):
    """Takes no sampling frequency."""

    def apply(self, x: Any) -> Any:  # E: [override] Signature of "apply" incompatible with supertype
        return x


class Scanner(Reader):
    """Recognises by a word instead of yes or no."""

    def recognises(self, path: Path) -> str:  # E: [override] Return type "str" of "recognises" incompatible with
        return ""


Whole("twelve")  # E: [arg-type] Argument 1 to "Whole" has incompatible type "str"; expected "int | None"
Whole(leads=12)  # E: [call-arg] Unexpected keyword argument "leads" for "Whole"
Half()  # E: [abstract] Cannot instantiate abstract class "Half" with abstract attribute "probabilities"
BACKBONES.build(3)  # E: [arg-type] Argument 1 to "build" of "Registry" has incompatible type "int"
BACKBONES.to_config(SSL.build("simclr"))  # E: [arg-type] has incompatible type "SSLMethod"; expected "Backbone"
head: Head = BACKBONES.build("resnet18")  # E: [assignment] expression has type "Backbone", variable has type "Head"
losses: Losses = TRANSFORMS.build("bandpass")  # E: [assignment] expression has type "Transform", variable has type "Losses"

"""What methods share that hide steps of an encoder's local features and predict discrete tokens of them from the rest."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, cast

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.batch import Batch
from ecg_ssl.masking import mask_spans

__all__ = ["BaseTokenPredictor", "StepEncoder", "check_fs", "scale_gradient"]


class StepEncoder(Protocol):
    """A backbone of two halves, such as ``wav2vec2``: local features of steps, and what the steps say in their context."""

    in_leads: int | None
    width: int
    conv_width: int

    def local(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` to ``(batch, steps, conv_width)``."""

    def local_norm(self, local: Tensor) -> Tensor:
        """Local features, normalised."""

    def embed(self, local: Tensor) -> Tensor:
        """``(batch, steps, conv_width)`` to tokens ``(batch, steps, width)``."""

    def contextual(self, tokens: Tensor) -> Tensor:
        """Tokens to tokens of the same shape, each knowing the others."""

    def frames(self, x: Tensor) -> Tensor:
        """The samples that each step sees, ``(batch, steps, channels, samples of a step)``."""

    def block_outputs(self, tokens: Tensor) -> list[Tensor]:
        """The tokens in front of the first block and behind each."""


def check_fs(batch: Batch, fs: float, who: str) -> None:
    """One clear error for windows at another sampling frequency than tokens are cut at.

    Args:
        batch: Windows.
        fs: Hz of the tokens.
        who: The method that asks, for the message.

    Raises:
        ValueError: They are.
    """
    if batch.fs != fs:
        raise ValueError(f"{who} cuts tokens at {fs:g} Hz, got windows at {batch.fs:g} Hz; prepare them with --fs {fs:g}")


class BaseTokenPredictor(SSLMethod):
    """Base of methods that put a learned token where steps are hidden; a subclass implements ``loss``.

    Args:
        backbone: A backbone with ``local``, ``embed`` and ``contextual``, such as ``wav2vec2``.
        mask_ratio: Share of the steps that spans would hide if none overlapped.
        mask_length: Steps of a span.
        own_token: The method learns what stands in the place of hidden steps; otherwise the backbone has a word for it.

    Raises:
        TypeError: The backbone has no such halves.
    """

    halves: ClassVar[tuple[str, ...]] = ("local", "embed", "contextual")
    """What the backbone must be able to do."""
    made_for: ClassVar[str] = "wav2vec2"
    """A backbone that is."""

    mask_token: nn.Parameter

    def __init__(self, backbone: Backbone, *, mask_ratio: float, mask_length: int = 1, own_token: bool = True) -> None:
        super().__init__()
        self.backbone = self.with_halves(backbone)
        self.mask_ratio, self.mask_length = mask_ratio, mask_length
        if own_token:
            self.mask_token = nn.Parameter(torch.empty(self.encoder.width).uniform_())

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on: two sizes of the encoder."""
        tiny = {"name": "wav2vec2", "conv_width": 4, "conv_layers": 2, "width": 8, "depth": 1, "heads": 2, "position_kernel": 4}
        tiny |= {"position_groups": 2, "dropout": 0.0}
        return {"backbones": [tiny, {**tiny, "depth": 2, "heads": 4}], "leads": 3, "samples": 240}

    @classmethod
    def with_halves(cls, backbone: Backbone) -> Backbone:
        """The backbone, if it is one of two halves.

        Raises:
            TypeError: It is not.
        """
        if not all(hasattr(backbone, part) for part in cls.halves):
            raise TypeError(
                f"{cls.__name__} hides steps between local features and their context, and {type(backbone).__name__} has no such "
                f"halves; pass create_backbone({cls.made_for!r})"
            )
        return backbone

    @property
    def encoder(self) -> StepEncoder:
        """The backbone by its two halves."""
        return cast("StepEncoder", self.backbone)

    def hidden_steps(self, batch: Batch, steps: int, *, salt: int) -> Tensor:
        """``(batch, steps)`` booleans, true where hidden; the same number in every window."""
        return mask_spans(batch.draws(salt).uniform(size=(steps,)), self.mask_length, self.mask_ratio)

    def hide(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        """Tokens with the learned one where ``hidden``."""
        return torch.where(hidden[..., None], self.mask_token.to(tokens.dtype), tokens)


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        return grad_output * ctx.factor, None


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """``x`` itself, whose gradient is multiplied by ``factor`` on its way back."""
    return cast("Tensor", _ScaleGradient.apply(x, factor))

"""Global context: one attention map over time for all steps, and what it gathers changes every step alike.

Cao, Xu, Lin, Wei, Hu, "GCNet: non-local networks meet squeeze-excitation networks and beyond", ICCV Workshops 2019,
arXiv:1904.11492.

Differs from the paper: the attention has no bias, which its softmax would take out again.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.sized import SizedByInput

__all__ = ["GlobalContext"]

Fusion = Literal["add", "multiply", "both"]


class GlobalContext(SizedByInput):
    """A weighted mean over time, transformed by a bottleneck, is added to all steps or scales their channels.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        reduction: Channels per hidden channel of the bottleneck.
        fusion: ``"add"`` the transformed context, ``"multiply"`` by its sigmoid, or ``"both"``, the product first.
        pooling: How the context is gathered: weighed by ``"attention"``, or as the plain ``"mean"``.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(
        self,
        channels: int | None = None,
        *,
        reduction: int = 16,
        fusion: Fusion = "add",
        pooling: Literal["attention", "mean"] = "attention",
    ) -> None:
        super().__init__()
        if fusion not in get_args(Fusion) or pooling not in ("attention", "mean"):
            raise ValueError(
                f"fusion must be one of add, multiply, both and pooling attention or mean, got {fusion!r} and {pooling!r}"
            )
        self.reduction, self.fusion, self.pooling = reduction, fusion, pooling
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16, "fusion": "both", "reduction": 2}, "refused": [{"fusion": "subtract"}]}

    def grow(self, channels: int) -> None:
        self.mask = same_conv1d(channels, 1, 1) if self.pooling == "attention" else None
        self.scale = self._bottleneck(channels) if self.fusion != "add" else None
        self.shift = self._bottleneck(channels) if self.fusion != "multiply" else None

    def _bottleneck(self, channels: int) -> nn.Module:
        hidden = max(1, channels // self.reduction)
        return nn.Sequential(nn.Linear(channels, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def attend(self, x: Tensor) -> Tensor:
        if self.mask is None:
            context = x.mean(dim=-1)
        else:
            weights = self.mask(x).softmax(dim=-1)  # (batch, 1, steps)
            context = (x * weights).sum(dim=-1)
        if self.scale is not None:
            x = x * self.scale(context).sigmoid()[..., None]
        if self.shift is not None:
            x = x + self.shift(context)[..., None]
        return x

"""Non-local block: every step looks at every step, and adds what it finds to itself.

Wang, Girshick, Gupta, He, "Non-local neural networks", CVPR 2018, arXiv:1711.07971: the embedded Gaussian, with the
subsampling trick of section 3.3 and a normalisation behind the last convolution.

Differs from the paper: keys have no bias, which the softmax would take out again, nor has the convolution before the
normalisation.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.max_pool import max_pool
from ecg_backbones.layers.sized import SizedByInput
from ecg_core.layers.attention import attend

__all__ = ["NonLocal"]


class NonLocal(SizedByInput):
    """``x + norm(W · softmax(θ(x)ᵀ φ(x)) g(x))``.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        hidden: Channels of queries, keys and values; ``None`` means half of ``channels``.
        subsample: Steps of which the keys and values keep the maximum; 1 keeps all.
        zero_init: Start as the identity, by a zero scale in the normalisation (section 4.1 of the paper).

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(
        self, channels: int | None = None, *, hidden: int | None = None, subsample: int = 2, zero_init: bool = False
    ) -> None:
        super().__init__()
        if subsample < 1:
            raise ValueError(f"keys and values are subsampled by 1 or more steps, got {subsample}")
        self.hidden, self.subsample, self.zero_init = hidden, subsample, zero_init
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16}, "refused": [{"subsample": 0}]}

    def grow(self, channels: int) -> None:
        hidden = max(1, channels // 2) if self.hidden is None else self.hidden
        self.query = same_conv1d(channels, hidden, 1, bias=True)
        self.key = same_conv1d(channels, hidden, 1)
        self.value = same_conv1d(channels, hidden, 1, bias=True)
        self.out = same_conv1d(hidden, channels, 1)
        self.norm = nn.BatchNorm1d(channels)
        if self.zero_init:
            nn.init.zeros_(self.norm.weight)

    def attend(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), self._fewer(self.key(x)), self._fewer(self.value(x))
        unscaled = query.shape[1] ** 0.5  # attend divides by it; the paper does not
        query, key, value = (t.transpose(1, 2).contiguous().unsqueeze(1) for t in (query * unscaled, key, value))
        found = attend(query, key, value)  # (batch, 1, steps, hidden)
        return x + self.norm(self.out(found.squeeze(1).transpose(1, 2)))

    def _fewer(self, x: Tensor) -> Tensor:
        if self.subsample == 1:
            return x
        # Padded, it leaves two of two steps, so that an exported program takes those too.
        return max_pool(x, self.subsample, padding=self.subsample // 2)

"""A learned patch that stands where a patch is hidden, in front of the embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedParameter

__all__ = ["LazyMaskPatch", "MaskPatch"]


class MaskPatch(nn.Module):
    """Puts one learned patch in the place of all hidden ones.

    In front of the embedding rather than behind it: any backbone of tokens then tells it its position as it tells others.

    Args:
        values: Samples of a patch, of all leads that share it.

    Shape:
        ``(batch, rows, columns, values)`` to the same
    """

    def __init__(self, values: int) -> None:
        super().__init__()
        self.patch = nn.Parameter(torch.empty(values))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the patch, the size of small waves: from N(0, 0.1 mV)."""
        nn.init.normal_(self.patch, std=0.1)

    def forward(self, patches: Tensor, mask: Tensor) -> Tensor:
        """The patches, replaced where ``mask`` ``(batch, rows, columns)`` is true."""
        return torch.where(mask[..., None], self.patch.to(patches.dtype), patches)


class LazyMaskPatch(LazyModuleMixin, MaskPatch):
    """A :class:`MaskPatch` that takes its size from its first input, and from then on is one."""

    cls_to_become = MaskPatch
    patch: UninitializedParameter  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(0)
        self.patch = UninitializedParameter()

    def reset_parameters(self) -> None:
        """Nothing to draw before the size is known."""
        if not self.has_uninitialized_params() and self.patch.numel():
            super().reset_parameters()

    def initialize_parameters(self, patches: Tensor, mask: Tensor) -> None:
        """Make a patch as long as those of the first batch."""
        if self.has_uninitialized_params():
            self.patch.materialize((patches.shape[-1],))
            self.reset_parameters()

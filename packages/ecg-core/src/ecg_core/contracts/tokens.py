"""TokenBackbone: a backbone whose features are tokens on a grid, so that masked methods can drop some of them."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from ecg_core.contracts.backbone import Backbone

__all__ = ["TokenBackbone"]


class TokenBackbone(Backbone):
    """A backbone that cuts the signal into patches and encodes them as tokens.

    The grid has ``rows`` (one per lead, or a single one when a patch spans all leads) and ``columns`` (patches in time).
    Each row is encoded with ``prefix`` special tokens before and ``suffix`` special tokens after its patches, such as
    class or separator tokens.

    A subclass sets, beside what a backbone sets: ``width`` (channels of a token), ``patch_size`` (samples),
    ``prefix`` and ``suffix``.
    """

    width: int
    patch_size: int
    prefix: int = 0
    suffix: int = 0

    @abstractmethod
    def patchify(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` into ``(batch, rows, columns, values)``; a rest shorter than a patch is left out."""

    @abstractmethod
    def embed(self, patches: Tensor) -> Tensor:
        """Patches into tokens that know their time: ``(batch, rows, columns, width)``. Each token sees its patch only."""

    @abstractmethod
    def encode(self, tokens: Tensor, keep: Tensor | None = None, lead_index: Tensor | None = None) -> Tensor:
        """Encode the kept tokens; a kept token never sees a dropped one.

        Args:
            tokens: ``(batch, rows, columns, width)`` from :meth:`embed`.
            keep: ``(batch, rows, kept)`` columns to keep, in this order; ``None`` keeps all.
            lead_index: ``(rows,)`` which lead each row is; ``None`` means the leads the backbone was built for, in order.

        Returns:
            ``(batch, rows, prefix + kept + suffix, width)``, normalised as the backbone's paper does in pre-training.
        """

    def steps(self, samples: int, stage: int = -1) -> int:
        """Whole patches in this many samples."""
        return samples // self.patch_size

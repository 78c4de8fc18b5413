"""TokenBackbone: a backbone whose features are tokens on a grid, so that masked methods can drop some of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.data.leads import STANDARD_12, canonical_leads

__all__ = ["TokenBackbone"]


class TokenBackbone(Backbone):
    """A backbone that cuts the signal into patches and encodes them as tokens.

    The grid has ``rows`` (one per lead, or a single one when a patch spans all leads or when all leads share one sequence)
    and ``columns``: the patches in time, of each lead that shares the row. :meth:`layout` says how many leads and times.
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
            lead_index: ``(leads,)`` which lead each lead of the tokens is; ``None`` means the leads the backbone was built for,
                in order.

        Returns:
            ``(batch, rows, prefix + kept + suffix, width)``, normalised as the backbone's paper does in pre-training.
        """

    def layout(self, leads: int, samples: int) -> tuple[int, int]:
        """``(leads, times)`` that share one row; its columns are their product, lead by lead. One lead by default."""
        return 1, self.steps(samples)

    def forward_features(self, x: Tensor, lead_index: Tensor | None = None) -> Tensor:
        """The last feature map, ``(batch, channels, steps)``.

        Args:
            x: ``(batch, leads, samples)``.
            lead_index: ``(leads,)`` which of its leads each lead of ``x`` is, for a backbone that tells leads apart.

        Raises:
            TypeError: This backbone cannot tell leads apart.
        """
        if lead_index is not None:
            raise TypeError(f"{type(self).__name__} cannot encode a part of its leads: nothing in it belongs to one lead alone")
        return self.forward_intermediates(x)[-1]

    def forward_named(self, x: Tensor, leads: Sequence[str], *, trained_on: Sequence[str] = STANDARD_12) -> Tensor:
        """Features of windows that hold some of the leads the backbone was trained on, matched by name.

        Args:
            x: ``(batch, leads, samples)``.
            leads: Names of the leads of ``x``, in any order.
            trained_on: Names of the leads in the order of training; the card of a saved backbone holds them.

        Returns:
            ``(batch, channels, steps)``, the same for every order of the leads.

        Raises:
            ValueError: A lead is none of those it was trained on, or the names are not as many as the leads.
            TypeError: This backbone cannot tell leads apart.
        """
        names, known = canonical_leads(leads), canonical_leads(trained_on)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: not among the leads of training, {', '.join(known)}; select other leads")
        for what, count, expected in (("leads", len(names), x.shape[1]), ("trained_on", len(known), self.in_leads)):
            if count != expected:
                raise ValueError(f"{what} names {count} leads for {expected}; name each once, in order")
        order = sorted(range(len(names)), key=lambda place: known.index(names[place]))
        index = [known.index(names[place]) for place in order]
        return self.forward_features(x[:, order], torch.tensor(index, device=x.device))

    def steps(self, samples: int, stage: int = -1) -> int:
        """Whole patches in this many samples."""
        return samples // self.patch_size

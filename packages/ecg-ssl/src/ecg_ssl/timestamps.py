"""Which time points a view shows: the augmentation of methods that contrast every step of a window.

Yue et al., "TS2Vec: towards universal representation of time series", AAAI 2022, arXiv:2106.10466, section 3.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from ecg_core.contracts.draws import Draws

__all__ = ["TimestampMask", "timestamp_mask"]

TimestampMask = Literal["binomial", "continuous", "channel_binomial", "channel_continuous"]
_STRETCHES, _SHARE = 5, 0.1  # of continuous masks: how many, and how long as a share of the window


def timestamp_mask(draws: Draws, leads: int, samples: int, *, kind: TimestampMask = "binomial", keep: float = 0.5) -> Tensor:
    """``(windows, leads or 1, samples)`` booleans, true where a sample is shown.

    Args:
        draws: Of the windows.
        leads: Leads of a window; those of a ``"channel_"`` mask are hidden one by one, others together.
        samples: Of a window.
        kind: ``"binomial"`` hides every sample on its own, ``"continuous"`` five stretches of a tenth of the window, anywhere.
        keep: Probability that a binomial mask shows a sample.

    Raises:
        ValueError: There is no such kind, or ``keep`` is no probability.
    """
    check_mask(kind, keep)
    rows = leads if kind.startswith("channel_") else 1
    if kind.endswith("binomial"):
        return torch.as_tensor(draws.uniform(size=(rows, samples))) < keep
    length = max(1, int(_SHARE * samples))
    start = (torch.as_tensor(draws.uniform(size=(rows, _STRETCHES))) * (samples - length + 1)).long()
    into = torch.arange(samples, device=start.device) - start[..., None]
    return ~((into >= 0) & (into < length)).any(dim=-2)


def check_mask(kind: str, keep: float) -> None:
    """One clear error for a mask that is none.

    Raises:
        ValueError: It is.
    """
    if kind not in get_args(TimestampMask):
        raise ValueError(f"a mask is one of {', '.join(get_args(TimestampMask))}, got {kind!r}")
    if not 0 < keep <= 1:
        raise ValueError(f"keep must be a probability above 0, got {keep!r}")

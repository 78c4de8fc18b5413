"""CPC weights to and from the names of the published code (Mehari and Strodthoff 2022).

A published file holds the pre-training model or, with a head that is left out, a classifier. Its leads are in the order I, II,
V1 … V6, III, aVR, aVL, aVF; here they are in the standard order, so the first convolution is reordered, and so are the statistics
by which its windows are standardised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from ecg_core.data.leads import STANDARD_12

__all__ = ["OFFICIAL_LEADS", "PTB_XL_MEAN", "PTB_XL_STD", "from_official", "to_official"]

OFFICIAL_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF")
_HERE = [OFFICIAL_LEADS.index(lead) for lead in STANDARD_12]  # where each of our leads stands there
_THERE = [STANDARD_12.index(lead) for lead in OFFICIAL_LEADS]

_MEAN = (-0.00185, -0.00130, 0.00017, -0.00091, -0.00149, -0.00175, -0.00077, -0.00207, 0.00054, 0.00156, -0.00114, -0.00036)
_STD = (0.1640, 0.1647, 0.2337, 0.3377, 0.3336, 0.3058, 0.2731, 0.2755, 0.1713, 0.1403, 0.1461, 0.1466)
PTB_XL_MEAN = tuple(_MEAN[place] for place in _HERE)
"""Mean of each lead of PTB-XL at 100 Hz, mV, in the standard order: subtract it for published weights."""
PTB_XL_STD = tuple(_STD[place] for place in _HERE)
"""Standard deviation of each lead of PTB-XL at 100 Hz, mV, in the standard order: divide by it for published weights."""

_PREFIX = "model_cpc."
_FIRST = "backbone.encoder.0.conv.weight"
# (official, ours)
_NAMES = (
    (r"encoder\.(\d+)\.0\.(.+)", r"backbone.encoder.\1.conv.\2"),
    (r"encoder\.(\d+)\.1\.(.+)", r"backbone.encoder.\1.norm.\2"),
    (r"rnn\.(.+)", r"backbone.context.\1"),
    (r"proj\.(.+)", r"predictor.\1"),
)
_BACK = (
    (r"backbone\.encoder\.(\d+)\.conv\.(.+)", r"encoder.\1.0.\2"),
    (r"backbone\.encoder\.(\d+)\.norm\.(.+)", r"encoder.\1.1.\2"),
    (r"backbone\.context\.(.+)", r"rnn.\1"),
    (r"predictor\.(.+)", r"proj.\1"),
)


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of a published one, for a ``CPC`` with ``context="backbone"`` over ``cpc_encoder``.

    Args:
        state: Published names and tensors, with or without ``model_cpc.`` in front; a classifier's ``head`` is left out, and its
            file has no predictor, so that only ``backbone.…`` comes out.

    Raises:
        ValueError: A name is unknown, or the first convolution is not of 12 leads.
    """
    names = {name.removeprefix(_PREFIX): value for name, value in state.items()}
    ours = {_renamed(name, _NAMES): value for name, value in names.items() if not name.startswith("head.")}
    return _reordered(ours, _FIRST, _HERE)


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published state dict of ours, without ``model_cpc.`` in front.

    Args:
        state: Our names and tensors.

    Raises:
        ValueError: A name is unknown, or the first convolution is not of 12 leads.
    """
    return {_renamed(name, _BACK): value for name, value in _reordered(dict(state), _FIRST, _THERE).items()}


def _reordered(state: dict[str, Tensor], name: str, order: list[int]) -> dict[str, Tensor]:
    first = state.get(name)
    if first is None or first.shape[1] != len(order):
        found = "none" if first is None else f"one of {first.shape[1]}"
        raise ValueError(f"a CPC of 12 leads has a first convolution of 12 leads, and this file {found}; pass the whole model")
    return state | {name: first[:, order]}


def _renamed(name: str, names: tuple[tuple[str, str], ...]) -> str:
    for pattern, word in names:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, word, name)
    raise ValueError(f"'{name}' is no name of a CPC state dict; pass the model's weights alone, without optimizer")

"""Lead subset: a backbone that tells leads apart by name becomes one of fewer leads, or of the same in another order.

Of a lead's own (its learned vector) every tensor keeps the rows of the leads that are left; everything else is the same for all
leads. Whether that is all there is to it, the backbone itself says: on random windows the new one must give what the old one
gives for these leads by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.discovery.registries import BACKBONES

__all__ = ["for_leads"]

_TOLERANCE = 1e-4  # of features of the order of 1


@torch.no_grad()
def for_leads(backbone: TokenBackbone, leads: Sequence[str], *, trained_on: Sequence[str], samples: int) -> Backbone | None:
    """The same encoder for some of its leads, in evaluation mode; ``None`` where it cannot be.

    Args:
        backbone: With its weights.
        leads: Names of the leads that are left, in the order they will come in.
        trained_on: Names of the leads of training, in order.
        samples: Length of a window to compare them on.
    """
    if not set(leads) <= set(trained_on):
        return None
    try:
        x = torch.randn(2, len(leads), samples, generator=torch.Generator().manual_seed(0))
        expected = backbone.eval().forward_named(x, leads, trained_on=trained_on)
        with torch.random.fork_rng(devices=[]):
            smaller = BACKBONES.build({**BACKBONES.to_config(backbone), "in_leads": len(leads)})
        materialize(smaller, x)
    except (TypeError, ValueError):  # it does not tell leads apart, or is not built for a number of them
        return None
    rows = torch.tensor([list(trained_on).index(name) for name in leads])
    here = smaller.state_dict()
    weights = {}
    for name, tensor in backbone.state_dict().items():
        if name not in here:
            return None
        own = tensor.ndim and tensor.shape[0] == len(trained_on) and (len(leads), *tensor.shape[1:]) == tuple(here[name].shape)
        weights[name] = tensor[rows] if own else tensor
        if weights[name].shape != here[name].shape:
            return None
    smaller.load_state_dict(weights)
    found = smaller.eval()(x)
    if found.shape == expected.shape and torch.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
        return smaller
    return None

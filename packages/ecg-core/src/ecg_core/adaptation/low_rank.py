"""Low-rank adapters: a frozen matrix learns by adding a product of two thin ones to it.

Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022, arXiv:2106.09685: ``W + (alpha / rank) · up · down``,
``up`` zero at the start, so that the network begins as the pre-trained one.

Differs from the paper: every linear layer and every convolution over time has one, not the projections of attention alone. A
convolution of kernel ``k`` is a matrix of ``in · k`` columns, so its ``down`` is a convolution of that kernel and its ``up`` one
of kernel 1. Queries, keys and values in one matrix share one ``down``. The sum is formed on the weight and not on the output:
the same numbers, whatever the layer does with its weight, and merging changes not a bit.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ecg_core.errors import ConfigError

__all__ = ["LowRank", "add_low_rank", "merged", "without_low_rank"]

M = TypeVar("M", bound=nn.Module)

_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


class LowRank(nn.Module):
    """What is added to one weight, of which the first axis is the output.

    Args:
        weight: The frozen weight.
        rank: Columns of ``up`` and rows of ``down``; a smaller matrix has as many as its own rank allows.
        alpha: ``alpha / rank`` scales the product.
        generator: Draws ``down``, on the CPU, so that every device begins with the same; torch's own unless given.
    """

    def __init__(self, weight: Tensor, *, rank: int, alpha: float, generator: torch.Generator | None = None) -> None:
        super().__init__()
        rows, columns = weight.shape[0], weight[0].numel()
        thin = min(rank, rows, columns)
        self.scale = alpha / rank
        drawn = torch.empty(thin, columns).uniform_(-(columns**-0.5), columns**-0.5, generator=generator)
        self.down = nn.Parameter(drawn.to(weight.device))
        self.up = nn.Parameter(torch.zeros(rows, thin, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with the product added, in its own precision whatever autocast says."""
        with torch.autocast(weight.device.type, enabled=False):
            return weight + (self.scale * (self.up @ self.down)).view(weight.shape).to(weight.dtype)


def add_low_rank(module: nn.Module, *, rank: int, alpha: float | None = None, seed: int = 0) -> int:
    """Give every linear layer and convolution of a module an adapter, and freeze everything else of it; how many there are.

    Args:
        module: Materialised; changed in place.
        rank: Of the adapters.
        alpha: ``None`` means the rank, a scale of 1.
        seed: Of the initial ``down``; the global random state is left as it is.

    Raises:
        ConfigError: The rank is below 1, alpha is not positive, or there is no layer to adapt.
    """
    if rank < 1:
        raise ConfigError(f"the rank of low-rank adapters must be at least 1, got {rank}")
    if alpha is not None and not 0 < alpha < float("inf"):
        raise ConfigError(f"alpha must be a positive number, or None for the rank, got {alpha!r}")
    found = list(_adaptable(module))
    if not found:
        raise ConfigError(
            f"{type(module).__name__} has no linear layer and no convolution that a low-rank adapter could be added to; "
            "use mode=partial or mode=full"
        )
    module.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    scale = float(rank if alpha is None else alpha)
    for owner, name in found:
        adapter = LowRank(getattr(owner, name), rank=rank, alpha=scale, generator=generator)
        parametrize.register_parametrization(owner, name, adapter)
    return len(found)


def without_low_rank(module: nn.Module) -> list[str]:
    """Names of the weight matrices that have no adapter and stay as they are: of recurrent layers, and learned vectors."""
    return [name for name, p in module.named_parameters() if p.ndim > 1 and ".parametrizations." not in f".{name}"]


def merged(module: M) -> M:
    """The same function without adapters: a copy with plain weights; the module itself if it has none."""
    if not any(isinstance(part, LowRank) for part in module.modules()):
        return module
    plain = copy.deepcopy(module)
    for part in list(plain.modules()):
        # By hand: torch's own removal changes the class, which the copy shares with what it was copied from.
        if parametrize.is_parametrized(part) and _is_ours(part):
            names = list(part.parametrizations)  # type: ignore[arg-type]
            weights = {name: getattr(part, name).detach().clone() for name in names}
            del part.parametrizations
            part.__class__ = type(part).__bases__[0]
            for name, weight in weights.items():
                part.register_parameter(name, nn.Parameter(weight))
    return plain


def _is_ours(module: nn.Module) -> bool:
    return all(isinstance(added, LowRank) for chain in module.parametrizations.values() for added in chain)  # type: ignore[operator]


def _adaptable(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Layers and the names of their weights; what something else is computed into (a normalised weight) is left alone."""
    for part in module.modules():
        if parametrize.is_parametrized(part):
            continue
        if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            yield part, "weight"
        elif isinstance(part, nn.MultiheadAttention):
            yield from ((part, name) for name in _PROJECTIONS if getattr(part, name) is not None)

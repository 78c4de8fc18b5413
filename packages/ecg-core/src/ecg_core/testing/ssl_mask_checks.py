"""What every method that hides patches and predicts them must satisfy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.batch import Batch
from ecg_core.testing.checks import applies, check, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy_methods import batch_of, built_method
from ecg_core.testing.toy_models import require_close, require_equal


def _masked(example: Example, batch: Batch, method: Any = None) -> tuple[Any, Tensor, Tensor, Tensor]:
    applies(example.masking is not None, "conformance_params() states no masking(method, batch)")
    assert example.masking is not None
    method = method or built_method(example).eval()
    prediction, patches, mask = example.masking(method, batch)
    return method, prediction, patches, mask


@check("ssl")
def mask_ratio_is_exact(example: Example) -> None:
    """The same number of patches is hidden in every row of every window: the stated share, rounded to a whole patch."""
    _, _, _, mask = _masked(example, batch_of(example))
    applies(example.mask_ratio is not None, "conformance_params() states no mask_ratio")
    assert example.mask_ratio is not None
    hidden, columns = mask.sum(dim=-1), mask.shape[-1]
    require(bool((hidden == hidden.flatten()[0]).all()), f"rows hide {int(hidden.min())} to {int(hidden.max())} patches")
    ratio = float(hidden.flatten()[0]) / columns
    require(
        abs(ratio - example.mask_ratio) < 1 / columns,
        f"{ratio:.3f} of {columns} patches are hidden, stated is {example.mask_ratio}",
    )


@check("ssl")
def masks_follow_from_record_seed_and_epoch(example: Example) -> None:
    """A window's mask does not depend on the windows beside it; another window, seed or epoch has another."""
    batch = batch_of(example)
    method, _, _, mask = _masked(example, batch)
    part = replace(
        batch, signal=batch.signal[2:5], record_keys=batch.record_keys[2:5], record_ids=batch.record_ids[2:5],
        patient=batch.patient[2:5], segment=batch.segment[2:5],
    )  # fmt: skip
    require_equal(_masked(example, part, method)[3], mask[2:5], "the masks of three windows by themselves and among eight")
    require(bool((mask[0] != mask[1:]).any()), "every window has the same mask")
    for what, other in {"epoch": replace(batch, epoch=1), "seed": replace(batch, seed=batch.seed + 1)}.items():
        require(not torch.equal(_masked(example, other, method)[3], mask), f"with another {what} the masks are the same")


@check("ssl")
def hidden_samples_never_reach_the_prediction(example: Example) -> None:
    """Changing the samples of hidden patches changes no prediction."""
    batch = batch_of(example)
    method, prediction, patches, mask = _masked(example, batch)
    backbone = method.backbone
    applies(isinstance(backbone, TokenBackbone), "it does not hide the tokens of its backbone")
    signal = batch.signal
    applies(patches.shape == backbone.patchify(signal).shape, "its patches do not lie on the signal")
    # Patches of the numbers of the samples say where each sample went.
    place = backbone.patchify(torch.arange(signal[0].numel(), dtype=signal.dtype).reshape(1, *signal.shape[1:])).long()
    hidden = torch.zeros(len(signal), signal[0].numel(), dtype=torch.bool)
    hidden.scatter_(1, place.expand_as(patches).flatten(1), mask[..., None].expand_as(patches).flatten(1))
    changed = _masked(example, replace(batch, signal=signal + hidden.view_as(signal) * 5.0), method)[1]
    require_close(changed, prediction, "the predictions before and after the hidden samples changed", 1e-5)


@check("ssl")
def only_hidden_patches_count(example: Example) -> None:
    """The loss is that of ``masked_loss``, ignores predictions of visible patches, and heeds those of hidden ones."""
    applies(example.masked_loss is not None, "conformance_params() states no masked_loss(method, prediction, patches, mask)")
    assert example.masked_loss is not None
    batch = batch_of(example)
    method, prediction, patches, mask = _masked(example, batch)
    total = method.loss(batch).total
    require_close(example.masked_loss(method, prediction, patches, mask), total, "masked_loss and the loss of the batch", 1e-5)
    seen = torch.where(mask[..., None], prediction, prediction + 1.0)
    require_close(example.masked_loss(method, seen, patches, mask), total, "the loss after visible predictions changed", 1e-6)
    unseen = torch.where(mask[..., None], prediction + 1.0, prediction)
    require(
        not torch.allclose(example.masked_loss(method, unseen, patches, mask), total),
        "changing the predictions of hidden patches leaves the loss as it is",
    )

"""What every method that compares augmented views must satisfy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ecg_core.data.batch import Batch
from ecg_core.testing.checks import applies, check, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy_methods import batch_of, built_method
from ecg_core.testing.toy_models import require_close, require_equal


def _views(example: Example, batch: Batch) -> tuple[Any, list[torch.Tensor]]:
    applies(example.views is not None, "conformance_params() states no views(method, batch)")
    assert example.views is not None
    method = built_method(example).train()
    return method, list(example.views(method, batch))


@check("ssl")
def two_views_of_a_window_differ(example: Example) -> None:
    """The views of every window differ from each other; alike they would teach nothing."""
    _, views = _views(example, batch_of(example))
    require(len(views) >= 2, f"there is {len(views)} view")
    same = [row for row in range(len(views[0])) if torch.equal(views[0][row], views[1][row])]
    require(not same, f"both views of the windows {same} are the same; draw each by its own batch.draws(salt)")


@check("ssl")
def views_do_not_depend_on_the_rest_of_the_batch(example: Example) -> None:
    """The views of a window follow from its key, the seed and the epoch: batch size and workers have no say."""
    batch = batch_of(example)
    _, views = _views(example, batch)
    part = replace(
        batch, signal=batch.signal[2:5], record_keys=batch.record_keys[2:5], record_ids=batch.record_ids[2:5],
        patient=batch.patient[2:5], segment=batch.segment[2:5],
    )  # fmt: skip
    _, some = _views(example, part)
    for whole, few in zip(views, some, strict=True):
        require_close(few, whole[2:5], "the views of three windows by themselves and among eight", 1e-5)
    _, later = _views(example, replace(batch, epoch=1))
    require(not torch.equal(later[0], views[0]), "the views of epochs 0 and 1 are the same")


@check("ssl")
def loss_is_symmetric_in_the_views(example: Example) -> None:
    """Swapping the two views leaves the loss as it is."""
    applies(example.view_loss is not None, "conformance_params() states no view_loss(method, view, view)")
    assert example.view_loss is not None
    method, (first, second, *_) = _views(example, batch_of(example))
    method.eval()
    forth, back = example.view_loss(method, first, second), example.view_loss(method, second, first)
    require_close(forth.detach(), back.detach(), "the loss of (a, b) and of (b, a)", 1e-5)


@check("ssl")
def views_are_never_trained_through(example: Example) -> None:
    """Views carry no gradient: augmentation is not part of the graph."""
    _, views = _views(example, batch_of(example))
    require(not any(view.requires_grad for view in views), "a view requires a gradient; augment under torch.no_grad()")
    require_equal(torch.isfinite(views[0]).all(), torch.tensor(True), "finite views")

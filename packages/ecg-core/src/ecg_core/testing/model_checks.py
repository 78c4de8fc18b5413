"""What every model (a Task: backbone, head and criterion) must satisfy."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from typing import Any

import torch

from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.task import Task
from ecg_core.data.batch import Batch
from ecg_core.discovery.registries import MODELS
from ecg_core.testing.checks import CheckFailed, applies, check, refuses, require
from ecg_core.testing.example import Example
from ecg_core.testing.exporting import exported
from ecg_core.testing.learners import losses_of_a_training, require_sound_losses
from ecg_core.testing.toy import toy_batch
from ecg_core.testing.toy_models import first_lines, gradient_problems, require_close, require_equal, signal


def _built(example: Example, *, seed: int = 0) -> Task:
    torch.manual_seed(seed)
    task: Task = example.build()
    return materialize(task, signal(example))


def _batch(example: Example, task: Task, records: int = 6, *, seed: int = 0) -> Batch:
    return toy_batch(
        records, example.leads, example.samples, fs=example.fs, seed=seed, classes=len(task.classes), per_step=task.per_step
    )


@check("models")
def derives_from_task(example: Example) -> None:
    """It is an ``ecg_core`` task with a backbone, a head and the names of its classes."""
    task = _built(example)
    require(isinstance(task, Task), f"{type(task).__name__} does not derive from ecg_core.contracts.task.Task")
    missing = [name for name in ("backbone", "head", "classes") if not hasattr(task, name)]
    require(not missing, f"it has no {', '.join(missing)}")
    require(all(isinstance(name, str) for name in task.classes), f"classes must be names, got {task.classes!r}")


@check("models")
def loss_is_a_finite_scalar_with_gradient(example: Example) -> None:
    """``loss(batch)`` is a :class:`Losses` with a finite scalar that has a gradient, and detached logs."""
    task = _built(example).train()
    require_sound_losses(task.loss(_batch(example, task)))


@check("models")
def loss_falls_on_one_batch(example: Example) -> None:
    """25 steps of AdamW on one batch lower its loss."""
    task = _built(example)
    seen = losses_of_a_training(task, _batch(example, task))
    require(seen[-1] < seen[0], f"the loss went from {seen[0]:.4f} to {seen[-1]:.4f} in 25 steps on one batch")


@check("models")
def every_parameter_gets_a_finite_gradient(example: Example) -> None:
    """Every trained parameter of backbone and head takes part in the loss."""
    task = _built(example).train()
    task.loss(_batch(example, task)).total.backward()
    problems = gradient_problems(task)
    require(not problems, "; ".join(problems))


@check("models")
def predictions_are_probabilities(example: Example) -> None:
    """``predict`` gives ``(batch, classes)``, per step with samples, in 0 … 1 without a gradient, for even and odd lengths.

    What answers with ``numbers`` gives finite ones.
    """
    task = _built(example).eval()
    for samples in (example.samples, example.samples + 1):
        batch = toy_batch(3, example.leads, samples, fs=example.fs)
        found = task.predict(batch)
        stated = (3, len(task.classes), *((samples,) if task.per_step else ()))
        require(
            tuple(found.shape) == stated, f"the predictions of {samples} samples are {tuple(found.shape)} instead of {stated}"
        )
        sound = torch.isfinite(found) if task.numbers else (found >= 0) & (found <= 1)
        what = "finite numbers" if task.numbers else "probabilities"
        require(bool(sound.all()), f"predictions from {found.min():.3g} to {found.max():.3g} are no {what}")
        require(not found.requires_grad, "predictions carry a gradient; decorate predict with torch.no_grad()")


@check("models")
def predictions_need_no_targets(example: Example) -> None:
    """``predict`` gives the same whether a batch has targets or not."""
    task = _built(example).eval()
    batch = _batch(example, task)
    try:
        bare = task.predict(replace(batch, targets=None, step_targets=None))
    except Exception as error:
        raise CheckFailed(f"without targets predict fails ({type(error).__name__}: {error})") from error
    require_equal(bare, task.predict(batch), "the predictions with and without targets")


@check("models")
def forward_is_scores_of_features(example: Example) -> None:
    """``forward(x)`` is ``scores(features(x))``, which is where explanations look."""
    task, x = _built(example).eval(), signal(example)
    applies(not task.per_step, "its scores of steps are brought to the samples of the input")
    require_close(task(x), task.scores(task.features(x)), "forward and the scores of the features", 1e-5)


@check("models")
def eval_is_deterministic_and_rows_are_independent(example: Example) -> None:
    """In evaluation a window's scores depend on nothing but that window."""
    task, x = _built(example).eval(), signal(example, 3)
    require_equal(task(x), task(x), "two evaluations of one input")
    require_close(task(x)[1:2], task(x[1:2]), "a window among others and by itself")


@check("models")
def batch_is_not_modified(example: Example) -> None:
    """Signal and targets are as before, in training too."""
    task = _built(example).train()
    batch = _batch(example, task)
    given = batch.step_targets if task.per_step else batch.targets
    x, y = batch.signal.clone(), given.clone()
    task.loss(batch)
    require_equal(batch.signal, x, "the signal before and after")
    require_equal(given, y, "the targets before and after")


@check("models")
def config_round_trip_gives_equal_outputs(example: Example) -> None:
    """Built again from its JSON configuration, backbone and head included, with its weights, it gives the same scores."""
    task, x = _built(example).eval(), signal(example)
    config = json.loads(json.dumps(MODELS.to_config(task)))
    twin: Any = materialize(MODELS.build(config), x)
    twin.load_state_dict(task.state_dict())
    require_equal(twin.eval()(x), task(x), "the model and its twin from the configuration")


@check("models")
def pickle_and_deepcopy_keep_everything(example: Example) -> None:
    """Copies give the same scores."""
    task, x = _built(example).eval(), signal(example)
    for what, other in {"deep copy": copy.deepcopy(task), "pickle": pickle.loads(pickle.dumps(task))}.items():  # noqa: S301
        require_equal(other(x), task(x), f"the model and its {what}")


@check("models")
def bfloat16_autocast_stays_finite(example: Example) -> None:
    """Under bfloat16 autocast the loss is a finite float32."""
    task = _built(example).train()
    with torch.autocast("cpu", torch.bfloat16):
        total = task.loss(_batch(example, task)).total
    require(total.dtype == torch.float32, f"under autocast the loss is {total.dtype}; compute it in float32")
    require(torch.isfinite(total), "under autocast the loss is not finite")


@check("models")
def wrong_leads_are_one_clear_error(example: Example) -> None:
    """A batch of another number of leads is a ValueError that says what was expected."""
    task = _built(example).eval()
    refuses(
        lambda: task(signal(example, leads=example.leads + 1)),
        f"a batch of {example.leads + 1} instead of {example.leads} leads",
        str(example.leads),
        errors=(ValueError,),
    )


@check("models")
def exports_with_dynamic_batch(example: Example) -> None:
    """``torch.export`` gives one program for any number of windows."""
    task = _built(example).eval()
    other = signal(example, 5, seed=1)
    try:
        shapes = {"x": {0: torch.export.Dim("batch", min=1, max=64)}}
        found = exported(task, (signal(example),), shapes)(other)
    except Exception as error:  # torch raises many kinds
        raise CheckFailed(f"torch.export with a dynamic batch fails: {first_lines(error)}") from error
    require_close(found, task(other), "the exported program and the model")

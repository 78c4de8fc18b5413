"""What every self-supervised method must satisfy: a loss of any backbone that teaches it something."""

from __future__ import annotations

from dataclasses import replace

import torch

from ecg_core.contracts.ssl import SSLMethod
from ecg_core.testing.checks import CheckFailed, applies, check, refuses, require
from ecg_core.testing.example import Example
from ecg_core.testing.learners import losses_of_a_training, require_sound_losses
from ecg_core.testing.toy import toy_batch
from ecg_core.testing.toy_methods import batch_of, built_method
from ecg_core.testing.toy_models import gradient_problems, require_equal


@check("ssl")
def derives_from_ssl_method(example: Example) -> None:
    """It is an ``ecg_core`` SSLMethod."""
    built = built_method(example)
    require(isinstance(built, SSLMethod), f"{type(built).__name__} does not derive from ecg_core.SSLMethod")


@check("ssl")
def runs_with_two_different_backbones(example: Example) -> None:
    """It gives a finite loss with each of two or more backbones that its author states."""
    require(len(example.backbones) >= 2, "conformance_params() must state backbones=[configuration, configuration], at least two")
    for number, config in enumerate(example.backbones):
        total = built_method(example, number).loss(batch_of(example)).total
        require(torch.isfinite(total), f"with the backbone {dict(config)} the loss is {float(total.detach())}")


@check("ssl")
def loss_is_a_finite_scalar_with_gradient(example: Example) -> None:
    """``loss(batch)`` is a :class:`Losses` with a finite scalar that has a gradient, and detached logs."""
    require_sound_losses(built_method(example).loss(batch_of(example)))


@check("ssl")
def logs_are_finite_scalars(example: Example) -> None:
    """Every log is one finite number."""
    logs = built_method(example).loss(batch_of(example)).logs
    applies(logs, "it logs nothing beside the loss")
    wrong = [name for name, value in logs.items() if value.ndim or not bool(torch.isfinite(value))]
    require(not wrong, f"not one finite number: {', '.join(wrong)}")


@check("ssl")
def loss_falls_on_one_batch(example: Example) -> None:
    """25 steps of AdamW on one batch lower its loss."""
    seen = losses_of_a_training(built_method(example), batch_of(example))
    require(seen[-1] < seen[0], f"the loss went from {seen[0]:.4f} to {seen[-1]:.4f} in 25 steps on one batch")


@check("ssl")
def features_do_not_collapse(example: Example) -> None:
    """After 25 steps the pooled features still tell windows apart: their spread is at least 1 % of their size."""
    method = built_method(example)
    losses_of_a_training(method, batch_of(example))
    with torch.no_grad():
        backbone = method.backbone.eval()
        pooled = backbone.pool(backbone.forward_features(batch_of(example).signal)).double()
    spread, size = float(pooled.std(dim=0).square().mean().sqrt()), float(pooled.square().mean().sqrt())
    require(size > 0, "after 25 steps every feature is zero")
    require(spread > 0.01 * size, f"after 25 steps all windows look alike: the features spread by {spread:.2g} of {size:.2g}")


@check("ssl")
def every_trained_parameter_gets_a_finite_gradient(example: Example) -> None:
    """Every parameter that asks for a gradient gets one from the loss; a frozen copy sets ``requires_grad=False``."""
    method = built_method(example).train()
    method.loss(batch_of(example)).total.backward()
    problems = gradient_problems(method)
    require(not problems, "; ".join(problems))


@check("ssl")
def batch_is_not_modified(example: Example) -> None:
    """The signal of the batch is as before."""
    method, batch = built_method(example).train(), batch_of(example)
    before = batch.signal.clone()
    method.loss(batch)
    require_equal(batch.signal, before, "the signal before and after")


@check("ssl")
def missing_requirements_are_one_clear_error(example: Example) -> None:
    """A batch without a field that the method ``requires`` is an error that names the field."""
    method = built_method(example)
    applies(method.requires, "it requires nothing beside the signal")
    bare = replace(batch_of(example), patient=None, segment=None)
    for call in (method.check_requirements, method.loss):
        what = f"{call.__name__} of a batch without {', '.join(sorted(method.requires))}"
        refuses(lambda: call(bare), what, *(method.requires if call == method.check_requirements else ()))  # noqa: B023


@check("ssl")
def patients_decide_the_positives(example: Example) -> None:
    """Patient numbers are only names: renumbered the loss is the same, and who belongs to whom makes a difference."""
    method = built_method(example).train()
    applies("patient" in method.requires, "it does not look at patients")
    batch = batch_of(example)
    as_given = _loss(method, batch)
    renumbered = _loss(method, replace(batch, patient=(7 - batch.patient) * 31))
    require(
        abs(as_given - renumbered) <= 1e-5 * max(1.0, abs(as_given)), f"renumbering patients changes {as_given} to {renumbered}"
    )
    regrouped = _loss(method, replace(batch, patient=batch.patient.roll(1)))
    require(as_given != regrouped, "with other windows belonging to the same patient the loss is the same")


@check("ssl")
def wrong_leads_are_one_clear_error(example: Example) -> None:
    """A batch of another number of leads than the backbone's is a ValueError that says what was expected."""
    method = built_method(example)
    other = toy_batch(8, example.leads + 1, example.samples, fs=example.fs)
    refuses(
        lambda: method.loss(other),
        f"a batch of {example.leads + 1} instead of {example.leads} leads",
        str(example.leads),
        errors=(ValueError,),
    )


@check("ssl")
def any_length_works_or_is_one_clear_error(example: Example) -> None:
    """Lengths that no patch or stride divides give a finite loss, or a ValueError with a message."""
    method = built_method(example)
    for samples in (example.samples + 1, example.samples + 7):
        try:
            total = method.loss(batch_of(example, samples=samples)).total
        except ValueError as error:
            require(str(error).strip(), f"the error for {samples} samples has no message")
        except Exception as error:
            raise CheckFailed(f"{samples} samples end in {type(error).__name__}: {error}; raise a ValueError") from error
        else:
            require(torch.isfinite(total), f"the loss of {samples} samples is {float(total.detach())}")


@check("ssl")
def a_batch_of_one_is_refused_or_defined(example: Example) -> None:
    """One window, the rest of an epoch, gives a finite loss or a ValueError with a message; never NaN."""
    method = built_method(example).train()
    try:
        total = method.loss(batch_of(example, records=1)).total
    except ValueError as error:
        require(str(error).strip(), "the error for a batch of one has no message")
    except Exception as error:
        raise CheckFailed(f"a batch of one ends in {type(error).__name__}: {error}; raise a ValueError") from error
    else:
        require(torch.isfinite(total), f"the loss of a batch of one is {float(total.detach())}; refuse it")


def _loss(method: SSLMethod, batch: object) -> float:
    with torch.no_grad():
        return float(method.loss(batch).total)  # type: ignore[arg-type]

"""What every schedule must satisfy: a factor on the peak learning rate, as a pure function of the step."""

from __future__ import annotations

import json
import math
import pickle

from ecg_core.discovery.registries import SCHEDULERS
from ecg_core.testing.checks import CheckFailed, check, require
from ecg_core.testing.example import Example

_LENGTHS = (1, 2, 10, 1000)


def _factors(example: Example, steps: int, **arguments: object) -> list[float]:
    schedule = example.build(**arguments)
    return [float(schedule(step, steps)) for step in range(steps)]


@check("schedulers")
def factors_are_between_zero_and_one(example: Example) -> None:
    """``schedule(step, steps)`` is a finite factor from 0 to 1, for runs of 1, 2, 10 and 1000 steps."""
    for steps in _LENGTHS:
        try:
            found = _factors(example, steps)
        except ArithmeticError as error:
            raise CheckFailed(f"a run of {steps} step(s) ends in {type(error).__name__}: {error}") from error
        wrong = [(step, f) for step, f in enumerate(found) if not (math.isfinite(f) and 0 <= f <= 1 + 1e-9)]
        require(not wrong, f"of {steps} step(s), step {wrong[:1]} has a factor outside 0 to 1")


@check("schedulers")
def the_peak_is_reached(example: Example) -> None:
    """Somewhere in a long run the factor is 1 (to a hundredth), so that ``lr`` means what it says."""
    best = max(_factors(example, 1000))
    require(best > 0.99, f"over 1000 steps the largest factor is {best:.3f}; the rate that was asked for is never used")


@check("schedulers")
def the_first_step_moves(example: Example) -> None:
    """The first factor is above 0: a step that changes nothing is a wasted batch."""
    for steps in _LENGTHS:
        first = _factors(example, steps)[0]
        require(first > 0, f"the first factor of a run of {steps} step(s) is {first}")


@check("schedulers")
def a_factor_is_a_pure_function_of_the_step(example: Example) -> None:
    """Asked out of order, or by another one, the factors are the same: nothing has to be saved to resume."""
    expected = _factors(example, 10)
    schedule = example.build()
    backwards = [float(schedule(step, 10)) for step in reversed(range(10))][::-1]
    require(backwards == expected, "asked from the last step to the first, the factors differ")


@check("schedulers")
def config_round_trip_and_pickle(example: Example) -> None:
    """Built again from its JSON configuration, or unpickled, it gives the same factors."""
    schedule = example.build()
    config = json.loads(json.dumps(SCHEDULERS.to_config(schedule)))
    expected = _factors(example, 10)
    for what, other in {"configuration": SCHEDULERS.build(config), "pickle": pickle.loads(pickle.dumps(schedule))}.items():  # noqa: S301
        require([float(other(step, 10)) for step in range(10)] == expected, f"its {what} gives other factors")


@check("schedulers")
def it_takes_a_warmup(example: Example) -> None:
    """A run builds it with ``warmup``, the share of all steps in which the rate rises; half of them delays the peak."""
    found = _factors(example, 100, warmup=0.5)
    require(max(found[:40]) < 0.99, "with warmup=0.5 of 100 steps the peak is reached before step 40")

"""Losses, optimizers, schedules and attention layers: sound ones, and the ways to break them."""

from __future__ import annotations

import math

import torch
from torch import nn

from ecg_core.config.configurable import Configurable
from ecg_kit_toys.table import EVERYTHING, broken, healthy


# ---------------------------------------------------------------- losses
@healthy("losses")
class Squared(nn.Module):
    def forward(self, prediction, target):
        return ((prediction - target) ** 2).mean()


@broken("losses", "is_a_torch_module", "is no torch.nn.Module")
class Bare:
    def __call__(self, prediction, target):
        return ((prediction - target) ** 2).mean()


@broken(
    "losses",
    "loss_is_a_finite_scalar",
    "instead of a scalar",
    "gradient_reaches_the_prediction",
    "following_the_gradient_lowers_it",
)
class Unreduced(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target) ** 2


@broken("losses", "gradient_reaches_the_prediction", "is cut off from the prediction", "following_the_gradient_lowers_it")
class Cut(Squared):
    def forward(self, prediction, target):
        return super().forward(prediction.detach(), target)


@broken("losses", "following_the_gradient_lowers_it", "after a step against the gradient")
class Uphill(Squared):
    def forward(self, prediction, target):
        value = super().forward(prediction, target)
        return 2 * value.detach() - value


@broken("losses", "inputs_are_not_modified", "input 1 before and after")
class Writes(Squared):
    def forward(self, prediction, target):
        return super().forward(prediction, target.clamp_(0.2, 0.8))


@broken("losses", "the_same_inputs_give_the_same_loss", "the loss of the same inputs, twice", "following_the_gradient_lowers_it")
class Counts(Squared):
    calls = 0

    def forward(self, prediction, target):
        self.calls += 1
        return super().forward(prediction, target) * (1 + self.calls)


# ---------------------------------------------------------------- optimizers
@healthy("optimizers")
class Descent(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-2):
        if lr < 0:
            raise ValueError(f"lr must not be negative, got {lr}")
        super().__init__(params, {"lr": lr})

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, group)

    @torch.no_grad()
    def move(self, p, group):
        p -= group["lr"] * p.grad


@broken("optimizers", "derives_from_optimizer", "is no torch.optim.Optimizer", EVERYTHING)
class Nothing:
    def __init__(self, params, lr):
        pass


@broken("optimizers", "steps_lower_a_quadratic", "after 50 steps the parabola is at")
class Ascent(Descent):
    @torch.no_grad()
    def move(self, p, group):
        p += group["lr"] * p.grad


@broken("optimizers", "each_group_keeps_its_own_rate", "a parameter group with lr=0 moved", "the_rate_can_be_set_between_steps")
class OneRate(Descent):
    @torch.no_grad()
    def move(self, p, group):
        p -= self.defaults["lr"] * p.grad


@broken("optimizers", "the_rate_can_be_set_between_steps", "with the rate set to 0 between steps it still moved")
class FirstRate(Descent):
    def __init__(self, params, lr=1e-2):
        super().__init__(params, lr)
        for group in self.param_groups:
            group["first"] = group["lr"]

    @torch.no_grad()
    def move(self, p, group):
        p -= group["first"] * p.grad


@broken("optimizers", "parameters_without_a_gradient_stay", "a parameter without a gradient moved")
class Decays(Descent):
    @torch.no_grad()
    def step(self):
        super().step()
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - 0.1 * group["lr"])


@broken("optimizers", "state_resumes_bit_for_bit", "the parameters after resuming")
class Momentum(Descent):
    def __init__(self, params, lr=1e-2):
        super().__init__(params, lr)
        self.memory = {}

    @torch.no_grad()
    def move(self, p, group):
        self.memory[p] = 0.5 * self.memory.get(p, 0) + p.grad
        p -= group["lr"] * self.memory[p]


@broken("optimizers", "a_negative_rate_is_one_clear_error", "lr=-1 is accepted")
class Lenient(Descent):
    def __init__(self, params, lr=1e-2):
        super().__init__(params, abs(lr))


# ---------------------------------------------------------------- schedules
@healthy("schedulers")
class Ramp(Configurable):
    """Up.

    Args:
        warmup: Share of the steps.
    """

    def __init__(self, *, warmup: float = 0.1) -> None:
        if warmup < 0:
            raise ValueError("warmup must not be negative")
        self.warmup = warmup

    @classmethod
    def conformance_params(cls):
        return {"refused": [{"warmup": -1.0}]}

    def __call__(self, step, steps):
        return min(1.0, (step + 1) / (self.warmup * steps + 1))


@broken("schedulers", "constructor_takes_no_unknown_words", "the constructor takes **more")
class LooseRamp(Ramp):
    __doc__ = Ramp.__doc__ + "more"

    def __init__(self, *, warmup=0.1, **more):
        super().__init__(warmup=warmup)


@broken("schedulers", "constructor_leaves_the_words_of_configurations_free", "has a word of configurations", EVERYTHING)
class NamedRamp(Ramp):
    __doc__ = Ramp.__doc__ + "name"

    def __init__(self, *, warmup=0.1, name=""):
        super().__init__(warmup=warmup)


@broken("schedulers", "arguments_are_documented", "not documented: warmup")
class UndocumentedRamp(Ramp):
    """Up."""


@broken("schedulers", "refused_arguments_are_one_clear_error", "{'warmup': -1.0} is accepted")
class LenientRamp(Ramp):
    __doc__ = Ramp.__doc__

    def __init__(self, *, warmup=0.1):
        super().__init__(warmup=abs(warmup))


@broken("schedulers", "factors_are_between_zero_and_one", "a factor outside 0 to 1")
class TooHigh(Ramp):
    __doc__ = Ramp.__doc__

    def __call__(self, step, steps):
        return super().__call__(step, steps) * (1.0 if self.warmup == 0.5 else 2.0)


@broken("schedulers", "the_peak_is_reached", "the largest factor is 0.500")
class Half(Ramp):
    __doc__ = Ramp.__doc__

    def __call__(self, step, steps):
        return 0.5 * super().__call__(step, steps)


@broken("schedulers", "the_first_step_moves", "the first factor of a run of 2 step(s) is 0")
class Idles(Ramp):
    __doc__ = Ramp.__doc__

    def __call__(self, step, steps):
        return super().__call__(step, steps) if step or steps == 1 else 0.0


@broken("schedulers", "a_factor_is_a_pure_function_of_the_step", "asked from the last step to the first")
class Remembers(Ramp):
    __doc__ = Ramp.__doc__
    best = 0.0

    def __call__(self, step, steps):
        self.best = max(self.best, super().__call__(step, steps))
        return self.best


@broken("schedulers", "config_round_trip_and_pickle", "its pickle gives other factors")
class Unpickled(Ramp):
    __doc__ = Ramp.__doc__

    def __setstate__(self, state):
        self.__dict__ = {**state, "warmup": 0.5}


@broken("schedulers", "it_takes_a_warmup", "the peak is reached before step 40")
class Ignores(Ramp):
    __doc__ = Ramp.__doc__

    def __call__(self, step, steps):
        return math.sin(math.pi / 2)


# ---------------------------------------------------------------- attention
@healthy("attention")
class Gate(Configurable, nn.Module):
    """Weighs channels.

    Args:
        channels: How many.
    """

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError("at least one channel")
        self.layer = nn.Linear(channels, channels)

    @classmethod
    def conformance_params(cls):
        return {"refused": [{"channels": 0}], "inputs": lambda: [torch.linspace(-1, 1, 2 * 16 * 5).reshape(2, 16, 5)]}

    def forward(self, x):
        return x * self.layer(x.mean(dim=-1)).sigmoid()[..., None]


@broken("attention", "constructor_takes_no_unknown_words", "the constructor takes **more")
class LooseGate(Gate):
    __doc__ = Gate.__doc__ + "more"

    def __init__(self, channels=16, **more):
        super().__init__(channels)


@broken("attention", "constructor_leaves_the_words_of_configurations_free", "has a word of configurations", EVERYTHING)
class NamedGate(Gate):
    __doc__ = Gate.__doc__ + "name"

    def __init__(self, channels=16, name=""):
        super().__init__(channels)


@broken("attention", "arguments_are_documented", "not documented: channels")
class UndocumentedGate(Gate):
    """A gate."""


@broken("attention", "refused_arguments_are_one_clear_error", "{'channels': 0} is accepted")
class LenientGate(Gate):
    __doc__ = Gate.__doc__

    def __init__(self, channels=16):
        super().__init__(channels or 16)


@broken("attention", "is_a_torch_module", "is no torch.nn.Module", EVERYTHING)
class BareGate(Configurable):
    def __call__(self, x):
        return x


@broken("attention", "shape_is_kept", "(2, 16, 5) becomes (2, 16)")
class Squeezes(Gate):
    __doc__ = Gate.__doc__

    def forward(self, x):
        return super().forward(x).mean(dim=-1)


@broken("attention", "every_parameter_gets_a_finite_gradient", "unused gets no gradient")
class IdleGate(Gate):
    __doc__ = Gate.__doc__

    def __init__(self, channels=16):
        super().__init__(channels)
        self.unused = nn.Parameter(torch.zeros(1))


@broken("attention", "eval_is_deterministic_and_rows_are_independent", "a window by itself and among others")
class MixedGate(Gate):
    __doc__ = Gate.__doc__

    def forward(self, x):
        return super().forward(x - x.mean(dim=0))


@broken("attention", "input_is_not_modified", "the input before and after")
class ClipsGate(Gate):
    __doc__ = Gate.__doc__

    def forward(self, x):
        return super().forward(x.clamp_(-0.1, 0.1))


@broken("attention", "config_round_trip_and_pickle", "the layer and its twin from the configuration")
class UnsavedGate(Gate):
    __doc__ = Gate.__doc__

    def __init__(self, channels=16):
        super().__init__(channels)
        self.register_buffer("gain", torch.rand(()), persistent=False)

    def forward(self, x):
        return super().forward(x) * self.gain

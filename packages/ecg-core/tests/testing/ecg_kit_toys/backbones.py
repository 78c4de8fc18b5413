"""Backbones: a sound one of two convolutions, and the ways to break it."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_kit_toys.table import EVERYTHING, broken, healthy

_count = itertools.count(1)


def breaks(check: str, says: str, *also: str):
    return broken("backbones", check, says, *also)


@healthy("backbones")
class Plain(Backbone):
    """Two strided convolutions.

    Args:
        in_leads: Leads of the input; ``None`` infers them.
        width: Channels.

    Shape:
        ``(batch, in_leads, samples)`` to ``(batch, width, ceil(samples / 4))``
    """

    def __init__(self, in_leads: int | None = None, *, width: int = 4) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.in_leads = in_leads
        self.stages = (Stage(width, 2), Stage(width, 4))
        words = {"kernel_size": 3, "stride": 2, "padding": 1}
        self.stem = nn.LazyConv1d(width, **words) if in_leads is None else nn.Conv1d(in_leads, width, **words)
        self.norm = nn.BatchNorm1d(width)
        self.second = nn.Conv1d(width, width, **words)

    @classmethod
    def conformance_params(cls):
        return {"leads": 2, "samples": 64, "refused": [{"width": 0}]}

    def forward_intermediates(self, x):
        self.check_input(x)
        self.in_leads = x.shape[1]
        first = self.norm(self.stem(x)).relu()
        return [first, self.second(first).tanh()]


@breaks("derives_from_backbone", "Stranger does not derive from ecg_core.Backbone", EVERYTHING)
class Stranger(nn.Module):
    def __init__(self, in_leads=None):
        super().__init__()


@breaks("constructor_takes_no_unknown_words", "the constructor takes **more")
class Loose(Plain):
    __doc__ = Plain.__doc__ + "\n    more: unknown words"

    def __init__(self, in_leads=None, *, width=4, **more):
        super().__init__(in_leads, width=width)


@breaks("constructor_leaves_the_words_of_configurations_free", "has a word of configurations", EVERYTHING)
class Named(Plain):
    __doc__ = Plain.__doc__ + "\n    name: taken"

    def __init__(self, in_leads=None, *, width=4, name="x"):
        super().__init__(in_leads, width=width)


@breaks("arguments_are_documented", "not documented: depth")
class Undocumented(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4, depth=1):
        super().__init__(in_leads, width=width)


@breaks("refused_arguments_are_one_clear_error", "{'width': 0} is accepted")
class Lenient(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=max(1, width))


@breaks("docstring_names_arguments_and_shape", "the docstring gives no shapes")
class Shapeless(Plain):
    """in_leads, width."""


@breaks("shape_function_is_exact", "compute_features_output_shape says")
class Inexact(Plain):
    __doc__ = Plain.__doc__

    def compute_features_output_shape(self, seq_len=None, batch_size=None):
        batch, channels, steps = super().compute_features_output_shape(seq_len, batch_size)
        return batch, channels, steps + 1 if seq_len == 65 else steps


@breaks("shape_function_runs_no_forward_pass", "compute_features_output_shape ran the backbone")
class Runs(Plain):
    __doc__ = Plain.__doc__

    def compute_features_output_shape(self, seq_len=None, batch_size=None):
        if seq_len is None:
            return super().compute_features_output_shape(seq_len, batch_size)
        return tuple(self.forward_features(torch.zeros(batch_size or 1, self.in_leads, seq_len)).shape)


@breaks("stages_describe_the_intermediates", "stage 0 is stated as (2, 5, 32)")
class Misstated(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.stages = (Stage(width + 1, 2), Stage(width, 4))


@healthy("backbones")
class Sighted(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.stages = (Stage(width, 2, receptive_field=3), Stage(width, 4, receptive_field=7))


@breaks("a_step_sees_no_more_than_its_receptive_field", "outside 5 … 11 (receptive_field=7 around 8)")
class Nearsighted(Sighted):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.second = nn.Conv1d(width, width, 5, stride=2, padding=2)


@breaks("features_are_the_last_intermediate", "forward and the last intermediate")
class Doubled(Plain):
    __doc__ = Plain.__doc__

    def forward(self, x):
        return 2 * self.forward_features(x)


@breaks("lead_features_average_to_the_features", "lead features and features")
class Unaveraged(Plain):
    __doc__ = Plain.__doc__

    def forward_lead_features(self, x):
        return 2 * super().forward_lead_features(x)


@breaks("pooling_gives_one_vector_per_window", "pool gives (3, 64)")
class Flat(Plain):
    __doc__ = Plain.__doc__

    def pool(self, features):
        return features.flatten(1)


@breaks("eval_is_deterministic", "two evaluations of one input", EVERYTHING)
class Noisy(Plain):
    def forward_intermediates(self, x):
        return [m + torch.rand(()) for m in super().forward_intermediates(x)]


@breaks("rows_of_a_batch_are_independent", "a window among others", "a_damaged_window_does_not_touch_the_others")
class Mixed(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        return super().forward_intermediates(x - x.mean(dim=0)) if x.ndim == 3 else super().forward_intermediates(x)


@breaks("a_damaged_window_does_not_touch_the_others", "the neighbours of a window with NaN")
class Spreading(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        return super().forward_intermediates(x + 0 * x.sum())


@breaks("every_parameter_gets_a_finite_gradient", "unused gets no gradient")
class Idle(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.unused = nn.Parameter(torch.zeros(1))


@breaks("extreme_inputs_stay_finite", "the features of all zeros are not finite")
class Divides(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        return super().forward_intermediates(x / x.abs().amax(dim=-1, keepdim=True))


@breaks("input_is_not_modified", "the input before and after")
class Clips(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        return super().forward_intermediates(x.clamp_(-0.4, 0.4))


@breaks("unknown_leads_are_inferred_from_the_first_batch", "in_leads is None")
class Forgets(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        before = self.in_leads
        maps = super().forward_intermediates(x)
        self.in_leads = before
        return maps


@breaks("wrong_input_is_one_clear_error", "raise a ValueError")
class Unchecked(Plain):
    __doc__ = Plain.__doc__

    def check_input(self, x):
        pass


@breaks("the_shortest_input_works", "min_samples is 1, yet 1 samples fail")
class Long(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        if x.shape[-1] < 16:
            raise RuntimeError("kernel size can't be greater than actual input size")
        return super().forward_intermediates(x)

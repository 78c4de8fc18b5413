"""Heads: a sound one for embeddings, one per step, and the ways to break them."""

from __future__ import annotations

import torch
from torch import nn

from ecg_core.contracts.head import Head
from ecg_kit_toys.table import EVERYTHING, broken, healthy


def breaks(check: str, says: str, *also: str):
    return broken("heads", check, says, *also)


@healthy("heads")
class Linear(Head):
    """One linear layer.

    Args:
        classes: Number of scores.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError("a head needs a class")
        self.classes = classes
        self.layer = nn.LazyLinear(classes)

    @classmethod
    def conformance_params(cls):
        return {"refused": [{"classes": 0}]}

    def forward(self, x):
        return self.layer(x)


@healthy("heads")
class PerStep(Linear):
    __doc__ = Linear.__doc__
    reads = "features"

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.layer = nn.LazyConv1d(classes, 1)


@breaks("derives_from_head", "does not derive from", EVERYTHING)
class Stranger(nn.Linear):
    def __init__(self, classes):
        super().__init__(3, classes)


@breaks("constructor_takes_no_unknown_words", "the constructor takes **more")
class Loose(Linear):
    __doc__ = Linear.__doc__ + "more"

    def __init__(self, classes, **more):
        super().__init__(classes)


@breaks("constructor_leaves_the_words_of_configurations_free", "has a word of configurations", EVERYTHING)
class Named(Linear):
    __doc__ = Linear.__doc__ + "kind"

    def __init__(self, classes, kind="x"):
        super().__init__(classes)


@breaks("arguments_are_documented", "Undocumented has no docstring")
class Undocumented(Linear):
    __doc__ = ""


@breaks("refused_arguments_are_one_clear_error", "{'hidden': -1} is accepted")
class Lenient(Linear):
    __doc__ = Linear.__doc__ + "hidden"

    def __init__(self, classes, hidden=1):
        super().__init__(classes)

    @classmethod
    def conformance_params(cls):
        return {"refused": [{"hidden": -1}]}


@breaks("channels_are_inferred", "it does not take 3 channels", "fits_any_backbone")
class Fixed(Linear):
    __doc__ = Linear.__doc__

    def __init__(self, classes):
        super().__init__(classes)
        self.layer = nn.Linear(24, classes)


@breaks("fits_any_backbone", "its scores are (1, 5)")
class Even(Linear):
    __doc__ = Linear.__doc__

    def forward(self, x):
        return self.layer(x)[:1] if x.shape[1] == 10 else self.layer(x)


@breaks("per_step_scores_keep_the_time_grid", "instead of (4, 5, 16)")
class Pooled(PerStep):
    __doc__ = Linear.__doc__

    def forward(self, x):
        scores = self.layer(x)
        return scores[..., :9] if x.shape[-1] == 16 else scores


@breaks("one_class_works_and_none_is_refused", "classes=0 ends in", "refused_arguments_are_one_clear_error")
class NoClass(Linear):
    __doc__ = Linear.__doc__

    def __init__(self, classes):
        super().__init__(max(1, classes))
        if classes < 1:
            raise AssertionError


@breaks("every_parameter_gets_a_gradient", "unused gets no gradient")
class Idle(Linear):
    __doc__ = Linear.__doc__

    def __init__(self, classes):
        super().__init__(classes)
        self.unused = nn.Parameter(torch.zeros(1))


@breaks("eval_is_deterministic_and_rows_are_independent", "a window among others and by itself")
class Mixed(Linear):
    __doc__ = Linear.__doc__

    def forward(self, x):
        return self.layer(x - x.mean(dim=0))


@breaks("input_is_not_modified", "the input before and after")
class Clips(Linear):
    __doc__ = Linear.__doc__

    def forward(self, x):
        return self.layer(x.clamp_(-0.1, 0.1))


@breaks("config_round_trip_gives_equal_outputs", "the head and its twin from the configuration")
class Unsaved(Linear):
    __doc__ = Linear.__doc__

    def __init__(self, classes):
        super().__init__(classes)
        self.register_buffer("gain", torch.rand(()), persistent=False)

    def forward(self, x):
        return self.layer(x) * self.gain


@breaks("pickle_and_deepcopy_keep_everything", "the head and its deep copy")
class Loses(Linear):
    __doc__ = Linear.__doc__
    gain = 1.0

    def __init__(self, classes):
        super().__init__(classes)
        self.gain = 2.0

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "gain"}

    def forward(self, x):
        return self.layer(x) * self.gain


@breaks("exports_with_dynamic_batch", "torch.export with a dynamic batch fails")
class FixedBatch(Linear):
    __doc__ = Linear.__doc__

    def forward(self, x):
        return self.layer(x.narrow(0, 0, int(x.shape[0])))

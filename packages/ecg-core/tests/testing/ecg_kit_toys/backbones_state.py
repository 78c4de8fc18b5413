"""Ways to break a backbone between runs and as a graph."""

from __future__ import annotations

import itertools
import random

import numpy as np
import torch
from torch import nn

from ecg_kit_toys.backbones import Plain, breaks
from ecg_kit_toys.table import EVERYTHING

_count = itertools.count(1)


@breaks("config_round_trip_gives_equal_outputs", "cannot be written to a configuration", "pickle_and_deepcopy_keep_everything")
class Unwritable(Plain):
    __doc__ = Plain.__doc__ + "\n    act: a module"

    def __init__(self, in_leads=None, *, width=4, act=None):
        super().__init__(in_leads, width=width)

    @classmethod
    def conformance_params(cls):
        return {**super().conformance_params(), "arguments": {"act": nn.ReLU()}}


@breaks("state_keys_are_stable", "these keys are in one build and not in the other", EVERYTHING)
class Renamed(Plain):
    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.register_buffer(f"b{next(_count)}", torch.zeros(1))


@breaks("same_seed_gives_same_weights", "built twice from one seed, these differ: second.bias")
class Unseeded(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.second.bias.data.fill_(next(_count) / 1000)


@breaks("another_seed_gives_other_weights", "do not seed torch yourself")
class Seeds(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        torch.manual_seed(0)
        super().__init__(in_leads, width=width)


@breaks("numpy_and_python_randomness_is_left_alone", "it changed NumPy's global random state")
class Gambles(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        np.random.random()  # noqa: NPY002 - the fault
        random.random()


@breaks("evaluation_changes_no_state", "evaluation changed calls")
class Counts(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.register_buffer("calls", torch.zeros(()))

    def forward_intermediates(self, x):
        self.calls = self.calls + 1
        return super().forward_intermediates(x)


@breaks("only_its_parts_know_training_from_evaluation", "itself in training and in evaluation")
class Looks(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        return super().forward_intermediates(2 * x if self.training else x)


@breaks("pickle_and_deepcopy_keep_everything", "a deep copy lost its configuration")
class Loses(Plain):
    __doc__ = Plain.__doc__

    def __setstate__(self, state):
        self.__dict__ = {**type(self)(2, width=5).__dict__, "_modules": state["_modules"], "training": state["training"]}


@breaks(
    "weights_survive_safetensors", "one that loaded its saved weights",
    "config_round_trip_gives_equal_outputs", "unknown_leads_are_inferred_from_the_first_batch",
)  # fmt: skip
class Unsaved(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.register_buffer("gain", torch.rand(()) + 0.5, persistent=False)

    def forward_intermediates(self, x):
        return [m * self.gain for m in super().forward_intermediates(x)]


@breaks("no_hooks_are_left_behind", "left 1 hook(s) behind")
class Hooks(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        self.second.register_forward_hook(_hook)
        return super().forward_intermediates(x)


def _hook(module, given, out):
    return None


@breaks("float64_and_bfloat16_work", "a float64 input gives torch.float32 features")
class Single(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        return [m.float() for m in super().forward_intermediates(x)]


@breaks("it_runs_on_another_device", "keep constants as buffers")
class Constant(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.offset = torch.zeros(1, device="cpu")

    def forward_intermediates(self, x):
        return super().forward_intermediates(x + self.offset)


@breaks("no_tensor_is_left_behind_on_another_device", "built on the meta device, yet on the CPU: table")
class Stays(Plain):
    __doc__ = Plain.__doc__

    def __init__(self, in_leads=None, *, width=4):
        super().__init__(in_leads, width=width)
        self.register_buffer("table", torch.zeros(1, device="cpu"))


@breaks("compiles_without_graph_breaks", "torch.compile(fullgraph=True) fails")
class Graphless(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        torch._dynamo.graph_break()
        return super().forward_intermediates(x)


@breaks("exports_with_dynamic_batch", "torch.export with a dynamic batch fails")
class FixedBatch(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        self.check_input(x)
        return super().forward_intermediates(x.narrow(0, 0, int(x.shape[0])))


@breaks("exports_with_dynamic_length", "torch.export with a dynamic batch and samples fails")
class FixedLength(Plain):
    __doc__ = Plain.__doc__

    def forward_intermediates(self, x):
        self.check_input(x)
        return super().forward_intermediates(x.narrow(2, 0, int(x.shape[2])))

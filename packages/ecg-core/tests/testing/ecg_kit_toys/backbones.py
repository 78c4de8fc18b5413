"""Backbones: a sound one of two convolutions, and the ways to break it."""

from __future__ import annotations

import itertools
import random

import numpy as np
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.tokens import TokenBackbone
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


@breaks("constructor_leaves_the_words_of_configurations_free", "has a word of configurations")
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

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "_constructor_arguments"}


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


@healthy("backbones")
class Tokens(TokenBackbone):
    """Patches that see the mean of the visible ones.

    Args:
        in_leads: Leads of the input; ``None`` infers them.
        width: Channels.
        patch_size: Samples of a patch.

    Shape:
        ``(batch, in_leads, samples)`` to ``(batch, width, samples // patch_size)``
    """

    def __init__(self, in_leads: int | None = None, *, width: int = 4, patch_size: int = 8) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.in_leads, self.width, self.patch_size, self.min_samples = in_leads, width, patch_size, patch_size
        self.stages = (Stage(width, patch_size),)
        self.patch, self.mix = nn.Linear(patch_size, width), nn.Linear(width, width)

    @classmethod
    def conformance_params(cls):
        return {"leads": 2, "samples": 64, "refused": [{"width": 0}]}

    def patchify(self, x):
        columns = x.shape[-1] // self.patch_size
        whole = x.index_select(-1, torch.arange(columns * self.patch_size, device=x.device))
        return whole.unflatten(-1, (columns, self.patch_size))

    def embed(self, patches):
        return self.patch(patches)

    def encode(self, tokens, keep=None, lead_index=None):
        if keep is not None:
            tokens = tokens.gather(2, keep[..., None].expand(*keep.shape, tokens.shape[-1]))
        return tokens + self.mix(tokens.mean(dim=(1, 2), keepdim=True)).tanh()

    def forward_intermediates(self, x):
        self.check_input(x)
        self.in_leads = x.shape[1]
        return [self.encode(self.embed(self.patchify(x))).mean(dim=1).transpose(1, 2)]


@breaks("patches_hold_every_sample_once", "the patches put together again and the signal")
class Shuffled(Tokens):
    __doc__ = Tokens.__doc__

    def patchify(self, x):
        return super().patchify(x).flip(-1)


@breaks("each_token_sees_its_patch_only", "the tokens beside a changed patch")
class Peeks(Tokens):
    __doc__ = Tokens.__doc__

    def embed(self, patches):
        return super().embed(patches - patches.mean(dim=2, keepdim=True))


@breaks("visible_tokens_never_see_hidden_ones", "the kept tokens for two sets of dropped ones")
class Leaks(Tokens):
    __doc__ = Tokens.__doc__

    def encode(self, tokens, keep=None, lead_index=None):
        seen = super().encode(tokens)
        return seen if keep is None else seen.gather(2, keep[..., None].expand(*keep.shape, seen.shape[-1]))


@breaks("keeping_all_tokens_is_encoding_all", "all columns kept and no keep given")
class Shifts(Tokens):
    __doc__ = Tokens.__doc__

    def encode(self, tokens, keep=None, lead_index=None):
        return super().encode(tokens, keep) + (keep is not None)

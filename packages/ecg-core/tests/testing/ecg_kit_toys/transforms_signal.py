"""Ways to break a transform as signal processing and between processes."""

from __future__ import annotations

import random

import numpy as np

from ecg_kit_toys.transforms import Gain, Noise, Tail, breaks


@breaks("batch_size_never_changes_a_draw", "two windows by themselves and among six")
class Counted(Noise):
    __doc__ = Noise.__doc__

    def apply(self, x, *, fs, **drawn):
        return super().apply(x, fs=fs, **drawn) + x.shape[0] * 0.01


@breaks("records_and_batches_carry_their_facts", "output_fs says 50 Hz")
class MisstatedRate(Gain):
    __doc__ = Gain.__doc__
    calls = 0

    def output_fs(self, fs):
        return fs / 2

    def _on_record(self, record, generator):
        return super()._on_record(record, generator).with_signal(record.signal.copy(), fs=record.fs)


@breaks("annotations_move_with_the_signal", "see move()", "masks_move_with_the_annotations")
class Unmoved(Tail):
    __doc__ = Tail.__doc__

    def move(self, positions, *, fs, samples, **drawn):
        return positions


@breaks("masks_move_with_the_annotations", "see move_mask()")
class Unmasked(Tail):
    __doc__ = Tail.__doc__

    def move_mask(self, mask, *, fs, **drawn):
        return mask


@breaks("frequency_response_is_the_declared_one", "declared is 0.500")
class Overstated(Gain):
    __doc__ = Gain.__doc__

    def frequency_response(self, frequencies, fs):
        return np.full_like(frequencies, 0.5)


@breaks("linear_transforms_are_linear", "the transform of 2x - 3y")
class Bent(Gain):
    __doc__ = Gain.__doc__

    @classmethod
    def conformance_params(cls):
        return {"leads": 2, "samples": 200, "refused": [{"factor": 0.0}]}

    def apply(self, x, *, fs, **drawn):
        return x + 0.01 * x * x


@breaks("doing_it_twice_is_doing_it_once", "twice and once")
class Twice(Gain):
    __doc__ = Gain.__doc__

    def frequency_response(self, frequencies, fs):
        return None

    def apply(self, x, *, fs, **drawn):
        return x * 2.0


@breaks("config_round_trip_gives_the_same", "cannot be written to a configuration")
class Unwritable(Gain):
    __doc__ = Gain.__doc__ + "window"

    def __init__(self, *, factor=1.0, window=None):
        super().__init__(factor=factor)

    @classmethod
    def conformance_params(cls):
        return {**Gain.conformance_params(), "arguments": {"window": np.ones(3)}}


@breaks("pickle_keeps_everything", "the transform and its pickle")
class Loses(Gain):
    __doc__ = Gain.__doc__

    def __setstate__(self, state):
        self.__dict__ = {**state, "factor": 3.0}


@breaks("using_it_does_not_change_it", "before and after it was used on something else")
class Learns(Gain):
    __doc__ = Gain.__doc__
    scale = None

    def frequency_response(self, frequencies, fs):
        return None

    def apply(self, x, *, fs, **drawn):
        self.scale = 1.0 if x.shape[-1] != 203 and self.scale is None else self.scale or 1.0
        self.scale = 2.0 if x.shape[-1] == 203 else self.scale
        return x * self.scale


@breaks("numpy_and_python_randomness_is_left_alone", "it changed Python's global random state")
class Gambles(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        random.random()
        return x * 1.0


@breaks("composes", "twice in a chain it gives")
class Compounds(Tail):
    __doc__ = Tail.__doc__

    def output_length(self, n_samples, fs):
        return super().output_length(n_samples, fs) if n_samples >= 180 else n_samples


@breaks("works_in_a_spawned_worker", "it fails in a fresh process")
class Tied(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        import sys

        if "pytest" not in sys.modules:
            raise RuntimeError("only here")
        return x * 1.0


@breaks("works_where_torch_is_not_installed", "import torch only beside a tensor")
class NeedsTorch(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        import torch  # noqa: F401

        return x * 1.0

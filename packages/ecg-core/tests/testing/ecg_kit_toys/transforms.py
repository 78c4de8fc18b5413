"""Transforms: sound ones (a gain, noise, a crop), and the ways to break them."""

from __future__ import annotations

import numpy as np

from ecg_core.config.configurable import Configurable
from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.mixing import MixingTransform
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.contracts.transform import Transform
from ecg_kit_toys.table import EVERYTHING, broken, healthy


def breaks(check: str, says: str, *also: str):
    return broken("transforms", check, says, *also)


@healthy("transforms")
class Gain(Transform):
    """Multiply.

    Args:
        factor: By what.
    """

    def __init__(self, *, factor: float = 1.0) -> None:
        if factor <= 0:
            raise ValueError("factor must be positive")
        self.factor = factor

    @classmethod
    def conformance_params(cls):
        return {"leads": 2, "samples": 200, "refused": [{"factor": 0.0}], "idempotent": cls.__name__ in ("Gain", "Twice")}

    def frequency_response(self, frequencies, fs):
        return np.full_like(frequencies, self.factor)

    def apply(self, x, *, fs, **drawn):
        return x * self.factor


@healthy("transforms")
class Noise(RandomTransform):
    """Add noise.

    Args:
        std: mV.
        p: Probability.
    """

    def __init__(self, *, std: float = 0.1, p: float = 0.5) -> None:
        if std < 0:
            raise ValueError("std must not be negative")
        self.std, self.p = std, p

    @classmethod
    def conformance_params(cls):
        return {"leads": 2, "samples": 200, "refused": [{"std": -1.0}]}

    def draw(self, shape, generator):
        return {"noise": generator.normal(shape[1:])}

    def apply(self, x, *, fs, **drawn):
        return x + namespace(x).astype(self.std * drawn["noise"], x.dtype)


@healthy("transforms")
class Tail(Transform):
    """Cut off the beginning.

    Args:
        seconds: How much.
    """

    needs_fs = True

    def __init__(self, *, seconds: float = 0.3) -> None:
        if seconds < 0:
            raise ValueError("seconds must not be negative")
        self.seconds = seconds

    @classmethod
    def conformance_params(cls):
        return {"leads": 2, "samples": 200, "refused": [{"seconds": -1.0}]}

    def _start(self, n, fs):
        start = round(self.seconds * fs)
        if start >= n:
            raise ValueError(f"cannot cut {start} of {n} samples")
        return start

    def output_length(self, n_samples, fs):
        return n_samples - self._start(n_samples, fs)

    def move(self, positions, *, fs, samples, **drawn):
        return positions - self._start(samples, fs)

    def move_mask(self, mask, *, fs, **drawn):
        return mask[..., self._start(mask.shape[-1], fs) :]

    def apply(self, x, *, fs, **drawn):
        return namespace(x).astype(x[..., self._start(x.shape[-1], fs) :], x.dtype, copy=True)


@healthy("transforms")
class Halves(MixingTransform):
    """Take the end of another window.

    Args:
        n_classes: Classes of class numbers.
        p: Probability.
    """

    def __init__(self, *, n_classes: int | None = None, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError("p must be a probability")
        self.n_classes, self.p = n_classes, p

    @classmethod
    def conformance_params(cls):
        return {"leads": 2, "samples": 200, "refused": [{"p": -1.0}]}

    def draw(self, shape, generator):
        return {"kept": generator.uniform(0.1, 0.9)}

    def share(self, samples, **drawn):
        return asarray_like(np.arange(samples) / samples, drawn["kept"])[None] < drawn["kept"][:, None]


@breaks("the_label_is_mixed_as_the_signal_is", "weigh a label by the share of the own signal")
class Inverted(Halves):
    __doc__ = Halves.__doc__

    def _mixed_targets(self, targets, share, partner):
        return super()._mixed_targets(targets, ~share, partner)


@breaks(
    "windows_that_are_not_hit_keep_their_facts", "is as before, and its positions moved",
    "annotations_move_with_the_signal", "masks_move_with_the_annotations",
)  # fmt: skip
class Slides(Noise):
    __doc__ = Noise.__doc__

    def _moved_positions(self, positions, fs, samples, drawn):
        return positions + 7


@breaks("derives_from_transform", "does not derive from ecg_core.Transform", EVERYTHING)
class Stranger(Configurable):
    """Nothing."""


@breaks("constructor_takes_no_unknown_words", "the constructor takes **more")
class Loose(Gain):
    __doc__ = Gain.__doc__ + "more"

    def __init__(self, *, factor=1.0, **more):
        super().__init__(factor=factor)


@breaks("constructor_leaves_the_words_of_configurations_free", "has a word of configurations", EVERYTHING)
class Named(Gain):
    __doc__ = Gain.__doc__ + "name"

    def __init__(self, *, factor=1.0, name=""):
        super().__init__(factor=factor)


@breaks("arguments_are_documented", "not documented: factor")
class Undocumented(Gain):
    """Multiply."""


@breaks("refused_arguments_are_one_clear_error", "{'factor': 0.0} is accepted")
class Lenient(Gain):
    __doc__ = Gain.__doc__

    def __init__(self, *, factor=1.0):
        super().__init__(factor=factor or 1.0)


@breaks("any_leading_dimensions_agree", "one window by itself and among six")
class Lonely(Noise):
    __doc__ = Noise.__doc__

    def __call__(self, x, *, fs=None, leads=None, generator=None):
        out = super().__call__(x, fs=fs, generator=generator)
        return out if getattr(x, "ndim", 3) > 2 else out + 1


@breaks("numpy_and_torch_agree", "a tensor becomes a ndarray", "gradients_flow", "tensors_stay_on_their_device")
class ToNumPy(Gain):
    __doc__ = Gain.__doc__

    def __call__(self, x, *, fs=None, leads=None, generator=None):
        return super().__call__(x.detach().numpy() if hasattr(x, "detach") else x, fs=fs, generator=generator)


@breaks("floating_types_are_preserved_and_integers_become_float32", "float16 becomes float32")
class Single(Gain):
    __doc__ = Gain.__doc__

    def _run(self, x, fs, drawn):
        return self.apply(namespace(x).astype(x, namespace(x).float32), fs=fs)


@breaks("output_length_is_as_declared", "output_length says 202")
class Miscounts(Gain):
    __doc__ = Gain.__doc__

    def output_length(self, n_samples, fs):
        return n_samples + (n_samples == 201)


@breaks("input_is_not_modified", "the output is a view of the input")
class View(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        return x[...]


@breaks("non_contiguous_input_gives_the_same", "two layouts of one signal")
class Layout(Gain):
    __doc__ = Gain.__doc__

    def __call__(self, x, *, fs=None, leads=None, generator=None):
        flat = isinstance(x, np.ndarray) and x.ndim == 3 and not x.flags["C_CONTIGUOUS"]
        out = super().__call__(x, fs=fs, generator=generator)
        return out * 2 if flat else out


@breaks("same_generator_gives_the_same", "two seeds give the same", "batch_size_never_changes_a_draw")
class Frozen(Noise):
    __doc__ = Noise.__doc__

    def _drawn(self, shape, generator):
        from ecg_core.contracts.draws import Draws

        return super()._drawn(shape, Draws.seeded(0, records=_content(generator, shape)).like(generator.keys))


def _content(generator, shape):
    return np.arange(shape[0]) if len(generator) != 1 else np.zeros(1, np.int64)


@breaks("windows_are_drawn_independently", "eight copies of one window are transformed alike", "batch_size_never_changes_a_draw")
class Alike(Noise):
    __doc__ = Noise.__doc__

    def __init__(self, *, std=0.1, p=1.0):
        super().__init__(std=std, p=p)

    def draw(self, shape, generator):
        first = generator.child(1).subset(slice(0, 1)).normal((1,)) * 0
        return {"noise": first[:, None] + generator.keys[0] % 7 * 0.1 + 0.05}


@breaks("p_zero_is_the_identity_and_p_one_hits_every_window", "p=0 and the input")
class Always(Noise):
    __doc__ = Noise.__doc__

    def _drawn(self, shape, generator):
        return {**super()._drawn(shape, generator), "hit": generator.child(3).happens(1.0)}


@breaks("constant_signals_stay_finite", "a flat line at 0.0 mV gives NaN", "a_single_sample_works_or_is_one_clear_error")
class Divides(Gain):
    __doc__ = Gain.__doc__

    def frequency_response(self, frequencies, fs):
        return None

    @classmethod
    def conformance_params(cls):
        return {"leads": 2, "samples": 200, "refused": [{"factor": 0.0}]}

    def apply(self, x, *, fs, **drawn):
        xp = namespace(x)
        with np.errstate(all="ignore"):
            return x / (xp.max(x, axis=-1, keepdims=True) - xp.min(x, axis=-1, keepdims=True))


@breaks("empty_signals_are_one_clear_error", "a signal without samples is accepted")
class Empty(Gain):
    __doc__ = Gain.__doc__

    def __call__(self, x, *, fs=None, leads=None, generator=None):
        return x.copy() if getattr(x, "shape", (1,))[-1] == 0 else super().__call__(x, fs=fs, generator=generator)


@breaks("a_single_sample_works_or_is_one_clear_error", "a single sample ends in IndexError")
class Two(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        if x.shape[-1] == 1:
            raise IndexError("no second sample")
        return x * 1.0


@breaks("a_damaged_window_does_not_touch_the_others", "the neighbours of a window with NaN")
class Spreading(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        return x + 0 * namespace(x).sum(x)


@breaks("missing_fs_is_one_clear_error", "set needs_fs = True")
class NeedsRate(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        return x * (1.0 if fs == fs else 2.0)


@breaks("gradients_flow", "the output is cut off from the input")
class Detaches(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        return (x.detach() if hasattr(x, "detach") else x) * 1.0


@breaks("tensors_stay_on_their_device", "on another device it fails")
class Fetches(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        held = x.detach() if hasattr(x, "detach") else x
        return x * (1.0 if float(namespace(x).max(namespace(x).abs(held))) != 1e9 else 2.0)


@breaks("compiles", "compiled and not")
class Uncompiled(Gain):
    __doc__ = Gain.__doc__

    def apply(self, x, *, fs, **drawn):
        import sys

        torch = sys.modules.get("torch")
        return x * (2.0 if torch is not None and torch.compiler.is_compiling() else 1.0)

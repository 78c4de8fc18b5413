"""What every transform must satisfy as a function of arrays; on NumPy alone where torch is not installed."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np

from ecg_core.contracts.mixing import MixingTransform
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.contracts.transform import Transform
from ecg_core.testing.checks import CheckFailed, applies, check, refuses, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy_arrays import SEED, constructor_words, require_close, require_equal, signals, transformed

_TORCH = importlib.util.find_spec("torch") is not None


@check("transforms")
def derives_from_transform(example: Example) -> None:
    """It is an ``ecg_core`` Transform."""
    built = example.build()
    require(isinstance(built, Transform), f"{type(built).__name__} does not derive from ecg_core.Transform")


@check("transforms")
def any_leading_dimensions_agree(example: Example) -> None:
    """``(leads, samples)``, ``(n, leads, samples)`` and ``(a, b, leads, samples)`` give the same windows."""
    transform, x = example.build(), signals(example, 2, 3)
    flat = transformed(transform, x.reshape(6, *x.shape[2:]), example)
    nested = transformed(transform, x, example)
    require(nested.shape[:2] == (2, 3), f"{x.shape} becomes {nested.shape}; the leading dimensions are kept")
    require_close(nested.reshape(flat.shape), flat, "six windows as (2, 3) and as (6,)", 1e-6)
    if isinstance(transform, MixingTransform):
        require_equal(transformed(transform, x[0, 0], example), x[0, 0], "one window, which has no partner,")
        return
    require_close(transformed(transform, x[0, 0], example), flat[0], "one window by itself and among six", 1e-6)


@check("transforms")
def numpy_and_torch_agree(example: Example) -> None:
    """A tensor gives a tensor, with the numbers that the array gives."""
    applies(_TORCH, "torch is not installed")
    import torch

    transform, x = example.build(), signals(example, 3)
    there = transformed(transform, torch.from_numpy(x), example)
    require(isinstance(there, torch.Tensor), f"a tensor becomes a {type(there).__name__}")
    require_close(there.numpy(), transformed(transform, x, example), "the transform of a tensor and of an array", 1e-5)


@check("transforms")
def floating_types_are_preserved_and_integers_become_float32(example: Example) -> None:
    """float16, float32 and float64 come back as they came; integers as float32."""
    transform, x = example.build(), signals(example, 2)
    for given, expected in ((np.float16, np.float16), (np.float32, np.float32), (np.float64, np.float64), (np.int16, np.float32)):
        found = transformed(transform, (x * 100).astype(given), example).dtype
        require(found == expected, f"{np.dtype(given)} becomes {found} instead of {np.dtype(expected)}")


@check("transforms")
def output_length_is_as_declared(example: Example) -> None:
    """``output_length(samples, fs)`` is the length that comes out."""
    transform = example.build()
    for samples in (example.samples, example.samples + 1, example.samples + 7):
        found = transformed(transform, signals(example, 2, samples=samples), example).shape[-1]
        said = transform.output_length(samples, example.fs)
        require(found == said, f"{samples} samples become {found}, output_length says {said}")


@check("transforms")
def input_is_not_modified(example: Example) -> None:
    """The input is as before, even where it may not be written to, and the output does not share its memory."""
    transform, x = example.build(), signals(example, 2)
    before = x.copy()
    x.setflags(write=False)
    try:
        out = transformed(transform, x, example)
    except ValueError as error:
        raise CheckFailed(f"an array that is read-only fails ({error}); do not write into the input") from error
    require_equal(x, before, "the input before and after")
    require(not np.shares_memory(out, x) or out is x, "the output is a view of the input; whoever writes to it changes both")


@check("transforms")
def non_contiguous_input_gives_the_same(example: Example) -> None:
    """The layout in memory makes no difference."""
    transform, x = example.build(), signals(example, 2)
    require_close(
        transformed(transform, np.asfortranarray(x), example),
        transformed(transform, x, example),
        "two layouts of one signal",
        1e-6,
    )


@check("transforms")
def same_generator_gives_the_same(example: Example) -> None:
    """One seed gives one result; for a random transform two seeds give two."""
    transform, x = example.build(), signals(example, 4)
    require_equal(transformed(transform, x, example), transformed(transform, x, example), "two calls with one seed")
    if isinstance(transform, RandomTransform) and not transform.targets_only:
        first, second = (transformed(transform, x, example, seed) for seed in (1, 2))
        require(not np.array_equal(first, second), "two seeds give the same; draw from the generator that draw() is given")


@check("transforms")
def windows_are_drawn_independently(example: Example) -> None:
    """Eight copies of one window do not all come out alike."""
    transform = example.build()
    applies(isinstance(transform, RandomTransform), "it is not random")
    applies(not isinstance(transform, MixingTransform), "it mixes, and a mixture of copies is a copy")
    applies(not transform.targets_only, "it leaves signals as they are")
    out = transformed(transform, np.repeat(signals(example, 1), 8, axis=0), example)
    alike = all(np.array_equal(out[0], other) for other in out[1:])
    require(not alike, "eight copies of one window are transformed alike; draw one set of parameters per window")


@check("transforms")
def p_zero_is_the_identity_and_p_one_hits_every_window(example: Example) -> None:
    """``p=0`` changes nothing, ``p=1`` changes every window."""
    transform = example.build()
    applies(isinstance(transform, RandomTransform), "it is not random")
    applies("p" in constructor_words(example), "its constructor takes no p")
    x = signals(example, 16)
    require_equal(transformed(example.build(p=0.0), x, example), x, "p=0 and the input")
    applies(not transform.targets_only, "it leaves signals as they are")
    out = transformed(example.build(p=1.0), x, example)
    missed = [] if out.shape != x.shape else [row for row in range(16) if np.array_equal(out[row], x[row])]
    require(not missed, f"with p=1 the windows {missed} are as before")


@check("transforms")
def constant_signals_stay_finite(example: Example) -> None:
    """A flat line, at 0 or elsewhere, gives finite numbers."""
    transform = example.build()
    for value in (0.0, 1.5):
        out = transformed(transform, np.full((2, example.leads, example.samples), value, np.float32), example)
        require(np.isfinite(out).all(), f"a flat line at {value} mV gives NaN or infinity; divide by no spread of zero")


@check("transforms")
def empty_signals_are_one_clear_error(example: Example) -> None:
    """A signal without samples is a ValueError that says so."""
    x = np.zeros((2, example.leads, 0), np.float32)
    refuses(lambda: transformed(example.build(), x, example), "a signal without samples", "sample", errors=(ValueError,))


@check("transforms")
def a_single_sample_works_or_is_one_clear_error(example: Example) -> None:
    """One sample gives finite numbers, or a ValueError with a message."""
    try:
        out = transformed(example.build(), np.ones((2, example.leads, 1), np.float32), example)
    except ValueError as error:
        require(str(error).strip(), "the error for a single sample has no message")
    except Exception as error:
        raise CheckFailed(f"a single sample ends in {type(error).__name__}: {error}; raise a ValueError") from error
    else:
        require(np.isfinite(out).all(), "a single sample gives NaN or infinity")


@check("transforms")
def a_damaged_window_does_not_touch_the_others(example: Example) -> None:
    """NaN in one window stays in that window."""
    transform, x = example.build(), signals(example, 3)
    applies(not isinstance(transform, MixingTransform), "it mixes windows, damaged ones too")
    damaged = x.copy()
    damaged[0, 0, :] = np.nan
    after, before = transformed(transform, damaged, example), transformed(transform, x, example)
    require_close(after[1:], before[1:], "the neighbours of a window with NaN, before and after", 1e-6)


@check("transforms")
def missing_fs_is_one_clear_error(example: Example) -> None:
    """Without ``fs`` a transform that needs it is a ValueError that says so; another gives what it gives with it."""
    transform, x = example.build(), signals(example, 2)
    if transform.needs_fs:
        refuses(lambda: transform(x, generator=SEED), "an array without fs", "fs", errors=(ValueError,))
        return
    try:
        without = transform(x, generator=SEED)
    except Exception as error:
        raise CheckFailed(f"without fs it fails ({type(error).__name__}: {error}); set needs_fs = True") from error
    require_equal(without, transformed(transform, x, example), "with and without fs; set needs_fs = True where it matters")


@check("transforms")
def gradients_flow(example: Example) -> None:
    """The gradient reaches a tensor, and is finite."""
    applies(_TORCH, "torch is not installed")
    import torch

    x = torch.from_numpy(signals(example, 2)).requires_grad_()
    out = transformed(example.build(), x, example)
    require(out.requires_grad, "the output is cut off from the input; do not leave torch on the way")
    (out**2).sum().backward()
    require(x.grad is not None and bool(torch.isfinite(x.grad).all()), "the gradient of the signal is not finite")


@check("transforms")
def tensors_stay_on_their_device(example: Example) -> None:
    """A tensor on another device is transformed there: no value is fetched, nothing goes through NumPy."""
    applies(_TORCH, "torch is not installed")
    import torch

    x = torch.from_numpy(signals(example, 2)).to("meta")
    try:
        out: Any = transformed(example.build(), x, example)
    except Exception as error:  # torch raises many kinds
        raise CheckFailed(f"on another device it fails ({str(error).splitlines()[0]}); keep to the array's namespace") from error
    require(out.device.type == "meta", f"the output is on {out.device} instead of the device of the input")


@check("transforms")
def compiles(example: Example) -> None:
    """As a module under ``torch.compile`` it gives the same."""
    applies(_TORCH, "torch is not installed")
    applies(not isinstance(example.build(), RandomTransform), "it is random: as a module it draws anew at every call")
    import torch

    module, x = example.build().as_module(example.fs), torch.from_numpy(signals(example, 2))
    torch._dynamo.reset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of caches that torch looks through
            found = torch.compile(module, backend="eager")(x)
    except Exception as error:  # torch raises many kinds
        raise CheckFailed(f"torch.compile fails: {str(error).strip().splitlines()[0]}") from error
    require_close(found.numpy(), module(x).numpy(), "compiled and not", 1e-5)

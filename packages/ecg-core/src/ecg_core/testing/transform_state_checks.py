"""What every transform must satisfy between processes: configurations, pickles, chains, workers, NumPy alone."""

from __future__ import annotations

import json
import pickle
import random

import numpy as np

from ecg_core.contracts.compose import Compose
from ecg_core.discovery.registries import TRANSFORMS
from ecg_core.testing.checks import CheckFailed, check, require
from ecg_core.testing.example import Example
from ecg_core.testing.process import in_a_fresh_process
from ecg_core.testing.toy_arrays import SEED, require_close, require_equal, signals, transformed

_WORK = """
transform, x, fs, seed = given
result = transform(x, fs=fs, generator=seed)
"""


@check("transforms")
def config_round_trip_gives_the_same(example: Example) -> None:
    """Built again from its JSON configuration it does the same."""
    transform, x = example.build(), signals(example, 2)
    config = json.loads(json.dumps(TRANSFORMS.to_config(transform)))
    twin = TRANSFORMS.build(config)
    require_equal(transformed(twin, x, example), transformed(transform, x, example), "the transform and its twin")
    require(
        TRANSFORMS.to_config(twin) == config, f"its configuration came back as {TRANSFORMS.to_config(twin)} instead of {config}"
    )


@check("transforms")
def pickle_keeps_everything(example: Example) -> None:
    """Unpickled it does the same."""
    transform, x = example.build(), signals(example, 2)
    twin = pickle.loads(pickle.dumps(transform))  # noqa: S301
    require_equal(transformed(twin, x, example), transformed(transform, x, example), "the transform and its pickle")


@check("transforms")
def using_it_does_not_change_it(example: Example) -> None:
    """Called on other signals in between, it does the same again: it keeps no state."""
    transform, x = example.build(), signals(example, 2)
    first = transformed(transform, x, example)
    transformed(transform, signals(example, 3, samples=example.samples + 3) * 2, example, seed=5)
    require_equal(transformed(transform, x, example), first, "before and after it was used on something else")


@check("transforms")
def numpy_and_python_randomness_is_left_alone(example: Example) -> None:
    """Global random states are neither drawn from nor seeded."""
    before = np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    transformed(example.build(), signals(example, 2), example)
    after = np.random.get_state()[1], random.getstate()  # type: ignore[index]  # noqa: NPY002
    require(np.array_equal(before[0], after[0]), "it changed NumPy's global random state; draw from the generator it is given")
    require(before[1] == after[1], "it changed Python's global random state; draw from the generator it is given")


@check("transforms")
def composes(example: Example) -> None:
    """In a chain it does what it does alone, and the chain knows its length and sampling frequency."""
    transform, x = example.build(), signals(example, 2)
    chain = Compose([transform])
    out, alone = transformed(chain, x, example), transformed(transform, x, example)
    require(out.shape == alone.shape, f"in a chain it gives {out.shape}, alone {alone.shape}")
    require(chain.output_fs(example.fs) == transform.output_fs(example.fs), "the chain says another sampling frequency")
    twice = Compose([transform, transform])
    length = transform.output_length(transform.output_length(example.samples, example.fs), transform.output_fs(example.fs))
    found = transformed(twice, x, example).shape[-1]
    require(found == length, f"twice in a chain it gives {found} samples, output_length says {length}")


@check("transforms")
def works_in_a_spawned_worker(example: Example) -> None:
    """Sent to a fresh process, as a data loader does, it does the same there."""
    transform, x = example.build(), signals(example, 2)
    there = in_a_fresh_process(_WORK, (transform, x, example.fs, SEED))
    require_close(there, transformed(transform, x, example), "the transform here and in a fresh process", 1e-6)


@check("transforms")
def works_where_torch_is_not_installed(example: Example) -> None:
    """Without torch it does the same to an array."""
    transform, x = example.build(), signals(example, 2)
    try:
        there = in_a_fresh_process(_WORK, (transform, x, example.fs, SEED), block=("torch",))
    except CheckFailed as failure:
        raise CheckFailed(f"without torch {failure}; import torch only beside a tensor") from None
    require_close(there, transformed(transform, x, example), "the transform with and without torch", 1e-6)

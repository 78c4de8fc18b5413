"""What every backbone must satisfy between runs: configurations, weights, seeds, modes."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import tempfile
from pathlib import Path

import numpy as np
import torch

from ecg_core.data.files import sha256
from ecg_core.discovery.registries import BACKBONES
from ecg_core.run.checkpoint import load_tensors, save_tensors
from ecg_core.testing.checks import check, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy_models import built_backbone, require_equal, signal, state_problems


@check("backbones")
def config_round_trip_gives_equal_outputs(example: Example) -> None:
    """Built again from its JSON configuration, with its weights, it gives the same features."""
    first = built_backbone(example).eval()
    config = json.loads(json.dumps(BACKBONES.to_config(first)))
    second = BACKBONES.build(config)
    second.load_state_dict(first.state_dict())
    x = signal(example)
    require_equal(second.eval()(x), first(x), "the backbone and its twin from the configuration")
    again = BACKBONES.to_config(second)
    require(again == BACKBONES.to_config(first), f"its configuration came back as {again} instead of {config}")


@check("backbones")
def state_keys_are_stable(example: Example) -> None:
    """Two builds have the same state keys, so that weights can be loaded strictly."""
    first, second = (list(built_backbone(example, seed=seed).state_dict()) for seed in (0, 1))
    require(first == second, f"these keys are in one build and not in the other: {sorted(set(first) ^ set(second))}")


@check("backbones")
def same_seed_gives_same_weights(example: Example) -> None:
    """Initial weights follow from torch's seed alone."""
    first, second = (built_backbone(example, seed=3).state_dict() for _ in range(2))
    different = state_problems(first, second)
    require(not different, f"built twice from one seed, these differ: {', '.join(different)}; draw them by torch's generator")


@check("backbones")
def another_seed_gives_other_weights(example: Example) -> None:
    """Initial weights do not come from a seed of the backbone's own."""
    first, second = (built_backbone(example, seed=seed).state_dict() for seed in (3, 4))
    require(
        state_problems(first, second) or not first, "built from two seeds the weights are the same; do not seed torch yourself"
    )


@check("backbones")
def numpy_and_python_randomness_is_left_alone(example: Example) -> None:
    """Building and running it neither draws from nor seeds NumPy's and Python's global generators."""
    before = np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    built_backbone(example)(signal(example))
    after = np.random.get_state()[1], random.getstate()  # type: ignore[index]  # noqa: NPY002
    require(np.array_equal(before[0], after[0]), "it changed NumPy's global random state; use torch's generator")
    require(before[1] == after[1], "it changed Python's global random state; use torch's generator")


@check("backbones")
def evaluation_changes_no_state(example: Example) -> None:
    """A forward pass in evaluation leaves parameters and buffers as they are."""
    backbone = built_backbone(example).eval()
    before = copy.deepcopy(backbone.state_dict())
    backbone(signal(example))
    changed = state_problems(before, backbone.state_dict())
    require(not changed, f"evaluation changed {', '.join(changed)}")


@check("backbones")
def only_its_parts_know_training_from_evaluation(example: Example) -> None:
    """Training mode switches normalisation and dropout inside it; the backbone itself does not look at ``self.training``."""
    backbone, x = built_backbone(example).eval(), signal(example)
    expected = backbone(x)
    backbone.training = True
    require_equal(backbone(x), expected, "the backbone with its parts in evaluation, itself in training and in evaluation")


@check("backbones")
def pickle_and_deepcopy_keep_everything(example: Example) -> None:
    """Copies give the same features and have the same configuration."""
    backbone, x = built_backbone(example).eval(), signal(example)
    copies = {"a deep copy": copy.deepcopy(backbone), "a pickle": pickle.load(io.BytesIO(pickle.dumps(backbone)))}  # noqa: S301
    for what, other in copies.items():
        require_equal(other(x), backbone(x), f"the backbone and {what}")
        require(BACKBONES.to_config(other) == BACKBONES.to_config(backbone), f"{what} lost its configuration")


@check("backbones")
def weights_survive_safetensors(example: Example) -> None:
    """What a run saves loads strictly and gives the same features."""
    backbone, x = built_backbone(example).eval(), signal(example)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        save_tensors(path, backbone.state_dict())
        other = built_backbone(example, seed=5)
        other.load_state_dict(load_tensors(path, expected=sha256(path)))
    require_equal(other.eval()(x), backbone(x), "the backbone and one that loaded its saved weights")


@check("backbones")
def no_hooks_are_left_behind(example: Example) -> None:
    """After ``forward_intermediates`` no hook is registered that was not before."""
    backbone = built_backbone(example).eval()

    def hooks() -> int:
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in backbone.modules())

    before = hooks()
    with torch.no_grad():
        backbone.forward_intermediates(signal(example))
    require(hooks() == before, f"forward_intermediates left {hooks() - before} hook(s) behind; remove them when done")

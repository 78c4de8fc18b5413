"""Checkpoints of a training: atomic, checked, never executable. A damaged newest one gives way to the one before.

Each is a folder ``step-00000120`` with ``learner.safetensors``, ``optimizer.safetensors`` and ``state.json``; the last
holds the counters and the SHA-256 of both others, because safetensors alone notices no flipped bit.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ecg_core.data.files import new_folder, read_json, sha256, write_json
from ecg_core.errors import CheckpointError

__all__ = ["Checkpoint", "load_tensors", "newest_checkpoint", "save_checkpoint", "save_tensors"]

_RNG = "rng.torch"


@dataclass(frozen=True)
class Checkpoint:
    """What was saved: counters and facts, the learner's weights, the optimizer's state and the random state."""

    path: Path
    state: dict[str, Any]
    learner: dict[str, Tensor]
    optimizer: dict[str, Tensor]

    def restore(self, learner: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Put everything back where it came from, strictly."""
        missing, unexpected = learner.load_state_dict(self.learner, strict=False)
        if missing or unexpected:
            raise CheckpointError(
                f"{self.path} does not fit this learner: missing {missing[:3]}, unexpected {unexpected[:3]}; "
                "resume with the settings the run was started with"
            )
        tensors = dict(self.optimizer)
        torch.set_rng_state(tensors.pop(_RNG))
        for number in range(torch.cuda.device_count()):
            if f"rng.cuda.{number}" in tensors:
                torch.cuda.set_rng_state(tensors.pop(f"rng.cuda.{number}"), number)
        state: dict[int, dict[str, Any]] = {}
        for key, value in tensors.items():
            parameter, _, name = key.partition(".")
            state.setdefault(int(parameter), {})[name] = value
        groups = [
            {k: tuple(v) if isinstance(v, list) and k == "betas" else v for k, v in g.items()} for g in self.state["groups"]
        ]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def save_checkpoint(
    folder: Path, learner: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any], *, keep: int = 2
) -> Path:
    """Write a checkpoint and delete all but the newest ``keep``."""
    path = folder / f"step-{state['step']:08d}"
    saved = optimizer.state_dict()
    tensors = {f"{i}.{k}": torch.as_tensor(v) for i, values in saved["state"].items() for k, v in values.items()}
    tensors[_RNG] = torch.get_rng_state()
    for number in range(torch.cuda.device_count()):
        tensors[f"rng.cuda.{number}"] = torch.cuda.get_rng_state(number)
    with new_folder(path) as temporary:
        save_tensors(temporary / "learner.safetensors", learner.state_dict())
        save_tensors(temporary / "optimizer.safetensors", tensors)
        sums = {f.name: sha256(f) for f in sorted(temporary.glob("*.safetensors"))}
        write_json(temporary / "state.json", {**state, "groups": saved["param_groups"], "sha256": sums})
    for old in sorted(folder.glob("step-*"))[:-keep]:
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    return path


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; ``None`` if there never was one.

    Raises:
        CheckpointError: There are checkpoints, and every one is damaged.
    """
    damaged = []
    for path in sorted(folder.glob("step-*"), reverse=True):
        try:
            found = _read(path)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        if damaged:
            warnings.warn(f"{damaged[0]}; going on from {path.name}", stacklevel=2)
        return found
    if damaged:
        raise CheckpointError(f"{damaged[0]}; no earlier checkpoint is whole, start again with --force")
    return None


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors (which wants them contiguous and not shared)."""
    save_file({k: v.detach().to("cpu").contiguous().clone() for k, v in tensors.items()}, path)


def load_tensors(path: Path, *, expected: str) -> dict[str, Tensor]:
    """Read tensors whose SHA-256 is ``expected``.

    Raises:
        CheckpointError: The file is missing, cut or altered.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is missing")
    actual = sha256(path)
    if actual != expected:
        raise CheckpointError(f"{path} is damaged: its SHA-256 is {actual[:12]}…, {expected[:12]}… was written")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error})") from None


def _read(path: Path) -> Checkpoint:
    try:
        state = read_json(path / "state.json")
        sums = state["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path / 'state.json'} is damaged ({type(error).__name__})") from None
    tensors = [
        load_tensors(path / f"{name}.safetensors", expected=sums[f"{name}.safetensors"]) for name in ("learner", "optimizer")
    ]
    return Checkpoint(path, state, *tensors)

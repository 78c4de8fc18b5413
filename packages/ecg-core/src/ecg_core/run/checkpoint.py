"""Checkpoints of a training: atomic, checked, never executable. A damaged newest one gives way to the one before.

Each is a folder ``step-00000120`` with ``learner.safetensors``, ``optimizer.safetensors``, ``state.json`` (the counters) and
``SHA256SUMS`` of the three, because safetensors alone notices no flipped bit; ``sha256sum -c SHA256SUMS`` checks them too.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ecg_core.data.files import new_folder, read_json, sha256, write_json
from ecg_core.errors import CheckpointError, ContentWarning

__all__ = ["Checkpoint", "load_tensors", "load_weights", "newest_checkpoint", "save_checkpoint", "save_tensors"]

_FILES = ("learner.safetensors", "optimizer.safetensors", "state.json")
_SUMS = "SHA256SUMS"
_RNG = "rng."


@dataclass(frozen=True)
class Checkpoint:
    """What was saved: counters and facts, the learner's weights, the optimizer's state and the random state."""

    path: Path
    state: dict[str, Any]
    learner: dict[str, Tensor]
    optimizer: dict[str, Tensor]

    def restore(self, learner: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Put everything back where it came from, strictly.

        Raises:
            CheckpointError: It was saved by another learner or another optimizer.
        """
        load_weights(learner, self.learner, f"{self.path} (resume with the settings the run was started with)")
        state: dict[int, dict[str, Any]] = {}
        for key, value in self.optimizer.items():
            parameter, _, name = key.partition(".")
            if not key.startswith(_RNG):
                state.setdefault(int(parameter), {})[name] = value
        groups = [
            {k: tuple(v) if isinstance(v, list) and k == "betas" else v for k, v in g.items()} for g in self.state["groups"]
        ]
        try:
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        except ValueError as error:
            raise CheckpointError(
                f"{self.path} does not fit this optimizer ({error}); resume with the settings the run was started with"
            ) from None
        torch.set_rng_state(self.optimizer[f"{_RNG}torch"])
        for number in range(torch.cuda.device_count()):
            if f"{_RNG}cuda.{number}" in self.optimizer:
                torch.cuda.set_rng_state(self.optimizer[f"{_RNG}cuda.{number}"], number)


def save_checkpoint(
    folder: Path, learner: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any], *, keep: int = 2
) -> Path:
    """Write a checkpoint, keep the ``keep`` newest up to it, and delete the rest.

    A later one belongs to a past that was left: it was damaged, so the run went on from an earlier step.
    """
    path = folder / f"step-{state['step']:08d}"
    saved = optimizer.state_dict()
    tensors = {f"{i}.{k}": torch.as_tensor(v) for i, values in saved["state"].items() for k, v in values.items()}
    tensors[f"{_RNG}torch"] = torch.get_rng_state()
    for number in range(torch.cuda.device_count()):
        tensors[f"{_RNG}cuda.{number}"] = torch.cuda.get_rng_state(number)
    with new_folder(path) as temporary:
        save_tensors(temporary / "learner.safetensors", learner.state_dict())
        save_tensors(temporary / "optimizer.safetensors", tensors)
        write_json(temporary / "state.json", {**state, "groups": saved["param_groups"]})
        (temporary / _SUMS).write_bytes(_sums({name: sha256(temporary / name) for name in _FILES}))
    kept = sorted(p.name for p in folder.glob("step-*") if p.name <= path.name)[-keep:]
    left_by_killed = [*folder.glob(".step-*.tmp"), *folder.glob(".step-*.old")]
    for old in [*(p for p in folder.glob("step-*") if p.name not in kept), *left_by_killed]:
        shutil.rmtree(old)
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
            warnings.warn(f"{damaged[0]}; going on from {path.name}", ContentWarning, stacklevel=2)
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
    _check(path, expected)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error})") from None


def load_weights(module: nn.Module, tensors: dict[str, Tensor], who: str) -> None:
    """Put weights into a module, every one of them and nothing else.

    Raises:
        CheckpointError: A name or a shape differs; ``who`` begins the message.
    """
    here = module.state_dict()
    missing, unexpected = [n for n in here if n not in tensors], [n for n in tensors if n not in here]
    other = [n for n, t in here.items() if n in tensors and t.shape != tensors[n].shape]
    for names, what in ((missing, "missing"), (unexpected, "unexpected"), (other, "of another shape")):
        if names:
            raise CheckpointError(f"{who}: the weights do not fit: {len(names)} {what}, e.g. {names[0]}")
    module.load_state_dict(tensors)


def _sums(sums: Mapping[str, str]) -> bytes:
    """The lines of ``SHA256SUMS``, as ``sha256sum`` writes them."""
    return "".join(f"{expected}  {name}\n" for name, expected in sums.items()).encode()


def _check(path: Path, expected: str) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing")
    actual = sha256(path)
    if actual != expected:
        raise CheckpointError(f"{path} is damaged: its SHA-256 is {actual[:12]}…, {expected[:12]}… was written")


def _read(path: Path) -> Checkpoint:
    written = (path / _SUMS).read_bytes() if (path / _SUMS).is_file() else b""
    lines = [line.split("  ") for line in written.decode(errors="replace").splitlines()]
    sums = {line[-1]: line[0] for line in lines}
    if tuple(sums) != _FILES or _sums(sums) != written:
        raise CheckpointError(f"{path / _SUMS} is damaged")
    learner, optimizer = (load_tensors(path / name, expected=sums[name]) for name in _FILES[:2])
    _check(path / _FILES[2], sums[_FILES[2]])
    return Checkpoint(path, read_json(path / _FILES[2]), learner, optimizer)

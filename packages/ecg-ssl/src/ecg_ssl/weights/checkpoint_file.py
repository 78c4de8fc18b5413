"""A checkpoint somebody else wrote: what it holds, and its tensors, without running a line of it.

PyTorch's own files are pickles, which can run code. They are opened here alone, by PyTorch's restricted reader, once it is known
that they name nothing but tensors, containers and a few plain records.
"""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ecg_core.errors import CheckpointError

__all__ = ["Part", "open_checkpoint"]

# Plain records that training scripts leave beside the tensors; building one runs nothing.
_HARMLESS = (argparse.Namespace, np.dtype, type(np.dtype(np.float32)), type(np.dtype(np.float64)), type(np.dtype(np.int64)))
_SCALAR = np.float64(0).__reduce__()[0]  # how NumPy's scalars are made again; its module has moved between versions


class Part(NamedTuple):
    """One mapping of tensors in a file."""

    place: str
    """Its keys in the file, joined by dots; empty for the file itself."""
    tensors: dict[str, Tensor]

    @property
    def values(self) -> int:
        """Numbers in it."""
        return sum(tensor.numel() for tensor in self.tensors.values())


def open_checkpoint(path: str | Path) -> list[Part]:
    """Every mapping of tensors in a ``.safetensors`` file or a PyTorch file (``.pt``, ``.pth``, ``.ckpt`` …), largest first.

    Raises:
        CheckpointError: The file is missing, damaged, holds no tensors, or names objects that would run code of their own.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    content = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    parts = sorted(_parts(content, ""), key=lambda part: -part.values)
    if not parts:
        raise CheckpointError(f"{path} holds no tensors by name; give a file with a model's state dict")
    return parts


def _safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error})") from None


def _pickled(path: Path) -> Any:
    if path.suffix in (".h5", ".hdf5", ".keras", ".onnx", ".npz"):
        raise CheckpointError(f"{path} is no PyTorch file; files of PyTorch and safetensors are read")
    allowed: list[Any] = [*_HARMLESS, (_SCALAR, "numpy.core.multiarray.scalar"), (_SCALAR, "numpy._core.multiarray.scalar")]
    with torch.serialization.safe_globals(allowed):
        if zipfile.is_zipfile(path):
            strangers = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            if strangers:
                raise CheckpointError(_refusal(path, ", ".join(sorted(strangers))))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # about old pickle protocols
                return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            named = re.search(r"GLOBAL (\S+)", str(error))
            if named is None:
                raise CheckpointError(f"{path} is no PyTorch file, or damaged ({str(error).splitlines()[-1]})") from None
            raise CheckpointError(_refusal(path, named[1])) from None
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError) as error:
            raise CheckpointError(f"{path} is no PyTorch file, or damaged ({type(error).__name__}: {error})") from None


def _refusal(path: Path, what: str) -> str:
    return (
        f"{path} was not opened: beside tensors it holds {what}, and making such objects can run code. If you trust where it is "
        "from, save its state dict alone where it was written: torch.save(model.state_dict(), 'weights.pt')"
    )


def _parts(content: Any, place: str) -> Iterator[Part]:
    if not isinstance(content, Mapping):
        return
    tensors = {str(name): value.detach() for name, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield Part(place, tensors)
    for name, value in content.items():
        yield from _parts(value, f"{place}.{name}" if place else str(name))

"""Embed: what an encoder makes of recordings, as numbers for anything that comes after: retrieval, clusters, another model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.task import Task
from ecg_core.data.files import checked_output, write_atomic
from ecg_core.data.reader import Reader
from ecg_core.data.store import Store
from ecg_core.data.table import need_pyarrow
from ecg_core.errors import ConfigError, DataError, RunError
from ecg_core.run.inference.prepared_signal import PreparedSignal
from ecg_core.run.inference.recordings import each_answer
from ecg_core.run.inference.window_scores import mean_by_record
from ecg_core.run.load import Loaded, load

__all__ = ["Embeddings", "embed"]

_AT_ONCE = 64  # windows
_SUFFIXES = (".npz", ".csv", ".parquet")


class Embeddings(NamedTuple):
    """``(recordings, channels)`` float32, the recordings' names, and what could not be read."""

    values: np.ndarray
    record_ids: list[str]
    rejects: pd.DataFrame

    def table(self) -> pd.DataFrame:
        """``record_id`` and a column per channel: ``e000``, ``e001`` and on."""
        digits = len(str(self.values.shape[1] - 1))
        columns = [f"e{i:0{digits}d}" for i in range(self.values.shape[1])]
        return pd.concat([pd.DataFrame({"record_id": self.record_ids}), pd.DataFrame(self.values, columns=columns)], axis=1)


def embed(
    run: str | Path,
    source: str | Path | Store,
    out: str | Path | None = None,
    *,
    reader: str = "auto",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Embeddings:
    """The pooled features of an encoder, the mean over the windows of each recording.

    Args:
        run: Pre-training or fine-tuning run, a card, or a model of the hub (``hf://owner/name``).
        source: A store, a folder of recordings, or the path of one recording without suffix.
        out: ``.npz`` (arrays ``values`` and ``record_ids``), ``.csv`` or ``.parquet`` to write.
        reader: Name of a registered reader, or ``"auto"``; not for a store.
        force: Replace an existing file.
        progress: Called with (recordings or windows done, in all).

    Raises:
        RunError: ``run`` is an exported file, or the store's signal is not the one it expects.
        ConfigError: ``out`` has another suffix.
        DataError: Nothing could be read; single damaged recordings are listed in ``rejects`` instead.
        MissingExtraError: ``out`` is Parquet, and pyarrow is not installed.
    """
    if out is not None:
        if Path(out).suffix not in _SUFFIXES:
            raise ConfigError(f"embeddings are written as {', '.join(_SUFFIXES)}, got {Path(out).name}")
        checked_output(Path(out), force=force)
        if Path(out).suffix == ".parquet":
            need_pyarrow()
    loaded = load(run)
    if not isinstance(loaded, Loaded):
        raise RunError(f"{run} is an exported file, which has no embeddings; give the run it came from")
    encoder = loaded.module.backbone if isinstance(loaded.module, Task) else loaded.module
    if not isinstance(encoder, Backbone):
        raise RunError(f"{run} holds a {type(encoder).__name__}, which has no embeddings; give a run")
    store = source if isinstance(source, Store) else Store(source) if (Path(source) / "store.json").is_file() else None
    if store is not None:
        loaded.signal.check(store, Path(run))
        found = _of_store(encoder, store, progress)
    else:
        found = _of_recordings(encoder, loaded, Path(str(source)), reader, progress)
    if out is not None:
        _write(found, Path(out))
    return found


def _of_store(encoder: Backbone, store: Store, progress: Callable[[int, int], None] | None) -> Embeddings:
    parts = []
    for start in range(0, len(store), _AT_ONCE):
        if progress is not None:
            progress(start, len(store))
        some = np.arange(start, min(start + _AT_ONCE, len(store)))
        parts.append(_pooled(encoder, torch.from_numpy(store.signals(some))))
    names, means, _ = mean_by_record(store.table["record_id"].tolist(), np.concatenate(parts).astype(np.float64))
    return Embeddings(means.astype(np.float32), names, pd.DataFrame(columns=["path", "reason"]))


def _of_recordings(
    encoder: Backbone, loaded: Loaded, source: Path, reader: str, progress: Callable[[int, int], None] | None
) -> Embeddings:
    signal = loaded.signal
    signal.chain()  # a package it needs is missing for all recordings, not for each

    def answer(chosen: Reader, row: Mapping[str, Any]) -> tuple[str, np.ndarray]:
        found = PreparedSignal.of(chosen, row, signal)
        parts = []
        hop = signal.samples * _AT_ONCE
        end = found.n_samples // signal.samples * signal.samples
        for start in range(0, end, hop):
            block = np.ascontiguousarray(found.read(start, min(start + hop, end)))
            windows = torch.from_numpy(block).reshape(len(signal.leads), -1, signal.samples).swapaxes(0, 1)
            parts.append(_pooled(encoder, windows.contiguous()))
        found.finish()
        return found.record_id, np.concatenate(parts).astype(np.float64).mean(axis=0)

    rejects, values, names = [], [], []
    for number, total, path, found in each_answer(source, reader, answer):
        if progress is not None:
            progress(number, total)
        if isinstance(found, str):
            rejects.append([path, found])
        else:
            names.append(found[0])
            values.append(found[1])
    if not values:
        told = f", e.g. {rejects[0][0]}: {rejects[0][1]}" if rejects else ""
        raise DataError(f"none of the {len(rejects)} recordings in {source} can be used{told}")
    return Embeddings(np.stack(values).astype(np.float32), names, pd.DataFrame(rejects, columns=["path", "reason"]))


@torch.no_grad()
def _pooled(encoder: Backbone, windows: Tensor) -> np.ndarray:
    return np.asarray(encoder.pool(encoder.eval().forward_features(windows)).numpy())


def _write(found: Embeddings, out: Path) -> None:
    if out.suffix == ".npz":

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez(file, values=found.values, record_ids=np.array(found.record_ids, dtype=np.str_))

        write_atomic(out, write)
    elif out.suffix == ".parquet":
        write_atomic(out, lambda p: found.table().to_parquet(p, index=False))
    else:
        write_atomic(out, lambda p: found.table().to_csv(p, index=False, float_format="%.7g"))

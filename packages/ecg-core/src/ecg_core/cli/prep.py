"""``ecg prep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ecg_core.cli.output import next_command, shell_path, tell, working
from ecg_core.cli.spec import component
from ecg_core.cli.spec import pipeline as transforms_in
from ecg_core.cli.store_table import show_store

if TYPE_CHECKING:
    from ecg_core.data.store import Store


def prep(
    source: Path,
    out: Path | None = None,
    /,
    *,
    fs: float = 250.0,
    seconds: float = 10.0,
    leads: str = "",
    reader: str = "auto",
    labels: Path | None = None,
    patient: str | None = None,
    split: str | None = None,
    pipeline: Path | None = None,
    dtype: Literal["int16", "float16", "float32"] = "int16",
    compression: Literal["none", "zlib"] = "none",
    facts: bool = True,
    overview: bool = True,
    seed: int = 0,
    engine: Literal["serial", "processes", "dask"] | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    force: bool = False,
    resume: bool = False,
    verify: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Turn a folder of recordings into a prepared store.

    Args:
        source: Folder of recordings; with --verify, a store.
        out: Folder of the store.
        fs: Sampling frequency of the store, Hz.
        seconds: Length of a window; longer recordings give several, shorter ones are refused.
        leads: Comma-separated leads; unless given the standard twelve, or of recordings of few leads those that all have.
        reader: Name or configuration of a reader, such as {"name": "wfdb", "annotations": "atr"}; found out by itself unless
            given.
        labels: CSV with record_id, patient_id, age, sex, split and target columns (classes separated by ;).
        patient: Column that names the patient.
        split: By patient: shares of train/val/test such as 8/1/1, folds such as 5-fold, a column that holds splits or folds,
            or a protocol such as ptbxl_super; the source's own split, else 8/1/1, unless given.
        pipeline: File (.json, .yaml, .toml) with a list of transforms; band-pass 0.5-40 Hz and resampling unless given.
        dtype: How samples are stored: int16 with a scale per window, float16 or float32 (mV).
        compression: Lossless compression of int16; half the size, a tenth of the reading speed.
        facts: Find quality flags and the heart rate of each recording.
        overview: Draw overview.png into the store (needs matplotlib).
        seed: Of the split.
        engine: Where the work is done; processes where --jobs are several, dask where --scheduler is given.
        jobs: Processes on this machine.
        scheduler: Address of a Dask cluster, e.g. tcp://host:8786, whose workers see the same files.
        force: Replace an existing store.
        resume: Go on with an interrupted preparation.
        verify: Check every signal of a store against its checksum instead.
    """
    from ecg_core.data.prepare import prepare
    from ecg_core.data.protocols import protocol_sizes
    from ecg_core.data.store import Store
    from ecg_core.errors import ConfigError

    if verify:
        with working("verify", "windows") as progress:
            count = Store(source).verify(progress)
        tell(f"{count} windows of {source} are as they were written")
        return
    if out is None:
        raise ConfigError("ecg prep takes two folders: the recordings, and the store to write, e.g. `ecg prep wfdb/ prepared/`")
    with working("prepare", "recordings") as progress:
        store = prepare(
            source,
            out,
            fs=fs,
            seconds=seconds,
            leads=tuple(leads.split(",")) if leads else None,
            reader=component(reader),
            labels=labels,
            patient=patient,
            split=split,
            pipeline=None if pipeline is None else transforms_in(pipeline),
            dtype=dtype,
            compression=compression,
            facts=facts,
            seed=seed,
            engine=engine,
            jobs=jobs,
            scheduler=scheduler,
            force=force,
            resume=resume,
            progress=progress,
        )
    show_store(store)
    if sizes := protocol_sizes(store):
        tell(sizes)
    if store.facts["patients"] == 0:
        tell("patients are unknown: every recording counts as its own patient (name them with --labels and --patient)")
    if store.facts["rejects"]:
        tell(
            f"refused {store.facts['rejects']} recordings, reasons in {out / 'rejects.csv'}, "
            f"e.g. {store.rejects['reason'].iloc[0]}"
        )
    if overview:
        _draw(store, source)
    run = out.parent / "runs"
    next_command(f"ecg pretrain {shell_path(out)} --method st_mem --backbone vit_tiny --out {shell_path(run / 'stmem')}")


def _draw(store: Store, source: Path) -> None:
    from ecg_core.data.origin import origins, telling_windows
    from ecg_core.errors import MissingExtraError
    from ecg_core.explanation.overview import Example, save_overview

    windows = telling_windows(store)
    try:
        with working("overview"):
            before = origins(store, source, windows)
            examples = [Example(found, store.record(i)) for i, found in zip(windows, before, strict=True)]
            picture = save_overview(store, store.path / "overview.png", examples)
        tell(f"look at {picture}")
    except MissingExtraError as error:
        tell(f"no overview.png: {error}")

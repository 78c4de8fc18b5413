"""``ecg predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ecg_core.cli.output import next_command, shell_path, tell, working


def predict(
    run: Path,
    source: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    windows: Annotated[bool, Parameter(negative=())] = False,
    overlap: float = 0.0,
    reader: str = "auto",
    force: bool = False,
) -> None:
    """Probabilities for recordings the model has never seen.

    Args:
        run: Fine-tuning run, or a file of `ecg export`.
        source: Folder of recordings, or one recording without suffix.
        out: CSV or .parquet to write, or of a model of samples a folder for WFDB annotation files; a table is printed unless
            given.
        windows: A row per window instead of one per recording.
        overlap: Share of a window that the next one covers again.
        reader: Name of a reader; found out by itself unless given.
        force: Replace an existing file.
    """
    from ecg_core.run.inference.exported import SUFFIXES
    from ecg_core.run.inference.predict import predict as infer

    with working("predict") as progress:
        found = infer(run, source, out, windows=windows, overlap=overlap, reader=reader, force=force, progress=progress)
    if out is None:
        tell(found.table.to_string(index=False, max_rows=20, float_format=lambda v: f"{v:.3f}"))
    else:
        per_step = "label" in found.table.columns
        rows = f"{len(found.table):,} {'stretches' if per_step else 'windows'} of " if per_step or windows else ""
        tell(f"{rows}{found.table['record_id'].nunique():,} recordings, answers in {out}")
    if len(found.rejects):
        tell(f"refused {len(found.rejects)}, e.g. {found.rejects['reason'].iloc[0]}")
    if run.suffix in SUFFIXES:  # an exported file answers and does not explain
        return
    if found.table.empty:
        return
    first = found.table["record_id"].iloc[0]
    folder = source if source.is_dir() else source.parent
    next_command(f"ecg explain {shell_path(run)} {shell_path(folder / first)} -o {Path(first).name}.png")

"""``ecg embed``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ecg_core.cli.output import tell, working


def embed(
    run: Path,
    source: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    reader: str = "auto",
    force: bool = False,
) -> None:
    """What an encoder makes of each recording, as numbers.

    Args:
        run: Pre-training or fine-tuning run.
        source: Prepared store, folder of recordings, or one recording without suffix.
        out: .npz, .csv or .parquet to write.
        reader: Name of a reader; found out by itself unless given.
        force: Replace an existing file.
    """
    from ecg_core.run.inference.embed import embed as make

    with working("embed") as progress:
        found = make(run, source, out, reader=reader, force=force, progress=progress)
    tell(f"{len(found.record_ids):,} recordings, {found.values.shape[1]} numbers each, in {out}")
    if len(found.rejects):
        tell(f"refused {len(found.rejects)}, e.g. {found.rejects['reason'].iloc[0]}")

"""``ecg data``: public data sets; what there is, what one holds, and its files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.text import Text

from ecg_core.cli.output import console, next_command, shell_path, tell, working
from ecg_core.errors import ConfigError, DataError
from ecg_preproc.datasets.catalogue import DataSet, catalogue, data_set

__all__ = ["data"]


def data(
    action: Literal["list", "info", "download"],
    name: str | None = None,
    out: Path | None = None,
    /,
    *,
    files: str = "*",
    jobs: int = 4,
    url: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """List public data sets, tell about one, or download its files.

    Nothing is downloaded but by `ecg data download`. An interrupted download goes on where it stopped when the same command
    is given again; every file is checked against the publisher's SHA-256.

    Args:
        action: list, info or download.
        name: Of a data set, as `ecg data list` shows it.
        out: Folder to download into; the data set's name unless given.
        files: Which files: patterns with commas between, e.g. "*.csv,records100/*".
        jobs: How many files at a time.
        url: Another address of the same files, such as a mirror's.
        as_json: Print facts as JSON (list and info).
    """
    if action == "list":
        entries = catalogue()
        if as_json:
            tell(json.dumps([asdict(entry) for entry in entries], indent=2, ensure_ascii=False))
        else:
            _show_all(entries)
        return
    if name is None:
        raise ConfigError(f"ecg data {action} takes the name of a data set, e.g. `ecg data {action} ptbxl`; all: `ecg data list`")
    chosen = data_set(name)
    if action == "info":
        if as_json:
            tell(json.dumps(asdict(chosen), indent=2, ensure_ascii=False))
        else:
            _show(chosen)
        return
    _download(chosen, out or Path(chosen.name), files=files, jobs=jobs, url=url)


def _show_all(entries: tuple[DataSet, ...]) -> None:
    rows: list[tuple[str, str, str, str, str, str]] = [("name", "records", "leads", "fs (Hz)", "access", "title")]
    rows += [(e.name, f"{e.records:,}", e.leads, ", ".join(map(str, e.fs)) or "-", e.access, e.title) for e in entries]
    wide = [max(len(row[i]) for row in rows) for i in range(5)]
    for number, (name, records, leads, fs, access, title) in enumerate(rows):
        line = f"{name:<{wide[0]}}  {records:>{wide[1]}}  {leads:>{wide[2]}}  {fs:>{wide[3]}}  {access:<{wide[4]}}  {title}"
        console.print(Text(line, style="" if access == "open" or not number else "dim"))
    next_command("ecg data info ptbxl", "ecg data download ptbxl")


def _show(entry: DataSet) -> None:
    tell(f"{entry.name}: {entry.title}" + (f", version {entry.version}" if entry.version else ""))
    people = "patients unknown" if entry.patients is None else f"{entry.patients:,} patients"
    tell(f"  {entry.records:,} recordings, {people}")
    tell(f"  {entry.leads} leads, {', '.join(map(str, entry.fs)) or '-'} Hz, {entry.seconds} s")
    tell(f"  licence {entry.licence}; {_ACCESS[entry.access]}")
    tell(f"  {entry.page}")
    tell(f"  cite https://doi.org/{entry.doi}")
    tell(f"  read by {entry.reader}" if entry.reader else "  no reader of ours understands it yet")
    if entry.access == "open":
        next_command(f"ecg data download {entry.name}")


_ACCESS = {
    "open": "open to everybody",
    "restricted": "after an agreement is signed on its page",
    "elsewhere": "from its page, by hand",
}


def _download(entry: DataSet, out: Path, *, files: str, jobs: int, url: str | None) -> None:
    from ecg_preproc.datasets.download import download

    address = url or entry.files
    if address is None or (entry.access != "open" and url is None):
        raise DataError(
            f"{entry.name} is had {_ACCESS[entry.access]}: {entry.page}; then prepare the folder with `ecg prep FOLDER prepared/`"
        )
    patterns = [pattern.strip() for pattern in files.split(",") if pattern.strip()]
    with working(entry.name, "files") as progress:
        count = download(address, out, patterns=patterns or ["*"], jobs=jobs, progress=progress)
    tell(f"{count:,} files of {entry.name} in {out}, each with the publisher's SHA-256; licence {entry.licence}")
    tell(f"cite https://doi.org/{entry.doi}")
    if entry.reader:
        next_command(f"ecg prep {shell_path(out)} {shell_path(out.with_name(out.name + '-prepared'))} --reader {entry.reader}")

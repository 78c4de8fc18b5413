"""What a store holds, as a table on the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ecg_core.cli.output import console, tell

if TYPE_CHECKING:
    from ecg_core.data.store import Store

__all__ = ["show_store"]

_TARGETS, _CLASSES = 2, 8  # targets shown class by class, and the most frequent classes of each


def show_store(store: Store) -> None:
    """Print its size, a row per split and per frequent class, and how many recordings have a quality flag."""
    from rich.table import Table
    from rich.text import Text

    from ecg_core.data.splits import SPLITS

    tell(
        f"{store.path}: {len(store):,} windows of {store.seconds:g} s at {store.fs:g} Hz, {len(store.leads)} leads, "
        f"{store.encoding.dtype}"
    )
    frame = store.table
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for name in (*SPLITS, "all"):
        table.add_column(name, justify="right")

    def row(words: str, counts: list[int], style: str = "") -> None:
        table.add_row(Text(words, style=style), *(f"{count:,}" for count in (*counts, sum(counts))))

    parts = [frame[frame["split"] == name] for name in SPLITS]
    row("windows", [len(part) for part in parts], "bold")
    row("recordings", [part["record_id"].nunique() for part in parts])
    row("patients", [part["patient_id"].nunique() for part in parts])
    for target in store.targets[:_TARGETS]:
        rows = [part.drop_duplicates("record_id")[target].tolist() for part in parts]
        counts = [Counter(name for labels in part for name in labels) for part in rows]
        names = [name for name, _ in sum(counts, Counter[str]()).most_common()]
        for name in names[:_CLASSES]:
            row(f"{target} {name}", [count[name] for count in counts])
        if len(names) > _CLASSES:
            table.add_row(Text(f"{target}: {len(names) - _CLASSES} more classes", style="dim"))
    if len(store.targets) > _TARGETS:
        table.add_row(Text(f"more targets: {', '.join(store.targets[_TARGETS:])}", style="dim"))
    console.print(table)
    if "quality" in frame:
        # A recording may have a flag in several leads.
        flags = Counter(
            flag.split(":")[0] for flags_ in frame.drop_duplicates("record_id")["quality"].tolist() for flag in flags_
        )
        words = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in flags.most_common())
        if words:
            tell(f"quality flags (leads): {words}; column quality of {store.path / 'table.csv'}")

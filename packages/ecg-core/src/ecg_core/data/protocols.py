"""Protocols: divisions of public data sets under the name that papers compare by, and the sizes they must come out with.

PTB-XL brings its folds: 1 to 8 train, 9 validates, 10 tests, and every statement counts, whatever its likelihood (Strodthoff et
al., "Deep learning for ECG analysis", IEEE JBHI 25(5), 2021). Six questions are asked of it; a recording without a statement of
the question's kind takes no part. Sizes are those of version 1.0.3, as the tables of MERL count them (Liu et al., ICML 2024).

Other divisions of papers were drawn at random and exist as tables only, such as that of CPSC 2018 in the same benchmark: put the
table's split or fold into a column of your labels and name that column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecg_core.data.splits import SPLITS
from ecg_core.errors import DataError

if TYPE_CHECKING:
    from ecg_core.data.store import Store
    from ecg_core.data.table import RecordTable

__all__ = ["PROTOCOLS", "Protocol", "protocol_sizes"]


@dataclass(frozen=True)
class Protocol:
    """A question to a public data set, as others have asked it.

    Args:
        name: That ``ecg prep --split`` takes.
        target: Column of classes.
        classes: How many there are.
        sizes: Recordings with a class in train, val and test; ``None`` where no paper says.
    """

    name: str
    target: str
    classes: int
    sizes: tuple[int, int, int] | None

    def check(self, table: RecordTable) -> None:
        """Raise where the table is of other data.

        Raises:
            DataError: It has no such target, or no split of its own.
        """
        if self.target not in table.targets or "split" not in table.frame or table.frame["split"].isna().any():
            raise DataError(
                f"the protocol {self.name} needs recordings with the target {self.target!r} and a split of their own, as the "
                "reader ptbxl gives them; read PTB-XL with --reader ptbxl, or choose another split"
            )


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("ptbxl_super", "superclass", 5, (17_084, 2_146, 2_158)),
        Protocol("ptbxl_sub", "subclass", 23, (17_084, 2_146, 2_158)),
        Protocol("ptbxl_diagnostic", "diagnostic", 44, (17_084, 2_146, 2_158)),
        Protocol("ptbxl_form", "form", 19, (7_197, 901, 880)),
        Protocol("ptbxl_rhythm", "rhythm", 12, (16_832, 2_100, 2_098)),
        Protocol("ptbxl_all", "scp_codes", 71, None),
    )
}


def protocol_sizes(store: Store) -> str:
    """One sentence on whether a store that was divided by a protocol has the published sizes; empty for any other store."""
    protocol = PROTOCOLS.get(str(store.facts.get("split")))
    if protocol is None:
        return ""
    labelled = store.table[store.table[protocol.target].map(len) > 0] if protocol.target in store.targets else store.table[:0]
    found = tuple(labelled["record_id"][labelled["split"] == name].nunique() for name in SPLITS)
    classes = len({name for row in labelled[protocol.target] for name in row}) if len(labelled) else 0
    told = f"protocol {protocol.name}: {_counted(found)} recordings with a {protocol.target}, {classes} classes"
    if protocol.sizes is None and classes == protocol.classes:
        return told
    if (protocol.sizes, classes) == (found, protocol.classes):
        return f"{told}, as published"
    published = f"{_counted(protocol.sizes)} and " if protocol.sizes is not None else ""
    return f"{told}; published are {published}{protocol.classes}, so numbers are not comparable with those of papers"


def _counted(sizes: Sequence[int]) -> str:
    return " / ".join(f"{size:,}" for size in sizes)

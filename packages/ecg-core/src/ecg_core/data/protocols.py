"""Protocols: divisions of public data sets under the name that papers compare by, and the sizes they must come out with.

PTB-XL brings its folds: 1 to 8 train, 9 validates, 10 tests, and every statement counts, whatever its likelihood (Strodthoff et
al., "Deep learning for ECG analysis", IEEE JBHI 25(5), 2021). Six questions are asked of it; a recording without a statement of
the question's kind takes no part. Sizes are those of version 1.0.3, as the tables of MERL count them (Liu et al., ICML 2024).

CPSC 2018 has no public test set. MERL drew one recording in five to test and one in ten of the rest to validate, by chance, over
recordings in the order in which a disk listed them, so their members stand in tables and follow from no rule. Here the same
numbers of recordings are dealt by combination of classes, the same way for everybody; a split that the labels give is taken
instead. Other divisions of papers that exist as tables only come in likewise: name the column of the labels that holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ecg_core.data.splits import SPLITS
from ecg_core.data.stratification import deal_exactly
from ecg_core.errors import DataError

if TYPE_CHECKING:
    from ecg_core.data.store import Store
    from ecg_core.data.table import RecordTable

__all__ = ["PROTOCOLS", "Protocol", "protocol_sizes"]

_READS = {"ptbxl": "PTB-XL", "cpsc2018": "CPSC 2018"}
_NINE = ("Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE")
_SEED = 2018  # of a division that is the same for everybody, whatever --seed


@dataclass(frozen=True)
class Protocol:
    """A question to a public data set, as others have asked it.

    Args:
        name: That ``ecg prep --split`` takes.
        target: Column of classes.
        classes: How many there are.
        sizes: Recordings with a class in train, val and test; ``None`` where no paper says.
        reader: Of the data set.
        names: Of the classes, where a division is dealt by them.
    """

    name: str
    target: str
    classes: int
    sizes: tuple[int, int, int] | None
    reader: Literal["ptbxl", "cpsc2018"] = "ptbxl"
    names: tuple[str, ...] = ()

    @property
    def deals(self) -> bool:
        """Whether the data set brings no division, so that one is dealt."""
        return bool(self.names)

    def check(self, table: RecordTable) -> None:
        """Raise where the table is of other data.

        Raises:
            DataError: It has no such target, no split of its own, or one of some recordings only.
        """
        given = table.frame["split"].notna() if "split" in table.frame else None
        if self.deals and given is not None and given.any() and not given.all():
            raise DataError(
                f"{int((~given).sum())} of {len(given)} recordings have no split; give one to each in the labels, or to none, "
                f"and the protocol {self.name} deals them"
            )
        known = {name for row in table.frame[self.target] for name in row} if self.target in table.targets else set()
        if self.deals and not (known and known <= set(self.names)):
            wanted = f"the target {self.target!r} of the classes {', '.join(self.names)}"
        elif self.target not in table.targets or not (self.deals or (given is not None and given.all())):
            wanted = f"the target {self.target!r} and a split of their own"
        else:
            return
        raise DataError(
            f"the protocol {self.name} needs recordings with {wanted}, as the reader {self.reader} gives them; read "
            f"{_READS[self.reader]} with --reader {self.reader}, or choose another split"
        )

    def dealt(self, table: RecordTable) -> dict[str, str]:
        """The split of each recording: a fifth of the patients tests, a tenth of the others validates, both rounded up.

        Args:
            table: All recordings, so that those that cannot be used move no other.
        """
        names = table.frame["record_id"].tolist()
        known = table.frame["patient_id"].tolist() if "patient_id" in table.frame else [None] * len(names)
        who = [f"patient:{p}" if isinstance(p, str) else f"record:{name}" for p, name in zip(known, names, strict=True)]
        count = len(set(who))
        test = -(-count // 5)
        val = -(-(count - test) // 10)
        parts = deal_exactly(who, (count - test - val, val, test), labels=table.frame[self.target].tolist(), seed=_SEED)
        return {name: SPLITS[part] for name, part in zip(names, parts, strict=True)}


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("ptbxl_super", "superclass", 5, (17_084, 2_146, 2_158)),
        Protocol("ptbxl_sub", "subclass", 23, (17_084, 2_146, 2_158)),
        Protocol("ptbxl_diagnostic", "diagnostic", 44, (17_084, 2_146, 2_158)),
        Protocol("ptbxl_form", "form", 19, (7_197, 901, 880)),
        Protocol("ptbxl_rhythm", "rhythm", 12, (16_832, 2_100, 2_098)),
        Protocol("ptbxl_all", "scp_codes", 71, None),
        Protocol("cpsc2018", "dx", 9, (4_950, 551, 1_376), "cpsc2018", _NINE),
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
        own = ", whose members are others: papers drew theirs by chance (give a paper's with --labels)"
        return f"{told}, as published{own if store.facts.get('drawn') else ''}"
    published = f"{_counted(protocol.sizes)} and " if protocol.sizes is not None else ""
    return f"{told}; published are {published}{protocol.classes}, so numbers are not comparable with those of papers"


def _counted(sizes: Sequence[int]) -> str:
    return " / ".join(f"{size:,}" for size in sizes)

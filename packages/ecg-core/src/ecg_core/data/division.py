"""Division: how the recordings of a store come to train, val and test, as its maker asks for it in one word."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd

from ecg_core.data.protocols import PROTOCOLS, Protocol
from ecg_core.data.splits import (
    SPLITS,
    folds_by_patient,
    numbered_folds,
    parse_folds,
    parse_ratio,
    split_by_patient,
    split_of_folds,
)
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError

__all__ = ["Division"]

_DEFAULT = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Division:
    """By shares, by folds, by a column, or (all ``None``) as the source says and by 8/1/1 where it says nothing.

    Args:
        ratio: Shares of train, val and test.
        folds: Number of folds.
        column: Column that holds a split or a fold of each recording.
        protocol: A published division, which the source brings, or which is dealt anew by its rule.
    """

    ratio: tuple[float, float, float] | None = None
    folds: int | None = None
    column: str | None = None
    protocol: Protocol | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """From ``"8/1/1"``, ``"5-fold"``, the name of a protocol or of a column, or ``None``.

        Raises:
            DataError: The shares or the number of folds make no sense.
        """
        if text is None:
            return cls()
        if text in PROTOCOLS:
            return cls(protocol=PROTOCOLS[text])
        if "/" in text:
            return cls(ratio=parse_ratio(text))
        count = parse_folds(text)
        return cls(folds=count) if count else cls(column=text)

    def check(self, table: RecordTable) -> None:
        """Raise before any work is done.

        Raises:
            DataError: There is no such column, or the data are not those of the protocol.
        """
        if self.protocol is not None:
            self.protocol.check(table)
        if self.column is not None and self.column not in table.frame.columns:
            columns = ", ".join(map(str, table.frame.columns))
            raise DataError(
                f"a split is train/val/test such as 8/1/1, folds such as 5-fold, a protocol ({', '.join(PROTOCOLS)}), "
                f"or a column of the source or the labels, got {self.column!r}; the columns are {columns}"
            )

    def draws(self, table: RecordTable) -> bool:
        """Whether recordings are dealt here, and not as the source or the labels say."""
        if self.column is not None:
            return False
        given = "split" in table.frame and bool(table.frame["split"].notna().all())
        return not given or self.ratio is not None or self.folds is not None

    def applied(
        self, frame: pd.DataFrame, targets: Sequence[str], seed: int, *, table: RecordTable | None = None
    ) -> dict[str, list[Any]]:
        """The columns ``split`` and, where there are folds, ``fold``, one value per row of ``frame``.

        Args:
            frame: One row per window, with ``record_id`` and ``patient_id``.
            targets: Its columns of classes, which are shared out evenly.
            seed: Of what is dealt by chance.
            table: All recordings, for a protocol that deals them; also those of which ``frame`` has no window.

        Raises:
            DataError: A given split or fold is absent in some rows.
        """
        if self.column is not None:
            values = frame[self.column].tolist()
            names = {v[0] if isinstance(v, tuple) and len(v) == 1 else v for v in values}
            if names <= set(SPLITS):
                return {"split": [v[0] if isinstance(v, tuple) else str(v) for v in values]}
            return _by_folds(numbered_folds(values, self.column))
        if self.protocol is not None and table is not None and self.draws(table):
            dealt = self.protocol.dealt(table)
            return {"split": [dealt[name] for name in frame["record_id"].tolist()]}
        given = frame.get("split") if self.ratio is None and self.folds is None else None
        if given is not None and given.notna().all():
            return {"split": [str(name) for name in given]}
        if given is not None and given.notna().any():
            raise DataError(
                f"{int(given.isna().sum())} of {len(given)} windows have no split; "
                "give one to each recording, or split anew with --split 8/1/1"
            )
        # A record without a patient is its own patient.
        who = [f"record:{r}" if pd.isna(p) else str(p) for p, r in zip(frame["patient_id"], frame["record_id"], strict=True)]
        labels = _labels(frame, targets)
        if self.folds is not None:
            return _by_folds(folds_by_patient(who, self.folds, labels=labels, seed=seed))
        return {"split": split_by_patient(who, self.ratio or _DEFAULT, labels=labels, seed=seed)}


def _by_folds(folds: list[int]) -> dict[str, list[Any]]:
    count = 1 + max(folds)
    return {"split": split_of_folds(folds, count, count - 1), "fold": folds}


def _labels(frame: pd.DataFrame, targets: Sequence[str]) -> list[list[Hashable]]:
    columns = [[[(target, name) for name in row] for row in frame[target].tolist()] for target in targets]
    return [[label for row in rows for label in row] for rows in zip(*columns, strict=True)] if columns else [[]] * len(frame)

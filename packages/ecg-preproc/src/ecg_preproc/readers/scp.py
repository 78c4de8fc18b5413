"""SCP-ECG statements of PTB-XL: which codes are diagnoses, forms or rhythms, and which classes the diagnoses fall into."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecg_core.errors import DataError

__all__ = ["NO_STATEMENTS", "Statements", "parse_codes", "read_statements"]


@dataclass(frozen=True)
class Statements:
    """The meaning of each code.

    Args:
        superclass: Diagnostic class of each diagnostic code: NORM, MI, STTC, CD or HYP.
        subclass: Diagnostic subclass of each diagnostic code.
        form: Codes that describe the form of a wave.
        rhythm: Codes that describe the rhythm.
        codes: All codes.
    """

    superclass: Mapping[str, str]
    subclass: Mapping[str, str]
    form: frozenset[str]
    rhythm: frozenset[str]
    codes: frozenset[str]

    def targets(self, codes: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Targets of one record. Every statement counts, whatever its likelihood (Strodthoff et al. 2020).

        Raises:
            DataError: A code has no statement.
        """
        codes = tuple(codes)
        unknown = [code for code in codes if code not in self.codes]
        if unknown:
            raise DataError(f"the code {unknown[0]!r} has no row in scp_statements.csv; use the statements of the same version")
        diagnostic = [code for code in codes if code in self.superclass]
        return {
            "superclass": _once(self.superclass[code] for code in diagnostic),
            "subclass": _once(self.subclass[code] for code in diagnostic if code in self.subclass),
            "diagnostic": tuple(diagnostic),
            "form": tuple(code for code in codes if code in self.form),
            "rhythm": tuple(code for code in codes if code in self.rhythm),
            "scp_codes": codes,
        }

    def labelled(self, superclass: object, subclass: object, form: object, rhythm: object) -> dict[str, tuple[str, ...]]:
        """Targets of a record that comes with finished labels, separated by ``;``, and without codes."""
        # Label tables drop the underscore of some names: their AVB and NST are the statements' _AVB and NST_.
        names = {name.strip("_"): name for name in (*self.subclass.values(), *self.codes)}
        finished = {"superclass": superclass, "subclass": subclass, "diagnostic": None, "form": form, "rhythm": rhythm}
        split = {target: tuple(names.get(name.strip("_"), name) for name in _split(cell)) for target, cell in finished.items()}
        return {**split, "scp_codes": ()}


NO_STATEMENTS = Statements({}, {}, frozenset(), frozenset(), frozenset())


def read_statements(path: Path) -> Statements:
    """Read ``scp_statements.csv``.

    Raises:
        DataError: It is absent, not a table, or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file, and only it gives the codes their meaning; copy it from PTB-XL beside the table")
    try:
        table = pd.read_csv(path, index_col=0)
        kinds = {kind: table.index[table[kind] == 1] for kind in ("diagnostic", "form", "rhythm")}
        superclass, subclass = table["diagnostic_class"], table["diagnostic_subclass"]
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: not the table of statements of PTB-XL ({error}); copy it again") from None
    diagnostic = kinds["diagnostic"]
    return Statements(
        superclass=_mapping(superclass[diagnostic]),
        subclass=_mapping(subclass[diagnostic]),
        form=frozenset(kinds["form"]),
        rhythm=frozenset(kinds["rhythm"]),
        codes=frozenset(table.index),
    )


def parse_codes(text: object) -> dict[str, float]:
    """The likelihood (percent) of each code, from a cell such as ``{'NORM': 100.0, 'SR': 0.0}``.

    Raises:
        DataError: The cell is something else. It is read as a literal and never run.
    """
    try:
        codes = ast.literal_eval(text) if isinstance(text, str) and len(text) <= 10_000 else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        codes = None
    if not isinstance(codes, dict) or not all(isinstance(k, str) and isinstance(v, (int, float)) for k, v in codes.items()):
        shown = repr(text if not isinstance(text, str) or len(text) <= 60 else text[:57] + "…")
        raise DataError(f"scp_codes is {shown}, expected a dictionary such as {{'NORM': 100.0, 'SR': 0.0}}; correct the table")
    return codes


def _mapping(column: pd.Series) -> dict[str, str]:
    return {str(code): str(name) for code, name in column.dropna().items()}


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _split(cell: object) -> tuple[str, ...]:
    return _once(part.strip() for part in cell.split(";") if part.strip()) if isinstance(cell, str) else ()

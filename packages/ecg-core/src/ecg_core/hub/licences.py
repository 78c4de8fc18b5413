"""Licences: which ones weights come with, how the hub spells them, and which let weights be passed on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg_core.errors import ECGError, RunError
from ecg_core.run.card import Card
from ecg_core.run.directory import RunDirectory
from ecg_core.run.from_hub import HubAddress
from ecg_core.run.training.sources import card_of, run_of

__all__ = ["Origin", "check_may_be_shared", "hub_licence", "origin_of"]

# As the hub spells them; the second half does not let weights be used by everybody for everything.
_FREE = ("apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0", "mit", "odbl")
_KNOWN = (*_FREE, "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0")


@dataclass(frozen=True)
class Origin:
    """Published weights that a model began with.

    Args:
        model: What they are.
        source: Where they were published.
        licence: Of the weights, in words.
        sha256: Of the published file.
    """

    model: str
    source: str
    licence: str
    sha256: str

    @classmethod
    def from_facts(cls, facts: Any) -> Origin:
        """What a card notes of weights from elsewhere; what it does not note stays empty."""
        return cls(*(str(facts.get(word) or "") for word in ("model", "source", "licence", "sha256")))


def origin_of(card: Card, directory: RunDirectory | None) -> Origin | None:
    """The published weights behind a model: those its card names, or that a run it began with did; ``None`` of none.

    A run whose beginnings are no longer on this machine, and whose card names none, is taken for what it says.
    """
    seen: set[Path] = set()
    while True:
        if card.facts.get("imported"):
            return Origin.from_facts(card.facts["imported"])
        source = None if directory is None else directory.facts.get("source")
        if source is None or HubAddress.of(source) is not None or Path(source).resolve() in seen:
            return None
        seen.add(Path(source).resolve())
        try:
            card, directory = card_of(Path(source)), run_of(Path(source))
        except (ECGError, OSError):
            return None


def hub_licence(licence: str) -> str | None:
    """The hub's word for a licence in words, such as ``"cc-by-nc-4.0"`` for ``"CC BY-NC 4.0"``; ``None`` where it has none."""
    word = re.sub(r"[\s_]+", "-", licence.partition(":")[0].strip().lower()).removesuffix("-license").removesuffix("-licence")
    return word if word in _KNOWN else None


def check_may_be_shared(origin: Origin | None, what: str) -> None:
    """Refuse to pass on weights whose licence does not clearly let everybody do so.

    Raises:
        RunError: Names the licence.
    """
    if origin is None or hub_licence(origin.licence) in _FREE:
        return
    licence = f"the licence {origin.licence!r}" if origin.licence else "no licence that is known"
    raise RunError(
        f"{what} began with the weights of {origin.model or 'somebody else'}, which have {licence}, so they are not put on "
        "the hub; if their owners let you, say --i-have-the-right (from Python: i_have_the_right=True)"
    )

"""The kinds of component, in the order they are listed, and the contract each has to keep."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CONTRACTS", "FIRST_PARTY", "KINDS", "singular"]

# Where the base class of a kind lives; None where anything that can be called will do. Strings: naming them loads nothing.
CONTRACTS: Mapping[str, str | None] = {
    "backbones": "ecg_core.contracts.backbone:Backbone",
    "models": "ecg_core.contracts.task:Task",
    "ssl": "ecg_core.contracts.ssl:SSLMethod",
    "transforms": "ecg_core.contracts.transform:Transform",
    "readers": "ecg_core.data.reader:Reader",
    "heads": "ecg_core.contracts.head:Head",
    "attention": None,
    "losses": None,
    "optimizers": None,
    "schedulers": None,
    "commands": None,
}
KINDS = tuple(CONTRACTS)
FIRST_PARTY = ("ecg-core", "ecg-backbones", "ecg-preproc", "ecg-ssl")


def singular(kind: str) -> str:
    """One component of a kind, in words: ``"backbones"`` is ``"backbone"``, ``"ssl"`` is ``"SSL method"``."""
    return {"ssl": "SSL method", "attention": "attention layer", "losses": "loss"}.get(kind, kind.removesuffix("s"))

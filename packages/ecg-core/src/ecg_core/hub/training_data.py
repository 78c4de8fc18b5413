"""Training data: what a model card says of the recordings a model has learned from."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ecg_core.data.splits import SPLITS
from ecg_core.data.store import Store
from ecg_core.hub.markdown import table
from ecg_core.hub.model_facts import ModelFacts

__all__ = ["population", "training_data"]


def training_data(facts: ModelFacts) -> Iterator[str]:
    """Its name, fingerprint, licence, size and people, as far as they are known."""
    licence = facts.data_licence or "not known"
    if facts.directory is None:
        yield f"Not known here: this is a card alone, without the run that made it. Licence of the data: {licence}."
        return
    data = facts.run["data"]
    name = facts.public(str(data.get("path") or ""))
    fold = "" if data.get("fold") is None else f"; fold {data['fold']} tested"
    rows = [
        ("store", f"`{name.rsplit('/', 1)[-1]}`{fold}"),
        ("fingerprint", f"`{data['fingerprint']}`"),
        ("licence", licence),
    ]
    if facts.store is not None:
        source = facts.public(str(facts.store.facts.get("source") or ""))
        rows.insert(1, ("recordings from", f"`{source.rstrip('/').rsplit('/', 1)[-1]}`" if source else "not known"))
    yield from table(("", ""), rows)
    yield ""
    if facts.store is None:
        yield "The store is no longer where it was, or no longer as it was, so nothing more is known of it here."
    else:
        yield from table(("split", "recordings", "patients", "windows"), [_counted(facts.store, split) for split in SPLITS])
        yield ""
        yield f"People of the training split: {population(facts.store)}."
    learned = facts.run.get("examples")
    if learned:
        yield ""
        yield f"Labelled windows learned from: {facts.run['windows']:,} in all; " + ", ".join(
            f"{label} {count:,}" for label, count in learned.items()
        )


def population(store: Store) -> str:
    """Age and sex of those learned from, in words."""
    rows = store.table.iloc[store.indices("train")].drop_duplicates("record_id")
    said = []
    ages = pd.to_numeric(rows["age"], errors="coerce").dropna() if "age" in rows else pd.Series(dtype=float)
    if len(ages):
        low, middle, high = ages.quantile([0.25, 0.5, 0.75])
        said.append(f"median age {middle:.0f} years (quartiles {low:.0f} and {high:.0f}; known of {len(ages):,} recordings)")
    else:
        said.append("ages not known")
    sexes = rows["sex"].dropna() if "sex" in rows else pd.Series(dtype=object)
    counts = sexes[sexes.astype(str) != ""].astype(str).value_counts()
    said.append("sex " + ", ".join(f"{name} {count:,}" for name, count in counts.items()) if len(counts) else "sexes not known")
    return "; ".join(said)


def _counted(store: Store, split: str) -> tuple[str, str, str, str]:
    rows = store.table.iloc[store.indices(split)]
    patients = rows["patient_id"].nunique()
    return split, f"{rows['record_id'].nunique():,}", f"{patients:,}" if patients else "not known", f"{len(rows):,}"

"""The run's own model on fewer leads: what is left of it when a recorder has eight, six, three, two or one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ecg_core.contracts.task import Task
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.leads import STANDARD_12
from ecg_core.data.store import Store
from ecg_core.evaluation.bootstrap import bootstrap
from ecg_core.evaluation.estimate import Estimate, macro_estimate
from ecg_core.evaluation.evaluation import LeadSet
from ecg_core.evaluation.metrics import auprc, auroc
from ecg_core.run.inference.window_scores import ScoredRecordings, mean_by_record

__all__ = ["LEAD_SETS", "score_lead_sets"]

# Six, three and two are those of the PhysioNet/CinC Challenge 2021; eight are the ones that a 12-lead recorder measures.
LEAD_SETS: dict[str, tuple[str, ...]] = {
    "12": STANDARD_12,
    "8": ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"),
    "6": ("I", "II", "III", "aVR", "aVL", "aVF"),
    "3": ("I", "II", "V2"),
    "2": ("I", "II"),
    "II": ("II",),
    "I": ("I",),
}


def score_lead_sets(
    task: Task, store: Store, recordings: ScoredRecordings, *, repeats: int, level: float = 0.95, seed: int = 0
) -> tuple[tuple[LeadSet, ...], list[str]]:
    """Macro AUROC and AUPRC of each set that the store has, and why others are left out.

    A backbone of tokens that knows its leads by name is given the remaining leads and nothing else. Any other model was built for
    all of them: the missing ones are set to zero, which it may never have seen in training.

    Args:
        task: The model.
        store: Store of the recordings.
        recordings: What is scored.
        repeats: Bootstrap repeats.
        level: Of the intervals.
        seed: Of the bootstrap.
    """
    found, absent = [], []
    names = store.table["record_id"].iloc[recordings.windows].tolist()
    tokens = takes_leads_by_name(task, store)
    for name, leads in LEAD_SETS.items():
        if not set(leads) <= set(store.leads):
            absent.append(name)
            continue
        how = "all" if set(leads) == set(store.leads) else ("tokens" if tokens else "zeros")
        _, scores, _ = mean_by_record(names, _scores(task, store, recordings.windows, leads, how))
        drawn = bootstrap(recordings.targets, scores, patients=recordings.patients, repeats=repeats, seed=seed)
        areas = [
            macro_estimate([Estimate.of(v, d, level) for v, d in zip(values, repeated.T, strict=True)], repeated, level)
            for values, repeated in (
                (auroc(recordings.targets, scores), drawn.auroc),
                (auprc(recordings.targets, scores), drawn.auprc),
            )
        ]
        found.append(LeadSet(name, leads, how, *areas))
    note = [f"the store has {len(store.leads)} leads, so the lead sets {', '.join(absent)} are left out"] if absent else []
    return tuple(found), note


@torch.no_grad()
def takes_leads_by_name(task: Task, store: Store) -> bool:
    """Whether the backbone can encode one lead alone, told by name."""
    backbone = task.backbone
    if not isinstance(backbone, TokenBackbone) or task.head.reads == "intermediates":
        return False
    modes = [(module, module.training) for module in backbone.modules()]
    backbone.eval()
    try:
        backbone.forward_named(torch.zeros(1, 1, store.n_samples), store.leads[:1], trained_on=store.leads)
    except (TypeError, ValueError):
        return False
    finally:
        for module, mode in modes:
            module.training = mode
    return True


@torch.no_grad()
def _scores(task: Task, store: Store, windows: np.ndarray, leads: Sequence[str], how: str, *, batch_size: int = 64) -> np.ndarray:
    kept = [store.leads.index(lead) for lead in leads]
    modes = [(module, module.training) for module in task.modules()]
    task.eval()
    parts = []
    for start in range(0, len(windows), batch_size):
        x: Tensor = store.batch(windows[start : start + batch_size]).to("cpu").signal
        if how == "tokens" and isinstance(task.backbone, TokenBackbone):
            logits = task.scores(task.backbone.forward_named(x[:, kept], leads, trained_on=store.leads))
        else:
            silent = torch.zeros_like(x)
            silent[:, kept] = x[:, kept]
            logits = task(silent)
        parts.append(task.probabilities(logits).double().cpu().numpy())
    for module, mode in modes:
        module.training = mode
    return np.concatenate(parts)

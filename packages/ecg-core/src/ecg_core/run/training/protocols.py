"""Protocols of papers: how a model is trained and judged, under the name others compare by; explicit words win and are recorded.

``strodthoff``: training from scratch on PTB-XL. Strodthoff et al., "Deep learning for ECG analysis: benchmarks and insights from
PTB-XL", IEEE JBHI 25(5), 2021. ``merl_v1``: the linear probe of MERL. Liu et al., "Zero-shot ECG classification with multimodal
learning and test-time clinical knowledge enhancement", ICML 2024. Values are those of the code that both papers come with.

Differs from the papers: see ``differs`` of each. What made published numbers better than they are is not offered: an epoch is
chosen on validation patients, never on the test set, and a frozen encoder is frozen.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from ecg_core.contracts.recipe import Recipe
from ecg_core.data.protocols import PROTOCOLS
from ecg_core.data.store import Store
from ecg_core.errors import ConfigError, RunError

__all__ = ["TRAINING_PROTOCOLS", "ProtocolName", "TrainingProtocol", "protocol_sentences", "training_protocol"]

ProtocolName = Literal["merl_v1", "strodthoff"]

# What no protocol has, so that whoever asks for it leaves it.
_ABSENT = (
    "rank", "alpha", "stages", "unfreeze", "unfreeze_every", "norm", "shots", "model", "augment", "loss", "class_weight",
    "layer_decay",
)  # fmt: skip


@dataclass(frozen=True)
class TrainingProtocol:
    """Defaults of a fine-tuning, and the data they are for.

    Args:
        name: That ``ecg finetune --protocol`` takes.
        divisions: Names in :data:`ecg_core.data.protocols.PROTOCOLS`: what is asked of which recordings.
        fs: Of the store, Hz.
        seconds: Length of its windows.
        recipe: Learning rate and what goes with it.
        values: Of :func:`ecg_core.run.training.finetune.finetune`, by its words.
        fractions: Of the labels that are learned from, besides all of them.
        differs: Clauses on what differs from the paper, each with what was published.
    """

    name: str
    divisions: tuple[str, ...]
    fs: float
    seconds: float
    recipe: Recipe
    values: Mapping[str, Any]
    differs: tuple[str, ...]
    fractions: tuple[float, ...] = field(default=())

    def check(self, store: Store, target: str) -> None:
        """Raise where the store is not what the protocol asks.

        Raises:
            RunError: Another sampling frequency, length of windows, division or target; the fitting ``ecg prep`` is named.
        """
        fitting = {PROTOCOLS[name].target: name for name in self.divisions}
        if target not in fitting:
            raise RunError(f"the protocol {self.name} asks for the target {' or '.join(fitting)} of PTB-XL, got {target!r}")
        split = str(store.facts.get("split") or "of its source")
        wrong = [
            told
            for told, differs in (
                (f"{store.fs:g} Hz", store.fs != self.fs),
                (f"windows of {store.seconds:g} s", abs(store.seconds - self.seconds) > 1e-9),
                (f"the split {split}", split not in PROTOCOLS or PROTOCOLS[split].reader != "ptbxl"),
            )
            if differs
        ]
        if wrong:
            raise RunError(
                f"the protocol {self.name} is of PTB-XL at {self.fs:g} Hz in windows of {self.seconds:g} s, divided by its own "
                f"folds, and {store.path} has {', '.join(wrong)}; prepare it with `ecg prep "
                f"{shlex.quote(str(store.facts['source']))} NEW --reader ptbxl --fs {self.fs:g} --seconds {self.seconds:g} "
                f"--split {fitting[target]}`"
            )

    def changes(self, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """What explicit words change: for each the protocol's value and the run's, as JSON holds them.

        Args:
            given: Words of a fine-tuning that were given, none of them ``None``.
        """
        own = {**dict.fromkeys(_ABSENT), "lr": self.recipe.lr, **self.values}
        differing = {word: (own[word], value) for word, value in given.items() if word in own and own[word] != value}
        fraction = given.get("fraction", 1.0)
        if fraction not in (1.0, *self.fractions):
            differing["fraction"] = ([*self.fractions, 1.0], fraction)
        return {word: {"protocol": _plain(theirs), "run": _plain(ours)} for word, (theirs, ours) in differing.items()}

    def facts(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """For ``run.json``: its name, what was changed, and what differs from the paper in any case."""
        return {"name": self.name, "changes": self.changes(given), "differs": list(self.differs)}


TRAINING_PROTOCOLS: Mapping[str, TrainingProtocol] = MappingProxyType(
    {
        "merl_v1": TrainingProtocol(
            name="merl_v1",
            divisions=("ptbxl_super", "ptbxl_sub", "ptbxl_form", "ptbxl_rhythm"),
            fs=500.0,
            seconds=10.0,
            recipe=Recipe(lr=1e-3, lr_batch=0, weight_decay=1e-4, decay_all=True, warmup=0.0),
            values={
                "mode": "linear",
                "problem": "multi_label",
                "epochs": 100,
                "batch_size": 16,
                "optimizer": "adam",
                "scheduler": {"name": "multi_step", "milestones": [40], "gamma": 0.1},
                "head": {"name": "linear", "normalise": False},
                "precision": "fp32",
            },
            fractions=(0.01, 0.1),
            differs=(
                "the epoch is chosen on the validation patients (published: the best test AUROC of all epochs)",
                "the rate falls after 40 epochs (published code counts batches, so after 40 of them)",
                "statistics of the frozen encoder stay (published: they follow the training batches)",
                "a fraction of the labels is one of patients, drawn by the seed (published: of recordings, in one draw)",
                "signals are as the store holds them (published: scaled to 0 to 1, each recording by itself)",
                "in fp32 (published: in mixed precision)",
            ),
        ),
        "strodthoff": TrainingProtocol(
            name="strodthoff",
            divisions=tuple(name for name in PROTOCOLS if name.startswith("ptbxl_")),
            fs=100.0,
            seconds=10.0,
            recipe=Recipe(lr=1e-2, lr_batch=0, betas=(0.9, 0.99), weight_decay=1e-2, decay_all=True, warmup=0.0),
            values={
                "mode": "full",
                "problem": "multi_label",
                "epochs": 50,
                "batch_size": 128,
                "optimizer": "adamw",
                "scheduler": {"name": "one_cycle", "pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4},
                "head": {"name": "mlp", "hidden": 128, "dropout": 0.5, "normalise": True},
                "crops": 7,  # of 2.5 s, each overlapping the next by half
                "crop_seconds": 2.5,
                "crop_answer": "max",
                "precision": "fp32",
            },
            differs=(
                "the epoch is chosen on the validation patients (published: the last one)",
                "momentum stays (published: it cycles against the rate, from 0.95 to 0.85 and back)",
                "the head reads the mean over time (published: mean and maximum, with ReLU and one dropout more)",
                "signals are as the store holds them (published: unfiltered, scaled by one mean and deviation of all)",
            ),
        ),
    }
)


def training_protocol(name: str | None) -> TrainingProtocol | None:
    """The protocol of this name; ``None`` for ``None``.

    Raises:
        ConfigError: There is none.
    """
    if name is not None and name not in TRAINING_PROTOCOLS:
        division = f"; {name} divides data: `ecg prep --split {name}`" if name in PROTOCOLS else ""
        raise ConfigError(f"protocol must be one of {', '.join(get_args(ProtocolName))}, got {name!r}{division}")
    return None if name is None else TRAINING_PROTOCOLS[name]


def protocol_sentences(facts: Mapping[str, Any] | None) -> list[str]:
    """What a reader of numbers must know of the protocol in ``run.json``: its name, changes and differences; empty for none."""
    if facts is None:
        return []
    changes = [f"{word} {_told(c['run'])} instead of {_told(c['protocol'])}" for word, c in facts["changes"].items()]
    changed = f", changed by hand ({'; '.join(changes)}), so the numbers are not those of the protocol" if changes else ""
    return [
        f"trained by the protocol {facts['name']}{changed}",
        f"what differs from the paper of {facts['name']}: {'; '.join(facts['differs'])}",
    ]


def _told(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, Mapping):
        return {str(word): _plain(held) for word, held in value.items()}
    return [_plain(held) for held in value] if isinstance(value, (list, tuple)) else type(value).__name__

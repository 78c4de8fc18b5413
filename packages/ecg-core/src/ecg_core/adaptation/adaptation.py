"""Adaptation: the words of a fine-tuning that say what of the backbone learns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ecg_core.errors import ConfigError

__all__ = ["Adaptation", "Mode", "Norm"]

Mode = Literal["linear", "lora", "partial", "full"]
Norm = Literal["train", "frozen"]


@dataclass(frozen=True)
class Adaptation:
    """What of the backbone learns. The head, and all that a task has outside its backbone, always does.

    Args:
        mode: ``"linear"``: nothing. ``"lora"``: low-rank adapters on its layers. ``"partial"``: its last stages. ``"full"``: all.
        rank: Of the adapters; 8 unless given (``"lora"``).
        alpha: ``alpha / rank`` scales what they add; the rank unless given (``"lora"``).
        stages: How many of the last stages learn (``"partial"``).
        unfreeze: ``"gradual"``: at first the head alone, then one stage more after every ``unfreeze_every`` epochs
            (Howard and Ruder 2018, ULMFiT, section 3.3).
        unfreeze_every: Epochs between two stages; 1 unless given.
        norm: ``"frozen"``: running statistics of the backbone's normalisations stay those of pre-training, and training uses
            them. ``"train"``: they follow the batches, where their stage learns. ``None`` means ``"frozen"`` for ``"lora"``, else
            ``"train"``.

    Raises:
        ConfigError: A word is unknown, belongs to another mode, or is missing.
    """

    mode: Mode = "full"
    rank: int | None = None
    alpha: float | None = None
    stages: int | None = None
    unfreeze: Literal["gradual"] | None = None
    unfreeze_every: int | None = None
    norm: Norm | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ConfigError(f"mode must be one of {', '.join(get_args(Mode))}, got {self.mode!r}")
        for word, modes in (
            ("rank", ("lora",)),
            ("alpha", ("lora",)),
            ("stages", ("partial",)),
            ("unfreeze", ("partial", "full")),
            ("norm", ("lora", "partial", "full")),
        ):
            if getattr(self, word) is not None and self.mode not in modes:
                raise ConfigError(f"{word} is a word of mode={' and mode='.join(modes)}, not of mode={self.mode}; leave it out")
        if self.mode == "partial" and self.stages is None:
            raise ConfigError("mode=partial needs to know how many of the backbone's last stages learn; say stages=1 or more")
        if self.unfreeze not in (None, "gradual"):
            raise ConfigError(f"unfreeze must be gradual, or be left out, got {self.unfreeze!r}")
        if self.unfreeze_every is not None and self.unfreeze is None:
            raise ConfigError("unfreeze_every counts the epochs of unfreeze=gradual; give that too, or leave it out")
        for word in ("rank", "stages", "unfreeze_every"):
            value = getattr(self, word)
            if value is not None and value < 1:
                raise ConfigError(f"{word} must be at least 1, got {value!r}")
        if self.alpha is not None and not 0 < self.alpha < float("inf"):
            raise ConfigError(f"alpha must be a positive number, or None for the rank, got {self.alpha!r}")
        if self.norm not in (None, *get_args(Norm)):
            raise ConfigError(f"norm must be train or frozen, got {self.norm!r}")

    @property
    def keeps_statistics(self) -> bool:
        """Whether running statistics stay those of pre-training even where layers learn."""
        return self.norm == "frozen" or (self.norm is None and self.mode == "lora")

    def to_dict(self) -> dict[str, Any]:
        """What was chosen, as JSON holds it; the mode is told apart."""
        return {word: value for word, value in asdict(self).items() if word != "mode" and value is not None}

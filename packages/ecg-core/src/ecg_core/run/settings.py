"""Settings of a training, as written to the run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch

from ecg_core.config.plain import plain
from ecg_core.contracts.recipe import Recipe
from ecg_core.errors import ConfigError

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How long, how fast, on what.

    Args:
        epochs: Passes over the training windows.
        batch_size: Windows per step.
        lr: Peak learning rate.
        betas: Of Adam-like optimizers.
        weight_decay: Decoupled weight decay.
        decay_all: Decay biases and normalisation weights too.
        warmup: Share of all steps in which the learning rate rises.
        clip: Largest gradient norm, or ``None``.
        optimizer: Name in ``OPTIMIZERS``, or ``{"name": …, **arguments}``.
        scheduler: Name in ``SCHEDULERS``, or ``{"name": …, **arguments}``; a ``warmup`` among them wins.
        precision: ``"fp32"`` or ``"bf16"`` autocast. Losses stay in fp32.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, …
        seed: Of initial weights, order and every random draw.
        checkpoint_every: Steps between checkpoints beside the one after every epoch; 0 for none.
        keep: Checkpoints kept.
        layer_decay: Rate of a layer of the backbone over that of the next one; ``None`` gives all layers the same rate.
        last_weight_decay: Weight decay of the last step, reached by half a cosine; ``None`` keeps it constant.
    """

    epochs: int = 10
    batch_size: int = 64
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.05
    decay_all: bool = False
    warmup: float = 0.1
    clip: float | None = None
    optimizer: str | Mapping[str, Any] = "adamw"
    scheduler: str | Mapping[str, Any] = "warmup_cosine"
    precision: Literal["fp32", "bf16"] = "fp32"
    device: str = "auto"
    seed: int = 0
    checkpoint_every: int = 0
    keep: int = 2
    layer_decay: float | None = None
    last_weight_decay: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("keep", 1), ("checkpoint_every", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)!r}")
        if not 0 < self.lr < float("inf"):
            raise ConfigError(f"lr must be a positive number, got {self.lr!r}")
        if self.clip is not None and not self.clip > 0:
            raise ConfigError(f"clip must be a positive number, or None for no clipping, got {self.clip!r}")
        for name in ("weight_decay", "last_weight_decay"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ConfigError(f"{name} must be a number from 0 on, got {value!r}")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"warmup must be a share of all steps in [0, 1), got {self.warmup!r}")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise ConfigError(f"layer_decay must lie in (0, 1], or be None for equal rates, got {self.layer_decay!r}")
        for word in ("optimizer", "scheduler"):
            spec = getattr(self, word)
            if not isinstance(spec, str) and not (isinstance(spec, Mapping) and isinstance(spec.get("name"), str)):
                raise ConfigError(f"{word} must be a name or a mapping with a 'name', got {spec!r}")
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError(f"precision must be fp32 or bf16, got {self.precision!r}")

    @classmethod
    def from_recipe(cls, recipe: Recipe, *, lr: float | None = None, batch_size: int = 64, **chosen: Any) -> Settings:
        """The recipe's values where the user chose none."""
        return cls(
            lr=recipe.rate(batch_size) if lr is None else lr,
            batch_size=batch_size,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
            last_weight_decay=recipe.last_weight_decay,
            decay_all=recipe.decay_all,
            warmup=recipe.warmup,
            clip=recipe.clip,
            **chosen,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """The inverse of :meth:`to_dict`."""
        return cls(**{**values, "betas": tuple(values["betas"])})

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {word: plain(value, word) if word in ("optimizer", "scheduler") else value for word, value in asdict(self).items()}

    def resolved(self) -> Settings:
        """With ``device="auto"`` decided.

        Raises:
            ConfigError: This machine, or this torch, has no such device.
        """
        if self.device == "auto":
            return replace(self, device="cuda" if torch.cuda.is_available() else "cpu")
        try:
            torch.zeros(1, device=self.device).item()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise ConfigError(f"device {self.device!r} cannot be used here ({reason}); see `ecg doctor`") from None
        return self

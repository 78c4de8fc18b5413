"""CPC for ECGs: from everything up to now, tell what comes some steps ahead from what comes elsewhere.

van den Oord, Li, Vinyals, "Representation learning with contrastive predictive coding", 2018, arXiv:1807.03748; Mehari,
Strodthoff, "Self-supervised representation learning from 12-lead ECG data", Computers in Biology and Medicine 2022,
arXiv:2103.12676: one projection, which predicts a single distance.

Differs from the papers: any backbone gives the latents, with a causal LSTM on top; the published network is the backbone
``cpc_encoder`` with ``context="backbone"``, whose features are the context, so that it is not thrown away after pre-training. The
loss is a mean over steps.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.batch import Batch
from ecg_ssl.gather import gather_rows
from ecg_ssl.objectives.cpc import CPCTerms, cpc

__all__ = ["CPC"]

_CROP, _NEGATIVES = 1, 2  # independent draws of a batch


class CPC(SSLMethod):
    """Latents, a causal context of them, and a linear prediction of the latent ``ahead`` steps later.

    A step of the backbone should see little of its neighbours: where it sees ``ahead`` steps further, as behind attention or many
    strided layers, the answer is in the question.

    Args:
        backbone: Any backbone; its steps are the latents.
        context: ``"lstm"`` puts a recurrent network, which belongs to the method, on the latents; ``"backbone"`` takes the
            backbone's last map as the context and the one before as the latents.
        context_width: Units of the recurrent network.
        context_layers: Its layers.
        ahead: Steps from the context to what it predicts.
        negatives: Latents that each prediction is compared with beside the right one.
        negatives_from: The ``"same"`` window, or ``"any"`` of the batch.
        normalise: Compare unit vectors instead of raw dot products.
        temperature: Divides the products.
        reduction: ``"official_sum"`` adds the losses of all steps, as the published code does.
        crop_seconds: Train on a random crop of this length; ``None`` takes windows whole.

    Raises:
        ValueError: An argument is out of its range, or the backbone has no two maps of the same steps.
    """

    recipe = Recipe(lr=1e-4, lr_batch=0, weight_decay=1e-3, warmup=0.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: Literal["lstm", "backbone"] = "lstm",
        context_width: int = 512,
        context_layers: int = 2,
        ahead: int = 12,
        negatives: int = 128,
        negatives_from: Literal["same", "any"] = "same",
        normalise: bool = False,
        temperature: float = 1.0,
        reduction: Literal["mean", "official_sum"] = "mean",
        crop_seconds: float | None = None,
    ) -> None:
        super().__init__()
        for word, value, choices in (
            ("context", context, ("lstm", "backbone")),
            ("negatives_from", negatives_from, ("same", "any")),
            ("reduction", reduction, ("mean", "official_sum")),
        ):
            if value not in choices:
                raise ValueError(f"{word} must be {' or '.join(choices)}, got {value!r}")
        if ahead < 1 or negatives < 1 or not temperature > 0:
            raise ValueError(
                f"ahead, negatives and temperature must be positive, got {ahead!r}, {negatives!r} and {temperature!r}"
            )
        self.backbone = backbone
        width = backbone.out_channels
        if context == "backbone":
            strides = [stage.stride for stage in backbone.stages[-2:]]
            if len(strides) < 2 or strides[0] != strides[1]:
                raise ValueError(
                    f"context='backbone' needs latents and a context of the same steps in the last two maps, as cpc_encoder has "
                    f"them, and the strides of {type(backbone).__name__} end on {strides}; take context='lstm'"
                )
            width = backbone.stages[-2].channels
        self.context = nn.LSTM(width, context_width, context_layers, batch_first=True) if context == "lstm" else None
        known = context_width if context == "lstm" else backbone.out_channels
        self.predictor = nn.Linear(known, width, bias=False)
        self.ahead, self.negatives, self.negatives_from = ahead, negatives, negatives_from
        self.normalise, self.temperature, self.reduction = normalise, temperature, reduction
        self.crop = None if crop_seconds is None else Compose([{"name": "random_crop", "seconds": crop_seconds}])

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {
            "backbones": [
                {"name": "resnet18", "widths": (8, 16), "depths": (1, 1), "kernel_size": 3},
                {"name": "vit_tiny", "width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 10},
            ],
            "arguments": {"context_width": 12, "context_layers": 1, "ahead": 2, "negatives": 8},
            "leads": 3,
            "samples": 200,
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"ahead": 0}, {"negatives": 0}, {"context": "gru"}, {"negatives_from": "all"}, {"reduction": "sum"}],
        }

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents ``(batch, steps, width)`` of ``(batch, leads, samples)``, and predictions of those ``ahead`` steps later."""
        maps = self.backbone.forward_intermediates(x)
        last = self._each_step(maps[-1])
        z, states = (last, None) if self.context is not None else (maps[-2].transpose(1, 2), last)
        with torch.autocast(x.device.type, enabled=False):
            z = z.to(self.predictor.weight.dtype)
            if self.context is not None:
                states = self.context(z)[0]
            assert states is not None
            return z, self.predictor(states.to(z.dtype))

    def contrast(self, batch: Batch, *, draws: Tensor | None = None) -> CPCTerms:
        """The loss and the accuracy.

        Args:
            batch: Windows of more than ``ahead`` steps.
            draws: As :func:`~ecg_ssl.objectives.cpc.cpc` takes them; drawn from the batch by default.

        Raises:
            ValueError: Windows have too few steps.
        """
        batch = batch if self.crop is None else self.crop(batch, generator=batch.draws(_CROP))
        z, predictions = self.encode(batch.signal)
        same = self.negatives_from == "same"
        steps = z.shape[1]
        if draws is None:
            if steps <= self.ahead:
                raise ValueError(f"cannot look {self.ahead} steps ahead in {steps} steps; predict less far or use longer windows")
            windows = 1 if same else len(gather_rows(z.new_zeros(len(z))))
            draws = batch.draws(_NEGATIVES).integers(windows * (steps - 1), size=(steps - self.ahead, self.negatives))
        return cpc(
            predictions,
            z,
            draws,
            ahead=self.ahead,
            same_window=same,
            normalise=self.normalise,
            temperature=self.temperature,
            reduction=self.reduction,
        )

    def loss(self, batch: Batch) -> Losses:
        """The loss of the batch; logs ``accuracy``, near ``1 / (1 + negatives)`` where nothing is learned or all is one point.

        Raises:
            ValueError: Windows have too few steps.
        """
        terms = self.contrast(batch)
        return Losses(terms.loss, {"accuracy": terms.accuracy})

    def _each_step(self, features: Tensor) -> Tensor:
        """``(batch, channels, steps)`` to ``(batch, steps, channels)``, each as the backbone pools it: some normalise there."""
        batch, channels, steps = features.shape
        return self.backbone.pool(features.transpose(1, 2).reshape(batch * steps, channels, 1)).unflatten(0, (batch, steps))

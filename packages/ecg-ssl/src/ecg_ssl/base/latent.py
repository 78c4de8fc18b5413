"""What latent predictors share: a student that sees a part, a teacher that sees the whole, and hidden pieces of time."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.batch import Batch
from ecg_ssl.masking import mask_as_given
from ecg_ssl.momentum import MomentumSchedule
from ecg_ssl.teacher import Teacher, UpdateWhen
from ecg_ssl.views import spread_of_windows

__all__ = ["BaseLatentPredictor", "Latents"]

_CROP, _MASK = 1, 2  # independent draws of a batch


class Latents(NamedTuple):
    """What is predicted of a batch and what the teacher says of it.

    A sequence is one lead of a window where a token is of one lead, and otherwise the window.
    """

    prediction: Tensor
    """``(batch * sequences, hidden, width)``."""
    target: Tensor
    """Of the same shape, without gradient."""
    whole: Tensor
    """``(batch * sequences, times, width)``: what the teacher says of all times."""
    mask: Tensor
    """``(batch, times)`` booleans, true where hidden, in every lead."""


class BaseLatentPredictor(SSLMethod):
    """Base of methods that predict a teacher's features; a subclass implements :meth:`draw_mask` and :meth:`error`.

    Args:
        backbone: A backbone of tokens; the teacher is a copy of it.
        predictor: From visible tokens ``(sequences, kept, width)``, their times and the hidden times, ``(sequences, kept)`` and
            ``(sequences, hidden)``, to predictions ``(sequences, hidden, width)``.
        momentum: Share of itself that the teacher keeps at the first step.
        momentum_end: That of the last.
        momentum_steps: Steps until then; ``None`` for all of the training.
        schedule: How the share goes from one to the other.
        update_when: The teacher follows behind the optimizer, ``"post_step"``, or at the beginning of the next training loss.
        teacher_drop_path: Dropout and stochastic depth act in the teacher, too.
        crop_seconds: Train on a random crop of this length; ``None`` takes windows whole.

    Raises:
        TypeError: The backbone has no tokens to hide.
        ValueError: A momentum is outside 0 … 1, or a word is unknown.
    """

    backbone: TokenBackbone

    def __init__(
        self,
        backbone: Backbone,
        *,
        predictor: nn.Module,
        momentum: float,
        momentum_end: float,
        schedule: MomentumSchedule,
        update_when: UpdateWhen,
        momentum_steps: int | None = None,
        teacher_drop_path: bool = False,
        crop_seconds: float | None = None,
    ) -> None:
        super().__init__()
        self.backbone = self.with_tokens(backbone)
        self.predictor = predictor
        self.target = Teacher(
            self.backbone, momentum=momentum, end=momentum_end, schedule=schedule, update_when=update_when,
            drop_path=teacher_drop_path, warmup=momentum_steps,
        )  # fmt: skip
        self.crop = None if crop_seconds is None else Compose([{"name": "random_crop", "seconds": crop_seconds}])

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on, in every latent predictor: two small backbones, and what is hidden."""
        small = {"width": 16, "depth": 1, "heads": 2, "patch_size": 20}
        backbones = [{"name": "vit_register_xs", **small}, {"name": "vit_tiny", **small, "head_width": 8}]

        def masking(method: BaseLatentPredictor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
            made, patches = method.latents(batch), method.backbone.patchify(batch.signal)
            leads = method.backbone.layout(batch.signal.shape[1], batch.signal.shape[2])[0]
            mask = made.mask.repeat(1, leads)[:, None].expand(patches.shape[:3])
            prediction = made.prediction.new_zeros(*mask.shape, made.prediction.shape[-1])
            prediction[mask] = made.prediction.flatten(0, 1)
            return prediction, patches, mask

        return {
            "backbones": backbones,
            "leads": 3,
            "samples": 200,
            "momentum": ("target.backbone", "backbone", 0.9),
            "masking": masking,
            "refused": [{"momentum": 1.1}, {"momentum_end": -0.1}, {"schedule": "sine"}, {"update_when": "sometimes"}],
        }

    @classmethod
    def with_tokens(cls, backbone: Backbone) -> TokenBackbone:
        """The backbone, if it has tokens.

        Raises:
            TypeError: It has none.
        """
        if not isinstance(backbone, TokenBackbone):
            raise TypeError(
                f"{cls.__name__} hides tokens and {type(backbone).__name__} has none; "
                f"pass a TokenBackbone such as create_backbone('vit_register_s')"
            )
        return backbone

    @abstractmethod
    def draw_mask(self, draws: Draws, times: int) -> Tensor:
        """``(windows, times)`` booleans, or ``(1, times)`` for all windows, true where hidden; as many in every row."""

    @abstractmethod
    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of predictions, a mean over everything hidden; both in float32."""

    def plan(self, steps: int) -> None:
        """The momentum reaches its end at the last step."""
        self.target.steps = steps

    def after_step(self) -> None:
        """The teacher follows, now or at the next training loss."""
        self.target.after_step(self.backbone)

    def selected(self, batch: Batch) -> Batch:
        """The windows that are trained on: a random crop of each, or all of it."""
        return batch if self.crop is None else self.crop(batch, generator=batch.draws(_CROP))

    def loss(self, batch: Batch, *, mask: Tensor | None = None) -> Losses:
        """:meth:`error` of what is predicted.

        Logs ``positive_similarity``, the mean cosine of predictions and targets, and ``embedding_std``, how evenly what the
        teacher says of one time and lead fills the sphere over the windows: 0 after a collapse, also where only times differ.

        Args:
            batch: Windows of at least two patches.
            mask: ``(batch, times)`` booleans, or ``(times,)`` for all windows, true where hidden; drawn by default.

        Raises:
            ValueError: Leads or length do not fit, or rows of the mask hide different numbers of times.
        """
        self.target.before_forward(self.backbone)
        made = self.latents(batch, mask=mask)
        with torch.autocast(made.prediction.device.type, enabled=False):
            prediction, target = made.prediction.float(), made.target.float()
            total = self.error(prediction, target)
            logs = {
                "positive_similarity": F.cosine_similarity(prediction.detach(), target, dim=-1).mean(),
                "embedding_std": spread_of_windows(made.whole.float().unflatten(0, (len(batch), -1))),
            }
        return Losses(total, logs)

    def latents(self, batch: Batch, *, mask: Tensor | None = None) -> Latents:
        """What is predicted of a batch, and what the teacher says; arguments as of :meth:`loss`."""
        index = self.lead_index(batch)
        batch = self.selected(batch)
        if index is None:
            self.backbone.check_input(batch.signal)
        times = self.backbone.layout(*batch.signal.shape[1:])[1]
        if times < 2:
            raise ValueError(
                f"{type(self).__name__} hides some of a window's patches and shows the others: at least 2, got {times} "
                f"in {batch.signal.shape[2]} samples; use longer windows"
            )
        mask = self.draw_mask(batch.draws(_MASK), times) if mask is None else mask.to(batch.signal.device)
        if mask.shape not in ((times,), (1, times), (len(batch), times)):
            raise ValueError(f"mask must be ({times},) or ({len(batch)}, {times}) for these windows, got {tuple(mask.shape)}")
        return self.predict(batch, mask.expand(len(batch), times), index)

    def lead_index(self, batch: Batch) -> Tensor | None:
        """Which of the backbone's leads the :meth:`selected` windows have; ``None`` for all, in order."""
        return None

    def predict(self, batch: Batch, mask: Tensor, index: Tensor | None) -> Latents:
        """The student encodes the visible times, the predictor tells the hidden ones, the teacher says what they are."""
        x = batch.signal
        leads, times = self.backbone.layout(*x.shape[1:])
        masking = mask_as_given(mask)
        seen = self.encoded(x, masking.keep, index)
        self.target.catch_up(self.backbone)
        whole = self.target(x, index).unflatten(2, (leads, times)).flatten(0, 2)  # (batch * sequences, times, width)
        keep, hidden = (each.repeat_interleave(len(seen) // len(x), dim=0) for each in (masking.keep, masking.hidden))
        target = whole.gather(1, hidden[..., None].expand(-1, -1, whole.shape[-1]))
        return Latents(self.predictor(seen, keep, hidden), target, whole, mask)

    def encoded(self, x: Tensor, keep: Tensor, lead_index: Tensor | None = None) -> Tensor:
        """The student's tokens of the kept times ``(batch, kept)``: ``(batch * sequences, kept, width)``."""
        backbone = self.backbone
        leads, times = backbone.layout(*x.shape[1:])
        tokens = backbone.embed(backbone.patchify(x))
        first = torch.arange(leads, device=x.device)[:, None] * times
        columns = (first + keep[:, None]).flatten(1)[:, None].expand(-1, tokens.shape[1], -1)  # lead by lead
        made = backbone.encode(tokens, columns, lead_index)[:, :, backbone.prefix : backbone.prefix + columns.shape[2]]
        return made.unflatten(2, (leads, -1)).flatten(0, 2)

"""CRNN: a convolutional backbone, a recurrent layer over its steps, attention, pooling, a head.

Zihlmann, Perekrestenko, Tschannen, "Convolutional recurrent neural networks for electrocardiogram classification", CinC 2017,
arXiv:1710.06122. The parts and their order are those of torch_ecg's ``ECG_CRNN`` (MIT).

Differs from torch_ecg: every combination works, attentive pooling included; the backbone is any registered one; scores per
step are brought to the samples of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from ecg_backbones.heads.mlp import MLPHead
from ecg_backbones.heads.per_step import PerStepHead
from ecg_backbones.layers.attentive_pooling import AttentivePooling
from ecg_backbones.layers.stacked_lstm import StackedLSTM
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.contracts.task import Task
from ecg_core.errors import ConfigError
from ecg_core.layers.upsampling import steps_to_samples
from ecg_core.tasks.objective import Problem, objective_of

__all__ = ["CRNN"]

Recurrent = Literal["none", "lstm", "linear"]
Pooling = Literal["mean", "max", "attention", "last", "none"]


class CRNN(Task):
    """Backbone, recurrent layer, attention and pooling, each of which may be left out, and a head.

    Args:
        backbone: Any backbone, or what makes one, such as its class.
        head: A head for as many classes, or what makes one for a number of classes; ``None`` means an MLP of one hidden layer,
            and with ``pooling="none"`` one score per step.
        classes: Names, in the order of the scores.
        recurrent: What reads the steps in order: ``"lstm"``, a stack of LSTM layers; ``"linear"``, a perceptron over each
            step; or ``"none"``.
        hidden: Channels of each of its layers (and of each direction of an LSTM).
        bidirectional: Whether an LSTM reads backwards too.
        dropout: Between its layers, in training.
        attention: A layer that weighs channels or steps and keeps the shape, or what makes one for a number of channels.
        pooling: Steps into one vector: ``"mean"``, ``"max"``, ``"attention"`` (a learned mean), or ``"last"``, the last states
            of the LSTM. ``"none"`` labels every step: targets are then those of the samples.
        problem: ``"multi_label"`` or ``"multi_class"``.
        augment: Applied to training batches only.
        loss_function: What is minimised instead of cross-entropy.

    Shape:
        ``(batch, leads, samples)`` to ``(batch, classes)``, or with ``pooling="none"`` to ``(batch, classes, samples)``

    Raises:
        ConfigError: Head and pooling do not fit, the head was built for another number of classes, or ``pooling="last"``
            without an LSTM or with attention.
    """

    def __init__(
        self,
        backbone: Backbone | Callable[..., Backbone],
        head: Head | Callable[..., Head] | None = None,
        *,
        classes: Sequence[str],
        recurrent: Recurrent = "lstm",
        hidden: Sequence[int] = (192, 192),
        bidirectional: bool = True,
        dropout: float = 0.0,
        attention: nn.Module | Callable[..., nn.Module] | None = None,
        pooling: Pooling = "mean",
        problem: Problem = "multi_label",
        augment: Compose | None = None,
        loss_function: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.per_step = pooling == "none"
        self.take_parts(backbone, head or (PerStepHead if self.per_step else MLPHead), classes)
        if (self.head.reads == "features") != self.per_step or self.head.reads == "intermediates":
            wanted = "scores every step" if self.per_step else "reads the embedding"
            raise ConfigError(f"pooling={pooling!r} needs a head that {wanted}, got {type(self.head).__name__}")
        if pooling == "last" and (recurrent != "lstm" or attention is not None):
            raise ConfigError("pooling='last' takes the last states of an LSTM: use recurrent='lstm' and no attention")
        channels = self.backbone.out_channels
        self.recurrent, channels = _recurrent(recurrent, channels, hidden, bidirectional, dropout, pooling)
        made = attention if attention is None or isinstance(attention, nn.Module) else attention(channels=channels)
        self.attention = nn.Identity() if made is None else made
        self.pooling = pooling
        self.attentive = AttentivePooling() if pooling == "attention" else None
        self.objective = objective_of(self.head, problem, loss_function)
        self.augment = augment

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""
        backbone = {"kind": "backbones", "name": "resnet18", "in_leads": 3, "widths": (8, 16), "depths": (1, 1)}
        arguments = {"backbone": backbone, "classes": ["NORM", "AFIB", "CLBBB"], "hidden": (6,)}
        refused = [{"pooling": "sum"}, {"pooling": "last", "recurrent": "none"}, {"recurrent": "gru"}, {"problem": "ordinal"}]
        return {"arguments": arguments, "leads": 3, "samples": 200, "refused": refused}

    def scores(self, features: Tensor) -> Tensor:
        """Logits from a feature map: of the window, or of each step."""
        x = self.recurrent(features)
        if self.pooling == "last":
            return self.head(x)
        x = self.attention(x)
        if self.attentive is not None:
            return self.head(self.attentive(x))
        if self.pooling == "none":
            return self.head(x)
        return self.head(x.mean(dim=-1) if self.pooling == "mean" else x.amax(dim=-1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, classes)``, or of each sample, ``(batch, classes, samples)``."""
        scores = self.scores(self.features(x))
        if not self.per_step:
            return scores
        stage = self.backbone.stages[-1]
        return steps_to_samples(scores, x.shape[-1], stride=stage.stride, centre=stage.centre)

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy, the head's own or the loss that was given, in fp32, whatever autocast says."""
        return self.objective(logits, targets)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits as probabilities."""
        return self.objective.probabilities(logits)


def _recurrent(
    kind: Recurrent, channels: int, hidden: Sequence[int], bidirectional: bool, dropout: float, pooling: Pooling
) -> tuple[nn.Module, int]:
    """What reads the steps, and its channels."""
    if pooling not in ("mean", "max", "attention", "last", "none"):
        raise ConfigError(f"pooling must be mean, max, attention, last or none, got {pooling!r}")
    if kind == "none":
        return nn.Identity(), channels
    if kind == "lstm":
        stack = StackedLSTM(channels, hidden, dropout=dropout, bidirectional=bidirectional, sequences=pooling != "last")
        return stack, stack.out_channels
    if kind != "linear":
        raise ConfigError(f"recurrent must be none, lstm or linear, got {kind!r}")
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Conv1d(channels, width, 1), nn.ReLU(), nn.Dropout(dropout)]
        channels = width
    return nn.Sequential(*layers), channels

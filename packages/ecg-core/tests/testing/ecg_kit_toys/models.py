"""Models: a sound one, and the ways to break it."""

from __future__ import annotations

import torch
from torch import nn

from ecg_core.contracts.losses import Losses
from ecg_core.contracts.task import Task
from ecg_kit_toys.table import EVERYTHING, broken, healthy

_ARGUMENTS = {
    "backbone": {"kind": "backbones", "name": "ecg-kit-toys:plain", "in_leads": 2},
    "head": {"kind": "heads", "name": "ecg-kit-toys:linear", "classes": 2},
    "classes": ["NORM", "AFIB"],
}


def breaks(check: str, says: str, *also: str):
    return broken("models", check, says, *also)


@healthy("models")
class Labels(Task):
    """Which classes are there?

    Args:
        backbone: Any backbone.
        head: Any head.
        classes: Their names.
    """

    def __init__(self, backbone, head, *, classes) -> None:
        super().__init__()
        if head.classes != len(classes):
            raise ValueError(f"{head.classes} scores for {len(classes)} classes")
        self.backbone, self.head, self.classes = backbone, head, tuple(classes)

    @classmethod
    def conformance_params(cls):
        return {"arguments": _ARGUMENTS, "leads": 2, "samples": 64, "refused": [{"classes": ["NORM"]}]}

    def criterion(self, logits, targets):
        return nn.functional.binary_cross_entropy_with_logits(logits.float(), targets.float())

    def probabilities(self, logits):
        return logits.sigmoid()


@breaks("derives_from_task", "does not derive from", EVERYTHING)
class Stranger(nn.Module):
    def __init__(self, backbone, head, *, classes):
        super().__init__()

    conformance_params = Labels.conformance_params


@breaks("constructor_takes_no_unknown_words", "the constructor takes **more")
class LooseLabels(Labels):
    __doc__ = Labels.__doc__ + "more"

    def __init__(self, backbone, head, *, classes, **more):
        super().__init__(backbone, head, classes=classes)


@breaks("constructor_leaves_the_words_of_configurations_free", "has a word of configurations", EVERYTHING)
class NamedLabels(Labels):
    __doc__ = Labels.__doc__ + "name"

    def __init__(self, backbone, head, *, classes, name=""):
        super().__init__(backbone, head, classes=classes)


@breaks("arguments_are_documented", "not documented: backbone, head")
class UndocumentedLabels(Labels):
    """Classes."""


@breaks("refused_arguments_are_one_clear_error", "is accepted")
class LenientLabels(Labels):
    __doc__ = Labels.__doc__

    def __init__(self, backbone, head, *, classes):
        super().__init__(backbone, head, classes=[*classes, "?"][: head.classes])


@breaks("loss_is_a_finite_scalar_with_gradient", "instead of a scalar", EVERYTHING)
class Unreduced(Labels):
    def loss(self, batch):
        return Losses(super().loss(batch).total[None])


@breaks("loss_falls_on_one_batch", "in 25 steps on one batch")
class Uphill(Labels):
    __doc__ = Labels.__doc__

    def loss(self, batch):
        total = super().loss(batch).total
        return Losses(2 * total.detach() - total)


@breaks("every_parameter_gets_a_finite_gradient", "unused gets no gradient")
class Idle(Labels):
    __doc__ = Labels.__doc__

    def __init__(self, backbone, head, *, classes):
        super().__init__(backbone, head, classes=classes)
        self.unused = nn.Parameter(torch.zeros(1))


@breaks("predictions_are_probabilities", "are no probabilities")
class Logits(Labels):
    __doc__ = Labels.__doc__

    @torch.no_grad()
    def predict(self, batch):
        return self(batch.signal) * 100


@breaks("predictions_need_no_targets", "without targets predict fails (AttributeError", "predictions_are_probabilities")
class Peeks(Labels):
    __doc__ = Labels.__doc__

    def predict(self, batch):
        return super().predict(batch) + 0 * batch.targets.sum()


@breaks("forward_is_scores_of_features", "forward and the scores of the features")
class Scaled(Labels):
    __doc__ = Labels.__doc__

    def forward(self, x):
        return 2 * super().forward(x)


@breaks("eval_is_deterministic_and_rows_are_independent", "a window among others and by itself")
class Mixed(Labels):
    __doc__ = Labels.__doc__

    def features(self, x):
        return super().features(x - x.mean(dim=0))


@breaks("batch_is_not_modified", "the signal before and after")
class Clips(Labels):
    __doc__ = Labels.__doc__

    def features(self, x):
        return super().features(x.clamp_(-0.4, 0.4))


@breaks("config_round_trip_gives_equal_outputs", "the model and its twin from the configuration")
class Unsaved(Labels):
    __doc__ = Labels.__doc__

    def __init__(self, backbone, head, *, classes):
        super().__init__(backbone, head, classes=classes)
        self.register_buffer("gain", torch.rand(()) + 0.5, persistent=False)

    def features(self, x):
        return super().features(x) * self.gain


@breaks("pickle_and_deepcopy_keep_everything", "the model and its deep copy")
class Loses(Labels):
    __doc__ = Labels.__doc__
    gain = 1.0

    def __init__(self, backbone, head, *, classes):
        super().__init__(backbone, head, classes=classes)
        self.gain = 2.0

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "gain"}

    def features(self, x):
        return super().features(x) * self.gain


@breaks("bfloat16_autocast_stays_finite", "under autocast the loss is torch.bfloat16")
class Half(Labels):
    __doc__ = Labels.__doc__

    def loss(self, batch):
        total = super().loss(batch).total
        return Losses(total.to(self(batch.signal).dtype))


@breaks("wrong_leads_are_one_clear_error", "raise a ValueError that says what to do")
class Unchecked(Labels):
    __doc__ = Labels.__doc__

    def features(self, x):
        if x.shape[1] != 2:
            raise IndexError("index out of range")
        return super().features(x)


@breaks("exports_with_dynamic_batch", "torch.export with a dynamic batch fails")
class FixedBatch(Labels):
    __doc__ = Labels.__doc__

    def features(self, x):
        return super().features(x.narrow(0, 0, int(x.shape[0])))

"""Ways to break a self-supervised method between runs, in its views, and in its masks."""

from __future__ import annotations

import random
from dataclasses import replace

import torch
from torch import nn

from ecg_core.contracts.losses import Losses
from ecg_kit_toys.methods import Masked, Pairs, Teacher, breaks
from ecg_kit_toys.table import EVERYTHING


@breaks(
    "loss_is_a_pure_function_of_weights_batch_seed_and_epoch",
    "two seeds of torch's global generator",
    "nothing_lazy_is_left_and_copies_agree",
    "config_round_trip_includes_the_backbone",
    "weights_survive_safetensors",
)
class Global(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        losses = super().loss(batch)
        return Losses(losses.total + 1e-3 * torch.rand(()) * (batch.seed == 0))


@breaks("another_process_gives_the_same_loss", "in a fresh process")
class Processes(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        import sys

        return Losses(super().loss(batch).total * (1.0 if "pytest" in sys.modules else 2.0))


@breaks("numpy_and_python_randomness_is_left_alone", "it changed Python's global random state")
class Gambles(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        random.random()
        return super().loss(batch)


@breaks("backbone_is_a_plain_backbone_that_loads_by_itself", "method.backbone is a Linear and no Backbone", EVERYTHING)
class Hides(Pairs):
    def __init__(self, backbone, *, temperature=0.5):
        super().__init__(backbone, temperature=temperature)
        self.encoder, self.backbone = self.backbone, nn.Linear(2, 2)

    def project(self, x):
        return self.projector(self.encoder.pool(self.encoder(x)))


@breaks("the_backbone_that_was_given_is_trained", "leaves every parameter of method.backbone as it was")
class Freezes(Pairs):
    __doc__ = Pairs.__doc__

    def __init__(self, backbone, *, temperature=0.5):
        super().__init__(backbone.requires_grad_(False), temperature=temperature)


@breaks("nothing_lazy_is_left_and_copies_agree", "a deep copy", "loss_is_a_pure_function_of_weights_batch_seed_and_epoch")
class Uncopied(Pairs):
    __doc__ = Pairs.__doc__
    gain = 1.0

    def __init__(self, backbone, *, temperature=0.5):
        super().__init__(backbone, temperature=temperature)
        self.gain = 2.0

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "gain"}

    def loss(self, batch):
        return Losses(super().loss(batch).total * self.gain)


@breaks("state_resumes_bit_for_bit", "differs after resuming")
class Forgets(Pairs):
    __doc__ = Pairs.__doc__

    def __init__(self, backbone, *, temperature=0.5):
        super().__init__(backbone, temperature=temperature)
        self.steps = 0

    def after_step(self):
        self.steps += 1

    def loss(self, batch):
        return Losses(super().loss(batch).total * (1 - 0.01 * self.steps))


@breaks("config_round_trip_includes_the_backbone", "cannot be written to a configuration")
class Unwritable(Pairs):
    __doc__ = Pairs.__doc__ + "act"

    def __init__(self, backbone, *, temperature=0.5, act=None):
        super().__init__(backbone, temperature=temperature)

    @classmethod
    def conformance_params(cls):
        return {**Pairs.conformance_params(), "arguments": {"act": nn.ReLU()}}


@breaks("bfloat16_autocast_stays_finite", "under autocast the loss is torch.bfloat16")
class Half(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        total = super().loss(batch).total
        return Losses(total.to(self.backbone(batch.signal).dtype) if torch.is_autocast_enabled("cpu") else total)


@breaks("extreme_arguments_stay_finite_under_autocast", "with {'temperature': 0.001} the loss is")
class Overflows(Pairs):
    __doc__ = Pairs.__doc__

    def compare(self, a, b):
        return super().compare(a, b) + (float("inf") if self.temperature < 0.01 else 0.0)


@breaks(
    "weights_survive_safetensors",
    "one that loaded the saved weights",
    "config_round_trip_includes_the_backbone",
    "state_resumes_bit_for_bit",
)
class Unsaved(Pairs):
    __doc__ = Pairs.__doc__

    def __init__(self, backbone, *, temperature=0.5):
        super().__init__(backbone, temperature=temperature)
        self.register_buffer("gain", torch.rand(()) + 0.5, persistent=False)

    def loss(self, batch):
        return Losses(super().loss(batch).total * self.gain)


@breaks("frozen_parameters_stay_until_after_step", "moved by loss() instead of after_step()")
class Early(Teacher):
    __doc__ = Teacher.__doc__

    @classmethod
    def conformance_params(cls):
        return {k: v for k, v in super().conformance_params().items() if k != "momentum"}

    def loss(self, batch):
        losses = super().loss(batch)
        with torch.no_grad():
            self.teacher_projector.bias.add_(1e-4)
        return losses


@breaks("the_momentum_copy_follows_exactly", "after a step at rate 0.9")
class Lags(Teacher):
    __doc__ = Teacher.__doc__

    def after_step(self):
        super().after_step()
        super().after_step()


@breaks("two_views_of_a_window_differ", "are the same")
class OneView(Pairs):
    __doc__ = Pairs.__doc__

    def views(self, batch):
        return [super().views(batch)[0]] * 2


@breaks("views_do_not_depend_on_the_rest_of_the_batch", "the views of three windows by themselves and among eight")
class Together(Pairs):
    __doc__ = Pairs.__doc__

    def views(self, batch):
        return [view - view.mean(dim=0) * 0.1 for view in super().views(batch)]


@breaks("loss_is_symmetric_in_the_views", "the loss of (a, b) and of (b, a)")
class Lopsided(Pairs):
    __doc__ = Pairs.__doc__

    def compare(self, a, b):
        return super().compare(a, b) + self.project(a).mean()


@breaks("views_are_never_trained_through", "a view requires a gradient")
class Through(Pairs):
    __doc__ = Pairs.__doc__

    def views(self, batch):
        return [view + 0 * self.projector.bias.sum() for view in super().views(batch)]


@breaks("mask_ratio_is_exact", "are hidden, stated is 0.5")
class Misstated(Masked):
    __doc__ = Masked.__doc__

    def __init__(self, backbone, *, ratio=0.75):
        super().__init__(backbone, ratio=ratio)


@breaks("masks_follow_from_record_seed_and_epoch", "every window has the same mask")
class SameMask(Masked):
    __doc__ = Masked.__doc__

    def noise(self, batch, patches):
        return replace(batch, record_keys=batch.record_keys * 0).draws(1).uniform(size=tuple(patches.shape[1:3]))


@breaks("hidden_samples_never_reach_the_prediction", "before and after the hidden samples changed")
class Sees(Masked):
    __doc__ = Masked.__doc__

    def encoded(self, patches, kept):
        return super().encoded(patches, kept) + 0.1 * patches.mean(dim=(2, 3))[..., None, None]


@breaks("only_hidden_patches_count", "the loss after visible predictions changed")
class All(Masked):
    __doc__ = Masked.__doc__

    def compare(self, prediction, patches, mask):
        return ((prediction - patches) ** 2).mean()

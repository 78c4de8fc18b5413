"""Self-supervised methods: sound ones (two views, momentum, patients, masks), and the ways to break them."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from ecg_core.contracts.losses import Losses
from ecg_core.contracts.ssl import SSLMethod
from ecg_kit_toys.table import EVERYTHING, broken, healthy

_count = itertools.count(1)
PLAIN, TOKENS = {"name": "ecg-kit-toys:plain"}, {"name": "ecg-kit-toys:tokens"}


def breaks(check: str, says: str, *also: str):
    return broken("ssl", check, says, *also)


@healthy("ssl")
class Pairs(SSLMethod):
    """Two noisy views of a window belong together.

    Args:
        backbone: Any backbone.
        temperature: Of the softmax.
    """

    def __init__(self, backbone, *, temperature: float = 0.5) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError("temperature must be positive")
        self.backbone, self.temperature = backbone, temperature
        self.projector = nn.Linear(backbone.out_channels, 4)

    @classmethod
    def conformance_params(cls):
        return {
            "backbones": [PLAIN, TOKENS], "leads": 2, "samples": 64, "refused": [{"temperature": 0.0}],
            "extremes": [{"temperature": 1e-3}], "views": lambda method, batch: method.views(batch),
            "view_loss": lambda method, a, b: method.compare(a, b),
        }  # fmt: skip

    def views(self, batch):
        return [batch.signal + 0.1 * batch.draws(v).normal(tuple(batch.signal.shape[1:])) for v in (0, 1)]

    def project(self, x):
        return self.projector(self.backbone.pool(self.backbone(x)))

    def compare(self, a, b):
        with torch.autocast("cpu", enabled=False):
            z_a, z_b = (F.normalize(z.float(), dim=1) for z in self.project(torch.cat([a, b])).chunk(2))
            logits, labels = z_a @ z_b.T / self.temperature, torch.arange(len(z_a))
            return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2

    def loss(self, batch):
        if len(batch) < 2:
            raise ValueError("a contrastive loss needs two windows")
        total = self.compare(*self.views(batch))
        return Losses(total, {"copy": total.detach()})


@healthy("ssl")
class Teacher(Pairs):
    """A moving average of the backbone teaches it.

    Args:
        backbone: Any backbone.
        temperature: Unused.
    """

    def __init__(self, backbone, *, temperature: float = 0.5) -> None:
        super().__init__(backbone, temperature=temperature)
        self.predictor = nn.Linear(4, 4)
        self.teacher = copy.deepcopy(backbone).requires_grad_(False)
        self.teacher_projector = copy.deepcopy(self.projector).requires_grad_(False)

    @classmethod
    def conformance_params(cls):
        stated = {k: v for k, v in super().conformance_params().items() if k != "view_loss"}
        return {**stated, "momentum": ("teacher", "backbone", 0.9)}

    def loss(self, batch):
        a, b = self.views(batch)
        with torch.no_grad():
            target = self.teacher_projector(self.teacher.pool(self.teacher(b))).float()
        return Losses(((self.predictor(self.project(a)).float() - F.normalize(target, dim=1)) ** 2).mean())

    @torch.no_grad()
    def after_step(self):
        for copied, source in ((self.teacher, self.backbone), (self.teacher_projector, self.projector)):
            for p, q in zip(copied.parameters(), source.parameters(), strict=True):
                p.lerp_(q, 0.1)


@healthy("ssl")
class Patients(Pairs):
    """Windows of one patient belong together.

    Args:
        backbone: Any backbone.
        temperature: Of the softmax.
    """

    requires = frozenset({"patient"})

    @classmethod
    def conformance_params(cls):
        return {k: v for k, v in super().conformance_params().items() if k != "view_loss"}

    def loss(self, batch):
        self.check_requirements(batch)
        z = F.normalize(self.project(self.views(batch)[0]).float(), dim=1)
        same = batch.patient[:, None] == batch.patient
        with torch.autocast("cpu", enabled=False):
            return Losses(-((z @ z.T / self.temperature).log_softmax(dim=1) * same).sum() / same.sum())


@healthy("ssl")
class Masked(SSLMethod):
    """Hidden patches from visible ones.

    Args:
        backbone: One of tokens.
        ratio: Share to hide.
    """

    def __init__(self, backbone, *, ratio: float = 0.5) -> None:
        super().__init__()
        if not 0 < ratio < 1:
            raise ValueError("ratio must be between 0 and 1")
        self.backbone, self.ratio = backbone, ratio
        self.decoder = nn.Linear(backbone.width + 2, backbone.patch_size)

    @classmethod
    def conformance_params(cls):
        return {
            "backbones": [TOKENS, {**TOKENS, "width": 6}], "leads": 2, "samples": 64, "refused": [{"ratio": 1.0}],
            "extremes": [{"ratio": 0.8}], "masking": lambda method, batch: method.predict(batch), "mask_ratio": 0.5,
            "masked_loss": lambda method, *made: method.compare(*made),
        }  # fmt: skip

    def noise(self, batch, patches):
        return batch.draws(1).uniform(size=tuple(patches.shape[1:3]))

    def predict(self, batch):
        self.backbone.check_input(batch.signal)
        patches = self.backbone.patchify(batch.signal)
        order = self.noise(batch, patches).argsort(dim=-1)
        kept = order[..., : max(1, round(order.shape[-1] * (1 - self.ratio)))]
        mask = torch.ones(patches.shape[:3], dtype=torch.bool).scatter(2, kept, False)
        seen = self.encoded(patches, kept).float().mean(dim=2, keepdim=True).expand(-1, -1, mask.shape[-1], -1)
        place = torch.arange(mask.shape[-1]).float()
        place = torch.stack([place.sin(), place.cos()], dim=-1).expand(*mask.shape, 2)
        with torch.autocast("cpu", enabled=False):
            return self.decoder(torch.cat([seen, place], dim=-1)), patches, mask

    def encoded(self, patches, kept):
        return self.backbone.encode(self.backbone.embed(patches), kept)

    def compare(self, prediction, patches, mask):
        error = ((prediction - patches) ** 2).mean(dim=-1)
        return (error * mask).sum() / mask.sum()

    def loss(self, batch):
        return Losses(self.compare(*self.predict(batch)))


@breaks("derives_from_ssl_method", "does not derive from ecg_core.SSLMethod", EVERYTHING)
class Stranger(nn.Module):
    def __init__(self, backbone):
        super().__init__()

    def loss(self, batch):
        return None

    conformance_params = Pairs.conformance_params


@breaks("constructor_takes_no_unknown_words", "the constructor takes **more")
class LoosePairs(Pairs):
    __doc__ = Pairs.__doc__ + "more"

    def __init__(self, backbone, *, temperature=0.5, **more):
        super().__init__(backbone, temperature=temperature)


@breaks("constructor_leaves_the_words_of_configurations_free", "has a word of configurations", EVERYTHING)
class NamedPairs(Pairs):
    __doc__ = Pairs.__doc__ + "name"

    def __init__(self, backbone, *, temperature=0.5, name=""):
        super().__init__(backbone, temperature=temperature)


@breaks("arguments_are_documented", "not documented: backbone, temperature")
class UndocumentedPairs(Pairs):
    """Pairs."""


@breaks("refused_arguments_are_one_clear_error", "{'temperature': 0.0} is accepted")
class LenientPairs(Pairs):
    __doc__ = Pairs.__doc__

    def __init__(self, backbone, *, temperature=0.5):
        super().__init__(backbone, temperature=temperature or 1.0)


@breaks("runs_with_two_different_backbones", "at least two")
class OneBackbone(Pairs):
    __doc__ = Pairs.__doc__

    @classmethod
    def conformance_params(cls):
        return {**Pairs.conformance_params(), "backbones": [PLAIN]}


@breaks("loss_is_a_finite_scalar_with_gradient", "the logs copy keep the graph alive")
class Attached(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        total = super().loss(batch).total
        return Losses(total, {"copy": total * 1})


@breaks("logs_are_finite_scalars", "not one finite number: spread")
class Logs(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        return Losses(super().loss(batch).total, {"spread": torch.zeros(3)})


@breaks("loss_falls_on_one_batch", "in 25 steps on one batch")
class Uphill(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        total = super().loss(batch).total
        return Losses(2 * total.detach() - total)


@breaks("features_do_not_collapse", "all windows look alike", "loss_falls_on_one_batch")
class Collapses(Pairs):
    __doc__ = Pairs.__doc__

    @classmethod
    def conformance_params(cls):
        return {k: v for k, v in Pairs.conformance_params().items() if k != "view_loss"}

    def after_step(self):
        with torch.no_grad():
            self.backbone.second.weight.zero_()  # what is left is the same for every window
            self.backbone.second.bias.fill_(0.5)


@breaks("every_trained_parameter_gets_a_finite_gradient", "unused gets no gradient")
class Idle(Pairs):
    __doc__ = Pairs.__doc__

    def __init__(self, backbone, *, temperature=0.5):
        super().__init__(backbone, temperature=temperature)
        self.unused = nn.Parameter(torch.zeros(1))


@breaks("batch_is_not_modified", "the signal before and after")
class Clips(Pairs):
    __doc__ = Pairs.__doc__

    def views(self, batch):
        batch.signal.clamp_(-0.4, 0.4)
        return super().views(batch)


@breaks("missing_requirements_are_one_clear_error", "loss of a batch without patient ends in KeyError")
class Unchecked(Patients):
    __doc__ = Patients.__doc__

    def check_requirements(self, batch):
        if batch.has("patient"):
            return
        if __import__("sys")._getframe(1).f_code.co_name == "loss":
            raise KeyError("patient")
        super().check_requirements(batch)


@breaks("patients_decide_the_positives", "with other windows belonging to the same patient the loss is the same")
class Ignores(Patients):
    __doc__ = Patients.__doc__

    def loss(self, batch):
        self.check_requirements(batch)
        return super().loss(replace(batch, patient=torch.arange(len(batch)) // 2))


@breaks("wrong_leads_are_one_clear_error", "raise a ValueError")
class Crashes(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        if batch.signal.shape[1] != 2:
            raise IndexError("index out of range")
        return super().loss(batch)


@breaks("any_length_works_or_is_one_clear_error", "65 samples end in RuntimeError")
class EvenOnly(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        if batch.signal.shape[2] % 2:
            raise RuntimeError("shape '[2, -1]' is invalid")
        return super().loss(batch)


@breaks("a_batch_of_one_is_refused_or_defined", "the loss of a batch of one is nan")
class LonelyNaN(Pairs):
    __doc__ = Pairs.__doc__

    def loss(self, batch):
        if len(batch) > 1:
            return super().loss(batch)
        return Losses(self.project(batch.signal).sum() * float("nan"))

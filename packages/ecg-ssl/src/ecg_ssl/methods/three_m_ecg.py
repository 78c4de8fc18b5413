"""Masked modelling, metadata and multi-lead contrast: a recipe of this project's own under a name from a survey.

A survey of methods lists "3M-ECG: masked modeling, metadata matching, and multi-lead contrastive". No publication, repository
or checkpoint of that name is known, so there is nothing to reproduce: this method is our composition of its three ingredients,
each from a real work. Masked modelling is that of Na et al. (ST-MEM, ICLR 2024), the contrast of leads of a patient follows
Kiyasseh, Zhu, Clifton (CLOCS, ICML 2021), and matching follows Li et al. (ALBEF, NeurIPS 2021) with age and sex in the place
of a text. Do not cite it as 3M-ECG.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.batch import Batch
from ecg_ssl.base.masked import BaseMaskedAutoencoder, Reconstruction
from ecg_ssl.gather import gather_rows
from ecg_ssl.heads.metadata import MatchingHead, RegressionHead
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.layers.decoder import LeadwiseDecoder
from ecg_ssl.masking import mask_by_noise
from ecg_ssl.objectives.cmsc import cmsc
from ecg_ssl.objectives.metadata_matching import matching_loss, other_facts
from ecg_ssl.positives import known_patients, same
from ecg_ssl.time_masks import shared_draws

__all__ = ["MMM", "ThreeMECG", "matched", "split_leads"]

_LEADS, _OTHER = 40, 41  # independent draws of a batch
_LIMB = frozenset({"I", "II", "III", "aVR", "aVL", "aVF"})
_LEAST = 3  # leads of a half


class MMM(NamedTuple):
    """The loss by its parts, unweighted; what is not asked for is 0."""

    masked: Tensor
    contrast: Tensor
    metadata: Tensor


def split_leads(leads: Sequence[str], noise: Tensor) -> tuple[Tensor, Tensor]:
    """Two halves of the leads, each with its share of limb leads and of the others.

    Args:
        leads: Names.
        noise: ``(leads,)`` by which they are drawn.

    Returns:
        Positions of the leads of each half, int64, in order.

    Raises:
        ValueError: There are fewer than six leads, three for each half.
    """
    if len(leads) < 2 * _LEAST:
        raise ValueError(f"leads are split into halves of {_LEAST} at least, got {len(leads)}; use windows of more leads")
    order = noise.argsort().tolist()
    limb = [i for i in order if leads[i] in _LIMB]
    other = [i for i in order if leads[i] not in _LIMB]
    cut, more = (len(limb) + 1) // 2, len(other) // 2  # an odd one goes to the first half, and to the second
    halves = (limb[:cut] + other[:more], limb[cut:] + other[more:])
    first, second = (torch.tensor(sorted(half), dtype=torch.int64, device=noise.device) for half in halves)
    return first, second


def matched(head: MatchingHead, h: Tensor, age: Tensor, sex: Tensor, draw: Tensor, *, years: float) -> Tensor:
    """The loss of true and false pairs of the windows of all processes, ``(batch, width)`` and ``(batch,)`` each."""
    h, age, sex, draw = (gather_rows(x) for x in (h, age, sex, draw))
    other = other_facts(age, sex, draw, years=years)
    at = other.clamp(min=0)
    return matching_loss(head(h, age, sex), head(h, age[at], sex[at]), other >= 0)


class ThreeMECG(BaseMaskedAutoencoder):
    """Both halves of the leads are rebuilt from what is visible of them, find each other, and tell whose age and sex are theirs.

    No publication of this name is known; see the module. Metadata as a target bring age and sex into the features by design.

    Args:
        backbone: A :class:`~ecg_core.TokenBackbone` with a row of tokens per lead that encodes some of its leads: ``vit_small``.
        mask_ratio: Share of the patches to hide, in every lead on its own.
        contrast: Weight of the contrast of the halves of windows, positives by patient; 0 leaves it out.
        metadata: Weight of the loss of age and sex; 0 leaves it out, and they are not asked for.
        metadata_loss: ``"match"`` tells true pairs of window and facts from false ones; ``"regress"`` tells the facts.
        years: Difference of age from which facts cannot be confused.
        temperature: Of the softmax over similarities of halves.
        width: Channels in which halves, and windows and facts, are compared.
        decoder_width: Channels of a decoder token.
        decoder_depth: Transformer blocks of the decoder.
        decoder_heads: Attention heads of the decoder.
        decoder_head_width: Channels of one head.
        mlp_ratio: Hidden channels of a decoder perceptron per channel of a token.
        normalise_patches: Predict each patch standardised by its own mean and variance.
        crop_seconds: Train on a random crop of this length; ``None`` takes windows whole.

    Raises:
        TypeError: The backbone has no tokens to hide.
        ValueError: ``mask_ratio`` is not between 0 and 1, a weight is negative, or a word is unknown.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"patient"})
    recipe = Recipe(lr=1.5e-4, lr_batch=256, betas=(0.9, 0.95), weight_decay=0.05, warmup=0.05, clip=1.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        mask_ratio: float = 0.6,
        contrast: float = 1.0,
        metadata: float = 0.1,
        metadata_loss: Literal["match", "regress"] = "match",
        years: float = 10.0,
        temperature: float = 0.1,
        width: int = 128,
        decoder_width: int = 256,
        decoder_depth: int = 4,
        decoder_heads: int = 4,
        decoder_head_width: int = 64,
        mlp_ratio: float = 4.0,
        normalise_patches: bool = True,
        crop_seconds: float | None = None,
    ) -> None:
        super().__init__(backbone, mask_ratio=mask_ratio, normalise_patches=normalise_patches, crop_seconds=crop_seconds)
        if contrast < 0 or metadata < 0:
            raise ValueError(f"contrast and metadata are weights from 0 on, got {contrast!r} and {metadata!r}")
        if metadata_loss not in ("match", "regress"):
            raise ValueError(f"metadata_loss must be match or regress, got {metadata_loss!r}")
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}")
        mine = self.backbone
        self.decoder = LeadwiseDecoder(
            mine.width,
            mine.patch_size,
            width=decoder_width,
            depth=decoder_depth,
            heads=decoder_heads,
            head_width=decoder_head_width,
            mlp_ratio=mlp_ratio,
            prefix=mine.prefix,
            suffix=mine.suffix,
        )
        # Behind the decoder, so that weights of 0 leave the first values of all others as they are without these parts.
        wanted = contrast > 0 or metadata > 0
        self.norm = nn.LayerNorm(mine.width) if wanted else None
        self.projector = ProjectionHead(mine.width, hidden=mine.width, width=width) if contrast > 0 else None
        self.matching = MatchingHead(mine.width, width=width) if metadata > 0 and metadata_loss == "match" else None
        self.regression = RegressionHead(mine.width) if metadata > 0 and metadata_loss == "regress" else None
        self.contrast, self.metadata, self.years, self.temperature = contrast, metadata, years, temperature

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on; its windows have no age and sex."""
        small = {"depth": 1, "heads": 2, "head_width": 8, "patch_size": 25}
        return {
            "backbones": [{"name": "vit_tiny", "width": 16, **small}, {"name": "vit_small", "width": 24, **small}],
            "arguments": {"metadata": 0.0, "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, "decoder_head_width": 8},
            "leads": 7,
            "samples": 200,
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"mask_ratio": 1.0}, {"contrast": -1.0}, {"metadata_loss": "guess"}, {"temperature": 0.0}],
        }

    def check_requirements(self, batch: Batch) -> None:
        """What the parts with a weight need: patients, ages, sexes.

        Raises:
            ValueError: The batch has no patients, or no ages or sexes at all.
        """
        wanted = {"patient": self.contrast, "age": self.metadata, "sex": self.metadata}
        missing = sorted(name for name, weight in wanted.items() if weight > 0 and not batch.has(name))
        if missing:
            raise ValueError(f"{type(self).__name__} needs {', '.join(missing)} in every batch; prepare the data with it")

    def loss(self, batch: Batch, *, noise: Tensor | None = None) -> Losses:
        """The parts, weighted.

        Raises:
            ValueError: A field is missing, there are fewer than six leads, or a single window.
        """
        self.check_requirements(batch)
        parts = self.parts(self.cropped(batch), noise=noise)
        total = parts.masked
        logs = {"masked": parts.masked}
        for name, weight, part in (("contrast", self.contrast, parts.contrast), ("metadata", self.metadata, parts.metadata)):
            if weight > 0:
                total, logs[name] = total + weight * part, part
        return Losses(total, {name: value.detach() for name, value in logs.items()})

    def parts(self, batch: Batch, *, noise: Tensor | None = None) -> MMM:
        """The loss by its parts."""
        if self.contrast > 0 and len(batch) < 2:
            raise ValueError(f"{type(self).__name__} compares windows: at least 2 in a batch, got {len(batch)}")
        made, halves = zip(*self.halves(batch, noise=noise), strict=True)
        masked = torch.stack([self.error(one) for one in made]).mean()
        nothing = torch.zeros_like(masked)
        contrast = self._contrast(batch, *halves) if self.contrast > 0 else nothing
        metadata = self._metadata(batch, (halves[0] + halves[1]) / 2) if self.metadata > 0 else nothing
        return MMM(masked, contrast, metadata)

    def reconstruct(self, batch: Batch, *, noise: Tensor | None = None) -> Reconstruction:
        """What is made of the first half of the leads; see :meth:`halves`."""
        return self.halves(batch, noise=noise)[0][0]

    def halves(self, batch: Batch, *, noise: Tensor | None = None) -> list[tuple[Reconstruction, Tensor]]:
        """Each half of the leads on its own: what is rebuilt of it, and its embedding ``(batch, width)``, normalised.

        The halves are the same for all windows of a batch.

        Args:
            batch: Windows.
            noise: ``(batch, leads, columns)`` by which patches are hidden, largest first; drawn from the batch by default.
        """
        mine = self.backbone
        mine.check_input(batch.signal)
        patches = mine.patchify(batch.signal)
        if patches.shape[1] != batch.signal.shape[1]:
            raise ValueError(f"{type(mine).__name__} has {patches.shape[1]} rows for {len(batch.leads)} leads; take vit_small")
        tokens = mine.embed(patches)
        noise = self.noise(batch, *patches.shape[1:3]) if noise is None else noise
        found = []
        for leads in split_leads(batch.leads, shared_draws(batch.draws(_LEADS)).uniform(size=(len(batch.leads),))[0]):
            masking = mask_by_noise(noise[:, leads], self.mask_ratio)
            latent = mine.encode(tokens[:, leads], masking.keep, leads)
            made = Reconstruction(self.decoder(latent, masking.restore), patches[:, leads], masking.mask)
            seen = latent[:, :, mine.prefix : mine.prefix + masking.keep.shape[-1]].mean(dim=(1, 2))
            found.append((made, seen if self.norm is None else self.norm(seen)))
        return found

    def _contrast(self, batch: Batch, first: Tensor, second: Tensor) -> Tensor:
        assert self.projector is not None
        a, b = (gather_rows(z) for z in self.projector(torch.cat([first, second])).chunk(2))
        owners = gather_rows(known_patients(batch, who=type(self).__name__))
        return cmsc(a, b, same(owners), temperature=self.temperature, normalise="l2")

    def _metadata(self, batch: Batch, h: Tensor) -> Tensor:
        age, sex = (torch.as_tensor(x, device=h.device).float() for x in (batch.age, batch.sex))
        if self.regression is not None:
            return self.regression(h, age, sex)
        assert self.matching is not None
        return matched(self.matching, h, age, sex, batch.draws(_OTHER).uniform(), years=self.years)

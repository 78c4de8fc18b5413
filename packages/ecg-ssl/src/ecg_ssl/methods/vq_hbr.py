"""VQ-HBR: a codebook of heartbeats, learned by drawing every beat again from its code. The first stage of HeartLang.

Jin et al., "Reading your heart: learning ECG words and sentences via pre-training ECG language model", ICLR 2025,
arXiv:2502.10707.

Differs from the published code: silence behind the last beat is neither drawn nor quantised (``parity="official"`` does both);
codes are moved behind every step, with the beats of all processes; codes that nothing chooses are given beats of the last batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.batch import Batch
from ecg_core.layers.beats import Sentence
from ecg_core.layers.sentences import SentenceTransformer
from ecg_ssl.base.token import check_fs
from ecg_ssl.gather import gather_rows
from ecg_ssl.layers.spherical_codes import spherical_codes

__all__ = ["Quantizer", "Tokenizer", "VQHBR"]


class Quantizer(Protocol):
    """Codes on the unit sphere that follow what they stand for, such as ``NormQuantizer``."""

    codebook: Tensor
    begun: Tensor
    usage: Tensor
    perplexity: float

    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of the nearest codes, and the codes with the gradient of the input."""

    def begin(self, codebook: Tensor) -> None:
        """Start from these codes."""

    def follow(self, counts: Tensor, sums: Tensor) -> None:
        """Move the codes."""

    def revive(self, points: Tensor, least: float) -> int:
        """Move unused codes to these points."""


class Tokenizer(Protocol):
    """A backbone that gives every beat a code, such as ``vq_hbr``."""

    fs: float
    width: int
    token_len: int
    max_tokens: int
    code_count: int
    attend_padding: bool
    quantizer: Quantizer

    def sentences(self, x: Tensor) -> Sentence:
        """Windows as sentences of beats."""

    def encode(self, sentence: Sentence, *, told: bool = True) -> Tensor:
        """What is quantised, ``(batch, tokens, channels of a code)``."""

    def codes(self, sentence: Sentence, *, told: bool = True) -> Tensor:
        """The code of every token, ``(batch, tokens)``."""


class VQHBR(SSLMethod):
    """Every beat is drawn again from its code, which knows its lead, its second and its neighbours.

    The product, a backbone that turns beats into codes, is the tokenizer of ``heartlang``.

    Args:
        backbone: A backbone that gives beats codes: ``vq_hbr``.
        depth: Blocks of the decoder.
        heads: Its attention heads.
        head_width: Channels of each.
        mlp_width: Hidden channels of its perceptrons.
        beta: Weight of the distance between what is quantised and its code.
        revive: Codes chosen by fewer beats per step than this, in the mean over the last steps, are given beats of the batch.
            0 lets codes die, as published.
        parity: ``"official"`` draws and quantises the silence behind the last beat, too.
        seed: Of the first codes.

    Raises:
        TypeError: The backbone has no codes.
        ValueError: A weight is negative, or a word is unknown.
    """

    recipe: ClassVar[Recipe] = Recipe(lr=5e-5, lr_batch=512, betas=(0.9, 0.99), weight_decay=1e-4)

    def __init__(
        self,
        backbone: Backbone,
        *,
        depth: int = 2,
        heads: int = 2,
        head_width: int = 64,
        mlp_width: int = 2048,
        beta: float = 1.0,
        revive: float = 0.01,
        parity: Literal["paper", "official"] = "paper",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not hasattr(backbone, "quantizer") or not hasattr(backbone, "sentences"):
            raise TypeError(
                f"VQHBR learns codes of beats, and {type(backbone).__name__} has none; pass create_backbone('vq_hbr')"
            )
        if beta < 0 or revive < 0:
            raise ValueError(f"beta and revive are not negative, got {beta!r} and {revive!r}")
        if parity not in ("paper", "official"):
            raise ValueError(f"parity must be paper or official, got {parity!r}")
        self.backbone = backbone
        mine = self.tokenizer
        self.decoder = SentenceTransformer(
            backbone.out_channels,
            width=mine.width,
            depth=depth,
            heads=heads,
            head_width=head_width,
            mlp_width=mlp_width,
            max_tokens=mine.max_tokens,
        )
        self.draw = nn.Sequential(nn.Linear(mine.width, mine.width), nn.Tanh(), nn.Linear(mine.width, mine.token_len))
        for layer in self.draw:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.beta, self.revive, self.parity, self.seed = beta, revive, parity, seed
        self._seen: tuple[Tensor, Tensor, Tensor] | None = None

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"name": "vq_hbr", "token_len": 32, "max_tokens": 16, "width": 8, "depth": 1, "heads": 2, "head_width": 4}
        tiny |= {"mlp_width": 16, "codes": 12, "code_width": 4}
        return {
            "backbones": [tiny, {**tiny, "depth": 2, "order": "time"}],
            "arguments": {"depth": 1, "head_width": 4, "mlp_width": 16},
            "leads": 3,
            "samples": 300,
            "refused": [{"beta": -1.0}, {"revive": -1.0}, {"parity": "exact"}],
        }

    @property
    def tokenizer(self) -> Tokenizer:
        """The backbone by what it does with beats."""
        return cast("Tokenizer", self.backbone)

    def loss(self, batch: Batch) -> Losses:
        """The mean squared error of the beats, and ``beta`` times that of what is quantised.

        Raises:
            ValueError: Windows are of another sampling frequency.
        """
        check_fs(batch, self.tokenizer.fs, type(self).__name__)
        sentence = self.tokenizer.sentences(batch.signal)
        counted = torch.ones_like(sentence.real) if self.parity == "official" else sentence.real
        with torch.autocast(batch.signal.device.type, enabled=False):
            z = F.normalize(self.tokenizer.encode(sentence), dim=-1)
            self._begin(z[counted])
            number, codes = self.tokenizer.quantizer(z)
            commitment = _mean((z - codes.detach()).square().mean(dim=-1), counted)
        drawn = self.reconstruct(codes, sentence)
        error = _mean((drawn.float() - sentence.beats.float()).square().mean(dim=-1), counted)
        used = torch.bincount(number[counted], minlength=self.tokenizer.code_count).float()
        if self.training:
            self._note(number[counted], z[counted].detach(), used)
        share = used / used.sum().clamp(min=1)
        perplexity = torch.exp(torch.special.entr(share).sum())
        logs = {"reconstruction": error, "commitment": commitment, "code_perplexity": perplexity}
        return Losses(error + self.beta * commitment, {name: value.detach() for name, value in logs.items()})

    def reconstruct(self, codes: Tensor, sentence: Sentence) -> Tensor:
        """Codes ``(batch, tokens, channels)`` to beats ``(batch, tokens, samples)``."""
        real = None if self.tokenizer.attend_padding else sentence.real
        found = self.decoder.contextual(self.decoder.embed(codes), sentence.lead, sentence.time, real)
        return self.draw(found[:, 1:])

    def after_step(self) -> None:
        """The codes follow the beats that chose them; those that none chooses start anew."""
        if self._seen is None:
            return
        counts, sums, points = self._seen
        self._seen = None
        self.tokenizer.quantizer.follow(counts, sums)
        if self.revive > 0:
            self.tokenizer.quantizer.revive(points, self.revive)

    def gauges(self) -> Mapping[str, float]:
        """``code_perplexity``: codes in use of late; ``dead_codes``: the share that is not."""
        quantizer = self.tokenizer.quantizer
        return {
            "code_perplexity": quantizer.perplexity,
            "dead_codes": float((quantizer.usage < max(self.revive, 1e-6)).float().mean()),
        }

    def _begin(self, z: Tensor) -> None:
        quantizer = self.tokenizer.quantizer
        if not bool(quantizer.begun):
            everyone = gather_rows(z.detach())
            if len(everyone):
                quantizer.begin(spherical_codes(everyone, self.tokenizer.code_count, seed=self.seed))

    @torch.no_grad()
    def _note(self, number: Tensor, z: Tensor, used: Tensor) -> None:
        """What the codes will follow: of all processes together."""
        sums = torch.zeros_like(self.tokenizer.quantizer.codebook).index_add_(0, number, z)
        points = gather_rows(z)
        order = torch.randperm(len(points), generator=torch.Generator().manual_seed(self.seed)).to(points.device)
        self._seen = gather_rows(used[None]).sum(dim=0), gather_rows(sums[None]).sum(dim=0), points[order]


def _mean(each: Tensor, counted: Tensor) -> Tensor:
    """Mean over the counted tokens; 0 if there are none."""
    return torch.where(counted, each, torch.zeros_like(each)).sum() / counted.sum().clamp(min=1)

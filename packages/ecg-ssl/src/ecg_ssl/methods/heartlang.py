"""HeartLang: heartbeats are words, a window is a sentence, and hidden words are told by the rest.

Jin et al., "Reading your heart: learning ECG words and sentences via pre-training ECG language model", ICLR 2025,
arXiv:2502.10707.

Differs from the published code: only beats are hidden and told, where the code also hides and tells the silence behind the last
one; hidden beats are silenced in front of the embedding, a convolution over three tokens by which their neighbours would
give them away; the tokenizer is told leads and seconds, as it was when it was trained. ``parity="official"`` does as the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.batch import Batch
from ecg_core.layers.beats import Sentence
from ecg_ssl.base.token import BaseTokenPredictor, check_fs
from ecg_ssl.frozen import Frozen, trained_backbone
from ecg_ssl.layers.code_usage import CodeUsage
from ecg_ssl.masking import mask_by_noise
from ecg_ssl.methods.vq_hbr import Tokenizer
from ecg_ssl.objectives.code_prediction import code_prediction

__all__ = ["HeartLang", "SentenceEncoder"]

_HIDDEN = 31  # the draw of what is hidden


class SentenceEncoder(Protocol):
    """A backbone of sentences, such as ``heartlang``."""

    fs: float
    width: int
    token_len: int
    max_tokens: int

    def sentences(self, x: Tensor) -> Sentence:
        """Windows as sentences of beats."""

    def embed(self, beats: Tensor) -> Tensor:
        """``(batch, tokens, samples)`` to ``(batch, tokens, width)``."""

    def contextual(self, tokens: Tensor, sentence: Sentence) -> Tensor:
        """Tokens to ``(batch, 1 + tokens, width)``, the class token in front."""


class HeartLang(BaseTokenPredictor):
    """Half of the beats of a sentence are hidden; from the others the encoder tells the codes that a tokenizer gives them.

    Args:
        backbone: A backbone with ``sentences``, ``embed`` and ``contextual``: ``heartlang``.
        tokenizer: The trained product of ``vq_hbr``, or the path of its ``backbone.json`` or run; it stays as it is.
        mask_ratio: Share of the beats that is hidden.
        parity: ``"official"`` hides and tells silence, too, lets neighbours see hidden beats, and tells the tokenizer
            neither leads nor seconds.

    Raises:
        TypeError: The backbone has no sentences, or the tokenizer no codes.
        ValueError: There is no tokenizer, its tokens are of another size, a share is out of range, or a word is unknown.
    """

    recipe = Recipe(lr=5e-4, lr_batch=512, betas=(0.9, 0.98), weight_decay=0.05, warmup=0.025, clip=3.0)
    halves: ClassVar[tuple[str, ...]] = ("sentences", "embed", "contextual")
    made_for: ClassVar[str] = "heartlang"

    def __init__(
        self,
        backbone: Backbone,
        *,
        tokenizer: Backbone | str | Mapping[str, Any] | None = None,
        mask_ratio: float = 0.5,
        parity: Literal["paper", "official"] = "paper",
    ) -> None:
        super().__init__(backbone, mask_ratio=mask_ratio)
        if tokenizer is None:
            raise ValueError(
                "HeartLang tells the codes of a trained tokenizer: pass tokenizer=, the run of "
                "`ecg pretrain --method vq_hbr --backbone vq_hbr`"
            )
        if not 0 < mask_ratio < 1:
            raise ValueError(f"mask_ratio must be between 0 and 1, got {mask_ratio!r}")
        if parity not in ("paper", "official"):
            raise ValueError(f"parity must be paper or official, got {parity!r}")
        self.parity = parity
        self.tokenizer = Frozen(_with_codes(trained_backbone(tokenizer)))
        mine, theirs = self.sentence_encoder, self.codes_of
        for size in ("fs", "token_len", "max_tokens"):
            if getattr(mine, size) != getattr(theirs, size):
                raise ValueError(
                    f"the tokenizer has {size}={getattr(theirs, size)}, the backbone {getattr(mine, size)}; give both the same"
                )
        self.head = nn.Linear(mine.width, theirs.code_count)
        self.usage = CodeUsage(theirs.code_count)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        sizes: dict[str, Any] = {"token_len": 32, "max_tokens": 16, "width": 8, "depth": 1, "heads": 2, "head_width": 4}
        sizes |= {"mlp_width": 16, "dropout": 0.0}
        tokenizer = {"kind": "backbones", "name": "vq_hbr", **sizes, "codes": 12, "code_width": 4}
        return {
            "backbones": [{"name": "heartlang", **sizes}, {"name": "heartlang", **sizes, "depth": 2, "order": "time"}],
            "arguments": {"tokenizer": tokenizer},
            "leads": 3,
            "samples": 300,
            "refused": [{"tokenizer": None}, {"mask_ratio": 1.0}, {"parity": "exact"}],
        }

    @property
    def sentence_encoder(self) -> SentenceEncoder:
        """The backbone by what it does with sentences."""
        return cast("SentenceEncoder", self.backbone)

    @property
    def codes_of(self) -> Tokenizer:
        """The tokenizer by what it does with beats."""
        return cast("Tokenizer", self.tokenizer.network)

    def loss(self, batch: Batch) -> Losses:
        """Cross-entropy of the codes of the hidden beats; logs the accuracy and the codes of the batch in use.

        Raises:
            ValueError: Windows are of another sampling frequency.
        """
        encoder = self.sentence_encoder
        check_fs(batch, encoder.fs, type(self).__name__)
        sentence = encoder.sentences(batch.signal)
        hidden = self.hidden_beats(batch, sentence)
        codes = self.codes(sentence)[hidden]
        logits = self.head(self.contextual(sentence, hidden)[:, 1:][hidden])
        total = code_prediction(logits, codes, torch.ones_like(codes, dtype=torch.bool))
        with torch.no_grad():
            right = (logits.argmax(dim=-1) == codes).float().sum() / max(len(codes), 1)
            used = self.usage.see(codes)
        return Losses(total, {"accuracy": right, "code_perplexity": used})

    def hidden_beats(self, batch: Batch, sentence: Sentence) -> Tensor:
        """``(batch, tokens)`` booleans, true at ``int(mask_ratio * beats)`` beats of each window."""
        noise = batch.draws(_HIDDEN).uniform(size=(sentence.lead.shape[1],))
        if self.parity == "official":
            return mask_by_noise(noise, self.mask_ratio).mask
        rank = noise.masked_fill(~sentence.real, 2.0).argsort(dim=1, stable=True).argsort(dim=1)
        return rank < (sentence.real.sum(dim=1, keepdim=True) * self.mask_ratio).long()

    def contextual(self, sentence: Sentence, hidden: Tensor) -> Tensor:
        """What the encoder makes of a sentence whose ``hidden`` beats it does not see, ``(batch, 1 + tokens, width)``."""
        beats = sentence.beats
        if self.parity == "paper":
            beats = torch.where(hidden[..., None], torch.zeros_like(beats), beats)
        return self.sentence_encoder.contextual(self.hide(self.sentence_encoder.embed(beats), hidden), sentence)

    @torch.no_grad()
    def codes(self, sentence: Sentence) -> Tensor:
        """The codes of a whole sentence, ``(batch, tokens)`` int64."""
        with torch.autocast(sentence.beats.device.type, enabled=False):
            return self.codes_of.codes(sentence._replace(beats=sentence.beats.float()), told=self.parity == "paper")

    def gauges(self) -> dict[str, float]:
        """``code_perplexity``: codes of recent batches in use."""
        return {"code_perplexity": self.usage.perplexity}


def _with_codes(backbone: Backbone) -> Backbone:
    if not hasattr(backbone, "codes") or not hasattr(backbone, "quantizer"):
        raise TypeError(f"a tokenizer gives beats codes, and {type(backbone).__name__} has none; train one: vq_hbr")
    return backbone

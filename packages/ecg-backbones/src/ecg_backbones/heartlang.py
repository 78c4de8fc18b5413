"""HeartLang's encoder: the heartbeats of a window are the words of a sentence.

Jin et al., "Reading your heart: learning ECG words and sentences via pre-training ECG language model", ICLR 2025,
arXiv:2502.10707: ST-ECGFormer.

Differs from the published code: R peaks are those of :class:`ecg_core.layers.beats.RPeaks`; no token looks at the silence behind
the last beat (``attend_padding=True`` lets it); attention weights have no dropout.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.layers.beats import BeatSentences, Order, Sentence
from ecg_core.layers.sentences import SentenceTransformer

__all__ = ["HeartLangEncoder"]

_MOST_LEADS = 15


class HeartLangEncoder(Backbone):
    """Every step is a beat of a lead; the first is the class token, which stands for the window.

    Args:
        in_leads: Leads of the input ECG, 15 at most; ``None`` infers their number from the first batch.
        fs: Hz of the input.
        token_len: Samples of a token.
        max_tokens: Tokens of a sentence; what does not fit is left out at its end.
        order: ``"lead"``: all beats of the first lead, then of the second …; ``"time"``: the first beat in all leads …
        peak_leads: R peaks are looked for in ``"all"`` leads or in the ``"first"``, as published.
        centred: Every R peak stands in the middle of its token; ``False`` shifts long beats as the published code does.
        width: Channels of a token.
        depth: Transformer blocks.
        heads: Attention heads.
        head_width: Channels of each.
        mlp_width: Hidden channels of a perceptron.
        dropout: Dropout behind the embedding and in the blocks.
        attend_padding: Tokens look at the silence behind the last beat, too, as published.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, 1 + max_tokens)``

    Raises:
        ValueError: There are more than 15 leads.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2502.10707",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        fs: float = 100.0,
        token_len: int = 96,
        max_tokens: int = 256,
        order: Order = "lead",
        peak_leads: Literal["all", "first"] = "all",
        centred: bool = True,
        width: int = 768,
        depth: int = 12,
        heads: int = 8,
        head_width: int = 64,
        mlp_width: int = 1024,
        dropout: float = 0.1,
        attend_padding: bool = False,
    ) -> None:
        super().__init__()
        if in_leads is not None and in_leads > _MOST_LEADS:
            raise ValueError(f"HeartLang tells {_MOST_LEADS} leads apart, got in_leads={in_leads}; select leads")
        self.in_leads, self.fs, self.width, self.attend_padding = in_leads, fs, width, attend_padding
        self.token_len, self.max_tokens = token_len, max_tokens
        self.cut = BeatSentences(
            fs, token_len=token_len, max_tokens=max_tokens, order=order, peak_leads=peak_leads, centred=centred
        )
        self.encoder = SentenceTransformer(
            token_len,
            width=width,
            depth=depth,
            heads=heads,
            head_width=head_width,
            mlp_width=mlp_width,
            max_tokens=max_tokens,
            dropout=dropout,
        )
        self.min_samples = token_len
        self.stages = (Stage(width, token_len, centre=token_len / 2),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"token_len": 32, "max_tokens": 16, "width": 8, "depth": 1, "heads": 2, "head_width": 4, "mlp_width": 16}
        refused = [{"order": "beat"}, {"token_len": 33}, {"fs": 40.0}, {"peak_leads": "none"}]
        return {"arguments": {**tiny, "dropout": 0.0}, "leads": 3, "samples": 300, "refused": refused}

    def steps(self, samples: int, stage: int = -1) -> int:
        """The class token and as many tokens as a sentence has."""
        return 1 + self.max_tokens

    def sentences(self, x: Tensor) -> Sentence:
        """``(batch, leads, samples)`` as sentences of beats."""
        if self.in_leads is None and x.ndim == 3:
            self.in_leads = x.shape[1]
        self.check_input(x)
        return self.cut(x)

    def embed(self, beats: Tensor) -> Tensor:
        """``(batch, tokens, samples)`` to tokens ``(batch, tokens, width)``; each sees its two neighbours."""
        return self.encoder.embed(beats)

    def contextual(self, tokens: Tensor, sentence: Sentence) -> Tensor:
        """Tokens through the blocks, ``(batch, 1 + tokens, width)``; leads, seconds and silence are those of the sentence."""
        return self.encoder.contextual(tokens, sentence.lead, sentence.time, None if self.attend_padding else sentence.real)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The map behind the last block, normalised."""
        sentence = self.sentences(x)
        return [self.contextual(self.embed(sentence.beats), sentence).transpose(1, 2)]

    def pool(self, features: Tensor) -> Tensor:
        """The class token, ``(batch, width)``."""
        return features[..., 0]

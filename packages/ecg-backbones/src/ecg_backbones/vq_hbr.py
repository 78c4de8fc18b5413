"""VQ-HBR's tokenizer: every heartbeat becomes one of 8192 codes.

Jin et al., "Reading your heart", ICLR 2025, arXiv:2502.10707: vector-quantised heartbeat reconstruction.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ecg_backbones.layers.norm_quantizer import NormQuantizer
from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.layers.beats import BeatSentences, Order, Sentence
from ecg_core.layers.sentences import SentenceTransformer

__all__ = ["HeartbeatCodes"]


class HeartbeatCodes(Backbone):
    """Features are the codes of the beats, one step per beat of a lead; trained by the method ``vq_hbr``.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers their number from the first batch.
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
        codes: Codes.
        code_width: Channels of each.
        decay: Share of itself that a code keeps per step.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, code_width, max_tokens)``, 0 where there is no beat
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
        depth: int = 4,
        heads: int = 2,
        head_width: int = 64,
        mlp_width: int = 2048,
        dropout: float = 0.0,
        attend_padding: bool = False,
        codes: int = 8192,
        code_width: int = 128,
        decay: float = 0.99,
    ) -> None:
        super().__init__()
        self.in_leads, self.fs, self.width, self.attend_padding = in_leads, fs, width, attend_padding
        self.token_len, self.max_tokens, self.code_count = token_len, max_tokens, codes
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
        self.project = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, code_width))
        self.quantizer = NormQuantizer(codes, code_width, decay=decay)
        self.min_samples = token_len
        self.stages = (Stage(code_width, token_len, centre=token_len / 2),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"token_len": 32, "max_tokens": 16, "width": 8, "depth": 1, "heads": 2, "head_width": 4, "mlp_width": 16}
        refused = [{"order": "beat"}, {"token_len": 33}, {"fs": 40.0}, {"decay": 1.0}]
        return {"arguments": {**tiny, "codes": 32, "code_width": 4}, "leads": 3, "samples": 300, "refused": refused}

    def steps(self, samples: int, stage: int = -1) -> int:
        """As many tokens as a sentence has."""
        return self.max_tokens

    def sentences(self, x: Tensor) -> Sentence:
        """``(batch, leads, samples)`` as sentences of beats."""
        if self.in_leads is None and x.ndim == 3:
            self.in_leads = x.shape[1]
        self.check_input(x)
        return self.cut(x)

    def encode(self, sentence: Sentence, *, told: bool = True) -> Tensor:
        """What is quantised, ``(batch, tokens, code_width)``.

        Args:
            sentence: Beats.
            told: Leads and seconds of the beats are told.
        """
        lead, time = (sentence.lead, sentence.time) if told else (None, None)
        real = None if self.attend_padding else sentence.real
        found = self.encoder.contextual(self.encoder.embed(sentence.beats), lead, time, real)[:, 1:]
        silent = (sentence.beats == 0).all(dim=2, keepdim=True)
        found = torch.where(silent, torch.zeros_like(found), found)
        return self.project(found)

    @torch.no_grad()
    def codes(self, sentence: Sentence, *, told: bool = True) -> Tensor:
        """The code of every token, ``(batch, tokens)`` int64, silent ones too."""
        number: Tensor = self.quantizer(self.encode(sentence, told=told))[0]
        return number

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The codes of the beats, of unit length."""
        sentence = self.sentences(x)
        codes = self.quantizer(self.encode(sentence))[1]
        return [torch.where(sentence.real[..., None], codes, torch.zeros_like(codes)).to(x.dtype).transpose(1, 2)]

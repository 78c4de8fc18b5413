"""HuBERT-ECG's encoder: all leads one behind the other as a single long signal, convolutions, and blocks that normalise behind.

Coppola, Savardi, Massussi, Adamo, Metra, Signoroni, "HuBERT-ECG", medRxiv 2024, doi:10.1101/2024.11.14.24317328; Hsu et al.,
"HuBERT", IEEE/ACM TASLP 2021, arXiv:2106.07447.

Differs from the published code: one rate of dropout serves all places in a block, and attention weights have none. Windows are
taken at 100 Hz unless ``decimate`` says otherwise, each lead by itself.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ecg_backbones.layers.convolution import HeConv1d
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.steps_then_context import StepsThenContext
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Stage

__all__ = ["HuBERTECGEncoder", "hubert_ecg_base", "hubert_ecg_large", "hubert_ecg_small"]

_ORDER, _RIPPLE = 8, 0.05  # of the Chebyshev filter of scipy.signal.decimate; decibels
_CUTOFF = 0.8  # of the new Nyquist frequency


class Decimation(nn.Module):
    """Every n-th sample behind a low-pass filter of zero phase, as ``scipy.signal.decimate`` does it.

    The filter is a Chebyshev filter of the first kind, forwards and backwards; both ways together its gain is
    ``1 / (1 + ε² T₈²(tan(ω / 2) / tan(ω₀ / 2)))``, and the convolution here has that gain up to 1e-5. Beyond its ends a signal
    goes on with its last value.

    Args:
        factor: Samples in per sample out.

    Shape:
        ``(..., samples)`` to ``(..., ceil(samples / factor))``
    """

    taps: Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor, self.reach = factor, 100 * factor
        size = 16384
        with np.errstate(over="ignore"):
            warped = np.tan(np.pi * np.arange(size // 2 + 1) / size) / np.tan(np.pi * _CUTOFF / factor / 2)
            polynomial = np.where(warped <= 1, np.cos(_ORDER * np.arccos(np.minimum(warped, 1))), 0.0)
            polynomial += np.where(warped > 1, np.cosh(_ORDER * np.arccosh(np.clip(warped, 1, 1e30))), 0.0)
            gain = 1 / (1 + (10 ** (_RIPPLE / 10) - 1) * polynomial**2)
        response = np.fft.irfft(gain)
        taps = np.concatenate([response[-self.reach :], response[: self.reach + 1]]).astype(np.float32)
        self.register_buffer("taps", torch.tensor(taps.tolist()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The filtered signal, thinned out."""
        rows = nn.functional.pad(x.reshape(-1, 1, x.shape[-1]), (self.reach, self.reach), mode="replicate")
        thin = nn.functional.conv1d(rows, self.taps.to(x.dtype)[None, None], stride=self.factor)
        return thin.reshape(*x.shape[:-1], thin.shape[-1])


class HuBERTECGEncoder(StepsThenContext):
    """Steps of the joined leads, each a good half second of one lead at 100 Hz, that look at all others.

    The features run through the first lead, then through the second, and so on; a step at a joint sees the end of one lead and
    the beginning of the next.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers their number from the first batch.
        conv_width: Channels of the convolutions.
        kernels: Their kernel lengths, in steps of what they see.
        strides: Their strides; together the samples of a step.
        width: Channels of a step in the blocks.
        depth: Transformer blocks.
        heads: Attention heads.
        mlp_ratio: Hidden channels of a perceptron per channel of a step.
        position_kernel: Steps of the convolution that tells positions.
        position_groups: Its groups.
        dropout: Dropout in the blocks.
        layer_drop: Probability that a block is left out for a whole batch in training.
        decimate: Keep every n-th sample behind a low-pass filter: 5 takes windows at 500 Hz.
        joined: Filter across the joints between leads, as the published code does, rather than each lead by itself.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, steps)``, about ``in_leads * samples / 64``; 93 of twelve leads of 500 samples

    Raises:
        ValueError: ``width`` is no multiple of ``heads`` and ``position_groups``, kernels and strides are not as many, or
            ``decimate`` is below 1.
    """

    papers: ClassVar[tuple[str, ...]] = ("10.1101/2024.11.14.24317328", "arXiv:2106.07447")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        conv_width: int = 512,
        kernels: tuple[int, ...] = (10, 3, 3, 2, 2),
        strides: tuple[int, ...] = (4, 2, 2, 2, 2),
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        position_kernel: int = 128,
        position_groups: int = 16,
        dropout: float = 0.1,
        layer_drop: float = 0.1,
        decimate: int = 1,
        joined: bool = False,
    ) -> None:
        super().__init__()
        if len(kernels) != len(strides) or not kernels:
            raise ValueError(f"every convolution needs a kernel and a stride, got {len(kernels)} and {len(strides)}")
        if decimate < 1:
            raise ValueError(f"decimate keeps every n-th sample, from 1 on, got {decimate!r}")
        self.in_leads, self.joined = in_leads, joined
        convolutions: list[nn.Module] = []
        channels, seen = 1, Geometry()
        for kernel, stride in zip(kernels, strides, strict=True):
            convolutions.append(HeConv1d(channels, conv_width, kernel, stride=stride, bias=False))
            channels, seen = conv_width, seen.then(kernel, stride=stride, padding=0)
        self.build(
            convolutions,
            seen,
            conv_width=conv_width,
            width=width,
            depth=depth,
            heads=heads,
            mlp_ratio=mlp_ratio,
            position_kernel=position_kernel,
            position_groups=position_groups,
            dropout=dropout,
            layer_drop=layer_drop,
        )
        self.decimation = Decimation(decimate) if decimate > 1 else None
        self.decimate = decimate
        self.stages = (Stage(width, seen.stride * decimate, centre=seen.centre * decimate),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"conv_width": 4, "kernels": (4, 2), "strides": (4, 2), "width": 8, "depth": 1, "heads": 2, "position_kernel": 4}
        tiny |= {"position_groups": 2, "dropout": 0.0, "layer_drop": 0.0}
        refused = [{"heads": 3}, {"position_groups": 3}, {"strides": (4,)}, {"decimate": 0}, {"layer_drop": 1.0}]
        return {"arguments": tiny, "leads": 3, "samples": 200, "refused": refused}

    @property
    def min_samples(self) -> int:  # type: ignore[override]
        """Samples per lead that give a step: fewer the more leads are joined."""
        sequence = self._geometry.min_samples
        if self.joined:
            return max(1, -(-((sequence - 1) * self.decimate + 1) // (self.in_leads or 1)))
        return (-(-sequence // (self.in_leads or 1)) - 1) * self.decimate + 1

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of all leads together, counted layer by layer.

        Raises:
            ValueError: The number of leads is not known yet.
        """
        if self.in_leads is None:
            raise ValueError("HuBERTECGEncoder does not know its leads yet; build it with in_leads=… or show it a batch first")
        if self.joined:
            return self._geometry.steps(-(-samples * self.in_leads // self.decimate))
        return self._geometry.steps(-(-samples // self.decimate) * self.in_leads)

    def sequence(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` as one signal, lead by lead and decimated: ``(batch, 1, samples of all)``."""
        if self.in_leads is None and x.ndim == 3:
            self.in_leads = x.shape[1]
        self.check_input(x)
        if self.decimation is not None and not self.joined:
            x = self.decimation(x)
        # Put together rather than flattened: an exported program would accept some lengths only.
        x = torch.cat(x.unbind(1), dim=1)[:, None]
        return self.decimation(x) if self.decimation is not None and self.joined else x


_TINY = {"arguments": {**HuBERTECGEncoder.conformance_params()["arguments"], "decimate": 2}}
hubert_ecg_small = Variant(HuBERTECGEncoder, {"width": 512, "depth": 8, "heads": 8}, conformance=_TINY)
hubert_ecg_base = Variant(HuBERTECGEncoder, {"width": 768, "depth": 12, "heads": 12}, conformance=_TINY)
hubert_ecg_large = Variant(HuBERTECGEncoder, {"width": 960, "depth": 16, "heads": 12, "layer_drop": 0.0}, conformance=_TINY)

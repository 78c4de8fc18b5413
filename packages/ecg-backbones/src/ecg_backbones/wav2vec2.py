"""The wav2vec 2.0 encoder for ECGs: short convolutions, positions by a long one, transformer blocks that normalise behind.

Baevski, Zhou, Mohamed, Auli, "wav2vec 2.0", NeurIPS 2020, arXiv:2006.11477; on ECGs Oh et al., "Lead-agnostic self-supervised
learning", CHIL 2022, arXiv:2203.06889, and McKeen et al., "ECG-FM", JAMIA Open 2025, arXiv:2408.05178.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.convolution import HeConv1d, LazyHeConv1d
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.steps_then_context import StepsThenContext

__all__ = ["Wav2Vec2"]


class Wav2Vec2(StepsThenContext):
    """Convolutions that halve the steps see a few samples each; blocks see the whole window.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        conv_width: Channels of the convolutions.
        conv_layers: Convolutions of two samples at stride two.
        width: Channels of a step in the blocks.
        depth: Transformer blocks.
        heads: Attention heads.
        mlp_ratio: Hidden channels of a perceptron per channel of a step.
        position_kernel: Steps of the convolution that tells positions.
        position_groups: Its groups.
        dropout: Dropout in the blocks.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, samples // 2 ** conv_layers)``

    Raises:
        ValueError: ``width`` is no multiple of ``heads`` and ``position_groups``.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2006.11477", "arXiv:2203.06889", "arXiv:2408.05178")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        conv_width: int = 256,
        conv_layers: int = 4,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        position_kernel: int = 128,
        position_groups: int = 16,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        convolutions: list[nn.Module] = []
        channels, seen = in_leads, Geometry()
        for _ in range(conv_layers):
            taps: dict[str, Any] = {"kernel_size": 2, "stride": 2, "bias": False}
            made = LazyHeConv1d(conv_width, **taps) if channels is None else HeConv1d(channels, conv_width, **taps)
            convolutions.append(made)
            channels, seen = conv_width, seen.then(2, stride=2, padding=0)
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
        )
        self.min_samples = seen.min_samples
        self.stages = (seen.stage(width, sees_all=True),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"conv_width": 4, "width": 8, "depth": 1, "heads": 2, "position_kernel": 4, "position_groups": 2, "dropout": 0.0}
        return {"arguments": tiny, "leads": 3, "samples": 200, "refused": [{"heads": 3}, {"position_groups": 3}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of the first convolution; ``None`` before the first batch of a lazy one."""
        return self.convolutions[0].known_channels  # type: ignore[return-value]

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of the map, counted layer by layer: what does not fill a pair is left out."""
        return self._geometry.steps(samples)

    def sequence(self, x: Tensor) -> Tensor:
        """The leads, as they are."""
        self.check_input(x)
        return x

"""The small convolutional network of CLOCS.

Kiyasseh, Zhu, Clifton, "CLOCS: contrastive learning of cardiac signals across space, time, and patients", ICML 2021,
arXiv:2005.13249 (appendix on network architectures).

Differs from the paper: its last layer, linear over the ten steps that 2500 samples leave, is written as the convolution it is,
with a kernel of ten steps. At 2500 samples both are the same; longer windows give more than one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.convolution import HeConv1d, LazyHeConv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.pool import Pool1d
from ecg_core.contracts.backbone import Backbone

__all__ = ["ClocsCNN"]


class ClocsCNN(Backbone):
    """Three convolutions without padding, each normalised, activated and pooled, and one over all that is left.

    Args:
        in_leads: Leads of the input ECG, one in the paper; ``None`` infers it from the first batch.
        widths: Channels of each convolution.
        kernel_size: Kernel length of the convolutions, in steps.
        stride: Input steps per output step of each convolution; a pooling halves them again.
        embedding: Channels of the features.
        embedded_steps: Steps that the last layer sees at once; 10 for 2500 samples.
        dropout: Probability of zeroing an activation in training, behind each convolution.
        kernel_scale: ``fs`` over 500 Hz, for which the kernels were made; the last layer counts steps and is not scaled.

    Shape:
        - input: ``(batch, in_leads, samples)``, 2332 samples or more
        - features: ``(batch, embedding, steps)``, one step at 2500 samples

    Raises:
        ValueError: There is no convolution.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2005.13249",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (4, 16, 32),
        kernel_size: int = 7,
        stride: int = 3,
        embedding: int = 256,
        embedded_steps: int = 10,
        dropout: float = 0.1,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("the network of CLOCS needs at least one convolution, got widths=()")
        kernel = scaled_kernel(kernel_size, kernel_scale)
        self.blocks = nn.ModuleList()
        channels, geometry, self._geometry = in_leads, Geometry(), []
        for width in widths:
            # Biases in front of the normalisations have no effect; they are the published parameters.
            conv = (
                LazyHeConv1d(width, kernel, stride=stride)
                if channels is None
                else HeConv1d(channels, width, kernel, stride=stride)
            )
            pooling = Pool1d(2)
            self.blocks.append(nn.Sequential(conv, nn.BatchNorm1d(width), nn.ReLU(), pooling, nn.Dropout(dropout)))
            geometry, channels = pooling.after(geometry.then(kernel, stride=stride, padding=0)), width
            self._geometry.append(geometry)
        self.blocks.append(nn.Sequential(HeConv1d(widths[-1], embedding, embedded_steps)))
        self._geometry.append(geometry.then(embedded_steps, padding=0))
        self.stages = tuple(g.stage(width) for g, width in zip(self._geometry, (*widths, embedding), strict=True))
        self.min_samples = self._geometry[-1].min_samples

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"widths": (4,), "kernel_size": 3, "embedding": 6, "embedded_steps": 2}
        return {"arguments": tiny, "leads": 1, "samples": 80, "refused": [{"widths": ()}, {"kernel_scale": 0.0}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the first convolution takes; ``None`` before the first batch of a lazy one."""
        conv = self.get_submodule("blocks.0.0")
        assert isinstance(conv, HeConv1d)
        return conv.known_channels

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of a map: what does not fill a kernel or a pooling is left out."""
        return self._geometry[stage].steps(samples)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The maps of each convolution, and the embedding of each stretch of ``embedded_steps``."""
        self.check_input(x)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return features

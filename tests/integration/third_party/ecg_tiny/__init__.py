"""A stranger's backbone: it knows ecg_core and nothing else of the toolkit."""

from __future__ import annotations

from torch import Tensor, nn

from ecg_core import Backbone, Stage


class Tiny(Backbone):
    """Three strided convolutions.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        width: Channels of the features.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, ceil(samples / 8))``
    """

    def __init__(self, in_leads: int | None = None, *, width: int = 16) -> None:
        super().__init__()
        self.in_leads = in_leads
        self.stages = (Stage(width, 2), Stage(width, 4), Stage(width, 8))
        words = {"kernel_size": 7, "stride": 2, "padding": 3}
        stem = nn.LazyConv1d(width, **words) if in_leads is None else nn.Conv1d(in_leads, width, **words)
        self.layers = nn.ModuleList([stem, *(nn.Conv1d(width, width, **words) for _ in range(2))])

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps, finest first."""
        self.check_input(x)
        self.in_leads = x.shape[1]
        features = []
        for layer in self.layers:
            x = layer(x).relu()
            features.append(x)
        return features

"""MultiScopic: branches that look at the same signal through kernels of different dilation, side by side.

Cai and Hu, "QRS complex detection using novel deep learning neural networks", IEEE Access 2020,
doi:10.1109/ACCESS.2020.2997473, the winner of CPSC2019.

Differs from torch_ecg: channels of the branches are joined lead by lead where the leads are kept apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.convolution import HeConv1d, same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.lead_wise import joined_by_lead, lead_rows, lead_wise_leads
from ecg_backbones.layers.pool import Pool1d
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone

__all__ = ["MultiScopic", "multi_scopic_leadwise"]

Scopes = Sequence[Sequence[Sequence[int]]]


class MultiScopic(Backbone):
    """Branches of the same widths and kernels; each stage is some activated convolutions, a normalisation and a pooling.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch, or means 12 where ``lead_wise``.
        scopes: Dilations of the convolutions: for each branch, for each of its stages, one for each convolution.
        widths: Channels of each stage of a branch; for each lead where ``lead_wise``.
        kernel_size: Odd kernel length of each stage, in steps.
        pool: Steps that the pooling at the end of a stage makes one.
        dropout: Probability of zeroing an activation in training, behind each stage.
        lead_wise: Keep the leads apart throughout: no convolution mixes them.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, channels of all branches, samples // pool ** len(widths))``

    Raises:
        ValueError: What is given for each stage differs in number, a convolution has no dilation, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("doi:10.1109/ACCESS.2020.2997473",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        scopes: Scopes = (
            ((1,), (1, 1), (1, 1, 1)),
            ((2,), (2, 4), (8, 8, 8)),
            ((4,), (4, 8), (16, 32, 64)),
        ),
        widths: Sequence[int] = (96, 192, 384),
        kernel_size: Sequence[int] = (11, 7, 5),
        pool: int = 2,
        dropout: Sequence[float] = (0.0, 0.2, 0.0),
        lead_wise: bool = False,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        counts = {len(widths), len(kernel_size), len(dropout), *(len(branch) for branch in scopes)}
        if not scopes or len(counts) != 1 or not all(dilations for branch in scopes for dilations in branch):
            raise ValueError(
                f"each stage needs a width, a kernel, a dropout, and in each branch a dilation for each convolution, got "
                f"widths={tuple(widths)}, kernel_size={tuple(kernel_size)}, dropout={tuple(dropout)}, scopes={scopes!r}"
            )
        self.lead_wise_leads = lead_wise_leads(in_leads, lead_wise)
        apart = self.lead_wise_leads or 1
        self.branches = nn.ModuleList()
        places: list[list[Geometry]] = []
        for branch in scopes:
            stages, channels, seen = nn.ModuleList(), self.lead_wise_leads or in_leads, Geometry()
            places.append([])
            for dilations, width, kernel, rate in zip(branch, widths, kernel_size, dropout, strict=True):
                stage = nn.Sequential()
                for dilation in dilations:
                    conv = same_conv1d(
                        channels,
                        apart * width,
                        scaled_kernel(kernel, kernel_scale),
                        dilation=dilation,
                        groups=apart,
                        bias=True,
                    )
                    stage.extend([conv, nn.ReLU()])
                    seen, channels = conv.after(seen), apart * width
                pooling = Pool1d(pool, stride=pool)
                stage.extend([nn.BatchNorm1d(apart * width), pooling, nn.Dropout(rate)])
                seen = pooling.after(seen)
                stages.append(stage)
                places[-1].append(seen)
            self.branches.append(stages)
        self._geometry = [first.joined(others) for first, *others in zip(*places, strict=True)]
        self.stages = tuple(g.stage(len(scopes) * apart * width) for g, width in zip(self._geometry, widths, strict=True))
        self.min_samples = self._geometry[-1].min_samples

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        refused = [{"widths": (2,)}, {"kernel_size": (4, 4)}, {"scopes": ()}, {"scopes": [[[1], []]]}]
        return {"arguments": _TINY, "leads": 3, "samples": 80, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the first convolutions take; ``None`` before the first batch of lazy ones."""
        conv = self.get_submodule("branches.0.0.0")
        assert isinstance(conv, HeConv1d)
        return self.lead_wise_leads or conv.known_channels

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of a stage's map."""
        return self._geometry[stage].steps(samples)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage, of all branches."""
        self.check_input(x)
        maps = []
        for branch in self.branches:
            y, own = x, []
            assert isinstance(branch, nn.ModuleList)
            for stage in branch:
                y = stage(y)
                own.append(y)
            maps.append(own)
        return [joined_by_lead(level, self.lead_wise_leads or 1) for level in zip(*maps, strict=True)]

    def forward_lead_features(self, x: Tensor) -> Tensor:
        """``(batch, leads, channels, steps)``, each lead's own channels in its row, where ``lead_wise``; otherwise one row."""
        return lead_rows(self.forward_features(x), self.lead_wise_leads)


_TINY: dict[str, Any] = {
    "scopes": (((1,), (1, 1)), ((2,), (2, 4))), "widths": (3, 4), "kernel_size": (3, 3), "dropout": (0.0, 0.0),
}  # fmt: skip

multi_scopic_leadwise = Variant(
    MultiScopic,
    {"widths": (16, 32, 64), "lead_wise": True},
    conformance={"arguments": {**_TINY, "widths": (1, 2)}, "leads": 12, "samples": 80, "refused": [{"widths": (2,)}]},
)

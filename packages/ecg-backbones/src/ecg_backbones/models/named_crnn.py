"""CRNNs by the names they were published under: sequence labelling, RR intervals, and the time-incremental network."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ecg_backbones.heads.crf import CRFHead
from ecg_backbones.heads.mlp import MLPHead
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_backbones.models.crnn import CRNN
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone, Stage

__all__ = ["rr_af_crf", "rr_af_vanilla", "rr_lstm", "seq_lab"]

_BEATS: dict[str, Any] = {"arguments": {"classes": ["N", "AFIB"]}, "leads": 1, "samples": 30}


class _RRSeries(Backbone):
    """A series of RR intervals as it is: no layer of its own. One channel, one step per beat.

    Shape:
        ``(batch, 1, beats)``, in seconds, to the same
    """

    def __init__(self) -> None:
        super().__init__()
        self.in_leads, self.stages = 1, (Stage(1, 1, receptive_field=1),)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The series."""
        self.check_input(x)
        return [x]


# Every sample gets its class: Cai and Hu, "QRS complex detection using novel deep learning neural networks", IEEE Access
# 2020, doi:10.1109/ACCESS.2020.2997473; torch_ecg's ``ECG_SEQ_LAB_NET``. Its backbone is ``multi_scopic``.
seq_lab = Variant(
    CRNN,
    {
        "recurrent": "lstm",
        "hidden": (256, 256),
        "attention": Variant(SqueezeExcite, {"reduction": 8}),
        "pooling": "none",
        "problem": "multi_class",
    },
)

# Rhythm from the series of RR intervals alone: Faust et al., "Automated detection of atrial fibrillation using long
# short-term memory network with RR interval signals", Computers in Biology and Medicine 2018,
# doi:10.1016/j.compbiomed.2018.07.001; torch_ecg's ``RR_LSTM`` and its two other configurations.
_RR: dict[str, Any] = {"backbone": _RRSeries, "recurrent": "lstm", "hidden": (200,), "dropout": 0.1, "problem": "multi_class"}
rr_lstm = Variant(CRNN, {**_RR, "head": CRFHead, "attention": SqueezeExcite, "pooling": "none"}, _BEATS)
rr_af_crf = Variant(CRNN, {**_RR, "head": CRFHead, "pooling": "none"}, _BEATS)
rr_af_vanilla = Variant(CRNN, {**_RR, "head": Variant(MLPHead, {"hidden": 50, "dropout": 0.1}), "pooling": "max"}, _BEATS)

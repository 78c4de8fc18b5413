"""CRNNs by the names they were published under: sequence labelling, RR intervals, and the time-incremental network."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ecg_backbones import multi_scopic, vgg
from ecg_backbones.heads.crf import CRFHead
from ecg_backbones.heads.linear import LinearHead
from ecg_backbones.heads.mlp import MLPHead
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_backbones.models.crnn import CRNN
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone, Stage

__all__ = ["ati_cnn", "rr_af_crf", "rr_af_vanilla", "rr_lstm", "seq_lab"]

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


_SE = Variant(SqueezeExcite, {"reduction": 8})
_WINDOWS: dict[str, Any] = {"arguments": {**CRNN.conformance_params()["arguments"], "hidden": (6,)}}

# One label for recordings of any length: Yao, Wang, Fan, Liu, Li, "Multi-class arrhythmia detection from 12-lead
# varied-length ECG using attention-based time-incremental convolutional neural network", Information Fusion 2020,
# doi:10.1016/j.inffus.2019.06.024; torch_ecg's ``ATI_CNN``: the convolutions of VGG16, and the last states of two LSTM layers.
ati_cnn = Variant(
    CRNN,
    {"backbone": vgg.vgg16, "recurrent": "lstm", "hidden": (128, 32), "dropout": 0.2, "pooling": "last", "head": LinearHead},
    _WINDOWS,
)

# Every sample gets its class: Cai and Hu, "QRS complex detection using novel deep learning neural networks", IEEE Access
# 2020, doi:10.1109/ACCESS.2020.2997473; torch_ecg's ``ECG_SEQ_LAB_NET``.
seq_lab = Variant(
    CRNN,
    {
        "backbone": multi_scopic.MultiScopic,
        "recurrent": "lstm",
        "hidden": (256, 256),
        "attention": _SE,
        "pooling": "none",
        "problem": "multi_class",
    },
    _WINDOWS,
)

# Rhythm from the series of RR intervals alone: Faust et al., "Automated detection of atrial fibrillation using long
# short-term memory network with RR interval signals", Computers in Biology and Medicine 2018,
# doi:10.1016/j.compbiomed.2018.07.001; torch_ecg's ``RR_LSTM`` and its two other configurations.
_RR: dict[str, Any] = {"backbone": _RRSeries, "recurrent": "lstm", "hidden": (200,), "dropout": 0.1, "problem": "multi_class"}
rr_lstm = Variant(CRNN, {**_RR, "head": CRFHead, "attention": _SE, "pooling": "none"}, _BEATS)
rr_af_crf = Variant(CRNN, {**_RR, "head": CRFHead, "pooling": "none"}, _BEATS)
rr_af_vanilla = Variant(CRNN, {**_RR, "head": Variant(MLPHead, {"hidden": 50, "dropout": 0.1}), "pooling": "max"}, _BEATS)

"""Encoders that anybody trained with the official code of MoCo on signals. None of their weights is shipped."""

from __future__ import annotations

from typing import Any

from ecg_ssl.convert import moco, resnet
from ecg_ssl.weights.layout import Layout

__all__ = ["CONTRASTIVE_LAYOUTS"]

_MOCO: dict[str, Any] = {
    "holds": (),  # the prefix tells; what is no residual network of one axis is refused with its reason
    "fits": bool,
    "config": resnet.sizes,
    "convert": moco.backbone_from_official,
    "fs": 0.0,
    "seconds": 0.0,
    "left_out": moco.is_head,
    "beside": moco.is_beside,
}

CONTRASTIVE_LAYOUTS = (
    Layout(
        "moco",
        "MoCo v1 or v2 (He et al., CVPR 2020) over a residual network of one axis",
        "https://github.com/facebookresearch/moco",
        "MIT for the code; the weights are of whoever trained them",
        prefixes=("module.encoder_q.", "encoder_q."),
        **_MOCO,
    ),
    Layout(
        "moco_v3",
        "MoCo v3 (Chen et al., ICCV 2021) over a residual network of one axis",
        "https://github.com/facebookresearch/moco-v3",
        "CC BY-NC 4.0 for the code and its authors' weights: not for commercial use",
        prefixes=("module.base_encoder.", "base_encoder."),
        **_MOCO,
    ),
)
"""In the order in which a file is compared with them."""

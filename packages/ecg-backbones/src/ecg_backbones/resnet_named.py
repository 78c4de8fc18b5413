"""The ResNets that ECG work has named: one table of sizes, with the names they have in torch_ecg.

Kernel lengths are in samples at 500 Hz or steps behind them; ``kernel_scale=fs / 500`` fits them to another sampling
frequency. What is counted differently there, and why, is in docs/backbones.md.

- ``resnet_vanilla_*``, ``resnext_vanilla_*``: He et al. 2016, Xie et al. 2017, Zagoruyko and Komodakis 2016, with long kernels.
- ``resnet_n*``: one block a stage, with kernels that get shorter; ``b`` bottlenecks, ``s`` separable convolutions.
- ``resnet_cpsc2018``: Chen et al., "Detection and classification of cardiac arrhythmias by a challenge-best deep learning
  neural network model", iScience 2020, whose blocks end in one long kernel; ``_leadwise`` keeps the leads apart.
- ``resnet_stanford``: Hannun et al., "Cardiologist-level arrhythmia detection", Nature Medicine 2019.
- ``resnet_nature_comm*``: Ribeiro et al., Nature Communications 2020, with attention or bottlenecks in its blocks.
- ``tresnet_*``: Ridnik et al., "TResNet", WACV 2021; ``m_v2`` has bottlenecks throughout and no blur.
"""

from __future__ import annotations

from typing import Any

from ecg_backbones.resnet import ResNet
from ecg_core.config.configurable import Variant

__all__ = [
    "resnet_cpsc2018", "resnet_cpsc2018_leadwise", "resnet_n", "resnet_nature_comm", "resnet_nature_comm_bottle_neck",
    "resnet_nature_comm_bottle_neck_gc", "resnet_nature_comm_bottle_neck_nl", "resnet_nature_comm_bottle_neck_se",
    "resnet_nature_comm_gc", "resnet_nature_comm_nl", "resnet_nature_comm_se", "resnet_nb", "resnet_nbs", "resnet_ns",
    "resnet_stanford", "resnet_vanilla_101", "resnet_vanilla_152", "resnet_vanilla_18", "resnet_vanilla_34",
    "resnet_vanilla_50", "resnet_vanilla_wide_101_2", "resnet_vanilla_wide_50_2", "resnext", "resnext_vanilla_101_32x8d",
    "resnext_vanilla_50_32x4d", "tresnet", "tresnet_f", "tresnet_l", "tresnet_m", "tresnet_m_v2", "tresnet_n", "tresnet_p",
    "tresnet_s", "tresnet_xl",
]  # fmt: skip

_SMALL: dict[str, Any] = {"widths": (4,), "depths": (1,), "strides": (2,), "kernel_size": 3, "stem_kernel_size": 3}


def _variant(*tables: dict[str, Any], leads: int = 3, small: dict[str, Any] | None = None, **more: Any) -> Variant[ResNet]:
    """A row of the table; ``small`` is what its smallest relative for the contract kit needs beside one narrow block."""
    merged = {word: value for table in (*tables, more) for word, value in table.items()}
    tiny = {"arguments": {**_SMALL, **(small or {})}, "leads": leads, "samples": 200, "refused": [{"kernel_size": 4}]}
    return Variant(ResNet, merged, conformance=tiny)


_VANILLA = {"stem_kernel_size": 25, "kernel_size": 15}
_DEEP: dict[str, Any] = {"stem_kernel_size": 25, "kernel_size": 11, "block": "bottleneck"}
_R34, _R101, _R152 = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)
_GROUPED = {"groups": 2, "neck": 0.5}

resnet_vanilla_18 = _variant(_VANILLA)
resnet_vanilla_34 = _variant(_VANILLA, depths=_R34)
resnet_vanilla_50 = _variant(_DEEP, kernel_size=15, depths=_R34)
resnet_vanilla_101 = _variant(_DEEP, depths=_R101)
resnet_vanilla_152 = _variant(_DEEP, depths=_R152)
resnet_vanilla_wide_50_2 = _variant(_DEEP, kernel_size=15, depths=_R34, neck=2.0)
resnet_vanilla_wide_101_2 = _variant(_DEEP, depths=_R101, neck=2.0)
resnext_vanilla_50_32x4d = _variant(_DEEP, depths=_R34, groups=32, neck=4 / 64, small=_GROUPED)
resnext_vanilla_101_32x8d = _variant(_DEEP, depths=_R101, groups=32, neck=8 / 64, small=_GROUPED)
resnext = _variant(depths=_R34, kernel_size=7, block="bottleneck", groups=32, neck=4 / 64, small=_GROUPED)

_N: dict[str, Any] = {"stem_kernel_size": 25, "kernel_size": (19, 15, 11, 7), "depths": (1, 1, 1, 1)}
resnet_n = _variant(_N)
resnet_nb = _variant(_N, block="bottleneck")
resnet_ns = _variant(_N, convolution="separable")
resnet_nbs = _variant(_N, block="bottleneck", convolution="separable")

_CPSC: dict[str, Any] = {
    "depths": _R34,
    "kernel_size": ((5, 5, 25), (5, 5, 5, 25), (5, 5, 5, 5, 5, 25), (5, 5, 49)),
    "stem_kernel_size": 15,
}
resnet_cpsc2018 = _variant(_CPSC, widths=(48, 96, 192, 384))
resnet_cpsc2018_leadwise = _variant(_CPSC, widths=(8, 16, 32, 64), lead_wise=True, leads=12, small={"widths": (2,)})
resnet_stanford = _variant(widths=(72, 144, 288, 576), strides=(2, 2, 2, 2), stem_kernel_size=17, kernel_size=17, dropout=0.2)

_NATURE: dict[str, Any] = {
    "widths": (128, 192, 256, 320), "depths": (1, 1, 1, 1), "strides": (4, 4, 4, 4), "stem_widths": (64,),
    "stem_kernel_size": 17, "stem_strides": (1, 1), "kernel_size": 17, "dropout": 0.2,
}  # fmt: skip
_NATURE_B: dict[str, Any] = {**_NATURE, "block": "bottleneck"}
_SE = {"name": "squeeze_excite", "reduction": 8}
_GC = {"name": "global_context", "reduction": 4, "fusion": "multiply"}
_FOUR = {"strides": (4,), "stem_widths": (2,)}
resnet_nature_comm = _variant(_NATURE, shortcut="max", small=_FOUR)
resnet_nature_comm_se = _variant(_NATURE, attention=_SE, small=_FOUR)
resnet_nature_comm_gc = _variant(_NATURE, attention=_GC, small=_FOUR)
resnet_nature_comm_nl = _variant(_NATURE, attention="non_local", small=_FOUR)
resnet_nature_comm_bottle_neck = _variant(_NATURE_B, small=_FOUR)
resnet_nature_comm_bottle_neck_se = _variant(_NATURE_B, attention=_SE, small=_FOUR)
resnet_nature_comm_bottle_neck_gc = _variant(_NATURE_B, attention=_GC, small=_FOUR)
resnet_nature_comm_bottle_neck_nl = _variant(_NATURE_B, attention="non_local", small=_FOUR)

_SE4, _SE8 = {"name": "squeeze_excite", "reduction": 4}, {"name": "squeeze_excite", "reduction": 8}
_TRESNET: dict[str, Any] = {
    "stem": "space_to_depth", "block": ("basic", "basic", "bottleneck", "bottleneck"), "convolution": "anti_aliased",
    "shortcut": "blur", "attention": (_SE4, _SE4, _SE8, None), "attention_at": "neck", "activation": "leaky_relu",
    "slope": 1e-3,
}  # fmt: skip
_T: dict[str, Any] = {"block": "bottleneck", "attention": _SE4}
_ONE, _TWO, _F, _P = (1, 1, 1, 1), (2, 2, 2, 2), (32, 64, 128, 256), (56, 112, 224, 448)
tresnet_f = _variant(_TRESNET, widths=_F, depths=_ONE, kernel_size=17, convolution="separable", small=_T)
tresnet_p = _variant(_TRESNET, widths=_P, depths=_ONE, kernel_size=17, small=_T)
tresnet_n = _variant(_TRESNET, widths=_P, depths=_TWO, kernel_size=15, small=_T)
tresnet_s = _variant(_TRESNET, widths=_P, depths=_R34, kernel_size=13, small=_T)
tresnet_m = _variant(_TRESNET, depths=(3, 4, 11, 3), kernel_size=11, small=_T)
tresnet_l = _variant(_TRESNET, widths=(76, 152, 304, 608), depths=(4, 5, 18, 3), kernel_size=(11, 11, 9, 7), small=_T)
tresnet_xl = _variant(_TRESNET, widths=(84, 168, 336, 672), depths=(4, 5, 24, 3), kernel_size=(11, 9, 9, 7), small=_T)
tresnet_m_v2 = _variant(
    _TRESNET, depths=(3, 4, 11, 3), kernel_size=11, block="bottleneck", attention=(_SE8, _SE8, _SE8, None),
    convolution="plain", shortcut="conv", small=_T,
)  # fmt: skip
tresnet = _variant(_TRESNET, widths=(64, 128, 256, 512), depths=(3, 4, 11, 3), kernel_size=11, small=_T)

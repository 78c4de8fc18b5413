"""Other names of our components: short ones, and those of torch_ecg. Not listed, and asked after a miss only."""

from __future__ import annotations

from collections.abc import Callable

from ecg_core.discovery.hooks import hookimpl

_ATTENTION = {
    "bam:BAM": ("bam_block",),
    "cbam:CBAM": ("cbam_block",),
    "coordinate_attention:CoordinateAttention": ("ca", "coord_attention"),
    "gather_excite:GatherExcite": ("ge", "ge_block"),
    "global_context:GlobalContext": ("gc", "global_context_block"),
    "non_local:NonLocal": ("nl", "non_local_block"),
    "selective_kernel:SelectiveKernel": ("sk", "sk_block"),
    "self_attention:StepAttention": ("sa",),
    "self_attention:TransformerEncoder": ("transformer",),
    "squeeze_excite:SqueezeExcite": ("se", "se_block", "squeeze_excitation"),
}


@hookimpl
def ecg_register_components(register: Callable[[str, str, str], None]) -> None:
    """One class has one name in the list; the others lead to it."""
    for target, names in _ATTENTION.items():
        for name in names:
            register("attention", name, f"ecg_backbones.layers.{target}")
    register("backbones", "multi_scopic_cnn", "ecg_backbones.multi_scopic:MultiScopic")

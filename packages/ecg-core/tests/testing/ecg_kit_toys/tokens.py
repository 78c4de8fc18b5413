"""Backbones of tokens: a sound one, and the ways to break it."""

from __future__ import annotations

import torch
from torch import nn

from ecg_core.contracts.backbone import Stage
from ecg_core.contracts.tokens import TokenBackbone
from ecg_kit_toys.backbones import breaks
from ecg_kit_toys.table import healthy


@healthy("backbones")
class Tokens(TokenBackbone):
    """Patches that see the mean of the visible ones.

    Args:
        in_leads: Leads of the input; ``None`` infers them.
        width: Channels.
        patch_size: Samples of a patch.

    Shape:
        ``(batch, in_leads, samples)`` to ``(batch, width, samples // patch_size)``
    """

    def __init__(self, in_leads: int | None = None, *, width: int = 4, patch_size: int = 8) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.in_leads, self.width, self.patch_size, self.min_samples = in_leads, width, patch_size, patch_size
        self.stages = (Stage(width, patch_size),)
        self.patch, self.mix = nn.Linear(patch_size, width), nn.Linear(width, width)

    @classmethod
    def conformance_params(cls):
        return {"leads": 2, "samples": 64, "refused": [{"width": 0}]}

    def patchify(self, x):
        columns = x.shape[-1] // self.patch_size
        whole = x.index_select(-1, torch.arange(columns * self.patch_size, device=x.device))
        return whole.unflatten(-1, (columns, self.patch_size))

    def embed(self, patches):
        return self.patch(patches)

    def encode(self, tokens, keep=None, lead_index=None):
        if keep is not None:
            tokens = tokens.gather(2, keep[..., None].expand(*keep.shape, tokens.shape[-1]))
        return tokens + self.mix(tokens.mean(dim=(1, 2), keepdim=True)).tanh()

    def forward_intermediates(self, x):
        self.check_input(x)
        self.in_leads = x.shape[1]
        return [self.encode(self.embed(self.patchify(x))).mean(dim=1).transpose(1, 2)]


@breaks("patches_hold_every_sample_once", "the patches put together again and the signal")
class Shuffled(Tokens):
    __doc__ = Tokens.__doc__

    def patchify(self, x):
        return super().patchify(x).flip(-1)


@breaks("each_token_sees_its_patch_only", "the tokens beside a changed patch")
class Peeks(Tokens):
    __doc__ = Tokens.__doc__

    def embed(self, patches):
        return super().embed(patches - patches.mean(dim=2, keepdim=True))


@breaks("visible_tokens_never_see_hidden_ones", "the kept tokens for two sets of dropped ones")
class Leaks(Tokens):
    __doc__ = Tokens.__doc__

    def encode(self, tokens, keep=None, lead_index=None):
        seen = super().encode(tokens)
        return seen if keep is None else seen.gather(2, keep[..., None].expand(*keep.shape, seen.shape[-1]))


@breaks("keeping_all_tokens_is_encoding_all", "all columns kept and no keep given")
class Shifts(Tokens):
    __doc__ = Tokens.__doc__

    def encode(self, tokens, keep=None, lead_index=None):
        return super().encode(tokens, keep) + (keep is not None)

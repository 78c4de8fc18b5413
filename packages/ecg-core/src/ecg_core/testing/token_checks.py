"""What every backbone of tokens must satisfy beside: patches that hold the signal, and hidden ones that stay hidden."""

from __future__ import annotations

import torch
from torch import Tensor

from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.testing.checks import applies, check, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy_models import built_backbone, require_close, require_equal, signal


def _tokens(example: Example) -> TokenBackbone:
    backbone = built_backbone(example)
    applies(isinstance(backbone, TokenBackbone), "it has no tokens (it is no TokenBackbone)")
    return backbone.eval()  # type: ignore[return-value]


@check("backbones")
def patches_hold_every_sample_once(example: Example) -> None:
    """``patchify`` only rearranges: the whole patches hold each sample of the signal once, in the row of its lead and in time."""
    backbone = _tokens(example)
    for extra in (0, 1):  # a rest shorter than a patch is left out
        times = example.samples // backbone.patch_size
        x = signal(example, samples=times * backbone.patch_size + extra)
        patches, whole = backbone.patchify(x), x[:, :, : times * backbone.patch_size]
        require(patches.ndim == 4, f"patchify gives {patches.ndim} dimensions instead of (batch, rows, columns, values)")
        layout = backbone.layout(x.shape[1], x.shape[2])
        require(layout[1] == times, f"layout tells of {layout[1]} times, the signal holds {times} whole patches")
        columns = layout[0] * times
        require(
            patches.shape[2] == columns,
            f"patchify gives {patches.shape[2]} columns, layout tells of {layout[0]} leads in a row and {times} times: {columns}",
        )
        if patches.shape[1] == x.shape[1] and layout[0] == 1:
            require_equal(patches.flatten(2), whole, "the patches put together again and the signal")
        require_equal(_sorted(patches), _sorted(whole), "the samples in the patches and in the signal, sorted")


@check("backbones")
def each_token_sees_its_patch_only(example: Example) -> None:
    """``embed`` makes a token from one patch: changing another patch leaves it as it is."""
    backbone = _tokens(example)
    patches = backbone.patchify(signal(example))
    changed = patches.clone()
    changed[:, :, 0] += 1.0
    require_equal(backbone.embed(changed)[:, :, 1:], backbone.embed(patches)[:, :, 1:], "the tokens beside a changed patch")


@check("backbones")
def visible_tokens_never_see_hidden_ones(example: Example) -> None:
    """``encode(tokens, keep)`` does not depend on what stands in the dropped tokens."""
    backbone = _tokens(example)
    tokens = backbone.embed(backbone.patchify(signal(example)))
    keep = torch.arange(0, tokens.shape[2], 2).expand(*tokens.shape[:2], -1)
    changed = tokens.clone()
    changed[:, :, 1::2] = 1e3
    require_equal(backbone.encode(changed, keep), backbone.encode(tokens, keep), "the kept tokens for two sets of dropped ones")


@check("backbones")
def keeping_all_tokens_is_encoding_all(example: Example) -> None:
    """``encode`` with every column kept, in order, is ``encode`` without ``keep``, of the stated shape."""
    backbone = _tokens(example)
    tokens = backbone.embed(backbone.patchify(signal(example)))
    batch, rows, columns = tokens.shape[:3]
    found = backbone.encode(tokens, torch.arange(columns).expand(batch, rows, -1))
    stated = (batch, rows, backbone.prefix + columns + backbone.suffix, backbone.width)
    require(tuple(found.shape) == stated, f"encode gives {tuple(found.shape)}, stated is {stated}")
    require_close(found, backbone.encode(tokens), "all columns kept and no keep given", 1e-5)


def _sorted(values: Tensor) -> Tensor:
    return values.flatten(1).sort(dim=1).values

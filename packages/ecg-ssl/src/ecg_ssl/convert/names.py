"""How the weights of ST-MEM's repository (Na et al., ICLR 2024) are called there and here: ST-MEM, MTAE and MLAE share it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["ALIAS", "Names", "check_alias"]

ALIAS = "to_patch_embedding."  # full files hold the patch embedding twice, once without "encoder."

# (official, ours): how names begin.
_SHARED = (
    ("encoder.to_patch_embedding.1.", "backbone.patch_embedding.0."),
    ("encoder.to_patch_embedding.2.", "backbone.patch_embedding.1."),
    ("encoder.to_patch_embedding.3.", "backbone.patch_embedding.2."),
    ("encoder.norm.", "backbone.norm."),
    ("to_decoder_embedding.", "decoder.embed."),
    ("decoder_norm.", "decoder.norm."),
    ("decoder_head.", "decoder.head."),
)
_BLOCKS = (("encoder.block", "backbone.blocks."), ("decoder_blocks.", "decoder.blocks."))
_IN_BLOCK = (
    (".attn.norm.", ".attention_norm."),
    (".attn.fn.to_qkv.", ".attention.qkv."),
    (".attn.fn.to_out.0.", ".attention.out."),
    (".ff.norm.", ".mlp_norm."),
    (".ff.fn.net.0.", ".mlp.0."),
    (".ff.fn.net.3.", ".mlp.2."),
)


class Names:
    """Names of one model of the repository, both ways.

    Args:
        model: With its article, for errors.
        own: ``(official, ours)``, how names begin that the other models do not have.
        shared: Those that all have.
        blocks: How names of blocks begin, up to the number.
        inside: Parts of a block.
    """

    def __init__(
        self,
        model: str,
        own: Iterable[tuple[str, str]],
        *,
        shared: Iterable[tuple[str, str]] = _SHARED,
        blocks: Iterable[tuple[str, str]] = _BLOCKS,
        inside: Iterable[tuple[str, str]] = _IN_BLOCK,
    ) -> None:
        self.model = model
        self.names, self.blocks, self.inside = (*own, *shared), tuple(blocks), tuple(inside)

    def ours(self, name: str) -> str:
        """Our name of an official one.

        Raises:
            ValueError: The model has no such name.
        """
        return self._renamed(name, self.names, self.blocks, self.inside)

    def official(self, name: str) -> str:
        """The official name of one of ours.

        Raises:
            ValueError: The model has no such name.
        """
        return self._renamed(name, _swapped(self.names), _swapped(self.blocks), _swapped(self.inside))

    def _renamed(
        self, name: str, names: Iterable[tuple[str, str]], blocks: Iterable[tuple[str, str]], inside: Iterable[tuple[str, str]]
    ) -> str:
        for before, after in names:
            if name.startswith(before):
                return after + name.removeprefix(before)
        for before, after in blocks:
            found = re.fullmatch(re.escape(before) + r"(\d+)(\..+)", name)
            for part, ours in inside:
                if found and found[2].startswith(part):
                    return after + found[1] + ours + found[2].removeprefix(part)
        raise ValueError(
            f"'{name}' is no name of {self.model} state dict; pass the model's weights alone, without classifier or optimizer"
        )


def check_alias(name: str, value: Tensor, first: Tensor | None) -> None:
    """One clear error where a tensor that a file holds twice differs.

    Raises:
        ValueError: It differs, or is there once only.
    """
    if first is None or not torch.equal(value, first):
        raise ValueError(f"'{name}' should repeat 'encoder.{name}' and does not; the file is damaged or of another model")


def _swapped(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(b, a) for a, b in pairs]

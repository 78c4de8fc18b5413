"""Layer-wise rates on the backbones of this package: their blocks, in order, each parameter once."""

from __future__ import annotations

import pytest
import torch

from ecg_core import BACKBONES
from ecg_core.run.optimization.layer_decay import layer_names

SMALL = {
    "resnet18": ({"widths": (4, 8), "depths": (2, 1)}, 1 + 3),  # the stem, three blocks
    "vit_tiny": ({"width": 8, "depth": 3, "heads": 1, "head_width": 8}, 1 + 3),  # embeddings and separator, three blocks
}


@pytest.mark.parametrize("name", SMALL)
def test_layers_are_what_stands_before_the_blocks_and_each_block(name: str) -> None:
    arguments, layers = SMALL[name]
    backbone = BACKBONES.build({"name": name, **arguments}, in_leads=3)
    found = layer_names(backbone)
    assert len(found) == layers + 1  # and what follows, with the rate of the head
    assert found[-1] == ({"norm.weight", "norm.bias"} if name == "vit_tiny" else set())
    assert sorted(n for layer in found for n in layer) == sorted(n for n, _ in backbone.named_parameters())


@pytest.mark.parametrize("name", SMALL)
def test_layers_stand_in_the_order_of_computation(name: str) -> None:
    """A parameter's block runs when its layer says: blocks are watched as they are called."""
    arguments, _ = SMALL[name]
    backbone = BACKBONES.build({"name": name, **arguments}, in_leads=3).eval()
    modules, order = dict(backbone.named_modules()), []
    prefixes = [sorted({n.rpartition(".")[0] for n in layer if "." in n})[0] for layer in layer_names(backbone)[:-1]]
    for number, prefix in enumerate(prefixes):
        modules[prefix].register_forward_pre_hook(lambda module, inputs, number=number: order.append(number))
    with torch.no_grad():
        backbone(torch.zeros(1, 3, 300))
    assert order == sorted(order)
    assert set(order) == set(range(len(prefixes)))

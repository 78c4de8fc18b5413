"""LARS as MoCo v3 trains with, by the optimizer of the registry: what of the original can be compared.

The original divides by the norm of gradient and decay together, the registry's by the sum of their norms, as the paper does. So
decay is given with the gradient here; momentum, ratio and untouched vectors are then the same.
"""

import pytest
import torch
from torch import nn

from ecg_core.discovery.registries import OPTIMIZERS

torch.set_num_threads(1)


def test_three_steps_of_lars_are_those_of_the_original_when_decay_comes_with_the_gradient(golden):
    pytest.importorskip("pytorch_optimizer", reason="LARS comes from the extra `optimizers`")
    reference = golden("moco.npz")
    weight, bias = (nn.Parameter(reference[f"lars/{name}0"].clone()) for name in "wb")
    optimizer = OPTIMIZERS.build({"name": "lars", "trust_coefficient": 1e-3, "momentum": 0.9}, params=[weight, bias], lr=0.6)
    for step in range(3):
        weight.grad = reference[f"lars/g{step}_w"] + 1e-2 * weight.detach()
        bias.grad = reference[f"lars/g{step}_b"].clone()
        optimizer.step()
        for name, value in (("w", weight), ("b", bias)):
            torch.testing.assert_close(value.detach(), reference[f"lars/{name}{step + 1}"], rtol=1e-5, atol=1e-6)

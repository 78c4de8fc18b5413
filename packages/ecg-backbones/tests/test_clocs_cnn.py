"""The network of CLOCS: the published size, the published steps, and the numbers that its authors' code gives."""

import numpy as np
import pytest
import torch
from torch import nn

from ecg_backbones.clocs_cnn import CLOCSCNN

torch.set_num_threads(1)


def test_the_backbone_has_what_the_published_network_has_before_its_linear_layer():
    model = CLOCSCNN(1)
    assert sum(p.numel() for p in model.parameters()) == 86_392 - (320 * 256 + 256) == 4_216


def test_five_seconds_at_500_hz_become_416_68_and_10_steps():
    model = CLOCSCNN(1).eval()
    assert [tuple(m.shape) for m in model.forward_intermediates(torch.zeros(1, 1, 2500))] == [
        (1, 4, 416),
        (1, 16, 68),
        (1, 32, 10),
    ]
    assert [model.steps(2500, stage) for stage in range(3)] == [416, 68, 10]


def test_features_and_a_linear_layer_are_the_embedding_of_the_official_code(golden):
    stored = np.load(golden / "ssl" / "clocs.npz")
    weights = {k.removeprefix("net_sd/"): torch.from_numpy(stored[k]) for k in stored.files if k.startswith("net_sd/")}
    model = CLOCSCNN(1).eval()
    for number, block in enumerate(model.blocks):
        for part, index in ((block.conv, 5 * number), (block.norm, 5 * number + 1)):
            prefix = f"view_modules.0.{index}."
            part.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    x = torch.from_numpy(stored["net_x"])  # (batch, 1, samples, views)
    with torch.no_grad():
        for view in range(2):
            flat = model(x[..., view]).flatten(1)
            found = nn.functional.linear(flat, weights["view_linear_modules.0.weight"], weights["view_linear_modules.0.bias"])
            torch.testing.assert_close(found, torch.from_numpy(stored["net_h"])[..., view], rtol=0, atol=1e-5)


def test_what_does_not_fill_a_kernel_is_left_out():
    model = CLOCSCNN(1)
    assert (model.steps(387), model.steps(388), model.min_samples) == (0, 1, 388)
    with pytest.raises(ValueError, match="needs at least 388 samples, got 387"):
        model(torch.zeros(1, 1, 387))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"widths": ()}, r"needs a block and an odd kernel, got widths=\(\), kernel_size=7"),
        ({"kernel_size": 6}, r"needs a block and an odd kernel, got widths=\(4, 16, 32\), kernel_size=6"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        CLOCSCNN(1, **wrong)

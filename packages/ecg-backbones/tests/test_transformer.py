"""The transformer over steps: their order counts, because of their positions and of nothing else."""

import pytest
import torch
from torch import nn

from ecg_backbones.transformer import Transformer
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import DropPath

torch.set_num_threads(1)

SMALL = {"width": 8, "depth": 2, "heads": 2, "head_width": 4, "stem_widths": (4,), "stem_kernel_size": 3}


def built(in_leads=2, **words):
    torch.manual_seed(0)
    return Transformer(in_leads, **{**SMALL, **words}).eval()


def test_the_order_of_the_steps_counts():
    model, steps, order = built(), torch.randn(2, 20, 8), torch.randperm(20)
    assert (model.encode(steps[:, order]) - model.encode(steps)[:, order]).abs().max() > 0.05


def test_without_the_positions_the_order_would_not_count():
    model, steps, order = built(), torch.randn(2, 20, 8), torch.randperm(20)
    positions = sincos_positions(20, 8, like=steps)
    torch.testing.assert_close(model.encode(steps[:, order] - positions), model.encode(steps - positions)[:, order])


def test_the_features_are_the_encoded_steps_of_the_stem():
    model, x = built(), torch.randn(2, 2, 83)
    steps = model.stem(x)
    assert tuple(steps.shape) == (2, 8, 21)
    torch.testing.assert_close(model(x), model.encode(steps.transpose(1, 2)).transpose(1, 2))


def test_the_first_step_hears_of_the_last_sample():
    model, x = built(in_leads=1), torch.randn(1, 1, 1000, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[0, :, 0].square().sum(), x)
    assert gradient[0, 0, -1] != 0


def test_branches_are_left_out_ever_more_often_with_depth_and_never_in_evaluation():
    model, x = built(depth=4, drop_path=0.3, dropout=0.0), torch.randn(4, 2, 80)
    assert [m.rate for m in model.modules() if isinstance(m, DropPath)] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert torch.equal(model(x), model(x))
    model.blocks.train()
    assert not torch.equal(model(x), model(x))


def test_kernels_of_the_stem_are_scaled():
    kernels = {m.kernel_size[0] for m in Transformer(1, kernel_scale=0.2).stem.modules() if isinstance(m, nn.Conv1d)}
    assert kernels == {3}


@pytest.mark.parametrize(
    ("words", "message"),
    [({"width": 7}, "so width must be even, got 7"), ({"stem_kernel_size": 4}, "a positive odd kernel length, got 4")],
)
def test_wrong_arguments_are_named(words, message):
    with pytest.raises(ValueError, match=message):
        built(**words)

"""InceptionTime: the published size, what each branch sees, and the shortcuts."""

import pytest
import torch
from torch import nn

from ecg_backbones.inception_time import InceptionModule, InceptionTime
from ecg_backbones.layers.geometry import Geometry

torch.set_num_threads(1)


def count(module):
    return sum(p.numel() for p in module.parameters())


def counted_by_hand(leads, kernels):
    """The layers of github.com/hfawaz/InceptionTime, classifiers/inception.py: no biases, 32 filters, bottlenecks of 32."""
    total, inputs = 0, leads
    for module in range(6):
        total += inputs * 32 + sum(k * 32 * 32 for k in kernels) + inputs * 32 + 2 * 128
        if module % 3 == 2:
            total += (leads if module == 2 else 128) * 128 + 2 * 128
        inputs = 128
    return total


@pytest.mark.parametrize("kernels", [(40, 20, 10), (39, 19, 9)])
def test_the_parameters_are_those_of_the_published_network_with_its_kernels_and_with_ours(kernels):
    with torch.device("meta"):
        assert count(InceptionTime(12, kernel_sizes=kernels)) == counted_by_hand(12, kernels)
    assert counted_by_hand(12, (40, 20, 10)) == 491_776


def test_an_even_kernel_pads_its_odd_step_on_the_right_as_keras_does():
    module = InceptionModule(1, 1, bottleneck=1, kernel_sizes=(4,)).double()
    conv = module.convs[0]
    x = torch.zeros(1, 1, 9, dtype=torch.float64)
    x[0, 0, 4] = 1.0
    # Keras pads (kernel - 1) // 2 on the left, so y[t] = sum_j w[j] x[t - 1 + j]
    expected = torch.zeros(9, dtype=torch.float64)
    for tap in range(4):
        expected[4 + 1 - tap] = conv.weight[0, 0, tap]
    torch.testing.assert_close(conv(x)[0, 0], expected)


def test_six_modules_see_six_times_their_longest_kernel():
    with torch.device("meta"):
        stage = InceptionTime(12).stages[-1]
        assert (stage.receptive_field, stage.centre, stage.stride) == (6 * 38 + 1, 0.0, 1)
        assert InceptionTime(12, kernel_sizes=(40, 20, 10)).stages[-1].centre == 3.0  # three samples ahead
        assert InceptionTime(12).receptive_field_ms(100) == 2290


def test_the_window_of_a_module_holds_every_branch_of_it():
    after = InceptionModule(1, 1, bottleneck=1, kernel_sizes=(4, 3)).after(Geometry())
    assert (after.centre, after.receptive_field) == (0.5, 4)  # from -1 to 2, as the longest
    after = InceptionModule(1, 1, bottleneck=1, kernel_sizes=(2,)).after(Geometry())
    assert after.receptive_field >= 3  # the maximum of three steps is the longest branch


def test_a_module_is_its_branches_stacked():
    torch.manual_seed(0)
    module = InceptionModule(3, 2, bottleneck=4, kernel_sizes=(5, 3)).eval()
    x = torch.randn(2, 3, 20)
    narrow = nn.functional.conv1d(x, module.bottleneck.weight)
    pooled = torch.nn.functional.pad(x, (1, 1), value=float("-inf")).unfold(-1, 3, 1).amax(dim=-1)
    branches = [nn.functional.conv1d(narrow, conv.weight, padding="same") for conv in module.convs]
    branches.append(nn.functional.conv1d(pooled, module.pooled.weight))
    scale = (1 + module.norm.eps) ** -0.5  # a fresh normalisation
    torch.testing.assert_close(module(x), (torch.cat(branches, dim=1) * scale).relu())


def test_a_block_whose_modules_are_silent_is_its_shortcut():
    torch.manual_seed(0)
    model = InceptionTime(2, width=2, bottleneck=2, kernel_sizes=(3,)).eval()
    for block in model.blocks:
        nn.init.zeros_(block.inception[-1].norm.weight)
    x = torch.randn(1, 2, 30)
    expected = model.blocks[1].shortcut(model.blocks[0].shortcut(x).relu()).relu()
    torch.testing.assert_close(model(x), expected)


def test_one_lead_has_a_bottleneck_too():
    lazy = InceptionTime(width=2, bottleneck=3, kernel_sizes=(3,))
    lazy(torch.randn(2, 1, 20))
    assert lazy.in_leads == 1
    assert tuple(lazy.blocks[0].inception[0].bottleneck.weight.shape) == (3, 1, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kernel_sizes": ()}, r"needs a kernel, a block and a module in it, got kernel_sizes=\(\)"),
        ({"blocks": 0}, "got .*blocks=0"),
        ({"depth": 0}, "got .*depth=0"),
        ({"kernel_scale": 0}, "a positive number, got 0"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        InceptionTime(1, **wrong)

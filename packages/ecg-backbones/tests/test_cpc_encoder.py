"""The encoder of CPC: its published size, and that no step sees what comes after it."""

import pytest
import torch

from ecg_backbones.cpc_encoder import CPCEncoder

torch.set_num_threads(1)


def test_the_published_encoder_has_its_published_parameters():
    """The published pre-training model has 5,261,312, of which 512 · 512 are the prediction."""
    with torch.device("meta"):
        made = CPCEncoder(12)
    assert sum(p.numel() for p in made.parameters()) == 5_261_312 - 512 * 512


def test_no_step_sees_a_later_sample():
    torch.manual_seed(0)
    made = CPCEncoder(2, widths=(4, 4), kernel_sizes=(1, 1), strides=(1, 1), context_width=3).double().eval()
    x = torch.randn(1, 2, 30, dtype=torch.float64, requires_grad=True)
    made(x)[0, :, 12].sum().backward()
    assert x.grad[..., :13].abs().amin() > 0
    assert not x.grad[..., 13:].any()


def test_the_last_maps_are_latents_and_context_of_the_same_steps():
    made = CPCEncoder(2, widths=(4, 6), kernel_sizes=(3, 1), strides=(2, 1), context_width=5).eval()
    assert [tuple(f.shape) for f in made.forward_intermediates(torch.zeros(1, 2, 31))] == [(1, 4, 16), (1, 6, 16), (1, 5, 16)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"widths": (), "kernel_sizes": (), "strides": ()}, "needs a convolution and a recurrent layer"),
        ({"context_layers": 0}, "needs a convolution and a recurrent layer"),
        ({"strides": (1, 1)}, "are one per convolution, got 4, 4 and 2"),
    ],
)
def test_impossible_sizes_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        CPCEncoder(2, **words)

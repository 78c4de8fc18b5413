"""The transformer block: its residual form, and the statistics of stochastic depth."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ecg_core.layers.attention import attend
from ecg_core.layers.transformer import DropPath, TransformerBlock

torch.set_num_threads(1)


def _block(**words) -> TransformerBlock:
    torch.manual_seed(0)
    return TransformerBlock(8, heads=2, head_width=4, **words)


def test_a_block_is_attention_then_perceptron_each_on_the_normalised_residual() -> None:
    block, x = _block().eval(), torch.randn(2, 5, 8)
    after = x + block.attention(F.layer_norm(x, (8,), block.attention_norm.weight, block.attention_norm.bias))
    hidden = F.gelu(F.linear(block.mlp_norm(after), block.mlp[0].weight, block.mlp[0].bias))
    torch.testing.assert_close(block(x), after + F.linear(hidden, block.mlp[2].weight, block.mlp[2].bias))


def test_a_block_does_not_care_about_the_order_of_tokens() -> None:
    block, x, order = _block().eval(), torch.randn(2, 6, 8), torch.tensor([3, 1, 5, 0, 4, 2])
    torch.testing.assert_close(block(x[:, order]), block(x)[:, order])


def test_windows_of_a_batch_do_not_see_each_other() -> None:
    block, x = _block().eval(), torch.randn(3, 5, 8)
    torch.testing.assert_close(block(x)[1:2], block(x[1:2]))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_drop_path_leaves_out_whole_windows_at_its_rate_and_keeps_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    count = 20_000
    out = DropPath(rate).train()(torch.ones(count, 2, 3))
    kept = out[:, 0, 0] > 0
    assert torch.equal(out, kept[:, None, None] * torch.full_like(out, 1 / (1 - rate)))  # all of a window, or nothing
    deviation = (rate * (1 - rate) / count) ** 0.5
    assert float((~kept).float().mean()) == pytest.approx(rate, abs=4 * deviation)
    assert float(out.mean()) == pytest.approx(1.0, abs=4 * deviation / (1 - rate))


def test_drop_path_does_nothing_in_evaluation_or_at_rate_zero() -> None:
    x = torch.randn(4, 2, 3)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0).train()(x) is x


def test_a_dropped_branch_leaves_the_window_as_it_was() -> None:
    block, x = _block(drop_path=0.5).train(), torch.randn(200, 3, 8)
    torch.manual_seed(1)
    unchanged = (block(x) == x).flatten(1).all(dim=1)
    assert float(unchanged.float().mean()) == pytest.approx(0.25, abs=0.12)  # both branches dropped: 0.5²


def test_dropout_and_drop_path_are_only_for_training() -> None:
    block, x = _block(dropout=0.5, drop_path=0.5), torch.randn(4, 3, 8)
    plain = _block().eval()
    assert torch.equal(block.eval()(x), plain(x))
    assert not torch.equal(block.train()(x), plain(x))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2), (torch.float16, 3e-3)])
def test_both_roads_of_attention_give_what_the_fused_kernel_gives(dtype: torch.dtype, tolerance: float) -> None:
    """Values and gradients of all three inputs; the reference runs the fused kernel in float64."""
    torch.manual_seed(0)
    inputs = [torch.randn(2, 3, 9, 4, dtype=dtype).requires_grad_() for _ in range(3)]
    exact = [t.detach().double().requires_grad_() for t in inputs]
    out, expected = attend(*inputs), F.scaled_dot_product_attention(*exact)
    out.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(out.double(), expected, rtol=tolerance, atol=tolerance)
    for found, reference in zip(inputs, exact, strict=True):
        torch.testing.assert_close(found.grad.double(), reference.grad, rtol=tolerance, atol=10 * tolerance)
    assert out.dtype == dtype


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_branch_is_never_left_out_for_certain(rate):
    with pytest.raises(ValueError, match=r"rate must be a probability in \[0, 1\), got"):
        DropPath(rate)


def test_the_epsilon_of_both_normalisations_can_be_chosen() -> None:
    block, usual = _block(norm_eps=1e-6).eval(), _block().eval()
    assert (block.attention_norm.eps, block.mlp_norm.eps) == (1e-6, 1e-6)
    x = 1e-3 * torch.randn(1, 4, 8)  # so small that what is added to the variance shows
    assert not torch.allclose(block(x), usual(x), rtol=1e-3)


def test_a_block_without_biases_has_none_and_a_mask_reaches_its_attention() -> None:
    block = _block(qkv_bias=False, bias=False).eval()
    assert {name.rpartition(".")[2] for name, _ in block.named_parameters()} == {"weight"}
    x = torch.randn(2, 5, 8)
    changed = x.clone()
    changed[:, 1:] = torch.randn(2, 4, 8)
    alone = torch.eye(5, dtype=torch.bool)
    assert torch.equal(block(changed, alone)[:, 0], block(x, alone)[:, 0])
    assert not torch.allclose(block(changed)[:, 0], block(x)[:, 0])

"""Attention: both roads give the attention of the formula."""

import pytest
import torch

from ecg_core.layers.attention import SelfAttention, attend

torch.set_num_threads(1)


def by_formula(q, k, v):
    return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1) @ v


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_attention_is_the_formula_in_every_precision(dtype, tolerance):
    q, k, v = torch.randn(3, 2, 3, 7, 8, dtype=torch.float64).to(dtype)
    expected = by_formula(q.double(), k.double(), v.double())
    torch.testing.assert_close(attend(q, k, v).double(), expected, rtol=tolerance, atol=tolerance)


def test_half_precision_on_the_cpu_does_not_take_the_slow_fused_kernel():
    half = torch.randn(1, 1, 4, 8, dtype=torch.bfloat16)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        attend(half, half, half)
    assert not any("scaled_dot_product" in event.key for event in profile.key_averages())


def test_equal_tokens_are_attended_to_equally():
    attention = SelfAttention(6, heads=2, head_width=5)
    x = torch.randn(1, 1, 6).expand(1, 9, 6)
    torch.testing.assert_close(attention(x), attention(x[:, :1]).expand(1, 9, 6))


def test_the_width_of_a_head_does_not_follow_the_width_of_a_token():
    attention = SelfAttention(6, heads=3, head_width=64)
    assert tuple(attention.qkv.weight.shape) == (3 * 3 * 64, 6)
    assert tuple(attention.out.weight.shape) == (6, 3 * 64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_mask_decides_who_is_looked_at(dtype):
    """With itself alone to look at, a token is its own value; with one other, it is that one's."""
    query, key, value = torch.randn(3, 2, 4, 5, 8).to(dtype).unbind(0)
    assert torch.equal(attend(query, key, value, torch.eye(5, dtype=torch.bool)), value)
    assert torch.equal(attend(query, key, value, torch.eye(5, dtype=torch.bool).roll(1, dims=1)), value.roll(-1, dims=2))
    everyone = attend(query, key, value, torch.ones(5, 5, dtype=torch.bool))
    torch.testing.assert_close(everyone, attend(query, key, value))


def test_biases_can_be_left_out():
    names = {(qkv, rest): {n for n, _ in SelfAttention(8, heads=2, qkv_bias=qkv, bias=rest).named_parameters()}
             for qkv in (True, False) for rest in (True, False)}  # fmt: skip
    assert names[True, True] - names[False, True] == {"qkv.bias"}
    assert names[True, True] - names[True, False] == {"out.bias"}
    assert names[False, False] == {"qkv.weight", "out.weight"}

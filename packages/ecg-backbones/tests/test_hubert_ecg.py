"""HuBERT-ECG's encoder: its lengths, its joints and its published sizes; its blocks against PyTorch's own."""

import pytest
import torch
from torch import nn

from ecg_backbones.hubert_ecg import Decimation
from ecg_backbones.layers.post_norm import PostNormBlock
from ecg_core.discovery.registries import BACKBONES

torch.set_num_threads(1)


def encoder(**words):
    small = {"conv_width": 8, "width": 16, "depth": 2, "heads": 4, "position_kernel": 8, "position_groups": 4, "dropout": 0.0}
    return BACKBONES.build("hubert_ecg_base", in_leads=12, **{**small, "layer_drop": 0.0, **words})


def test_five_seconds_of_twelve_leads_are_93_steps():
    backbone = encoder()
    assert backbone.steps(500) == 93
    assert backbone.local(torch.randn(1, 12, 500)).shape[1] == 93
    length = 6000
    for convolution, steps in zip(backbone.convolutions, (1498, 748, 373, 186, 93), strict=True):
        kernel, stride = convolution.kernel_size[0], convolution.stride[0]
        length = (length - kernel) // stride + 1
        assert length == steps


def test_the_frame_of_a_step_holds_the_samples_that_its_convolutions_see():
    backbone = encoder().eval()
    x = torch.randn(1, 12, 500, requires_grad=True)
    frames = backbone.frames(x)
    assert frames.shape == (1, 93, 1, 82)
    for step in (0, 7, 92):  # step 7 lies on the joint between two leads
        h = backbone.sequence(x)
        for convolution in backbone.convolutions:  # without the normalisation, which sees the whole window
            h = convolution(h)
        (seen,) = torch.autograd.grad(h[0, :, step].sum(), x)
        places = seen.abs().flatten().nonzero().flatten()
        assert places.tolist() == list(range(64 * step, 64 * step + 82))
        assert torch.equal(frames[0, step, 0], x.flatten()[64 * step : 64 * step + 82])


@pytest.mark.parametrize(("name", "count"), [("small", 30_209_152), ("base", 92_798_080), ("large", 187_643_776)])
def test_the_sizes_are_those_of_the_paper_which_rounds_them_to_millions(name, count):
    with torch.device("meta"):
        backbone = BACKBONES.build(f"hubert_ecg_{name}", in_leads=12)
    assert sum(p.numel() for p in backbone.parameters()) == count
    assert round(count / 1e6) == {"small": 30, "base": 93, "large": 188}[name]


@pytest.mark.parametrize("factor", [2, 5, 10])
def test_decimation_is_that_of_scipy_away_from_the_ends(factor):
    scipy_signal = pytest.importorskip("scipy.signal")
    x = torch.randn(2, 500 * factor, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found, expected = Decimation(factor)(x), torch.from_numpy(scipy_signal.decimate(x.numpy(), factor).copy())
    assert found.shape == expected.shape
    torch.testing.assert_close(found[:, 100:-100], expected[:, 100:-100], rtol=0, atol=5e-4)  # what the ends still say


def test_a_60_hz_tone_is_gone_behind_decimation_to_100_hz_and_a_10_hz_tone_stays():
    time = torch.arange(2500) / 500
    slow, fast = (torch.sin(2 * torch.pi * f * time) for f in (10, 60))
    found = Decimation(5)(torch.stack([slow, fast]))[:, 50:-50]
    assert float(found[1].abs().max()) < 1e-3
    torch.testing.assert_close(found[0], slow[::5][50:-50], rtol=0.02, atol=2e-3)  # 0.05 dB of ripple


def test_filtering_across_joints_differs_from_filtering_each_lead_near_joints_only():
    smooth = torch.linspace(0, 3, 2500)
    x = torch.stack([torch.cos(smooth * (lead + 1)) + lead for lead in range(12)])[None]
    apart = encoder(decimate=5).sequence(x)
    joined = encoder(decimate=5, joined=True).sequence(x)
    assert apart.shape == joined.shape == (1, 1, 6000)
    difference = (apart - joined).abs().flatten()
    from_a_joint = (torch.arange(6000) - 500 * torch.arange(13)[:, None]).abs().amin(dim=0)
    assert float(difference[from_a_joint > 60].max()) < 2e-4
    assert float(difference[from_a_joint < 5].max()) > 0.1


def test_windows_at_500_hz_have_the_steps_of_windows_at_100_hz():
    for joined in (False, True):
        backbone = encoder(decimate=5, joined=joined)
        assert backbone.steps(2500) == 93
        assert backbone(torch.randn(1, 12, 2500)).shape == (1, 16, 93)
        assert backbone.stages[0].stride == 320


def test_a_block_is_that_of_pytorch():
    torch.manual_seed(0)
    block = PostNormBlock(16, heads=4, mlp_ratio=2.0, dropout=0.0).eval()
    other = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, activation="gelu", batch_first=True).eval()
    names = {
        "self_attn.in_proj_weight": "attention.qkv.weight", "self_attn.in_proj_bias": "attention.qkv.bias",
        "self_attn.out_proj.weight": "attention.out.weight", "self_attn.out_proj.bias": "attention.out.bias",
        "linear1.weight": "mlp.0.weight", "linear1.bias": "mlp.0.bias",
        "linear2.weight": "mlp.2.weight", "linear2.bias": "mlp.2.bias",
        "norm1.weight": "attention_norm.weight", "norm1.bias": "attention_norm.bias",
        "norm2.weight": "mlp_norm.weight", "norm2.bias": "mlp_norm.bias",
    }  # fmt: skip
    for p in block.parameters():
        nn.init.normal_(p, std=0.2)
    other.load_state_dict({theirs: block.state_dict()[ours] for theirs, ours in names.items()})
    x = torch.randn(2, 7, 16)
    torch.testing.assert_close(block(x), other(x), rtol=1e-5, atol=1e-5)


def test_a_skipped_block_passes_its_input_on_and_never_in_evaluation():
    block = PostNormBlock(8, heads=2, mlp_ratio=2.0, dropout=0.0, skip=0.5)
    x = torch.randn(1, 3, 8)
    torch.manual_seed(0)
    passed = [torch.equal(block(x), x) for _ in range(200)]
    assert 60 < sum(passed) < 140
    block.eval()
    assert not any(torch.equal(block(x), x) for _ in range(20))


def test_without_leads_there_is_no_number_of_steps():
    unknown = BACKBONES.build("hubert_ecg_base", conv_width=8, width=16, depth=1, heads=4, position_groups=4)
    with pytest.raises(ValueError, match="does not know its leads yet; build it with in_leads=… or show it a batch first"):
        unknown.steps(500)
    for words, message in (
        ({"heads": 5}, "width must be a multiple of heads and position_groups, got 16, 5 and 4"),
        ({"kernels": (3,)}, "every convolution needs a kernel and a stride, got 1 and 5"),
        ({"decimate": 0}, "decimate keeps every n-th sample, from 1 on, got 0"),
        ({"layer_drop": 1.0}, r"skip must be a probability in \[0, 1\), got 1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder(**words)

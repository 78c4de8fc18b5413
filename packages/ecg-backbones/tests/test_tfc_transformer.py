"""The transformer of TF-C: its published size, and the same layers as PyTorch's own."""

import pytest
import torch
from torch import nn

from ecg_backbones.tfc_transformer import TFCTransformer

torch.set_num_threads(1)


def test_the_features_are_those_of_pytorchs_encoder_with_the_same_weights():
    torch.manual_seed(0)
    ours = TFCTransformer(1, patch_size=12).eval()
    theirs = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(12, 2, dim_feedforward=24, batch_first=True), 2, enable_nested_tensor=False
    ).train()
    for module in theirs.modules():  # training mode, in which the layers run as they are written, without dropout
        if isinstance(module, (nn.Dropout, nn.MultiheadAttention)):
            module.p = module.dropout = 0.0
    names = {
        "self_attn.in_proj_": "attention.qkv.",
        "self_attn.out_proj": "attention.out",
        "linear1": "mlp.0",
        "linear2": "mlp.3",
    }
    names |= {"norm1": "attention_norm", "norm2": "mlp_norm", "layers": "blocks"}
    state = {}
    for name, value in theirs.state_dict().items():
        for before, after in names.items():
            name = name.replace(before, after)
        state[name] = value
    ours.load_state_dict(state)
    x = torch.randn(3, 1, 60)
    torch.testing.assert_close(ours(x), theirs(x.reshape(3, 5, 12)).transpose(1, 2), rtol=1e-5, atol=1e-5)


def test_leads_share_weights_and_are_averaged():
    torch.manual_seed(0)
    made, x = TFCTransformer(patch_size=10).eval(), torch.randn(2, 3, 40)
    rows = made.forward_lead_features(x)
    assert made.in_leads == 3
    alone = TFCTransformer(1, patch_size=10).eval()
    alone.load_state_dict(made.state_dict())
    torch.testing.assert_close(rows[:, 1], alone(x[:, 1:2]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"patch_size": 177}, "patch_size must be a multiple of heads, got 177 samples and 2 heads"),
        ({"heads": 0}, "patch_size must be a multiple of heads, got 178 samples and 0 heads"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
    ],
)
def test_impossible_sizes_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        TFCTransformer(1, **words)

"""Masked methods with patches that span all leads: the numbers of the official MTAE, learning, and hidden samples."""

from dataclasses import replace

import pytest
import torch

from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES
from ecg_ssl.base.masked import BaseMaskedAutoencoder
from ecg_ssl.layers.decoder import LeadwiseDecoder
from ecg_ssl.methods.st_mem import STMEM
from ecg_ssl.objectives.masked import patch_mse

ENCODER = (
    ("to_patch_embedding.1.", "patch_embedding.0."), ("to_patch_embedding.2.", "patch_embedding.1."),
    ("to_patch_embedding.3.", "patch_embedding.2."), ("cls_embedding", "class_token"), ("block0.", "blocks.0."),
    ("block1.", "blocks.1."),
)  # fmt: skip
BLOCK = (
    ("attn.norm.", "attention_norm."), ("attn.fn.to_qkv.", "attention.qkv."), ("attn.fn.to_out.0.", "attention.out."),
    ("ff.norm.", "mlp_norm."), ("ff.fn.net.0.", "mlp.0."), ("ff.fn.net.3.", "mlp.2."),
)  # fmt: skip
METHOD = (
    ("encoder.", "backbone."), ("to_decoder_embedding.", "decoder.embed."), ("mask_embedding", "decoder.mask_token"),
    ("decoder_blocks.", "decoder.blocks."), ("decoder_norm.", "decoder.norm."), ("decoder_head.", "decoder.head."),
)  # fmt: skip


class Joint(BaseMaskedAutoencoder):
    """Hides patches of all leads and predicts all their samples."""

    def __init__(self, backbone, *, leads, **decoder):
        super().__init__(backbone, mask_ratio=0.75, normalise_patches=True, crop_seconds=None)
        self.decoder = LeadwiseDecoder(backbone.width, leads * backbone.patch_size, prefix=backbone.prefix, **decoder)

    def decode(self, latent, masking):
        return self.decoder(latent, masking.restore)


def small(name="vit_tiny_all_leads", leads=3, **words):
    torch.manual_seed(0)
    size = {"width": 32, "depth": 2, "heads": 2, "head_width": 16, "patch_size": 25, "in_leads": leads}
    backbone = BACKBONES.build(name, **{**size, **words})
    return Joint(backbone, leads=leads, width=32, depth=1, heads=2, head_width=16)


@pytest.fixture
def official(golden):
    stored = golden("mtae_small.npz")
    state = {}
    for key, value in stored.items():
        if key.startswith("sd/") and "pos_embed" not in key:
            name = key.removeprefix("sd/")
            for theirs, ours in (*METHOD, *ENCODER, *BLOCK):
                name = name.replace(theirs, ours)
            state[name] = value.flatten() if name == "decoder.mask_token" else value
    backbone = BACKBONES.build("vit_base_all_leads", in_leads=12, width=64, depth=2, heads=2, mlp_ratio=2.0)
    method = Joint(backbone, leads=12, width=32, depth=2, heads=2, mlp_ratio=2.0).eval()
    method.load_state_dict(state)
    return stored, method


def test_prediction_and_losses_are_those_of_the_official_mtae(official):
    stored, method = official
    made = method.reconstruct(Batch(stored["x"], 250.0, STANDARD_12), noise=stored["noise"][:, None])
    torch.testing.assert_close(made.mask[:, 0].float(), stored["mask"])
    torch.testing.assert_close(made.prediction[:, 0], stored["pred"], rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(made.patches[:, 0], stored["target"])
    for normalise, key in ((True, "loss_norm_pix"), (False, "loss_raw")):
        found = patch_mse(made.prediction, made.patches, made.mask, normalise=normalise)
        torch.testing.assert_close(found, stored[key], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["vit_tiny_all_leads", "vit_small_all_leads", "vit_base_all_leads"])
def test_hidden_samples_of_all_leads_never_reach_the_prediction(name, ecg_batch):
    method, batch = small(name).eval(), ecg_batch(4, leads=3)
    made = method.reconstruct(batch)
    assert (made.mask.sum(dim=-1) == 9).all()  # of 12
    hidden = made.mask.repeat_interleave(25, dim=-1)
    changed = method.reconstruct(replace(batch, signal=batch.signal + 5.0 * hidden))
    assert torch.equal(changed.prediction, made.prediction)
    visible = method.reconstruct(replace(batch, signal=batch.signal + 5.0 * ~hidden))
    assert not torch.equal(visible.prediction, made.prediction)


def test_a_masked_method_learns_with_tokens_of_all_leads(ecg_batch):
    method, batch = small(), ecg_batch(4, leads=3)
    optimizer = torch.optim.AdamW(method.parameters(), lr=3e-3, betas=(0.9, 0.95))
    losses = []
    for _ in range(120):
        optimizer.zero_grad()
        loss = method.loss(batch).total
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.9
    assert losses[-1] < 0.5 * losses[0]


def test_st_mem_decodes_each_lead_on_its_own_and_refuses_tokens_of_all(ecg_batch):
    backbone = BACKBONES.build("vit_tiny_all_leads", width=16, depth=1, heads=2, head_width=8, patch_size=25)
    with pytest.raises(ValueError, match=r"prediction \(4, 1, 12, 25\), patches \(4, 1, 12, 75\)"):
        STMEM(backbone).loss(ecg_batch(4, leads=3))

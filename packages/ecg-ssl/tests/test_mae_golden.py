"""MAE against outputs of the official image code (small random weights, noise injected): the whole model, on images.

Images are no ECGs: the backbone of image patches is defined here, and takes an image as an ECG whose leads are its colours.
Everything else is ours as it is: the masking, the grid's positions, the decoder, the target, the loss, the blocks.
"""

import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Stage
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.batch import Batch
from ecg_core.discovery.registries import BACKBONES
from ecg_core.layers.positions import grid_positions
from ecg_core.layers.transformer import TransformerBlock
from ecg_ssl.convert.mae import from_official, inflate_from_image_mae, to_official
from ecg_ssl.methods.mae import MAE

CLOSE = {"rtol": 1e-5, "atol": 2e-5}


class ImageViT(TokenBackbone):
    """Square patches of a square image, given as (batch, colours, pixels), in the order row, column, colour."""

    prefix, suffix = 1, 0

    def __init__(self, side=32, patch=8, width=64):
        super().__init__()
        self.in_leads, self.side, self.patch, self.width = 3, side, patch, width
        self.patch_size, self.min_samples = patch * patch, side * side
        self.stages = (Stage(width, self.patch_size),)
        self.patch_embedding = nn.Linear(3 * self.patch_size, width)
        self.class_token = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads=4, head_width=width // 4, mlp_ratio=2.0, norm_eps=1e-6) for _ in range(2)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def layout(self, leads, samples):
        return self.side // self.patch, self.side // self.patch

    def patchify(self, x):
        count = self.side // self.patch
        x = x.unflatten(2, (count, self.patch, count, self.patch))  # colour, row of patches, row, column of patches, column
        return x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2).unsqueeze(1)

    def embed(self, patches):
        count = self.side // self.patch
        return self.patch_embedding(patches) + grid_positions(count, count, self.width, like=patches)

    def encode(self, tokens, keep=None, lead_index=None):
        if keep is not None:
            tokens = tokens.gather(2, keep[..., None].expand(-1, -1, -1, self.width))
        tokens = torch.cat([self.class_token.expand(len(tokens), 1, -1), tokens[:, 0]], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, None]

    def forward_intermediates(self, x):
        return [self.encode(self.embed(self.patchify(x)))[:, 0, 1:].transpose(1, 2)]


@pytest.fixture
def reference(golden):
    return golden("mae_small.npz")


@pytest.fixture
def official(reference):
    return {key.removeprefix("sd/"): value for key, value in reference.items() if key.startswith("sd/")}


@pytest.fixture
def method(official):
    decoder = {"decoder_width": 32, "decoder_depth": 2, "decoder_heads": 4, "decoder_head_width": 8}
    method = MAE(ImageViT(), **decoder, decoder_norm_eps=1e-6, mlp_ratio=2.0).eval()
    method.load_state_dict(from_official(official))
    return method


def batch_of(reference):
    return Batch(reference["x"].flatten(2), 1.0, ("red", "green", "blue"))


def test_patches_of_the_image_are_those_of_the_official_code(method, reference):
    made = method.reconstruct(batch_of(reference), noise=reference["noise"][:, None])
    assert torch.equal(made.patches[:, 0], reference["patchified"])
    assert torch.equal(made.mask[:, 0].float(), reference["mask"])


def test_encoded_tokens_of_an_image_are_those_of_the_official_code(method, reference):
    backbone = method.backbone
    (masking,) = method._maskings(reference["noise"][:, None], 1, 4, 4)
    assert torch.equal(masking.restore[:, 0], reference["ids_restore"])
    tokens = backbone.embed(backbone.patchify(reference["x"].flatten(2)))
    torch.testing.assert_close(backbone.encode(tokens, masking.keep)[:, 0], reference["latent"], **CLOSE)


def test_predictions_of_an_image_are_those_of_the_official_code(method, reference):
    made = method.reconstruct(batch_of(reference), noise=reference["noise"][:, None])
    torch.testing.assert_close(made.prediction[:, 0], reference["pred"], **CLOSE)


@pytest.mark.parametrize("normalise", [True, False])
def test_losses_of_an_image_are_those_of_the_official_code(method, reference, normalise):
    method.normalise_patches = normalise
    loss = method.loss(batch_of(reference), noise=reference["noise"][:, None]).total
    torch.testing.assert_close(loss, reference["loss_norm_pix" if normalise else "loss_raw"], rtol=1e-5, atol=0.0)


def test_the_usual_epsilon_of_a_normalisation_misses_the_image_model(official, reference):
    """1e-5 instead of 1e-6 would load as well; the outputs tell them apart."""
    decoder = {"decoder_width": 32, "decoder_depth": 2, "decoder_heads": 4, "decoder_head_width": 8}
    method = MAE(ImageViT(), **decoder, mlp_ratio=2.0).eval()
    method.load_state_dict(from_official(official))
    made = method.reconstruct(batch_of(reference), noise=reference["noise"][:, None])
    assert (made.prediction[:, 0] - reference["pred"]).abs().max() > 2e-5


def test_official_to_ours_to_official_is_bit_exact(official, method):
    for ours in (from_official(official), method.state_dict()):
        again = to_official(ours, patches=4)
        assert set(again) == set(official)
        assert all(torch.equal(again[key], official[key]) for key in official)


def test_blocks_of_an_image_mae_start_an_ecg_encoder(official):
    backbone = BACKBONES.build("vit_grid_tiny", in_leads=3, width=64, depth=2, heads=4, head_width=16, mlp_ratio=2.0)
    missing, unexpected = backbone.load_state_dict(inflate_from_image_mae(official), strict=False)
    assert unexpected == []
    assert {name.split(".")[0] for name in missing} == {"patch_embedding"}
    assert torch.equal(backbone.blocks[1].mlp[0].weight, official["blocks.1.mlp.fc1.weight"])
    assert torch.equal(backbone.class_token, official["cls_token"].flatten())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s | {"pos_embed": s["pos_embed"].flip(2)}, "'pos_embed' does not hold the sin-cos positions of MAE's square"),
        (lambda s: s | {"decoder_pos_embed": s["decoder_pos_embed"][:, :-1]}, "'decoder_pos_embed' does not hold"),
        (lambda s: s | {"head.weight": torch.zeros(5, 64)}, "'head.weight' is no name of an image MAE state dict"),
    ],
)
def test_a_file_of_another_model_is_refused(official, spoil, message):
    with pytest.raises(ValueError, match=message):
        from_official(spoil(official))

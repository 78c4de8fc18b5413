"""HeartLang's encoder and its codes: published sizes, silence, and codes that follow what they stand for."""

import pytest
import torch
import torch.nn.functional as F

from ecg_backbones.layers.norm_quantizer import NormQuantizer
from ecg_core.discovery.registries import BACKBONES
from ecg_core.testing.toy import toy_signal

torch.set_num_threads(1)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_encoder_has_the_published_parameters_but_for_the_mask_token_and_the_head():
    with torch.device("meta"):
        backbone = BACKBONES.build("heartlang", in_leads=12)
    assert parameters(backbone) + 768 + 768 * 8192 + 8192 == 44_562_176
    assert backbone.steps(1000) == 257


def test_the_tokenizer_has_the_described_parameters():
    with torch.device("meta"):
        backbone = BACKBONES.build("vq_hbr", in_leads=12)
    width, values, inner, hidden = 768, 96, 2 * 64, 2048
    block = 2 * width + 3 * width * inner + inner * width + width + 2 * width + 2 * width * hidden + hidden + width
    embedding = values * width * 3 + width + 257 * width + 2 * 16 * width
    project = width * width + width + width * 128 + 128
    assert parameters(backbone) == embedding + 4 * block + 2 * width + project
    assert backbone.quantizer.codebook.shape == (8192, 128)


def test_a_window_is_its_class_token_and_silence_has_no_code():
    torch.manual_seed(0)
    sizes = {"width": 16, "depth": 1, "heads": 2, "head_width": 8, "mlp_width": 16}
    backbone = BACKBONES.build("heartlang", in_leads=3, dropout=0.0, max_tokens=64, **sizes).eval()
    x = torch.from_numpy(toy_signal(2, 3, 1000))
    features = backbone(x)
    assert features.shape == (2, 16, 65)
    assert torch.equal(backbone.pool(features), features[..., 0])
    codes = BACKBONES.build("vq_hbr", in_leads=3, max_tokens=64, codes=32, code_width=8, **sizes).eval()
    real = codes.sentences(x).real
    length = codes(x).norm(dim=1)
    torch.testing.assert_close(length, real.float())


def test_the_number_is_that_of_the_nearest_direction_and_its_gradient_that_of_the_input():
    torch.manual_seed(0)
    quantizer = NormQuantizer(16, 4)
    z = torch.randn(10, 4, requires_grad=True)
    number, codes = quantizer(z)
    distance = torch.cdist(F.normalize(z.detach(), dim=-1), quantizer.codebook)
    assert torch.equal(number, distance.argmin(dim=-1))
    torch.testing.assert_close(codes.detach(), quantizer.codebook[number])
    weight = torch.randn(10, 4)
    (codes * weight).sum().backward()
    u = z.detach().clone().requires_grad_(True)
    (F.normalize(u, dim=-1) * weight).sum().backward()
    torch.testing.assert_close(z.grad, u.grad)  # what reaches the code reaches the direction unchanged


def test_codes_of_two_clusters_converge_on_their_directions():
    torch.manual_seed(0)
    quantizer = NormQuantizer(2, 3, decay=0.9)
    ends = F.normalize(torch.tensor([[1.0, 0.2, 0.0], [-0.3, 1.0, 0.5]]), dim=-1)
    quantizer.begin(torch.tensor([[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]]))
    for _ in range(80):
        z = F.normalize(ends.repeat_interleave(50, dim=0) + 0.05 * torch.randn(100, 3), dim=-1)
        number, _ = quantizer(z)
        sums = torch.zeros(2, 3).index_add_(0, number, z)
        quantizer.follow(torch.bincount(number, minlength=2), sums)
    torch.testing.assert_close(quantizer.codebook, ends, rtol=0, atol=0.01)
    torch.testing.assert_close(quantizer.codebook.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(quantizer.usage, torch.full((2,), 50 * (1 - 0.9**80)))
    assert quantizer.perplexity == pytest.approx(2)


def test_a_code_that_nothing_chose_stays_until_it_is_given_a_new_place():
    quantizer = NormQuantizer(4, 2)
    assert quantizer.perplexity == 0
    quantizer.begin(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]))
    for _ in range(5):
        quantizer.follow(torch.tensor([5.0, 0, 0, 0]), torch.tensor([[5.0, 0.0], [0, 0], [0, 0], [0, 0]]))
    assert torch.equal(quantizer.codebook[2], torch.tensor([-1.0, 0.0]))
    revived = quantizer.revive(torch.tensor([[3.0, 4.0], [4.0, 3.0]]), 0.01)
    assert revived == 2  # of three, for two points
    torch.testing.assert_close(quantizer.codebook[1:3], torch.tensor([[0.6, 0.8], [0.8, 0.6]]))
    assert torch.equal(quantizer.codebook[3], torch.tensor([0.0, -1.0]))
    assert quantizer.revive(torch.tensor([[1.0, 1.0]]), 0.01) == 1
    assert torch.equal(quantizer.codebook[0], torch.tensor([1.0, 0.0]))


def test_what_cannot_be_built_is_named():
    with pytest.raises(ValueError, match="HeartLang tells 15 leads apart, got in_leads=16; select leads"):
        BACKBONES.build("heartlang", in_leads=16)
    with pytest.raises(ValueError, match="decay is a share from 0 to below 1, got 1.0"):
        NormQuantizer(4, 2, decay=1.0)

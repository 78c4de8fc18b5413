"""data2vec: what the targets are made of, what the student sees, and how its teacher follows."""

import pytest
import torch

from ecg_core.contracts.lazy import materialize
from ecg_core.discovery.registries import BACKBONES
from ecg_ssl.methods.data2vec import Data2Vec

torch.set_num_threads(1)


def method_of(name="vit_register_xs", depth=3, in_leads=3, **arguments):
    torch.manual_seed(0)
    backbone = BACKBONES.build(name, in_leads=in_leads, width=16, depth=depth, heads=2, patch_size=20)
    return Data2Vec(backbone, **{"top_blocks": 2, "span": 3, **arguments}).train()


def made_ready(method, batch):
    return materialize(method, batch, call=method.loss)


@pytest.fixture
def batch(ecg_batch):
    return ecg_batch(leads=3, samples=400)


@pytest.mark.parametrize("name", ["vit_register_xs", "vit_tiny", "vit_grid_tiny", "vit_time_tiny"])
def test_targets_are_the_mean_of_the_last_blocks_each_normalised_over_time(batch, name):
    """Followed by hand through the blocks of the teacher."""
    method = made_ready(method_of(name), batch)
    made, backbone = method.latents(batch), method.target.backbone
    outputs = []
    with torch.no_grad():
        handles = [block.register_forward_hook(lambda _m, _i, out: outputs.append(out)) for block in backbone.blocks]
        whole = backbone.encode(backbone.embed(backbone.patchify(batch.signal)))
    for handle in handles:
        handle.remove()
    leads = 3 if name in ("vit_tiny", "vit_grid_tiny") else 1
    last = []
    for out in outputs[-2:]:
        tokens = out.view(whole.shape)[:, :, backbone.prefix : whole.shape[2] - backbone.suffix].reshape(8 * leads, 20, 16)
        last.append((tokens - tokens.mean(dim=1, keepdim=True)) / (tokens.var(dim=1, unbiased=False, keepdim=True) + 1e-5).sqrt())
    expected = (last[0] + last[1]) / 2
    hidden = made.mask.repeat_interleave(leads, dim=0)
    torch.testing.assert_close(made.target.flatten(0, 1), expected[hidden], rtol=1e-4, atol=1e-5)


def test_layer_normalisation_is_per_token(batch):
    method = made_ready(method_of(normalise="layer", top_blocks=1), batch)
    target = method.latents(batch).target
    torch.testing.assert_close(target.mean(dim=-1), torch.zeros(target.shape[:2]), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(target.var(dim=-1, unbiased=False), torch.ones(target.shape[:2]), atol=1e-2, rtol=0.0)


def test_without_blocks_the_target_is_what_the_encoder_puts_out(batch):
    method = made_ready(method_of(top_blocks=None, normalise="layer"), batch)
    made = method.latents(batch)
    whole = torch.nn.functional.layer_norm(method.target(batch.signal)[:, 0], (16,))
    torch.testing.assert_close(made.target.flatten(0, 1), whole[made.mask])


@pytest.mark.parametrize("beta", [0.1, 1.0, 4.0])
def test_the_loss_is_quadratic_up_to_beta_and_linear_from_there(batch, beta):
    method = made_ready(method_of(beta=beta), batch)
    made = method.latents(batch)
    error = (made.prediction - made.target).abs()
    expected = torch.where(error <= beta, error.square() / (2 * beta), error - beta / 2).mean()
    torch.testing.assert_close(method.loss(batch).total, expected)


def test_half_of_the_times_is_hidden_in_runs_of_every_window_its_own(batch):
    mask = made_ready(method_of(), batch).latents(batch).mask
    assert mask.sum(dim=1).unique().tolist() == [10]
    assert not (mask == mask[0]).all()
    long = method_of(span=10).draw_mask(batch.draws(2), 400)
    assert long.sum(dim=1).unique().tolist() == [200]
    assert (long[:, 1:] != long[:, :-1]).sum(dim=1).max() < 60  # single times would change 200 times
    short = method_of(span=5)
    share = torch.stack([short.draw_mask(batch.draws(salt), 100) for salt in range(200)]).float().mean(dim=(0, 1))
    torch.testing.assert_close(share[10:90], torch.full((80,), 0.51), atol=0.06, rtol=0.0)


def test_the_student_sees_nothing_of_hidden_times_and_knows_where_they_are(batch):
    method = made_ready(method_of(), batch).eval()
    mask = method.latents(batch).mask
    x = batch.signal.clone().requires_grad_(True)
    method.latents(batch.with_signal(x), mask=mask).prediction.square().sum().backward()
    hidden = mask.repeat_interleave(20, dim=1)[:, None].expand_as(x)
    assert x.grad[hidden].abs().max() == 0
    assert x.grad[~hidden].abs().min() > 0
    said = method.latents(batch, mask=mask).prediction
    assert (said[:, 0] - said[:, -1]).abs().max() > 1e-4  # hidden patches are alike but for their positions


def test_the_hidden_patch_is_as_long_as_a_patch_and_learns(batch):
    for name, values in (("vit_register_xs", 60), ("vit_tiny", 20)):
        method = made_ready(method_of(name), batch)
        assert method.mask_patch.patch.shape == (values,)
        method.loss(batch).total.backward()
        assert method.mask_patch.patch.grad.abs().max() > 0


def test_the_momentum_rises_until_it_is_told_to_stop():
    method = method_of(momentum_steps=10)
    method.plan(100)
    rates = []
    for _ in range(21):
        rates.append(method.target.rate)
        method.target.updates += 1
    assert rates[0] == pytest.approx(0.999)
    assert rates[5] == pytest.approx(0.99945)
    assert rates[10] == rates[20] == pytest.approx(0.9999)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"normalise": "batch"}, "normalise must be 'instance' or 'layer', got 'batch'"),
        ({"mask_ratio": 1.0}, "mask_ratio must be between 0 and 1, span at least 1 and beta positive, got 1.0, 3 and 1.0"),
        ({"span": 0}, "got 0.5, 0 and 1.0"),
        ({"beta": 0.0}, "got 0.5, 3 and 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        method_of(**arguments)


@pytest.mark.parametrize("count", [0, 4])
def test_more_blocks_than_there_are_is_refused_when_it_is_built(count):
    with pytest.raises(
        TypeError, match=f"top_blocks={count} takes as many of backbone.blocks, and RegisterViT has 3; pass another"
    ):
        method_of(top_blocks=count)

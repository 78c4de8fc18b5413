"""What every backbone of this package promises, whatever it is made of."""

import copy
import pickle

import pytest
import torch

from ecg_backbones.resnet import ResNet
from ecg_backbones.vit import ViT
from ecg_core.contracts.lazy import is_materialized, materialize
from ecg_core.discovery.registries import BACKBONES

torch.set_num_threads(1)

TWO = {"widths": (4, 8), "depths": (1, 1), "kernel_size": 3}
SMALL = {
    "resnet18": TWO,
    "resnet_nature_comm_bottle_neck_nl": {**TWO, "strides": (2, 2), "stem_widths": (4,)},
    "tresnet": {**TWO, "block": ("basic", "bottleneck"), "attention": ("squeeze_excite", None)},
    "resnet_antonior92": {"stem_width": 4, "widths": (4, 6), "strides": (4, 4), "kernel_size": 4},
    "net1d": {"stem_width": 4, "widths": (4, 8), "depths": (1, 1), "kernel_size": 4, "group_width": 2},
    "vit_tiny": {"width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 10},
    "vit_small": {"width": 16, "depth": 2, "heads": 1, "head_width": 8, "patch_size": 10},
}

each_backbone = pytest.mark.parametrize("name", list(SMALL))


def build(name, **kwargs):
    torch.manual_seed(3)
    return BACKBONES.build(name, **{**SMALL[name], **kwargs})


@each_backbone
@pytest.mark.parametrize("leads", [1, 2, 12])
def test_the_shape_by_arithmetic_is_the_shape_that_comes_out(name, leads):
    model = build(name, in_leads=leads).eval()
    for batch, samples in ((1, 64), (2, 101), (2, 75)):
        assert tuple(model(torch.randn(batch, leads, samples)).shape) == model.compute_features_output_shape(samples, batch)
    assert model.compute_features_output_shape() == (None, model.out_channels, None)


@each_backbone
def test_a_configuration_and_a_state_make_the_same_backbone_again(name):
    model = build(name, in_leads=3).eval()
    config = BACKBONES.to_config(model)
    assert config["name"] == name
    again = BACKBONES.build(config).eval()
    again.load_state_dict(model.state_dict())
    assert BACKBONES.to_config(again) == config
    x = torch.randn(2, 3, 64)
    assert torch.equal(again(x), model(x))


@each_backbone
def test_a_lazy_backbone_becomes_the_eager_one(name):
    eager, lazy = build(name, in_leads=3).eval(), build(name).eval()
    assert lazy.in_leads is None
    assert not is_materialized(lazy)
    x = torch.randn(2, 3, 64)
    materialize(lazy, x)
    assert lazy.in_leads == 3
    assert [(k, type(m)) for k, m in lazy.named_modules()] == [(k, type(m)) for k, m in eager.named_modules()]
    lazy.load_state_dict(eager.state_dict())
    assert torch.equal(lazy(x), eager(x))


@each_backbone
def test_a_lazy_backbone_takes_its_size_from_a_saved_state(name):
    eager, lazy = build(name, in_leads=3).eval(), build(name).eval()
    lazy.load_state_dict(eager.state_dict())
    assert lazy.in_leads == 3
    x = torch.randn(2, 3, 64)
    assert torch.equal(lazy(x), eager(x))
    with pytest.raises(ValueError, match="built for 3 leads, got 2"):
        lazy(x[:, :2])


@each_backbone
def test_every_parameter_receives_a_gradient(name):
    model = build(name, in_leads=3)
    pooled = model.pool(model.forward_features(torch.randn(4, 3, 64)))
    (pooled * torch.randn_like(pooled)).sum().backward()
    for key, p in model.named_parameters():
        assert p.grad is not None, key
        assert p.grad.isfinite().all(), key
        assert p.grad.any(), key


@each_backbone
def test_a_window_does_not_depend_on_its_neighbours_in_the_batch(name):
    model, x = build(name, in_leads=3).eval(), torch.randn(3, 3, 64)
    torch.testing.assert_close(torch.cat([model(row[None]) for row in x]), model(x), rtol=1e-5, atol=1e-5)


@each_backbone
def test_the_input_is_not_modified_and_extreme_inputs_stay_finite(name):
    model = build(name, in_leads=3).eval()
    for x in (torch.zeros(1, 3, 64), torch.full((1, 3, 64), 1e4), torch.full((1, 3, 64), -1e4)):
        before = x.clone()
        assert model(x).isfinite().all()
        assert torch.equal(x, before)


@each_backbone
def test_pickle_and_deepcopy_give_the_same_backbone(name):
    model, x = build(name, in_leads=3).eval(), torch.randn(2, 3, 64)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(x), model(x))
        assert BACKBONES.to_config(twin) == BACKBONES.to_config(model)
        assert all(a.data_ptr() != b.data_ptr() for a, b in zip(twin.parameters(), model.parameters(), strict=True))


@each_backbone
def test_a_copy_of_a_lazy_backbone_is_lazy_on_its_own(name):
    model = build(name).eval()
    twin = copy.deepcopy(model)
    twin(torch.randn(1, 2, 64))
    assert twin.in_leads == 2
    assert model.in_leads is None


@each_backbone
def test_float64_and_bfloat16_autocast(name):
    model, x = build(name, in_leads=3).eval(), torch.randn(2, 3, 64)
    reference = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(x)
    assert (half.float() - reference).norm() < 0.02 * reference.norm()
    double = model.double()(x.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), reference, rtol=1e-4, atol=1e-4)


@each_backbone
def test_it_compiles_as_one_graph(name):
    model, x = build(name, in_leads=3).eval(), torch.randn(2, 3, 64)
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="eager")(x), model(x))


@each_backbone
def test_it_exports_with_any_batch_and_any_length_of_two_steps_or_more(name):
    model = build(name, in_leads=3).eval()
    shortest = 2 * model.stages[-1].stride
    dims = {0: torch.export.Dim("batch", max=64), 2: torch.export.Dim("samples", min=shortest, max=100_000)}
    program = torch.export.export(model, (torch.randn(2, 3, 5 * shortest + 3),), dynamic_shapes=(dims,)).module()
    for batch, samples in ((1, shortest), (3, 101), (2, 6 * shortest)):
        x = torch.randn(batch, 3, samples)
        torch.testing.assert_close(program(x), model(x))


@each_backbone
def test_the_same_seed_gives_the_same_weights(name):
    a, b = build(name, in_leads=3).state_dict(), build(name, in_leads=3).state_dict()
    assert list(a) == list(b)
    assert all(torch.equal(a[k], b[k]) for k in a)


@each_backbone
def test_it_is_built_on_the_meta_device_and_leaves_nothing_behind(name):
    with torch.device("meta"):
        model = build(name, in_leads=3)
    assert {t.device.type for t in (*model.parameters(), *model.buffers())} == {"meta"}
    assert model(torch.empty(2, 3, 64, device="meta")).shape == model.compute_features_output_shape(64, 2)


@each_backbone
def test_wrong_inputs_are_named(name):
    model = build(name, in_leads=3).eval()
    with pytest.raises(ValueError, match="built for 3 leads, got 2"):
        model(torch.randn(1, 2, 64))
    with pytest.raises(ValueError, match=f"needs at least {model.min_samples} samples, got {model.min_samples - 1}"):
        model(torch.randn(1, 3, model.min_samples - 1))
    with pytest.raises(ValueError, match=r"expects \(batch, leads, samples\), got shape \(3, 64\)"):
        model(torch.randn(3, 64))


def test_the_variants_are_the_classes_with_their_published_sizes():
    assert (type(BACKBONES.build("vit_tiny")), type(BACKBONES.build("resnet18"))) == (ViT, ResNet)
    assert BACKBONES.to_config(BACKBONES.build("vit_small", in_leads=12)) == {"name": "vit_small", "in_leads": 12}

"""Encoders that were trained with MoCo's code on signals become backbones; those of images are refused with the reason."""

import json

import pytest
import torch
import torch.nn.functional as F

from ecg_core.data.leads import INDEPENDENT_8
from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import CheckpointError, ConfigError
from ecg_core.run.card import load_card
from ecg_ssl.convert import moco, resnet
from ecg_ssl.methods.moco import MoCo
from ecg_ssl.methods.moco_v3 import MoCoV3
from ecg_ssl.weights.command import weights
from ecg_ssl.weights.importing import import_weights

torch.set_num_threads(1)
SIGNAL = {"fs": 250.0, "seconds": 4.0}
BASIC = {"name": "resnet18", "widths": (4, 8), "depths": (2, 1), "kernel_size": 3, "stem_kernel_size": 7}
DEEP = {**BASIC, "name": "resnet50"}
GROUPED = {**DEEP, "widths": (8, 16), "groups": 2, "neck": 0.25}


def backbone(config, leads=12):
    torch.manual_seed(0)
    made = BACKBONES.build(config, in_leads=leads)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.weight, 1.0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.normal_(module.running_mean, 0.0, 0.1)
    return made.eval()


def official(method):
    return {f"module.{name}": value for name, value in moco.to_official(method.state_dict()).items()}


def method_of(version, config=BASIC, leads=12):
    made = backbone(config, leads)
    if version == "v3":
        return MoCoV3(made, augment=[], width=8, hidden=16, layers=2)
    return MoCo(made, augment=[], width=8, layers=1 if version == "v1" else 2, queue=12)


@pytest.fixture
def file(tmp_path):
    def save(content, name="checkpoint.pth.tar"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save


def reference_forward(state, x):
    """A residual network written down from its official names: what a file means, without a line of our backbone."""

    def norm(x, name):
        words = [state[f"{name}.{word}"] for word in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *words)

    def conv(x, name, stride=1):
        kernel = state[f"{name}.weight"]
        return F.conv1d(x, kernel, stride=stride, padding=kernel.shape[2] // 2)

    x = F.max_pool1d(norm(conv(x, "conv1", 2), "bn1").relu(), 3, 2, 1)
    for stage in range(1, 10):
        for block in range(10):
            at = f"layer{stage}.{block}"
            if f"{at}.conv1.weight" not in state:
                break
            stride, y = (2 if stage > 1 and block == 0 else 1), x
            count = 3 if f"{at}.conv3.weight" in state else 2
            for number in range(1, count + 1):
                strided = number == (2 if count == 3 else 1)
                y = norm(conv(y, f"{at}.conv{number}", stride if strided else 1), f"{at}.bn{number}")
                y = y if number == count else y.relu()
            if f"{at}.downsample.0.weight" in state:
                x = norm(conv(x, f"{at}.downsample.0", stride), f"{at}.downsample.1")
            x = (x + y).relu()
    return x


@pytest.mark.parametrize("config", [BASIC, DEEP], ids=["basic", "bottleneck"])
@pytest.mark.parametrize(("version", "layout"), [("v1", "moco"), ("v2", "moco"), ("v3", "moco_v3")])
def test_the_query_encoder_arrives_and_computes_what_its_official_names_mean(version, layout, config, file, tmp_path):
    method = method_of(version, config)
    state = official(method)
    report = import_weights(file({"epoch": 7, "arch": "resnet", "state_dict": state}), tmp_path / "out", **SIGNAL)
    assert report.layout.name == layout
    assert report.place == "state_dict"
    assert report.whole
    assert len(report.matched) == len(method.backbone.state_dict())
    beside = ("encoder_k.", "queue", "momentum_encoder.", "predictor.")
    heads = ("encoder_q.fc.", "base_encoder.fc.")
    assert set(report.left_out) == {n for n in state if n.removeprefix("module.").startswith((*beside, *heads))}
    assert any("queue" in name or "momentum_encoder" in name for name in report.left_out)
    made = load_card(tmp_path / "out" / "backbone.json").build()
    x = torch.randn(2, 12, 321)
    assert torch.equal(made(x), method.backbone.eval()(x))
    plain = {n.split(".", 2)[2]: v for n, v in state.items() if n.startswith(("module.encoder_q.", "module.base_encoder."))}
    torch.testing.assert_close(made(x), reference_forward(plain, x), rtol=1e-4, atol=1e-5)


def test_a_network_with_groups_and_without_the_prefix_of_parallel_training_arrives(file, tmp_path):
    method = method_of("v2", GROUPED, leads=8)
    path = file(moco.to_official(method.state_dict()))
    import_weights(path, tmp_path / "out", leads=INDEPENDENT_8, **SIGNAL)
    x = torch.randn(2, 8, 200)
    card = load_card(tmp_path / "out" / "backbone.json")
    assert torch.equal(card.build()(x), method.backbone(x))
    assert (card.signal.leads, card.signal.fs, card.signal.samples) == (INDEPENDENT_8, 250.0, 1000)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_round_trip_of_the_reference_state_is_exact_both_ways(version, golden):
    reference = golden("moco.npz")
    for step in ("sd0", "sd4"):
        prefix = f"{version}/{step}/"
        state = {key.removeprefix(prefix): value for key, value in reference.items() if key.startswith(prefix)}
        ours = moco.from_official(state, inside=str)
        again = moco.to_official(ours, inside=str)
        assert set(again) == set(state)
        assert all(torch.equal(again[name], state[name]) for name in state)
        assert ours["queue.keys"].shape == (12, 8)


def test_a_round_trip_of_the_third_reference_state_is_exact(golden):
    reference = golden("moco.npz")
    for step in ("sd0", "sd1"):
        prefix = f"v3/{step}/"
        state = {key.removeprefix(prefix): value for key, value in reference.items() if key.startswith(prefix)}
        again = moco.to_official(moco.from_official(state, inside=str), head="head", inside=str)
        assert set(again) == set(state)
        assert all(torch.equal(again[name], state[name]) for name in state)


@pytest.mark.parametrize("config", [BASIC, DEEP], ids=["basic", "bottleneck"])
@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_ours_to_official_to_ours_is_exact(version, config):
    state = method_of(version, config).state_dict()
    again = moco.from_official(moco.to_official(state))
    assert set(again) == set(state)
    assert all(torch.equal(again[name], state[name]) and again[name].dtype == state[name].dtype for name in state)


def test_networks_of_images_and_transformers_are_refused_with_the_reason(file, tmp_path):
    images = {f"module.encoder_q.{n}": torch.ones(4, 3, 7, 7) for n in ("conv1.weight", "layer1.0.conv1.weight")}
    with pytest.raises(
        CheckpointError, match=r"conv1.weight' \(4, 3, 7, 7\) has a kernel of two axes, so this network is of images"
    ):
        import_weights(file(images), tmp_path / "out", **SIGNAL)
    tokens = {"module.base_encoder.patch_embed.proj.weight": torch.ones(4, 3, 16, 16)}
    with pytest.raises(CheckpointError, match="it is MoCo v3's transformer, whose positions are of a square image"):
        import_weights(file(tokens), tmp_path / "out", **SIGNAL)
    assert not (tmp_path / "out").exists()


def test_partial_files_strange_tensors_and_kernels_without_a_middle_are_refused(file, tmp_path):
    state = official(method_of("v2"))
    partial = {name: value for name, value in state.items() if name != "module.encoder_q.layer2.0.downsample.1.bias"}
    with pytest.raises(
        CheckpointError, match=r"does not give every weight(.|\n)*1 missing in the file: blocks.1.0.shortcut.1.bias"
    ):
        import_weights(file(partial), tmp_path / "out", **SIGNAL)
    for name in ("encoder_q.layer1.0.conv1.bias", "encoder_q.layer0.0.conv1.weight"):
        with pytest.raises(
            CheckpointError, match=r"' is no name of a residual network \(conv1, bn1, layer1.0.conv1 …, without bias"
        ):
            import_weights(file(state | {f"module.{name}": torch.ones(4)}), tmp_path / "out", **SIGNAL)
    even = state | {"module.encoder_q.conv1.weight": torch.ones(4, 12, 8)}
    with pytest.raises(CheckpointError, match="a kernel of 8 samples has no middle; residual networks here have odd kernels"):
        import_weights(file(even), tmp_path / "out", **SIGNAL)
    with pytest.raises(CheckpointError, match=r"is of 12 leads, and 8 are named \(I,II,V1.*\); name its leads in their order"):
        import_weights(file(state), tmp_path / "out", leads=INDEPENDENT_8, **SIGNAL)
    assert not (tmp_path / "out").exists()


def test_a_signal_that_files_do_not_tell_must_be_told_and_one_that_is_known_must_not(file, tmp_path):
    path = file(official(method_of("v2")))
    with pytest.raises(ConfigError, match="do not tell which signals it was trained on; give fs and seconds, and leads and pipe"):
        import_weights(path, tmp_path / "out")
    with pytest.raises(ConfigError, match="trained on; give seconds, and leads"):
        import_weights(path, tmp_path / "out", fs=250.0)
    with pytest.raises(ConfigError, match="fs and seconds must be positive, got -1.0 and 4.0"):
        import_weights(path, tmp_path / "out", fs=-1.0, seconds=4.0)
    import_weights(path, tmp_path / "out", **SIGNAL)
    assert json.loads((tmp_path / "out" / "pipeline.json").read_text()) == [{"name": "resample", "fs": 250.0}]
    known = {"encoder.0.0.weight": torch.ones(4, 12, 1), "encoder.0.1.running_mean": torch.ones(4)}
    known |= {"rnn.weight_ih_l0": torch.ones(8, 4), "rnn.weight_hh_l0": torch.ones(8, 2)}
    with pytest.raises(ConfigError, match="was trained at 100 Hz on windows of 10 s, prepared as it says; leave out fs, seconds"):
        import_weights(file(known), tmp_path / "known", **SIGNAL)


def test_the_command_takes_the_signal_shows_the_licence_and_says_how_to_prepare(file, tmp_path, capsys):
    path = file({"state_dict": official(method_of("v3", leads=2))})
    steps = tmp_path / "steps.json"
    steps.write_text(json.dumps([{"name": "resample", "fs": 250.0}, "z_score_normalize"]))
    weights("import", path, tmp_path / "out", fs=250.0, seconds=4.0, leads="I,II", pipeline=steps)
    told = capsys.readouterr().out
    assert "licence of these weights: CC BY-NC 4.0 for the code and its authors' weights: not for commercial use" in told
    assert "left out, no part of the encoder: module.base_encoder.fc" in told
    assert "--fs 250 --seconds 4 --leads I,II" in told
    prepared = json.loads((tmp_path / "out" / "pipeline.json").read_text())
    assert [step["name"] for step in prepared] == ["resample", "z_score_normalize"]
    card = load_card(tmp_path / "out" / "backbone.json")
    assert card.facts["imported"]["licence"].startswith("CC BY-NC 4.0")


def test_names_of_other_models_have_no_counterpart():
    with pytest.raises(ValueError, match="'optimizer.state' is no name of a MoCo state dict; pass what is under 'state_dict'"):
        moco.from_official({"optimizer.state": torch.ones(1)})
    with pytest.raises(ValueError, match="'centre' is no name of a MoCo or MoCoV3 of ours"):
        moco.to_official({"centre": torch.ones(1)})
    with pytest.raises(ValueError, match="'blocks.0.0.attention.fc.weight' is no name of a plain ResNet of ours"):
        resnet.to_official({"blocks.0.0.attention.fc.weight": torch.ones(1)})

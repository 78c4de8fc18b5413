"""The monitor sees a collapse, says so once, and disturbs nothing."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from ecg_core.contracts.losses import Losses
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.discovery.registries import SSL
from ecg_core.errors import CollapseWarning, DataError
from ecg_core.run.progress import read_metrics
from ecg_core.run.training.monitor import Monitor
from ecg_core.run.training.pretrain import pretrain


class Regression(SSLMethod):
    """Predicts the mean of the window from its features; with ``collapse`` it makes them the same for all windows."""

    def __init__(self, backbone, *, collapse: bool = False) -> None:
        super().__init__()
        self.backbone, self.collapse = backbone, collapse
        self.read = nn.Linear(backbone.out_channels, 1)

    def loss(self, batch):
        z = self.backbone.pool(self.backbone.forward_features(batch.signal))
        return Losses((self.read(z)[:, 0] - batch.signal.mean(dim=(1, 2))).square().mean())

    @torch.no_grad()
    def after_step(self):
        if self.collapse:
            self.backbone.norm.weight.zero_()
            self.backbone.norm.bias.fill_(1.0)

    def gauges(self):
        return {"weight_norm": float(self.read.weight.norm())}


@pytest.fixture(autouse=True)
def method():
    with SSL.isolated():
        SSL.add(Regression, "regression")
        yield


def lines(run):
    return [line for line in read_metrics(run.path / "metrics.jsonl") if line.get("validation")]


def train(store, out, *, collapse=False, **words):
    words = {"epochs": 2, "batch_size": 16, "device": "cpu", **words}
    backbone = {"name": "toy", "dropout": 0.2, "width": 6}
    return pretrain(store, out, method={"name": "regression", "collapse": collapse}, backbone=backbone, **words)


def test_every_epoch_tells_its_gauges_and_the_methods_own(store, tmp_path):
    run = train(store, tmp_path / "run", monitor="dx")
    assert len(lines(run)) == 2
    for line in lines(run):
        assert 0 < line["embedding_std"] < 1.5
        assert 1 <= line["rankme"] <= 6
        assert {"val_loss", "participation_ratio", "alpha_req", "uniformity", "weight_norm"} <= set(line)
        assert 0 <= line["knn_auroc"] <= 1
        assert line["probe_auroc"] > 0.8  # UP and DOWN differ in the mean of a lead
    assert run.facts["gauges_before"]["rankme"] >= 1


def test_monitoring_labels_changes_no_weight(store, tmp_path):
    with_labels = train(store, tmp_path / "a", monitor="dx")
    without = train(store, tmp_path / "b")
    assert (with_labels.path / "backbone.safetensors").read_bytes() == (without.path / "backbone.safetensors").read_bytes()


def test_looking_leaves_the_random_state_the_mode_and_the_statistics_alone(store):
    from ecg_core.discovery.registries import BACKBONES

    backbone = BACKBONES.build("toy", in_leads=2, dropout=0.5)
    backbone.norm.eval()  # a part that someone froze stays frozen
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    torch.manual_seed(5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    watch = Monitor(backbone, store, device="cpu", target="dx")
    assert watch() == watch()
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert [backbone.training, backbone.dropout.training, backbone.norm.training] == [True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_a_collapse_is_said_once_in_plain_words(store, tmp_path):
    with pytest.warns(CollapseWarning, match=r"has collapsed: all \d+ windows have nearly the same embedding") as caught:
        train(store, tmp_path / "run", collapse=True)
    assert len([one for one in caught if one.category is CollapseWarning]) == 1


def test_a_loss_of_dimensions_is_said(store):
    from ecg_core.discovery.registries import BACKBONES

    backbone = BACKBONES.build("toy", in_leads=2, width=32)
    watch = Monitor(backbone, store, device="cpu")
    with torch.no_grad():
        backbone.conv.weight -= backbone.conv.weight.mean(dim=2, keepdim=True)  # deaf to what tells UP from DOWN
        backbone.conv.bias.zero_()
        backbone.norm.running_mean.copy_(torch.linspace(-0.1, 0.1, 32))
    spread = watch()["rankme"]
    assert spread > 5
    with torch.no_grad():
        backbone.norm.weight[2:] = 0
    with pytest.warns(CollapseWarning, match=rf"use about 1\.\d \(RankMe\), where the untrained backbone used {spread:.1f}"):
        for _ in range(5):
            watch()


def test_a_valley_that_is_left_again_is_passed_over(store):
    from ecg_core.discovery.registries import BACKBONES

    backbone = BACKBONES.build("toy", in_leads=2, width=4)
    watch = Monitor(backbone, store, device="cpu")
    watch()
    watch.start["rankme"] = 100.0  # far above what four channels can have
    with warnings.catch_warnings():
        warnings.simplefilter("error", CollapseWarning)
        watch()
        watch()
    with pytest.warns(CollapseWarning, match="losing dimensions"):
        watch()


def test_a_healthy_run_warns_of_nothing(store, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", CollapseWarning)
        train(store, tmp_path / "run", epochs=5)


def test_a_target_that_cannot_be_monitored_is_refused(store, tmp_path):
    with pytest.raises(DataError, match="no target 'colour'"):
        train(store, tmp_path / "run", monitor="colour")

"""PCLR: which recordings are compared, and the published scale of the loss."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_ssl.methods.pclr import PCLR, patient_pairs_of
from ecg_ssl.objectives.nt_xent import nt_xent


class Same(Backbone):
    """Its features are the signal."""

    def __init__(self, in_leads=12):
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(in_leads, 1),)
        self.gain = nn.Parameter(torch.ones(1))

    def forward_intermediates(self, x):
        return [self.gain * x]


def paired(a, b, patient=None):
    """Windows of one sample: row i of ``a`` and of ``b`` are two recordings of one patient, next to each other."""
    x = torch.stack([a, b], dim=1).flatten(0, 1)[..., None]
    count = len(x)
    names = tuple(f"r{i}" for i in range(count))
    return Batch(x, 100.0, STANDARD_12, record_ids=names, record_keys=np.arange(count), patient=torch.arange(count) // 2)


def without_projector(**arguments):
    method = PCLR(Same(), **arguments)
    method.projector = nn.Identity()
    return method


@pytest.mark.parametrize(("temperature", "expected"), [(0.1, 0.0889698), (0.5, 1.1861974)])
def test_the_published_loss_is_twice_the_mean_over_all_recordings(golden, temperature, expected):
    reference = golden("losses.npz")
    batch = paired(reference["z0"], reference["z1"])
    for parity, scale in (("paper", 1), ("official", 2)):
        loss = without_projector(temperature=temperature, parity=parity).loss(batch).total
        assert loss.item() == pytest.approx(scale * expected, rel=1e-5)


def test_collapse_and_orthonormal_patients_have_their_closed_forms():
    z = torch.eye(12)[:5]
    assert without_projector(parity="official").loss(paired(z, z)).total.item() == pytest.approx(
        2 * math.log1p(8 * math.exp(-10)), rel=2e-3
    )
    ones = torch.ones(5, 12)
    assert without_projector(parity="official").loss(paired(ones, ones)).total.item() == pytest.approx(2 * math.log(9), rel=1e-6)


def owned(patients, recordings, epoch=0):
    names, count = tuple(f"r{r}" for r in recordings), len(patients)
    keys = np.arange(count)
    return Batch(
        torch.randn(count, 12, 4), 100.0, STANDARD_12,
        record_ids=names, record_keys=keys, patient=torch.tensor(patients), epoch=epoch,
    )  # fmt: skip


def test_a_pair_is_two_recordings_of_one_patient_and_every_patient_is_in_one_pair():
    patients = [4, 4, 4, 9, 9, 7, 7, 1]
    recordings = [0, 0, 1, 2, 3, 4, 4, 5]  # patient 7 has two windows of one recording, patient 1 a single one
    seen = set()
    for epoch in range(60):
        batch = owned(patients, recordings, epoch)
        first, second = patient_pairs_of(batch, who="PCLR")
        assert [patients[i] for i in first] == [patients[i] for i in second] == [4, 9]
        assert all(recordings[i] != recordings[j] for i, j in zip(first.tolist(), second.tolist(), strict=True))
        seen.add((first[0].item(), second[0].item()))
    assert {frozenset(pair) for pair in seen} == {frozenset(pair) for pair in ((0, 2), (1, 2))}


def test_which_recordings_are_compared_does_not_depend_on_the_order_of_the_batch():
    patients, recordings = [4, 4, 4, 9, 9, 9], list(range(6))
    batch, order = owned(patients, recordings), [5, 2, 0, 3, 1, 4]
    shuffled = replace(
        batch, signal=batch.signal[order], record_ids=tuple(batch.record_ids[i] for i in order),
        record_keys=batch.record_keys[order], patient=batch.patient[order],
    )  # fmt: skip
    pairs = [
        {frozenset((b.record_ids[i], b.record_ids[j])) for i, j in zip(*patient_pairs_of(b, who="PCLR"), strict=True)}
        for b in (batch, shuffled)
    ]
    assert pairs[0] == pairs[1]


def test_batches_without_pairs_recordings_or_patients_are_refused():
    with pytest.raises(ValueError, match="none of the 3 patients of this batch has two; order batches by patient"):
        PCLR(Same()).loss(owned([0, 1, 2], [0, 1, 2]))
    with pytest.raises(ValueError, match="PCLR needs patient in every batch"):
        PCLR(Same()).loss(replace(owned([0, 0], [0, 1]), patient=None))
    with pytest.raises(ValueError, match="PCLR needs record_ids in every batch"):
        PCLR(Same()).loss(replace(owned([0, 0], [0, 1]), record_ids=()))
    with pytest.raises(ValueError, match="at least 2 in a batch, got 1"):
        PCLR(Same()).loss(owned([0, 0], [0, 1]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parity": "google"}, "parity must be paper or official, got 'google'"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
    ],
)
def test_wrong_arguments_of_the_method_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PCLR(Same(), **arguments)


def test_the_projector_is_as_wide_as_the_backbone_and_the_embedding_is_before_it(ecg_batch):
    batch = ecg_batch(4, patient=torch.arange(4) // 2, record_ids=tuple("abcd"))
    method = SSL.build("pclr", backbone=Same())
    assert [layer.out_features for layer in method.projector.layers if isinstance(layer, nn.Linear)] == [12, 12]
    pooled = method.backbone.pool(method.backbone(batch.signal))
    torch.testing.assert_close(pooled, batch.signal.mean(dim=-1))
    first, second = patient_pairs_of(batch, who="PCLR")
    z_a, z_b = method.projector(pooled[first]), method.projector(pooled[second])
    torch.testing.assert_close(method.loss(batch).total, nt_xent(z_a, z_b))


def published():
    torch.manual_seed(0)
    return BACKBONES.build({"name": "resnet_antonior92", "dropout": 0.0}, in_leads=12).eval()


def test_the_published_network_has_the_published_steps_and_as_many_numbers_as_its_file_is_long():
    model = published()
    with torch.no_grad():
        features = model.forward_intermediates(torch.zeros(1, 12, 4096))
    assert [tuple(f.shape[1:]) for f in features] == [(128, 1024), (196, 256), (256, 64), (320, 16)]
    state = [t for t in model.state_dict().values() if t.is_floating_point()]
    megabytes = 4 * sum(t.numel() for t in state) / 1e6
    assert 0.99 < megabytes / 25.7 <= 1  # PCLR.h5 has 25.7 MB: these weights, and what HDF5 and Keras say of them
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.01)}  # Keras's, with its momentum counted from the other end


def test_the_taps_of_the_published_network_lie_where_keras_puts_them():
    """Padding "same" of a kernel of 16: 7 zeros on the left and 8 on the right at stride 1, 6 and 6 at stride 4."""
    model = published()
    unit = model.units[0]
    for layer, before in ((model.stem[0], 7), (unit.conv1, 7)):
        x = torch.zeros(1, layer.in_channels, 64)
        x[0, 0, 30] = 1.0
        with torch.no_grad():
            response = layer(x)[0, 0]
        expected = torch.zeros(64)
        expected[30 - (15 - before) : 30 + before + 1] = layer.weight[0, 0].detach().flip(0)
        torch.testing.assert_close(response, expected)
    assert unit.padding[0] == (16 - 4) // 2


def test_the_published_embedding_is_the_pooled_320_before_the_projector():
    model, x = published(), torch.randn(2, 12, 1024)
    method = PCLR(model).eval()
    with torch.no_grad():
        torch.testing.assert_close(model.pool(model(x)), model(x).mean(dim=-1))
        assert not torch.allclose(method.embed(x), model.pool(model(x)))
    linear = [layer for layer in method.projector.layers if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(320, 320), (320, 320)]

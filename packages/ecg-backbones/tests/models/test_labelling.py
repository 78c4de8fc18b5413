"""Models that label every sample: the time grid is the input's, coarse maps are placed where they look, training is real."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ecg_backbones.heads.fcn import FCNHead
from ecg_backbones.heads.per_step import PerStepHead
from ecg_backbones.heads.unet_decoder import UNetDecoder
from ecg_backbones.layers.repetition import repeated_to
from ecg_backbones.models.fcn import FCN
from ecg_backbones.models.subtract_unet import SubtractUNet
from ecg_backbones.models.unet import UNetEncoder
from ecg_backbones.resnet import ResNet
from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.head import Head
from ecg_core.contracts.lazy import materialize
from ecg_core.data.batch import Batch
from ecg_core.discovery.registries import MODELS
from ecg_core.errors import ConfigError, DataError
from ecg_core.tasks.labelling import LabellingTask

torch.set_num_threads(1)

LENGTHS = (200, 777, 1000, 1001, 2499, 3333, 4999, 5000, 5001)


def small(**words) -> ResNet:
    return ResNet(2, widths=(6, 8, 10), depths=(1, 1, 1), kernel_size=3, stem_kernel_size=5, **words)


def signal_with_beats(records: int, samples: int, *, seed: int = 0) -> Batch:
    """Spikes of 20 samples in noise; class 1 where they are."""
    generator = torch.Generator().manual_seed(seed)
    x = 0.1 * torch.randn(records, 2, samples, generator=generator)
    labels = torch.zeros(records, samples, dtype=torch.int64)
    for record in range(records):
        for start in range(int(torch.randint(10, 60, (1,), generator=generator)), samples - 20, 90):
            x[record, :, start : start + 20] += torch.hann_window(20)
            labels[record, start : start + 20] = 1
    return Batch(x, fs=100.0, leads=("I", "II"), step_targets=labels)


@pytest.mark.parametrize("name", ["unet", "subtract_unet"])
def test_a_u_net_labels_every_sample_of_every_length(name):
    task = materialize(MODELS.build(name, classes=("none", "P", "QRS", "T")), torch.zeros(1, 2, 400)).eval()
    for samples in LENGTHS:
        assert tuple(task(torch.randn(1, 2, samples)).shape) == (1, 4, samples)


@pytest.mark.parametrize("fused", [0, 1, 2])
def test_an_fcn_labels_every_sample_of_every_length_at_each_depth_of_fusion(fused):
    task = FCN(small(), partial(FCNHead, fused=fused, hidden=8), classes=("none", "QRS"), auxiliary_hidden=8)
    task = materialize(task, torch.zeros(1, 2, 400)).eval()
    for samples in LENGTHS:
        assert tuple(task(torch.randn(1, 2, samples)).shape) == (1, 2, samples)


@pytest.mark.parametrize(
    "build",
    [
        lambda: MODELS.build("unet", classes=("none", "beat"), backbone=UNetEncoder(2, widths=(4, 8, 8, 8, 8), kernel_size=5)),
        lambda: LabellingTask(
            SubtractUNet(2, widths=(6, 8, 8), scales=(5, 2), kernel_sizes=(5, 5, 3)), PerStepHead, classes="nb"
        ),
        lambda: FCN(small(), partial(FCNHead, hidden=8, dropout=0.0), classes="nb", auxiliary_hidden=8),
        lambda: LabellingTask(small(), partial(UNetDecoder, widths=(8, 8), kernel_size=5), classes="nb"),
    ],
    ids=["unet", "subtract_unet", "fcn", "decoder on a resnet"],
)
def test_spikes_in_noise_are_found_sample_by_sample(build):
    torch.manual_seed(0)
    task = materialize(build(), torch.zeros(1, 2, 400))
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-2)
    for step in range(80):
        loss = task.train().loss(signal_with_beats(8, 400, seed=step)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unseen = signal_with_beats(16, 437, seed=1000)  # another length
    found = task.eval().predict(unseen).argmax(dim=1)
    overlap = ((found == 1) & (unseen.step_targets == 1)).sum() / ((found == 1) | (unseen.step_targets == 1)).sum()
    assert overlap > 0.75


class Placed(Backbone):
    """Step ``t`` holds the sample it looks at, ``centre + stride * t``."""

    def __init__(self, stride: int, centre: float) -> None:
        super().__init__()
        self.in_leads, self.stages = 1, (Stage(1, stride, centre),)

    def forward_intermediates(self, x):
        return [self.stages[0].centre + self.stages[0].stride * torch.arange(self.steps(x.shape[-1])).float().expand(1, 1, -1)]


class Itself(Head):
    reads = "features"

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x):
        return x


@pytest.mark.parametrize(("stride", "centre"), [(1, 0.0), (4, 0.0), (8, 3.5), (75, 37.0)])
def test_scores_of_steps_are_placed_at_the_samples_they_look_at(stride, centre):
    found = LabellingTask(Placed(stride, centre), Itself, classes=("x",))(torch.zeros(1, 1, 600))[0, 0]
    last = centre + stride * ((600 - 1) // stride)
    expected = torch.arange(600.0).clamp(centre, last)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-3)


def test_the_loss_of_equal_scores_is_the_log_of_the_number_of_classes_and_unlabelled_samples_do_not_count():
    task = LabellingTask(Placed(1, 0.0), Itself, classes=("x",))
    logits = torch.zeros(2, 3, 50)
    labels = torch.randint(0, 3, (2, 50))
    assert task.criterion(logits, labels).item() == pytest.approx(math.log(3), rel=1e-6)
    wrong = torch.full((2, 3, 50), 100.0)
    labels[:, 10:] = -1
    logits[:, :, 10:] = wrong[:, :, 10:] * torch.tensor([1.0, 0.0, 0.0])[None, :, None]
    assert task.criterion(logits, labels).item() == pytest.approx(math.log(3), rel=1e-6)
    assert task.criterion(logits, torch.full((2, 50), -1)).item() == 0.0


def test_class_numbers_and_zeros_and_ones_are_the_same_targets():
    task = LabellingTask(Placed(1, 0.0), Itself, classes=("x",))
    logits, labels = torch.randn(2, 3, 50), torch.randint(0, 3, (2, 50))
    hot = nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    torch.testing.assert_close(task.criterion(logits, labels), task.criterion(logits, hot))


def test_the_auxiliary_head_acts_in_training_only_with_half_the_weight():
    torch.manual_seed(0)
    task = materialize(
        FCN(small(), partial(FCNHead, hidden=8, dropout=0.0), classes="nb", auxiliary_hidden=8), torch.zeros(1, 2, 400)
    )
    for module in task.modules():
        if isinstance(module, nn.Dropout1d):
            module.p = 0.0
    batch = signal_with_beats(4, 400)
    losses = task.train().loss(batch)
    assert losses.total.item() == pytest.approx(losses.logs["main"].item() + 0.5 * losses.logs["auxiliary"].item(), rel=1e-6)
    before = task.eval()(batch.signal)
    nn.init.normal_(task.auxiliary_head.coarsest[-1].weight)
    assert torch.equal(task(batch.signal), before)
    assert task.loss(batch).logs == {}


def test_repeating_steps_is_nearest_neighbour_interpolation_where_the_lengths_fit():
    x = torch.randn(2, 3, 7)
    for steps in (7, 14, 70):
        assert torch.equal(repeated_to(x, steps), nn.functional.interpolate(x, size=steps, mode="nearest"))


@given(st.integers(1, 60), st.integers(2, 10), st.data())
def test_a_step_stays_over_the_samples_it_was_made_of_and_the_last_one_fills_what_was_left_out(coarse, factor, data):
    left_out = data.draw(st.integers(0, min(factor - 1, coarse - 1)))
    repeated = repeated_to(torch.arange(coarse)[None], factor * coarse + left_out)[0].tolist()
    assert repeated == [t for t in range(coarse) for _ in range(factor)] + [coarse - 1] * left_out


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: UNetDecoder(2, widths=(8, 8, 8))([torch.zeros(1, 4, 9)] * 2), "needs 4 maps, the backbone gives 2; give it 1"),
        (lambda: FCNHead(2, fused=2)([torch.zeros(1, 4, 9)] * 2), "needs 3 maps, the backbone gives 2; use fused=1"),
        (lambda: SubtractUNet(2, scales=(10, 5)), "every level has a width and a kernel, and every one below the first a scale"),
        (lambda: UNetEncoder(2, widths=()), "at least one level"),
        (lambda: FCN(Placed(4, 0.0), Itself, classes="nb"), "Placed gives one map; use auxiliary=0"),
        (lambda: PerStepHead(2, kernel_size=4), "odd number of steps"),
        (
            lambda: LabellingTask(small(), PerStepHead, classes="nb").loss(Batch(torch.zeros(2, 1, 99), fs=100.0, leads=("I",))),
            "LabellingTask learns from step_targets, which the batch does not have",
        ),
        (
            lambda: LabellingTask(small(), PerStepHead, classes="nb").criterion(torch.zeros(1, 2, 9), torch.full((1, 9), 2)),
            "class numbers from 0 to 1, or -1 for no label, got 2",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_one_sentence(act, message):
    with pytest.raises((ValueError, ConfigError, DataError), match=message):
        act()

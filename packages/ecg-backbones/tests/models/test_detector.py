"""The detector: intervals out of labels and back, suppression against a plain loop, and spikes in noise found."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_backbones.models.detector import Detector, _ProposalHead
from ecg_backbones.models.intervals import label_intervals, overlap, suppress
from ecg_backbones.resnet import ResNet
from ecg_core.contracts.lazy import materialize
from ecg_core.data.batch import Batch
from ecg_core.errors import ConfigError

torch.set_num_threads(1)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 30), st.integers(1, 9)), max_size=6))
def test_runs_of_labels_are_intervals_and_intervals_paint_the_labels_again(runs):
    present = torch.zeros(2, 3, 40, dtype=torch.bool)
    for window, label, start, length in runs:
        present[window, label, start : start + length] = True
    again = torch.zeros_like(present)
    window, label, interval = label_intervals(present)
    for w, c, (start, end) in zip(window.tolist(), label.tolist(), interval.long().tolist(), strict=True):
        assert not again[w, c, max(0, start - 1) : end + 1].any()  # never two that touch
        again[w, c, start:end] = True
    assert torch.equal(again, present)


def test_overlap_is_intersection_over_union():
    a = torch.tensor([[0.0, 10.0], [0.0, 10.0], [0.0, 10.0], [0.0, 10.0]])
    b = torch.tensor([[0.0, 10.0], [5.0, 15.0], [10.0, 20.0], [2.0, 4.0]])
    torch.testing.assert_close(overlap(a, b), torch.tensor([1.0, 1 / 3, 0.0, 0.2]))


@pytest.mark.parametrize("seed", range(5))
def test_suppression_keeps_what_a_plain_loop_keeps(seed):
    generator = torch.Generator().manual_seed(seed)
    starts = 50 * torch.rand(2, 12, generator=generator)
    intervals = torch.stack([starts, starts + 5 + 10 * torch.rand(2, 12, generator=generator)], dim=-1)
    scores = torch.rand(2, 12, generator=generator).sort(descending=True).values
    found = suppress(intervals, scores, limit=0.3)
    for row in range(2):
        kept: list[int] = []
        for i in range(12):
            if all(overlap(intervals[row, i], intervals[row, j]) <= 0.3 for j in kept):
                kept.append(i)
        assert found[row].nonzero().flatten().tolist() == kept
        assert torch.equal(found[row, kept], scores[row, kept])


def beats(records: int, samples: int, *, seed: int) -> Batch:
    """Narrow upward and broad downward bumps in noise, classes 1 and 2."""
    generator = torch.Generator().manual_seed(seed)
    x, labels = 0.1 * torch.randn(records, 1, samples, generator=generator), torch.zeros(records, samples, dtype=torch.int64)
    for record in range(records):
        start = int(torch.randint(5, 40, (1,), generator=generator))
        while start < samples - 60:
            kind = int(torch.randint(1, 3, (1,), generator=generator))
            width = 16 if kind == 1 else 40
            x[record, 0, start : start + width] += (1 if kind == 1 else -1) * torch.hann_window(width)
            labels[record, start : start + width] = kind
            start += width + int(torch.randint(30, 60, (1,), generator=generator))
    return Batch(x, fs=100.0, leads=("I",), step_targets=labels)


def test_bumps_in_noise_are_found_with_their_ends_and_their_kind():
    torch.manual_seed(0)
    backbone = ResNet(1, widths=(8, 16, 16), depths=(1, 1, 1), kernel_size=5, stem_kernel_size=7)
    task = materialize(Detector(backbone, classes=("none", "narrow", "broad"), background="none"), torch.zeros(1, 1, 400))
    optimizer = torch.optim.AdamW(task.parameters(), lr=5e-3)
    for step in range(150):
        loss = task.train().loss(beats(8, 400, seed=step)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unseen = beats(12, 431, seed=1000)
    hit = total = false = 0
    for found, labels in zip(task.eval().detect(unseen.signal), unseen.step_targets, strict=True):
        _, kind, truth = label_intervals((labels[None] == torch.arange(1, 3)[:, None])[None])
        total += len(truth)
        used = set()
        for detection in found:
            place = torch.tensor([detection.start, detection.end])
            right = [
                i for i in range(len(truth)) if overlap(place, truth[i]) > 0.5 and ("narrow", "broad")[kind[i]] == detection.label
            ]
            hit, false = hit + len(set(right) - used), false + (not right)
            used |= set(right)
    assert hit / total > 0.9
    assert false / total < 0.1
    painted = task.predict(unseen).argmax(dim=1)
    assert (painted == unseen.step_targets).float().mean() > 0.85


def test_windows_without_anything_teach_that_nothing_is_there():
    task = Detector(ResNet(1, widths=(4, 4, 4), depths=(1, 1, 1)), classes=("none", "beat"), background="none")
    task = materialize(task, torch.zeros(1, 1, 200))
    empty = Batch(torch.randn(2, 1, 200), fs=100.0, leads=("I",), step_targets=torch.zeros(2, 200, dtype=torch.int64))
    loss = task.loss(empty).total
    loss.backward()
    assert loss.item() > 0
    assert task.predict(empty)[:, 0].max() <= 1


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Detector(ResNet(1), classes=("a", "b"), background="c"), "background is one of the classes a, b, got 'c'"),
        (lambda: Detector(ResNet(1, widths=(4,), depths=(1,)), classes=("a",)), "gives 1 maps for 3 scales; use scales=1"),
        (lambda: _ProposalHead(2, scales=3)([torch.zeros(1, 4, 9)]), "needs as many maps, the backbone gives 1; use scales=1"),
        (lambda: _ProposalHead(2, widths=()), "needs classes, scales and widths"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(act, message):
    with pytest.raises((ValueError, ConfigError), match=message):
        act()

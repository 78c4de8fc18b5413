"""The CRF against the sum and the maximum over every sequence of labels, one by one."""

from itertools import pairwise, product

import pytest
import torch

from ecg_backbones.layers.crf import CRF

torch.set_num_threads(1)

CLASSES, STEPS = 3, 5
LENGTHS = (5, 3, 1)


@pytest.fixture
def crf():
    torch.manual_seed(0)
    layer = CRF(CLASSES).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


@pytest.fixture
def emissions(crf):
    return torch.randn(len(LENGTHS), CLASSES, STEPS, dtype=torch.float64)


MASK = torch.arange(STEPS) < torch.tensor(LENGTHS)[:, None]


def every_sequence(crf, emissions, length):
    """Every sequence of labels with its score, by the definition."""
    for labels in product(range(CLASSES), repeat=length):
        score = crf.start[labels[0]] + crf.end[labels[-1]]
        score = score + sum(emissions[label, step] for step, label in enumerate(labels))
        score = score + sum(crf.transitions[a, b] for a, b in pairwise(labels))
        yield labels, score


@pytest.mark.parametrize("masked", [True, False])
def test_the_partition_is_the_sum_over_every_sequence(crf, emissions, masked):
    found = crf.log_partition(emissions, MASK if masked else None)
    for row, length in enumerate(LENGTHS if masked else [STEPS] * 3):
        scores = torch.stack([score for _, score in every_sequence(crf, emissions[row], length)])
        torch.testing.assert_close(found[row], scores.logsumexp(0))


@pytest.mark.parametrize("masked", [True, False])
def test_the_decoded_sequence_is_the_best_of_all(crf, emissions, masked):
    found = crf.decode(emissions, MASK if masked else None)
    for row, length in enumerate(LENGTHS if masked else [STEPS] * 3):
        best, _ = max(every_sequence(crf, emissions[row], length), key=lambda pair: pair[1].item())
        assert found[row].tolist() == [*best, *[-1] * (STEPS - length)]


def test_the_score_is_that_of_the_definition_and_labels_behind_the_mask_do_not_count(crf, emissions):
    labels = torch.randint(CLASSES, (len(LENGTHS), STEPS))
    found = crf.score(emissions, labels, MASK)
    for row, length in enumerate(LENGTHS):
        expected = dict(every_sequence(crf, emissions[row], length))[tuple(labels[row, :length].tolist())]
        torch.testing.assert_close(found[row], expected)
    assert torch.equal(crf.score(emissions, labels.where(MASK, -100), MASK), found)


def test_probabilities_of_all_sequences_sum_to_one(crf, emissions):
    every = torch.tensor(list(product(range(CLASSES), repeat=STEPS)))
    total = crf(emissions[:1].expand(len(every), -1, -1), every).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


def test_the_gradient_of_the_partition_is_the_marginal_of_each_label(crf, emissions):
    emissions.requires_grad_(True)
    (found,) = torch.autograd.grad(crf.log_partition(emissions)[0], emissions)
    expected = torch.zeros(CLASSES, STEPS, dtype=torch.float64)
    for labels, score in every_sequence(crf, emissions[0].detach(), STEPS):
        for step, label in enumerate(labels):
            expected[label, step] += (score - crf.log_partition(emissions)[0]).exp().detach()
    torch.testing.assert_close(found[0], expected)


def test_without_transitions_it_is_the_cross_entropy_of_the_steps(crf, emissions):
    for parameter in crf.parameters():
        torch.nn.init.zeros_(parameter)
    labels = torch.randint(CLASSES, (3, STEPS))
    expected = -torch.nn.functional.cross_entropy(emissions, labels, reduction="none").sum(1)
    torch.testing.assert_close(crf(emissions, labels), expected)


def test_half_precision_is_summed_in_float32(crf, emissions):
    crf.float()
    found = crf.log_partition(emissions.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, crf.log_partition(emissions.bfloat16().float()))


def test_wrong_arguments_are_named(crf, emissions):
    with pytest.raises(ValueError, match="at least one class, got 0"):
        CRF(0)
    for hole in (MASK.flip(1), torch.tensor([[True, False, True, True, True]]).expand(3, -1)):
        with pytest.raises(ValueError, match="true from the first step on and then false to the end; move the gaps"):
            crf.log_partition(emissions, hole)

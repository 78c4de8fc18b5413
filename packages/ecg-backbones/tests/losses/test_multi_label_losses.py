"""Multi-label and multi-class losses against formulas written out in plain Python, and against torch where they coincide."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecg_backbones import (
    AsymmetricLoss,
    BoundaryLoss,
    ClassWeightedBCELoss,
    DiceLoss,
    FocalLoss,
    MaskedBCELoss,
    WeightedBCELoss,
    WeightedSumLoss,
    class_weights,
)
from ecg_core import LOSSES

P = [[0.9, 0.2], [0.03, 0.6]]
Y = [[1.0, 0.0], [0.0, 1.0]]
LOGITS, TARGETS = torch.tensor(P, dtype=torch.float64).logit(), torch.tensor(Y, dtype=torch.float64)
ELEMENTS = [(p, y) for ps, ys in zip(P, Y, strict=True) for p, y in zip(ps, ys, strict=True)]


def _mean(term) -> float:
    return sum(term(p, y) for p, y in ELEMENTS) / len(ELEMENTS)


# ---------------------------------------------------------------- asymmetric


def test_asymmetric_is_the_formula_of_the_paper() -> None:
    """Equations 4 to 7, on probabilities, the negative at 0.03 being below the margin of 0.05."""

    def term(p: float, y: float) -> float:
        shifted = max(p - 0.05, 0.0)
        return -y * (1 - p) ** 1 * math.log(p) - (1 - y) * shifted**4 * math.log(1 - shifted)

    assert float(AsymmetricLoss()(LOGITS, TARGETS)) == pytest.approx(_mean(term), rel=1e-12)


def test_asymmetric_focuses_negatives_by_the_shifted_probability_and_not_by_the_probability() -> None:
    """One negative at p = 0.7: 0.65⁴ · -log 0.35 = 0.18740, where focusing by p would give 0.7⁴ · -log 0.35 = 0.25206."""
    found = AsymmetricLoss()(torch.tensor([[0.7]], dtype=torch.float64).logit(), torch.zeros(1, 1))
    assert float(found) == pytest.approx(0.65**4 * -math.log(0.35), rel=1e-12)
    assert float(found) == pytest.approx(0.18740, abs=1e-5)


def test_asymmetric_without_focusing_or_margin_is_binary_cross_entropy() -> None:
    found = AsymmetricLoss(gamma_neg=0, gamma_pos=0, prob_margin=0)(LOGITS, TARGETS)
    torch.testing.assert_close(found, F.binary_cross_entropy_with_logits(LOGITS, TARGETS))


def test_negatives_within_the_margin_cost_nothing_and_pull_nowhere() -> None:
    logits = torch.tensor([[0.04, 0.049]]).logit().requires_grad_()
    loss = AsymmetricLoss(gamma_neg=0.5)(logits, torch.zeros(1, 2))
    (slope,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == 0.0
    assert slope.tolist() == [[0.0, 0.0]]


# ---------------------------------------------------------------- focal


def test_focal_of_labels_is_the_formula_of_the_paper() -> None:
    def term(p: float, y: float) -> float:
        p_t = p if y else 1 - p
        return -((1 - p_t) ** 2) * math.log(p_t)

    assert float(FocalLoss()(LOGITS, TARGETS)) == pytest.approx(_mean(term), rel=1e-12)


def test_focal_of_exclusive_classes_is_the_formula_of_the_paper() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], dtype=torch.float64)
    targets = torch.eye(3, dtype=torch.float64)[[0, 2]]
    expected = (0.3**3 * -math.log(0.7) + 5 * 0.6**3 * -math.log(0.4)) / 2
    found = FocalLoss(gamma=3, class_weight=[1, 1, 5], multi_label=False)(p.log() + 7, targets)
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_focal_without_focusing_is_cross_entropy_weights_included() -> None:
    weight = torch.tensor([1.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(
        FocalLoss(gamma=0, class_weight=[1, 3], multi_label=False)(LOGITS, TARGETS),
        F.cross_entropy(LOGITS, TARGETS, weight=weight, reduction="none").mean(),
    )
    torch.testing.assert_close(
        FocalLoss(gamma=0, class_weight=[1, 3])(LOGITS, TARGETS),
        F.binary_cross_entropy_with_logits(LOGITS, TARGETS, weight=weight),
    )


def test_focal_works_on_steps_as_on_records() -> None:
    logits, targets = torch.randn(3, 4, 5), torch.eye(4)[torch.arange(15) % 4].reshape(3, 5, 4).transpose(1, 2)
    loss = FocalLoss(class_weight=[1, 2, 3, 4], multi_label=False)
    flat = loss(logits.transpose(1, 2).reshape(15, 4), targets.transpose(1, 2).reshape(15, 4))
    torch.testing.assert_close(loss(logits, targets), flat)


# ---------------------------------------------------------------- weighted cross-entropies


def test_weighted_bce_is_its_formula() -> None:
    v, w = [2.0, 3.0], [1.0, 0.5]
    expected = sum(
        -w[c] * (v[c] * y * math.log(p) + (1 - y) * math.log(1 - p))
        for ps, ys in zip(P, Y, strict=True)
        for c, (p, y) in enumerate(zip(ps, ys, strict=True))
    )
    assert float(WeightedBCELoss(pos_weight=v, weight=w)(LOGITS, TARGETS)) == pytest.approx(expected / 4, rel=1e-12)


def test_weights_of_the_batch_are_negatives_per_positive_and_inverse_shares() -> None:
    """Of four records one has class 0, two have class 1 and none has class 2."""
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]).float()
    torch.testing.assert_close(
        WeightedBCELoss(pos_weight="batch")(logits, targets), WeightedBCELoss(pos_weight=[3, 1, 3])(logits, targets)
    )
    torch.testing.assert_close(
        WeightedBCELoss(weight="batch")(logits, targets), WeightedBCELoss(weight=[1.2, 0.6, 1.2])(logits, targets)
    )


def test_a_weight_per_class_multiplies_the_terms_of_that_class() -> None:
    terms = F.binary_cross_entropy_with_logits(LOGITS, TARGETS, reduction="none")
    torch.testing.assert_close(ClassWeightedBCELoss([2, 5])(LOGITS, TARGETS), (terms * terms.new_tensor([2, 5])).mean())


def test_a_mask_counts_in_the_mean_of_all_or_of_the_weights() -> None:
    terms = F.binary_cross_entropy_with_logits(LOGITS, TARGETS, reduction="none")
    mask = torch.tensor([[1.0], [0.0]])
    torch.testing.assert_close(MaskedBCELoss()(LOGITS, TARGETS, mask), terms[0].sum() / 4)
    torch.testing.assert_close(MaskedBCELoss(mean_over="weight")(LOGITS, TARGETS, mask), terms[0].mean())
    assert float(MaskedBCELoss(mean_over="weight")(LOGITS, TARGETS, 0 * mask)) == 0.0


def test_class_weights_are_inverse_counts_or_effective_numbers_of_mean_one() -> None:
    assert class_weights([10, 20, 40]) == pytest.approx([12 / 7, 6 / 7, 3 / 7])
    assert class_weights([5, 500], beta=0) == [1.0, 1.0]
    one, two = class_weights([2, 3], beta=0.9)
    assert one / two == pytest.approx((1 - 0.9**3) / (1 - 0.9**2))
    with pytest.raises(ValueError, match=r"at least one example of every class, got \[0, 3\]; leave empty classes out"):
        class_weights([0, 3])
    with pytest.raises(ValueError, match=r"beta must lie in \[0, 1\], got 2"):
        class_weights([1, 3], beta=2)


# ---------------------------------------------------------------- what all of them promise

EVERY = {
    "asymmetric": AsymmetricLoss(),
    "asymmetric without margin": AsymmetricLoss(prob_margin=0.0, gamma_pos=0.5, gamma_neg=0.5),
    "focal": FocalLoss(class_weight=[1, 2, 3]),
    "focal, little focusing": FocalLoss(gamma=0.3, multi_label=False),
    "weighted": WeightedBCELoss(pos_weight="batch", weight="batch"),
    "class-weighted": ClassWeightedBCELoss([1, 2, 3]),
    "dice": DiceLoss(),
    "dice of labels": DiceLoss(exclusive=False, squared=True),
    "boundary": BoundaryLoss(),
    "sum": WeightedSumLoss([DiceLoss(), FocalLoss(multi_label=False)], weights=[1.0, 0.5]),
}


def _example(dtype: torch.dtype = torch.float32, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    logits = scale * torch.randn(2, 3, 11, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    targets = F.one_hot(torch.arange(22).reshape(2, 11) // 4 % 3, 3).transpose(1, 2)
    return logits.to(dtype), targets.to(dtype)


@pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY)
def test_the_gradient_is_that_of_the_value(loss) -> None:
    logits, targets = _example(torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, targets), logits.requires_grad_())


@pytest.mark.parametrize("extreme", [30.0, 120.0, 1e4])
@pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY)
def test_value_and_gradient_are_finite_for_huge_logits(loss, extreme: float) -> None:
    logits, targets = _example()
    logits = (logits.sign() * extreme).requires_grad_()
    value = loss(logits, targets)
    (slope,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY)
def test_half_precision_logits_are_computed_in_full(loss) -> None:
    logits, targets = _example(scale=3.0)
    half = logits.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(half, targets)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(half.float(), targets), rtol=0, atol=0)


@pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY)
def test_it_can_be_copied_and_pickled_after_a_backward_pass(loss) -> None:
    logits, targets = _example()
    loss(logits.clone().requires_grad_(), targets).backward()
    expected = loss(logits, targets)
    assert torch.equal(copy.deepcopy(loss)(logits, targets), expected)
    assert torch.equal(pickle.loads(pickle.dumps(loss))(logits, targets), expected)


@pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY)
def test_it_adds_nothing_to_the_weights_that_are_saved(loss) -> None:
    assert not loss.state_dict()


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 5), st.floats(0, 5), st.floats(0, 0.4), st.integers(0, 2**16))
def test_asymmetric_is_never_negative_and_never_above_cross_entropy(pos: float, neg: float, margin: float, seed: int) -> None:
    logits = 4 * torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    targets = (torch.rand(3, 4, generator=torch.Generator().manual_seed(seed + 1)) > 0.5).double()
    found = AsymmetricLoss(gamma_pos=pos, gamma_neg=neg, prob_margin=margin)(logits, targets)
    assert 0 <= float(found) <= float(F.binary_cross_entropy_with_logits(logits, targets)) + 1e-12


@pytest.mark.parametrize(
    "name",
    [
        "AsymmetricLoss", "FocalLoss", "WeightedBCELoss", "BCEWithLogitsWithClassWeightLoss", "MaskedBCEWithLogitsLoss",
        "BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss",
    ],
)  # fmt: skip
def test_the_spellings_of_torch_and_torch_ecg_are_names(name: str) -> None:
    assert name in LOSSES


# ---------------------------------------------------------------- errors


def test_what_does_not_fit_is_said_in_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"must both be .* got \(2, 3\) and \(2,\); class numbers become targets by one_hot"):
        FocalLoss()(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(ValueError, match="class_weight has 2 values for 3 classes; give one per class"):
        ClassWeightedBCELoss([1, 2])(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"weight must hold one number ≥ 0 per class, got \[-1\]"):
        WeightedBCELoss(weight=[-1])
    with pytest.raises(ValueError, match="pos_weight must hold one number per class, be 'batch', or None, got 'auto'"):
        WeightedBCELoss(pos_weight="auto")
    with pytest.raises(ValueError, match=r"weight_mask must broadcast to the logits, \(2, 3\), got \(5,\)"):
        MaskedBCELoss()(torch.zeros(2, 3), torch.zeros(2, 3), torch.ones(5))
    with pytest.raises(ValueError, match="mean_over must be 'all' or 'weight', got 'mask'"):
        MaskedBCELoss(mean_over="mask")
    with pytest.raises(ValueError, match=r"prob_margin must be a probability in \[0, 1\), got 1"):
        AsymmetricLoss(prob_margin=1)
    with pytest.raises(ValueError, match="gamma_neg and gamma_pos must be at least 0, got -1 and 1"):
        AsymmetricLoss(gamma_neg=-1, gamma_pos=1)
    with pytest.raises(ValueError, match="gamma must be at least 0, got -2"):
        FocalLoss(gamma=-2)
    with pytest.raises(ValueError, match="a sum needs at least one loss, got none"):
        WeightedSumLoss([])
    with pytest.raises(ValueError, match="got 1 weights for 2 losses; give one each"):
        WeightedSumLoss([DiceLoss(), BoundaryLoss()], weights=[1.0])

"""The scikit-learn face: its own checks, pipelines, and the numbers of the toolkit's own road."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn", reason="needs ecg-core[sklearn]")
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.head import Head
from ecg_core.discovery.registries import BACKBONES, HEADS
from ecg_core.errors import ConfigError, DataError
from ecg_core.estimators.classifier import ECGClassifier
from ecg_core.estimators.embedder import ECGEmbedder
from ecg_core.run.card import SignalContract, save_model


class Small(Backbone):
    """Two convolutions with batch normalisation."""

    def __init__(self, in_leads: int | None = None, *, width: int = 16, least: int = 1) -> None:
        super().__init__()
        self.in_leads, self.min_samples = in_leads, least
        self.stages = (Stage(width, 2),)
        self.layers = nn.Sequential(
            nn.Conv1d(in_leads or 1, width, 5, padding=2), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2), nn.ReLU(),
        )  # fmt: skip

    def forward_intermediates(self, x):
        return [self.layers(x)]


class Flat(Head):
    def __init__(self, classes: int, *, normalise: bool = False) -> None:
        super().__init__()
        self.classes = classes
        self.norm = nn.LazyBatchNorm1d(affine=False) if normalise else nn.Identity()
        self.linear = nn.LazyLinear(classes)

    def forward(self, x):
        return self.linear(self.norm(x))


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    torch.set_num_threads(1)
    with BACKBONES.isolated(), HEADS.isolated():
        BACKBONES.add(Small, "small")
        HEADS.add(Flat, "linear", override=True)
        yield


def pulses(n: int = 60, leads: int = 2, samples: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Windows with three or six pulses."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.1, (n, leads, samples)).astype(np.float32)
    y = rng.integers(0, 2, n)
    for window, label in zip(x, y, strict=True):
        for place in rng.integers(5, samples - 5, 6 if label else 3):
            window[:, place : place + 4] += 1
    return x, np.array(["slow", "fast"])[y]


_CHECKED = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{check.func.__name__}-{number}")
    for made in (ECGEmbedder(backbone="small"), ECGClassifier(backbone="small", epochs=12, batch_size=16, lr=2e-2))
    for number, (estimator, check) in enumerate(estimator_checks_generator(made))
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(("estimator", "check"), _CHECKED)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    if check.func.__name__ == "check_methods_subset_invariance":
        pytest.skip("it wants 1e-7, and convolutions of one window and of many round differently in float32")
    check(estimator)


def test_the_answer_for_a_window_does_not_depend_on_those_beside_it():
    x, y = pulses(30)
    model, encoder = ECGClassifier(backbone="small", epochs=5).fit(x, y), ECGEmbedder(backbone="small").fit(x)
    for answer in (model.predict_proba, encoder.transform):
        np.testing.assert_allclose(np.concatenate([answer(x[i : i + 1]) for i in range(30)]), answer(x), atol=1e-5)


def test_an_embedder_stands_in_a_pipeline_and_a_classifier_in_a_cross_validation():
    x, y = pulses()
    steps = make_pipeline(ECGEmbedder(backbone="small"), StandardScaler(), LogisticRegression(max_iter=500))
    assert steps.fit(x, y).score(x, y) > 0.8
    model = ECGClassifier(backbone="small", epochs=25, batch_size=10, lr=1e-2)
    assert cross_val_score(model, x, y, cv=3).mean() > 0.8
    assert ECGEmbedder(backbone="small").fit(x).get_feature_names_out()[:2].tolist() == ["ecgembedder0", "ecgembedder1"]


def test_embeddings_are_those_of_the_saved_encoder(tmp_path: Path):
    torch.manual_seed(3)
    encoder = Small(2).eval()
    card = save_model(tmp_path, "backbone", encoder, kind="backbones", signal=SignalContract(100.0, ("I", "II"), 120, ()))
    x, y = pulses(5)
    found = ECGEmbedder(card).fit_transform(x)
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), encoder.pool(encoder.forward_features(torch.from_numpy(x))))
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    model = ECGClassifier(card, mode="linear", epochs=5).fit(x, y)
    for name, value in model.task_.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name
    with pytest.raises(ConfigError, match=r"takes 2 leads \(I, II\), got windows of 1; give these leads"):
        ECGEmbedder(card).fit(x[:, 0])


def test_an_indicator_matrix_is_several_classes_at_once():
    x, y = pulses()
    several = np.stack([y == "fast", y == "slow", np.arange(len(y)) % 2 == 0], axis=1).astype(int)
    model = ECGClassifier(backbone="small", epochs=25, batch_size=10, lr=1e-2).fit(x, several)
    assert model.predict(x).shape == (60, 3)
    assert (model.predict(x)[:, 0] == several[:, 0]).mean() > 0.8
    assert (np.abs(model.predict_proba(x)[:, :2].sum(axis=1) - 1) > 1e-6).any()  # each class by itself


def test_the_same_seed_gives_the_same_model_and_torch_keeps_its_place():
    x, y = pulses(20)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    models = [clone(ECGClassifier(backbone="small", epochs=2)).fit(x, y) for _ in range(2)]
    assert torch.equal(torch.rand(1), expected)
    assert np.array_equal(models[0].predict_proba(x), models[1].predict_proba(x))


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda x, y: ECGClassifier(backbone="small", mode="lora").fit(x, y), ConfigError, "mode must be full or linear, got "),
        (lambda x, y: ECGClassifier(backbone="small").fit(x, ["a"] * len(x)), ValueError, "got one class: a"),
        (lambda x, y: ECGEmbedder(backbone="small").fit(x).transform(x[:, :, :50]), DataError, r"\(2, 120\), got \(2, 50\)"),
        (lambda x, y: ECGEmbedder(backbone="small").fit(x[None]), DataError, r"windows are \(windows, leads, samples\) or"),
        (
            lambda x, y: ECGEmbedder(backbone={"name": "small", "least": 500}).fit(x),
            ConfigError,
            "Small takes windows of 500 samples at least, got 120",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(act, error, words):
    with pytest.raises(error, match=words):
        act(*pulses(6))

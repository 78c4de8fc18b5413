"""CRNN: every combination of its parts answers, in the right shape and for every length; what cannot be combined says so."""

import itertools

import pytest
import torch

from ecg_backbones.heads.attentive import AttentiveHead
from ecg_backbones.heads.crf import CRFHead, CRFObjective
from ecg_backbones.heads.linear import LinearHead
from ecg_backbones.heads.per_step import PerStepHead
from ecg_backbones.models.crnn import CRNN
from ecg_backbones.resnet import ResNet
from ecg_core.contracts.lazy import materialize
from ecg_core.data.batch import Batch
from ecg_core.discovery.registries import ATTN_LAYERS, MODELS
from ecg_core.errors import ConfigError, DataError
from ecg_core.tasks.labelling import LabellingTask

torch.set_num_threads(1)

CLASSES = ("N", "AFIB", "O")
ATTENTION = (None, *sorted(ATTN_LAYERS))


def backbone() -> ResNet:
    return ResNet(2, widths=(6, 8), depths=(1, 1), kernel_size=3, stem_kernel_size=5)


@pytest.mark.parametrize(
    ("recurrent", "attention", "pooling"),
    [*itertools.product(("none", "lstm", "linear"), ATTENTION, ("mean", "max", "attention", "none")), ("lstm", None, "last")],
)
def test_every_combination_of_parts_answers_and_learns(recurrent, attention, pooling):
    torch.manual_seed(0)
    layer = None if attention is None else ATTN_LAYERS.build(attention)
    task = CRNN(backbone(), classes=CLASSES, recurrent=recurrent, hidden=(8,), attention=layer, pooling=pooling)
    task = materialize(task, torch.zeros(2, 2, 160))
    steps = {"step_targets": torch.randint(0, 3, (4, 160))} if pooling == "none" else {}
    batch = Batch(torch.randn(4, 2, 160), fs=100.0, leads=("I", "II"), targets=torch.eye(3)[[0, 1, 2, 0]], **steps)
    task.loss(batch).total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())
    for samples in (160, 161, 203):
        expected = (1, 3, samples) if pooling == "none" else (1, 3)
        assert tuple(task.eval()(torch.randn(1, 2, samples)).shape) == expected


@pytest.mark.parametrize("name", ["crnn", "ati_cnn", "seq_lab", "rr_lstm", "rr_af_crf", "rr_af_vanilla"])
def test_a_published_model_is_built_by_name_and_written_as_its_name(name):
    words = {"classes": CLASSES} | (
        {"backbone": {"kind": "backbones", "name": "resnet18", "in_leads": 1}} if "rr" not in name else {}
    )
    task = materialize(MODELS.build({"name": name, **words}), torch.zeros(2, 1, 64)).eval()
    config = MODELS.to_config(task)
    assert config["name"] == name
    assert set(config) == {"name", *words}
    again = MODELS.build(config).eval()
    again.load_state_dict(task.state_dict())
    x = torch.randn(2, 1, 64)
    assert torch.equal(again(x), task(x))


def test_a_recurrent_layer_reads_the_order_of_the_steps_and_a_linear_one_does_not():
    x = torch.randn(2, 8, 12)
    for recurrent, reads in (("lstm", True), ("linear", False), ("none", False)):
        task = materialize(CRNN(backbone(), classes=CLASSES, recurrent=recurrent, hidden=(8,)), torch.zeros(2, 2, 160)).eval()
        assert torch.allclose(task.scores(x), task.scores(x.flip(-1)), atol=1e-5) != reads


def test_rhythm_of_a_series_of_rr_intervals_is_learned():
    """Steady intervals against irregular ones, beat by beat, with the CRF."""
    torch.manual_seed(0)

    def series(seed):
        generator = torch.Generator().manual_seed(seed)
        switch = torch.randint(5, 25, (16, 1), generator=generator)
        irregular = torch.arange(30) >= switch
        spread = torch.where(irregular, 0.25, 0.02)
        x = 0.8 + spread * torch.randn(16, 30, generator=generator)
        return Batch(x[:, None], fs=1.0, leads=("I",), step_targets=irregular.long())

    task = materialize(MODELS.build("rr_lstm", classes=("N", "AFIB"), hidden=(16,)), torch.zeros(2, 1, 30))
    optimizer = torch.optim.AdamW(task.parameters(), lr=2e-2)
    for step in range(100):
        loss = task.train().loss(series(step)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unseen = series(999)
    found = task.eval().objective.decode(task(unseen.signal))
    assert (found == unseen.step_targets).float().mean() > 0.7  # one class throughout is right half of the time
    changes = (found[:, 1:] != found[:, :-1]).sum(dim=1)
    assert changes.float().mean() < 2  # whole sequences are judged: it does not flicker


@torch.no_grad()
def test_marginals_of_a_crf_are_its_sequences_counted_one_by_one():
    torch.manual_seed(1)
    objective, logits = CRFObjective(3).double(), torch.randn(1, 3, 4, dtype=torch.float64)
    weights = torch.zeros(3, 4, dtype=torch.float64)
    total = torch.zeros((), dtype=torch.float64)
    for labels in itertools.product(range(3), repeat=4):
        chosen = torch.tensor([labels])
        weight = objective.crf.score(logits, chosen).exp().squeeze().detach()
        total += weight
        weights[chosen[0], torch.arange(4)] += weight
    torch.testing.assert_close(objective.probabilities(logits)[0].double(), weights / total, rtol=1e-5, atol=1e-6)
    best = max(
        itertools.product(range(3), repeat=4), key=lambda labels: float(objective.crf.score(logits, torch.tensor([labels])))
    )
    assert objective.decode(logits)[0].tolist() == list(best)


def test_the_loss_of_a_crf_leaves_out_unlabelled_ends():
    objective = CRFObjective(3)
    logits, labels = torch.randn(2, 3, 9), torch.randint(0, 3, (2, 9))
    labels[:, 6:] = -1
    torch.testing.assert_close(objective(logits, labels), objective(logits[..., :6], labels[:, :6]))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: CRNN(backbone(), AttentiveHead, classes=CLASSES),
            "pooling='mean' needs a head that reads the embedding, got Atten",
        ),
        (
            lambda: CRNN(backbone(), LinearHead, classes=CLASSES, pooling="none"),
            "pooling='none' needs a head that scores every step",
        ),
        (
            lambda: CRNN(backbone(), classes=CLASSES, pooling="last", recurrent="none"),
            "pooling='last' takes the last states of an",
        ),
        (
            lambda: CRNN(backbone(), classes=CLASSES, pooling="sum"),
            "pooling must be mean, max, attention, last or none, got 'sum'",
        ),
        (lambda: CRNN(backbone(), classes=CLASSES, recurrent="gru"), "recurrent must be none, lstm or linear, got 'gru'"),
        (lambda: CRNN(backbone(), LinearHead(2), classes=CLASSES), "the head gives 2 scores for 3 classes"),
        (
            lambda: LabellingTask(backbone(), CRFHead, classes=CLASSES, loss_function=torch.nn.MSELoss()),
            "CRFHead brings what it minimises, so it takes no loss",
        ),
        (lambda: CRFObjective(2)(torch.zeros(1, 2, 4), torch.tensor([[0, -1, 1, 0]])), "may be missing .* only at the end"),
        (lambda: CRFHead(0), "at least one class"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(act, message):
    with pytest.raises((ValueError, ConfigError, DataError), match=message):
        act()


def test_per_step_scores_of_a_crnn_use_any_per_step_head():
    task = CRNN(backbone(), lambda classes: PerStepHead(classes, kernel_size=3), classes=CLASSES, hidden=(4,), pooling="none")
    assert tuple(task(torch.randn(2, 2, 100)).shape) == (2, 3, 100)

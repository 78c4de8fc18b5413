"""What is said to be frozen is frozen: every parameter and buffer, before and after, for convolutions and for tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ecg_core.adaptation.adaptation import Adaptation
from ecg_core.adaptation.adapting import Adapting, trained_parameters
from ecg_core.adaptation.depth import layers_of, parameters_of, stages_of
from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.head import Head
from ecg_core.errors import ConfigError
from ecg_core.layers.transformer import TransformerBlock
from ecg_core.tasks.classification import ClassificationTask
from ecg_core.testing.toy import toy_batch


class Convolutions(Backbone):
    """A stem, three stages of blocks with batch normalisation and dropout, a normalisation behind them."""

    def __init__(self, in_leads: int = 3) -> None:
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(4, 10),)
        self.stem = nn.Sequential(nn.Conv1d(in_leads, 4, 10, stride=10, bias=False), nn.BatchNorm1d(4))
        self.dropout = nn.Dropout(0.5)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(nn.Sequential(_conv(), nn.BatchNorm1d(4), nn.Dropout(0.1)) for _ in range(n))) for n in (1, 2, 1)
        )
        self.norm = nn.BatchNorm1d(4)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        x = self.dropout(self.stem(x))
        for block in self.blocks:
            x = x + block(x).relu()
        return [self.norm(x)]


def _conv() -> nn.Conv1d:
    return nn.Conv1d(4, 4, 3, padding=1, bias=False)  # a bias before batch normalisation has no gradient


class Tokens(Backbone):
    """Patches, a learned vector, three transformer blocks, a last normalisation."""

    def __init__(self, in_leads: int = 3) -> None:
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(8, 50),)
        self.vector = nn.Parameter(torch.randn(8))
        self.patches = nn.Conv1d(in_leads, 8, 50, stride=50)
        self.blocks = nn.ModuleList(TransformerBlock(8, heads=2, head_width=4, dropout=0.1) for _ in range(3))
        self.norm = nn.LayerNorm(8)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        tokens = self.patches(x).transpose(1, 2) + self.vector
        for block in self.blocks:
            tokens = block(tokens)
        return [self.norm(tokens).transpose(1, 2)]


class Plain(Head):
    """One linear layer."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.classes, self.linear = classes, nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


BACKBONES = {"convolutions": (Convolutions, 4), "tokens": (Tokens, 8)}


def _task(name: str) -> ClassificationTask:
    torch.manual_seed(0)
    make, channels = BACKBONES[name]
    return ClassificationTask(make(), Plain(2, channels), classes=("a", "b"))


def _trained(learner: Any, epochs: int, *, per_epoch: int = 2, seen: list[set[str]] | None = None) -> set[str]:
    """Names of everything that has moved, as the loop of a run trains it; what moved in each epoch goes to ``seen``."""
    optimizer = torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], lr=0.05)
    start = {name: t.clone() for name, t in learner.state_dict().items()}
    for epoch in range(epochs):
        learner.train()
        before = {name: t.clone() for name, t in learner.state_dict().items()}
        for step in range(per_epoch):
            total = learner.loss(toy_batch(8, 3, 500, seed=epoch * per_epoch + step, classes=2)).total
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            optimizer.step()
            learner.after_step()
        learner.eval()
        if seen is not None:
            seen.append({name for name, t in learner.state_dict().items() if not torch.equal(t, before[name])} - {"steps"})
    return {name for name, t in learner.state_dict().items() if not torch.equal(t, start[name])} - {"steps"}


def _names(task: ClassificationTask, last: int) -> set[str]:
    """Everything of the last stages, statistics included, and the head."""
    stages = stages_of(task.backbone)[-last:] if last else []
    inside = {f"task.backbone.{name}.{n}" for part in stages for name, m in part for n in m.state_dict()}
    return inside | {"task.head.linear.weight", "task.head.linear.bias"}


def _everything(task: ClassificationTask) -> set[str]:
    return {f"task.{name}" for name in task.state_dict()}


def _statistics(names: set[str]) -> set[str]:
    return {n for n in names if n.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")}


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_the_last_stages_move_and_nothing_before_them(name: str, stages: int) -> None:
    task = _task(name)
    expected = _names(task, stages)
    assert _trained(Adapting(task, Adaptation("partial", stages=stages), steps_per_epoch=2), 3) == expected


@pytest.mark.parametrize("name", BACKBONES)
def test_with_all_stages_everything_moves(name: str) -> None:
    task = _task(name)
    learner = Adapting(task, Adaptation("partial", stages=len(stages_of(task.backbone))), steps_per_epoch=2)
    assert _trained(learner, 3) == _everything(task)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("mode", ["full", "partial"])
def test_kept_statistics_do_not_move_where_weights_do(name: str, mode: str) -> None:
    task = _task(name)
    words = {"stages": 2} if mode == "partial" else {}
    free = _everything(task) if mode == "full" else _names(task, 2)
    moved = _trained(Adapting(task, Adaptation(mode, norm="frozen", **words), steps_per_epoch=2), 3)
    assert moved == free - _statistics(free)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("norm", [None, "frozen", "train"])
def test_adapters_and_the_head_move_and_statistics_if_they_may(name: str, norm: str | None) -> None:
    task = _task(name)
    learner = Adapting(task, Adaptation("lora", rank=2, norm=norm), steps_per_epoch=2)
    adapters = {n for n in learner.state_dict() if n.rpartition(".")[2] in ("down", "up")}
    statistics = _statistics(set(learner.state_dict())) if norm == "train" else set()
    assert _trained(learner, 3) == adapters | statistics | {"task.head.linear.weight", "task.head.linear.bias"}
    counted = sum(learner.state_dict()[n].numel() for n in adapters)
    assert trained_parameters(learner) == counted + sum(p.numel() for p in task.head.parameters())


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("mode", ["full", "partial"])
def test_gradually_one_stage_more_learns_after_every_second_epoch(name: str, mode: str) -> None:
    task = _task(name)
    last = len(stages_of(task.backbone)) if mode == "full" else 2
    words = {"stages": 2} if mode == "partial" else {}
    every = _everything(task) if mode == "full" else _names(task, 2)
    learner = Adapting(task, Adaptation(mode, unfreeze="gradual", unfreeze_every=2, **words), steps_per_epoch=2)
    seen: list[set[str]] = []
    _trained(learner, 2 * last + 3, seen=seen)
    wanted = [every if epoch // 2 >= last else _names(task, epoch // 2) for epoch in range(2 * last + 3)]
    assert seen == wanted


def test_a_frozen_stage_gives_what_it_gives_in_evaluation() -> None:
    """Dropout and batch statistics are off there, and on where a stage learns."""
    task = _task("convolutions")
    learner = Adapting(task, Adaptation("partial", stages=1), steps_per_epoch=2)
    learner.train()
    backbone = task.backbone
    assert not any(m.training for m in [*backbone.stem.modules(), backbone.dropout, *backbone.blocks[1].modules()])
    assert all(m.training for m in [*backbone.blocks[2].modules(), backbone.norm, task.head])
    learner.eval()
    assert not any(m.training for m in learner.modules())


def test_adapters_that_have_learned_nothing_give_the_scores_of_the_frozen_backbone() -> None:
    task, batch = _task("tokens").eval(), toy_batch(3, 3, 500)
    before = task.predict(batch)
    learner = Adapting(task, Adaptation("lora", rank=4), steps_per_epoch=2).eval()
    assert torch.equal(learner.task.predict(batch), before)


def test_stages_are_a_networks_own_and_layers_are_their_blocks() -> None:
    backbone = Convolutions()
    assert [[name for name, _ in part] for part in stages_of(backbone)] == [
        ["stem", "dropout"], ["blocks.0"], ["blocks.1"], ["blocks.2", "norm"],
    ]  # fmt: skip
    assert len(layers_of(backbone)) == 1 + 4 + 1
    for parts in (stages_of(backbone), layers_of(backbone)):
        named = [n for number, part in enumerate(parts) for n in parameters_of(backbone, part, first=not number)]
        assert sorted(named) == sorted(n for n, _ in backbone.named_parameters())


def test_more_stages_than_there_are_is_an_error_that_names_them() -> None:
    with pytest.raises(
        ConfigError, match=r"stages=5, and Convolutions has 4: stem … dropout, blocks.0, blocks.1, blocks.2 … norm"
    ):
        Adapting(_task("convolutions"), Adaptation("partial", stages=5), steps_per_epoch=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"mode": "most"}, "mode must be one of linear, lora, partial, full, got 'most'"),
        ({"mode": "full", "rank": 4}, "rank is a word of mode=lora, not of mode=full; leave it out"),
        ({"mode": "partial", "stages": 1, "alpha": 4.0}, "alpha is a word of mode=lora, not of mode=partial"),
        ({"mode": "lora", "stages": 1}, "stages is a word of mode=partial, not of mode=lora"),
        ({"mode": "lora", "unfreeze": "gradual"}, "unfreeze is a word of mode=partial and mode=full, not of mode=lora"),
        ({"mode": "linear", "norm": "train"}, "norm is a word of mode=lora and mode=partial and mode=full, not of mode=linear"),
        ({"mode": "partial"}, "mode=partial needs to know how many of the backbone's last stages learn; say stages=1"),
        ({"mode": "partial", "stages": 0}, "stages must be at least 1, got 0"),
        ({"mode": "lora", "rank": 0}, "rank must be at least 1, got 0"),
        ({"mode": "lora", "alpha": -1.0}, r"alpha must be a positive number, or None for the rank, got -1\.0"),
        ({"unfreeze": "all"}, "unfreeze must be gradual, or be left out, got 'all'"),
        ({"unfreeze_every": 2}, "unfreeze_every counts the epochs of unfreeze=gradual; give that too, or leave it out"),
        ({"unfreeze": "gradual", "unfreeze_every": 0}, "unfreeze_every must be at least 1, got 0"),
        ({"norm": "on"}, "norm must be train or frozen, got 'on'"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Adaptation(**words)

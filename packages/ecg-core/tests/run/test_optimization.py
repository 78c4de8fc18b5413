"""Optimizers, their groups and their rates: steps worked out by hand, layers of any backbone, exact resuming."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.store import Store
from ecg_core.discovery.registries import OPTIMIZERS
from ecg_core.errors import ConfigError, MissingExtraError
from ecg_core.run.optimization.layer_decay import layer_names, layer_scales
from ecg_core.run.optimization.optimization import Rates, build_optimizer, check_optimization
from ecg_core.run.order import Batches
from ecg_core.run.run import Run
from ecg_core.run.settings import Settings
from ecg_core.run.training.finetune import finetune

# ---------------------------------------------------------------- LAMB and LARS


def _one_step(name: str, weight: Tensor, gradient: Tensor, **words) -> Tensor:
    parameter = nn.Parameter(weight.clone())
    parameter.grad = gradient.clone()
    OPTIMIZERS.build({"name": name, **words}, params=[parameter], lr=0.1).step()
    return parameter.detach()


def test_a_step_of_lars_is_as_long_as_the_weights_say() -> None:
    """Of equation 6 (You et al. 2017): λ = η |w| / (|g| + β |w|), and w moves by lr · λ · (g + β w)."""
    pytest.importorskip("pytorch_optimizer", reason="LARS comes from the extra `optimizers`")
    w, g, decay, eta = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.6, -0.8]]), 0.1, 0.02
    ratio = eta * 5.0 / (1.0 + decay * 5.0)
    expected = w - 0.1 * ratio * (g + decay * w)
    torch.testing.assert_close(_one_step("lars", w, g, momentum=0.0, trust_coefficient=eta, weight_decay=decay), expected)


def test_a_step_of_lamb_has_the_length_of_the_weights_times_the_rate() -> None:
    """Of algorithm 2 (You et al. 2020): the step is along Adam's update plus decay, and lr · |w| long."""
    pytest.importorskip("pytorch_optimizer", reason="LAMB comes from the extra `optimizers`")
    w, g = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.3, -0.4]])
    step = w - _one_step("lamb", w, g)
    assert float(step.norm()) == pytest.approx(0.1 * 5.0, rel=1e-5)
    torch.testing.assert_close(step / step.norm(), torch.tensor([[1.0, -1.0]]) / math.sqrt(2), rtol=1e-4, atol=1e-4)
    decayed = w - _one_step("lamb", w, g, weight_decay=0.2)
    update = 0.1 / math.sqrt(1e-3) * torch.tensor([[1.0, -1.0]]) + 0.2 * w  # first moment over root of the second, plus decay
    torch.testing.assert_close(decayed, 0.1 * 5.0 * update / update.norm(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["lamb", "lars"])
def test_without_the_extra_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(MissingExtraError, match=rf"{name.upper()} needs pytorch_optimizer: pip install 'ecg-core\[optimizers\]'"):
        OPTIMIZERS.build(name, params=[nn.Parameter(torch.zeros(2))])


# ---------------------------------------------------------------- words of an optimizer


def test_an_optimizer_takes_its_own_arguments_and_the_runs() -> None:
    found = build_optimizer(nn.Linear(2, 2), Settings(optimizer={"name": "SGD", "momentum": 0.8, "nesterov": True}, lr=0.3))
    assert (found.defaults["momentum"], found.defaults["nesterov"], found.defaults["lr"]) == (0.8, True, 0.3)
    found = build_optimizer(nn.Linear(2, 2), Settings(optimizer={"name": "adamw", "betas": [0.5, 0.6], "amsgrad": True}))
    assert (found.defaults["betas"], found.defaults["amsgrad"]) == ((0.5, 0.6), True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"optimizer": {"name": "sgd", "lr": 1.0}}, "lr of the optimizer 'sgd' is a setting of the run itself; give it there"),
        (
            {"optimizer": {"name": "sgd", "momentun": 0.9}},
            "optimizers: 'sgd' cannot be built: .*'momentun'.* its arguments are momen",
        ),
        ({"optimizer": {"name": "sgd", "momentum": -1}}, "optimizers: 'sgd' cannot be built: Invalid momentum value: -1"),
        (
            {"scheduler": "step"},
            "schedulers: 'step' cannot be built: missing 1 required .*'step_size'; its arguments are step_size, g",
        ),
        ({"scheduler": {"name": "step", "size": 3}}, "schedulers: 'step' cannot be built: .*'size'"),
        ({"scheduler": {"name": "cosine_annealing", "eta_min": 9.0}}, "eta_min must be a rate from 0 to the peak"),
    ],
)
def test_what_does_not_fit_is_named_before_a_run_writes_anything(words: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_optimization(Settings(**words))


def test_settings_with_configurations_survive_json_and_refuse_what_is_none() -> None:
    made = Settings(
        optimizer={"name": "sgd", "momentum": 0.9}, scheduler={"name": "multi_step", "milestones": (2, 3)}, layer_decay=0.7
    )
    again = Settings.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again.scheduler == {"name": "multi_step", "milestones": [2, 3]}
    assert (again.optimizer, again.layer_decay) == (made.optimizer, 0.7)
    with pytest.raises(ConfigError, match="optimizer must be a name or a mapping with a 'name', got 3"):
        Settings(optimizer=3)
    with pytest.raises(ConfigError, match=r"layer_decay must lie in \(0, 1\], or be None for equal rates, got 1.5"):
        Settings(layer_decay=1.5)


def test_a_warmup_of_the_schedule_itself_wins_over_the_settings() -> None:
    rates = Rates(Settings(lr=1.0, warmup=0.5, epochs=1, scheduler={"name": "polynomial", "warmup": 0.0}), 10)
    assert rates.at(0, ()) == 1.0
    assert Rates(Settings(lr=1.0, warmup=0.5, epochs=1, scheduler="polynomial"), 10).at(0, ()) == pytest.approx(1 / 6)


# ---------------------------------------------------------------- layers


class Net(Backbone):
    """``shape`` says how many blocks each list holds; a token of its own, a stem, what joins lists, and a norm behind them."""

    def __init__(self, shape: tuple[int, ...], *, joined: bool = False, norm: bool = True) -> None:
        super().__init__()
        self.in_leads, self.stages = 1, (Stage(2, 1),)
        self.token = nn.Parameter(torch.zeros(2))
        self.stem = nn.Sequential(nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2))
        for number, count in enumerate(shape):
            blocks = [nn.Sequential(nn.Conv1d(2, 2, 1), nn.BatchNorm1d(2)) for _ in range(count)]
            self.add_module(f"blocks{number}", nn.ModuleList(blocks) if number % 2 else nn.Sequential(*blocks))
            if joined:
                self.add_module(f"join{number}", nn.Conv1d(2, 2, 1))
        if norm:
            self.norm = nn.BatchNorm1d(2)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [x]


class Learner(nn.Module):
    """A backbone and a head."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(2, 3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=3), st.booleans(), st.booleans(), st.floats(0.1, 1.0))
def test_every_parameter_is_in_exactly_one_layer_and_in_one_group(
    shape: list[int], joined: bool, norm: bool, decay: float
) -> None:
    learner = Learner(Net(tuple(shape), joined=joined, norm=norm))
    named = [name for layer in layer_names(learner.backbone) for name in layer]
    assert sorted(named) == sorted(name for name, _ in learner.backbone.named_parameters())
    groups = build_optimizer(learner, Settings(layer_decay=decay)).param_groups
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(map(id, learner.parameters()))


def test_rates_fall_by_the_decay_from_the_head_to_the_stem() -> None:
    """Two blocks: stem and token 0.5³, blocks 0.5² and 0.5, norm and head 1."""
    learner = Learner(Net((2,)))
    scales = layer_scales(learner, 0.5)
    assert {scales[f"backbone.{n}"] for n in ("token", "stem.0.weight", "stem.1.bias")} == {0.125}
    assert (scales["backbone.blocks0.0.0.weight"], scales["backbone.blocks0.1.0.weight"]) == (0.25, 0.5)
    assert (scales["backbone.norm.weight"], scales["head.weight"]) == (1.0, 1.0)


def test_lists_within_lists_are_unrolled_and_a_backbone_without_lists_has_a_layer_a_child() -> None:
    class Stages(Net):
        def __init__(self) -> None:
            super().__init__(())
            self.norm = nn.Identity()
            stages = [nn.Sequential(*(nn.Sequential(nn.Conv1d(2, 2, 1)) for _ in range(n))) for n in (2, 1)]
            self.blocks = nn.ModuleList(stages)

    assert [sorted(layer) for layer in layer_names(Stages())[1:]] == [
        ["blocks.0.0.0.bias", "blocks.0.0.0.weight"],
        ["blocks.0.1.0.bias", "blocks.0.1.0.weight"],
        ["blocks.1.0.0.bias", "blocks.1.0.0.weight"],
        [],
    ]
    plain = layer_names(Net(()))
    assert [{name.split(".")[0] for name in layer} for layer in plain] == [{"token", "stem"}, {"norm"}, set()]


def test_a_decay_of_one_moves_every_layer_as_without_it() -> None:
    def trained(**words) -> list[Tensor]:
        torch.manual_seed(0)
        learner = Learner(Net((2,)))
        optimizer = build_optimizer(learner, Settings(lr=0.1, **words))
        for _ in range(3):
            optimizer.zero_grad()
            sum((p**2).sum() for p in learner.parameters()).backward()
            Rates.apply(optimizer, 0.1)
            optimizer.step()
        return [p.detach() for p in learner.parameters()]

    assert all(map(torch.equal, trained(), trained(layer_decay=1.0)))


def test_a_step_of_plain_descent_is_shorter_by_the_decay_of_its_layer() -> None:
    learner = Learner(Net((1,)))
    before = {name: p.detach().clone() for name, p in learner.named_parameters()}
    optimizer = build_optimizer(learner, Settings(optimizer="sgd", weight_decay=0.0, layer_decay=0.5))
    sum(p.sum() for p in learner.parameters()).backward()
    Rates.apply(optimizer, 0.1)
    optimizer.step()
    moved = {name: float((before[name] - p.detach()).max()) for name, p in learner.named_parameters()}
    assert moved["backbone.stem.0.weight"] == pytest.approx(0.025, rel=1e-4)
    assert moved["backbone.blocks0.0.0.weight"] == pytest.approx(0.05, rel=1e-4)
    assert moved["head.weight"] == pytest.approx(0.1, rel=1e-4)


# ---------------------------------------------------------------- a decay that changes


def test_a_decay_goes_from_the_first_to_the_last_by_half_a_cosine() -> None:
    rates = Rates(Settings(weight_decay=0.04, last_weight_decay=0.4), 100)
    found = [rates.decay_at(step) for step in (0, 25, 50, 75, 100, 130)]
    quarter = 0.5 * (1 - math.sqrt(0.5))
    assert found == pytest.approx([0.04, 0.04 + 0.36 * quarter, 0.22, 0.4 - 0.36 * quarter, 0.4, 0.4])
    assert Rates(Settings(weight_decay=0.3, last_weight_decay=0.0), 10).decay_at(10) == pytest.approx(0.0)
    assert Rates(Settings(weight_decay=0.3), 10).decay_at(5) is None


@pytest.mark.parametrize("words", [{}, {"layer_decay": 0.5}, {"decay_all": True}, {"weight_decay": 0.0}])
def test_only_what_decays_follows_a_decay_that_changes(words) -> None:
    learner = Learner(Net((2,)))
    optimizer = build_optimizer(learner, Settings(**{"lr": 0.1, "weight_decay": 0.04, "last_weight_decay": 0.4, **words}))
    Rates.apply(optimizer, 0.1, 0.25)
    found = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in learner.named_parameters():
        assert found[id(parameter)] == (0.25 if parameter.ndim > 1 or "decay_all" in words else 0.0), name
    plain = build_optimizer(learner, Settings(lr=0.1, weight_decay=0.04))
    Rates.apply(plain, 0.1, 0.25)
    assert sorted(group["weight_decay"] for group in plain.param_groups) == [0.0, 0.04]


def test_a_step_shrinks_weights_by_the_rate_times_the_decay_of_that_step() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    settings = Settings(optimizer="adamw", lr=0.5, weight_decay=0.1, last_weight_decay=0.3)
    optimizer, rates, expected = build_optimizer(layer, settings), Rates(settings, 4), 1.0
    for step in range(5):
        layer.weight.grad = torch.zeros_like(layer.weight)
        rates.apply(optimizer, 0.5, rates.decay_at(step))
        optimizer.step()
        expected *= 1 - 0.5 * (0.1 + 0.2 * (1 - math.cos(math.pi * step / 4)) / 2)
    assert float(layer.weight.detach()) == pytest.approx(expected, rel=1e-6)


def test_plain_descent_follows_a_decay_that_changes_too_and_wrong_decays_are_named() -> None:
    optimizer = build_optimizer(Learner(Net((1,))), Settings(optimizer="sgd", last_weight_decay=0.4))
    Rates.apply(optimizer, 0.1, 0.2)
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.2}
    for word in ("weight_decay", "last_weight_decay"):
        with pytest.raises(ConfigError, match=f"{word} must be a number from 0 on, got -0.1"):
            Settings(**{word: -0.1})


def test_a_recipe_brings_its_last_decay_into_the_settings_and_back() -> None:
    found = Settings.from_recipe(Recipe(weight_decay=0.04, last_weight_decay=0.4))
    assert (found.weight_decay, found.last_weight_decay) == (0.04, 0.4)
    assert Settings.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert Settings.from_recipe(Recipe()).last_weight_decay is None


def test_a_learner_without_a_backbone_has_no_layers() -> None:
    with pytest.raises(ConfigError, match="layer_decay needs a learner with a backbone, and Linear trains none; leave it out"):
        build_optimizer(nn.Linear(2, 2), Settings(layer_decay=0.5))


# ---------------------------------------------------------------- in a run


class Killed(BaseException):
    """Stands for a kill."""


class Regression(nn.Module):
    """With dropout, so that the random state counts; matrices, vectors and a backbone that has layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.backbone = Net((2,))
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 1))

    def loss(self, batch: Tensor) -> Losses:
        regular = sum((p**2).sum() for p in self.backbone.parameters())
        return Losses((self.net(batch) - batch.sum(dim=1, keepdim=True)).square().mean() + 0.1 * regular)

    def after_step(self) -> None:
        pass


def _run(folder: Path, *, kill_at: int | None = None, **words) -> Run:
    folder.mkdir(exist_ok=True)
    data, loads = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), []

    def load(chosen: np.ndarray, epoch: int) -> Tensor:
        loads.append(1)
        if len(loads) == kill_at:
            raise Killed
        return data[torch.from_numpy(chosen)]

    learner, epochs = Regression(), iter(range(100))
    run = Run(folder, learner, Batches(range(16), 4, load), Settings(**{"epochs": 6, "batch_size": 4, "device": "cpu", **words}))
    run.validate = lambda: {"val_loss": 1.0 + 0.1 * next(epochs)}
    return run


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_every_optimizer_goes_on_after_a_kill_as_if_nothing_had_happened(tmp_path: Path, optimizer: str) -> None:
    if optimizer in ("lamb", "lars"):
        pytest.importorskip("pytorch_optimizer", reason="comes from the extra `optimizers`")
    words = {"optimizer": optimizer, "layer_decay": 0.8, "epochs": 3, "checkpoint_every": 1}
    alone = _run(tmp_path / "alone", **words)
    alone.fit()
    with pytest.raises(Killed):
        _run(tmp_path / "killed", kill_at=7, **words).fit()
    resumed = _run(tmp_path / "killed", **words)
    resumed.fit(resume=True)
    a, b = alone.learner.state_dict(), resumed.learner.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("at", [5, 14])
def test_a_decay_that_changes_goes_on_after_a_kill_as_if_nothing_had_happened(tmp_path: Path, at: int) -> None:
    from ecg_core.run.progress import read_metrics

    words = {"weight_decay": 0.1, "last_weight_decay": 0.9, "lr": 0.05, "checkpoint_every": 3}
    alone = _run(tmp_path / "alone", **words)
    alone.fit()
    with pytest.raises(Killed):
        _run(tmp_path / "killed", kill_at=at, **words).fit()
    resumed = _run(tmp_path / "killed", **words)
    resumed.fit(resume=True)
    a, b = alone.learner.state_dict(), resumed.learner.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    decays = [[x["weight_decay"] for x in read_metrics(tmp_path / n / "metrics.jsonl") if "lr" in x] for n in ("alone", "killed")]
    assert decays[0] == decays[1]
    assert decays[0] == sorted(decays[0])
    assert decays[0][0] == 0.1
    assert len(decays[0]) == 24


@pytest.mark.parametrize("at", [2, 9, 13, 20])
def test_a_plateau_goes_on_after_a_kill_with_the_rate_it_had(tmp_path: Path, at: int) -> None:
    """The validation loss only grows: with patience 1 the rate falls after the third epoch and the fifth."""

    def measured(run: Run) -> Run:
        run.validate = lambda: {"val_loss": 1.0 + 0.1 * run.state["epoch"]}
        return run

    from ecg_core.run.progress import read_metrics

    def make(name: str, **more) -> Run:
        (tmp_path / name).mkdir(exist_ok=True)
        run = _run(tmp_path / name, scheduler="constant", lr=0.01, checkpoint_every=3, warmup=0.0, **more)
        settings = Settings(**{**run.settings.__dict__, "scheduler": {"name": "plateau", "patience": 1, "factor": 0.5}})
        return measured(Run(run.directory, run.learner, run.batches, settings, validate=lambda: {}))

    alone = make("alone")
    alone.fit()
    with pytest.raises(Killed):
        make("killed", kill_at=at).fit()
    resumed = make("killed")
    resumed.fit(resume=True)
    rates = [[line["lr"] for line in read_metrics(tmp_path / n / "metrics.jsonl") if "lr" in line] for n in ("alone", "killed")]
    assert rates[0] == rates[1]
    assert rates[0][::4] == pytest.approx([0.01, 0.01, 0.01, 0.005, 0.005, 0.0025])
    a, b = alone.learner.state_dict(), resumed.learner.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_plateau_without_validation_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plateau follows validation, and this run has none; keep patients for it"):
        _run(tmp_path, scheduler="plateau")


def test_a_finetuning_takes_optimizer_schedule_and_layer_decay(
    finetuned: Callable[..., Path], store: Store, tmp_path: Path
) -> None:
    words = {
        "optimizer": {"name": "sgd", "momentum": 0.9},
        "scheduler": {"name": "multi_step", "milestones": [1], "gamma": 0.5, "warmup": 0.0},
        "layer_decay": 0.6,
        "lr": 0.04,
    }
    run = finetuned(**words)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {(line["epoch"], line["lr"]) for line in lines if "lr" in line} == {(1, 0.04), (2, 0.02)}
    written = json.loads((run / "run.json").read_text())["settings"]
    assert (written["optimizer"], written["layer_decay"]) == ({"name": "sgd", "momentum": 0.9}, 0.6)
    with pytest.raises(ConfigError, match="mode=linear leaves every layer of the backbone as it is, so it takes no layer_decay"):
        finetune(store, tmp_path / "x", target="dx", backbone="toy", mode="linear", layer_decay=0.5)
    with pytest.raises(ConfigError, match="'step' cannot be built"):
        finetune(store, tmp_path / "y", target="dx", backbone="toy", head="toy_head", scheduler="step")
    assert not (tmp_path / "y").exists()

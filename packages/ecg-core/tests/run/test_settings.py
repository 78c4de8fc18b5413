"""Settings: checked when made, from a recipe, and through JSON."""

from __future__ import annotations

import json

import pytest

from ecg_core.contracts.recipe import Recipe
from ecg_core.errors import ConfigError
from ecg_core.run.settings import Settings


@pytest.mark.parametrize(
    ("word", "value", "message"),
    [
        ("epochs", 0, "epochs must be at least 1, got 0"),
        ("batch_size", -3, "batch_size must be at least 1, got -3"),
        ("keep", 0, "keep must be at least 1, got 0"),
        ("checkpoint_every", -1, "checkpoint_every must be at least 0, got -1"),
        ("lr", 0.0, "lr must be a positive number, got 0.0"),
        ("lr", float("nan"), "lr must be a positive number, got nan"),
        ("lr", float("inf"), "lr must be a positive number, got inf"),
        ("clip", 0.0, "clip must be a positive number, or None for no clipping, got 0.0"),
        ("warmup", 1.0, r"warmup must be a share of all steps in \[0, 1\), got 1.0"),
        ("precision", "fp16", "precision must be fp32 or bf16, got 'fp16'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(word: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        Settings(**{word: value})


def test_a_recipe_scales_its_rate_with_the_batch_and_a_chosen_rate_wins() -> None:
    recipe = Recipe(lr=1e-3, lr_batch=256, betas=(0.9, 0.95), weight_decay=0.1, decay_all=True, warmup=0.2, clip=3.0)
    settings = Settings.from_recipe(recipe, batch_size=64, epochs=7, seed=9)
    assert settings == Settings(7, 64, 0.25e-3, (0.9, 0.95), 0.1, True, 0.2, 3.0, seed=9)
    assert Settings.from_recipe(recipe, batch_size=64, lr=0.5).lr == 0.5
    assert Settings.from_recipe(Recipe(lr=2e-3, lr_batch=0), batch_size=999).lr == 2e-3


def test_settings_survive_json() -> None:
    settings = Settings(epochs=3, lr=0.1 + 0.2, betas=(0.8, 0.9), clip=None, precision="bf16")
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_auto_becomes_a_device_and_a_named_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert Settings().resolved().device == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert Settings().resolved().device == "cuda"
    assert Settings(device="cpu").resolved().device == "cpu"


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99", "cpu:zero"])
def test_a_device_that_is_not_there_is_an_error_in_words(device: str) -> None:
    with pytest.raises(ConfigError, match=rf"device '{device}' cannot be used here \(.+\); see `ecg doctor`"):
        Settings(device=device).resolved()

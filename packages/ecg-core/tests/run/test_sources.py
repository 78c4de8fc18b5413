"""Sources of a fine-tuning: a run, a card, weights beside their card, an imported folder; and data that do not fit them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Stage
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.prepare import prepare
from ecg_core.data.store import Store
from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import CheckpointError, RunError, UnknownComponentError
from ecg_core.run.card import SignalContract, save_model
from ecg_core.run.load import load
from ecg_core.run.training.finetune import finetune
from ecg_core.run.training.sources import pretrained_backbone


@pytest.fixture
def imported(store: Store, tmp_path: Path) -> Path:
    """A folder as `ecg weights import` writes it: a card, weights and a pipeline, and no run."""
    folder = tmp_path / "imported"
    folder.mkdir()
    torch.manual_seed(7)
    save_model(folder, "backbone", BACKBONES.build("toy", in_leads=2), kind="backbones", signal=SignalContract.of(store))
    (folder / "pipeline.json").write_text("[]", encoding="utf-8")
    return folder


@pytest.mark.parametrize("what", ["", "backbone.json", "backbone.safetensors"])
def test_an_imported_backbone_is_found_by_its_folder_its_card_and_its_weights(store: Store, imported: Path, what: str) -> None:
    torch.manual_seed(7)
    expected = BACKBONES.build("toy", in_leads=2).state_dict()
    found = pretrained_backbone(imported / what, store).state_dict()
    assert all(torch.equal(t, found[name]) for name, t in expected.items())


@pytest.mark.parametrize("what", ["", "model.json", "model.safetensors"])
@pytest.mark.parametrize("mode", ["linear", "lora"])
def test_a_run_is_found_by_its_folder_its_card_and_its_weights(finetuned: Callable[..., Path], what: str, mode: str) -> None:
    first = finetuned("first")
    second = finetuned("second", source=first / what, backbone=None, mode=mode, epochs=1)
    before, after = load(first).module.backbone, load(second).module.backbone
    assert torch.equal(before.norm.weight, after.norm.weight)
    assert torch.equal(before.norm.running_mean, after.norm.running_mean)
    assert json.loads((second / "run.json").read_text())["source"] == str(first / what)


def _store(recordings: Path, labels: Path, out: Path, **words: Any) -> Store:
    settings = {"fs": 50.0, "seconds": 2.0, "leads": ("I", "II"), "reader": "numpy", "labels": labels, "pipeline": [], **words}
    return prepare(recordings, out, **settings)


def test_data_that_differ_in_rate_and_leads_are_refused_with_the_options_that_fit(
    finetuned: Callable[..., Path], store: Store, tmp_path: Path
) -> None:
    first = finetuned("first")
    store.fs, store.leads = 25.0, ("I",)
    with pytest.raises(
        RunError,
        match="was trained with sampling frequency 50 Hz and leads I,II, .* has 25 Hz and I; "
        "prepare the data with --fs 50 --leads I,II$",
    ):
        finetune(store, tmp_path / "run", target="dx", source=first)
    assert not (tmp_path / "run").exists()


class Named(TokenBackbone):
    """Each lead's patches plus the vector of the lead, averaged over leads."""

    def __init__(self, *, in_leads: int = 2, told_apart: bool = True) -> None:
        super().__init__()
        self.in_leads, self.width, self.patch_size, self.told_apart = in_leads, 4, 20, told_apart
        self.stages = (Stage(4, 20),)
        self.patches = nn.Linear(20, 4)
        self.vectors = nn.Parameter(torch.randn(in_leads, 4))

    def patchify(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, 20))

    def embed(self, patches: Tensor) -> Tensor:
        return self.patches(patches)

    def encode(self, tokens: Tensor, keep: Tensor | None = None, lead_index: Tensor | None = None) -> Tensor:
        return (tokens + (self.vectors if lead_index is None else self.vectors[lead_index])[:, None]).tanh()

    def forward_features(self, x: Tensor, lead_index: Tensor | None = None) -> Tensor:
        if lead_index is not None and not self.told_apart:
            raise TypeError("cannot encode a part of its leads")
        return self.encode(self.embed(self.patchify(x)), None, lead_index).mean(dim=1).transpose(1, 2)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [self.forward_features(x)]


@pytest.mark.parametrize("told_apart", [True, False])
def test_one_lead_of_two_is_taken_by_a_backbone_that_knows_them_by_name(
    finetuned: Callable[..., Path], recordings: Path, labels: Path, tmp_path: Path, told_apart: bool
) -> None:
    second = _store(recordings, labels, tmp_path / "second", leads=("II",))
    words = {"target": "dx", "head": "toy_head", "epochs": 1, "device": "cpu", "mode": "linear"}
    with BACKBONES.isolated():
        BACKBONES.add(Named, "named")
        first = finetuned("first", backbone={"name": "named", "told_apart": told_apart})
        if told_apart:
            run = finetune(second, tmp_path / "run", source=first, **words).path
            before, after = load(first).module.backbone, load(run).module.backbone
            assert torch.equal(after.vectors, before.vectors[1:])
            assert torch.equal(after.patches.weight, before.patches.weight)
        else:
            with pytest.raises(RunError, match="was trained with leads I,II, .* has II; prepare the data with --leads I,II"):
                finetune(second, tmp_path / "run", source=first, **words)


def test_windows_of_another_length_are_taken_where_the_backbone_takes_them(
    finetuned: Callable[..., Path], recordings: Path, labels: Path, tmp_path: Path
) -> None:
    longer = _store(recordings, labels, tmp_path / "longer", seconds=3.0)
    words = {"target": "dx", "head": "toy_head", "epochs": 1, "device": "cpu"}
    run = finetune(longer, tmp_path / "run", source=finetuned("first"), **words)
    assert load(run.path).signal.samples == 150


def test_windows_that_the_backbone_cannot_take_are_refused_with_their_length(
    finetuned: Callable[..., Path], recordings: Path, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finetuned("first")
    longer = _store(recordings, labels, tmp_path / "longer", seconds=3.0)

    original = BACKBONES.get("toy").forward_intermediates

    def only_two_seconds(self: Any, x: torch.Tensor) -> Any:
        if x.shape[-1] != 100:
            raise ValueError("positions for 10 patches, got 15")
        return original(self, x)

    monkeypatch.setattr(BACKBONES.get("toy"), "forward_intermediates", only_two_seconds)
    with pytest.raises(
        RunError, match=r"was trained on windows of 2 s and cannot take those of 3 s in .* \(positions for 10 .*; .* --seconds 2$"
    ):
        finetune(longer, tmp_path / "run", target="dx", source=first, head="toy_head")


def test_weights_without_a_card_are_refused(store: Store, imported: Path) -> None:
    (imported / "backbone.json").unlink()
    with pytest.raises(RunError, match=r"lies beside no card \(backbone\.json\), .* `ecg weights import`"):
        pretrained_backbone(imported / "backbone.safetensors", store)


def test_an_exported_file_cannot_learn(store: Store, tmp_path: Path) -> None:
    for name in ("model.onnx", "model.pt2"):
        with pytest.raises(RunError, match="is an exported file, whose weights cannot learn any more; give the run it came from"):
            finetune(store, tmp_path / "run", target="dx", source=tmp_path / name)


def test_a_folder_without_anything_is_no_source(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"empty is not a run directory \(no run\.json\)"):
        finetune(store, tmp_path / "run", target="dx", source=tmp_path / "empty")
    with pytest.raises(RunError, match="nowhere does not exist"):
        finetune(store, tmp_path / "run", target="dx", source=tmp_path / "nowhere")


def test_a_card_that_is_none_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="is not a model card"):
        finetune(store, tmp_path / "run", target="dx", source=tmp_path / "x.json")


def test_a_source_of_a_package_that_is_gone_gives_the_line_that_installs_it(store: Store, imported: Path, tmp_path: Path) -> None:
    facts = json.loads((imported / "backbone.json").read_text(encoding="utf-8"))
    part = {"kind": "backbones", "name": "tcn", "provider": "ecg-tcn", "version": "0.3.1", "target": "ecg_tcn:TCN"}
    facts |= {"config": {"name": "tcn"}, "provenance": [part]}
    (imported / "backbone.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(UnknownComponentError, match="built with ecg-tcn 0.3.1, which is not installed: pip install"):
        finetune(store, tmp_path / "run", target="dx", source=imported)
    assert not (tmp_path / "run").exists()


def test_a_copied_card_and_weights_are_a_source_of_their_own(
    finetuned: Callable[..., Path], store: Store, tmp_path: Path
) -> None:
    first, elsewhere = finetuned("first"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("model.json", "model.safetensors"):
        shutil.copy(first / name, elsewhere / name)
    assert torch.equal(pretrained_backbone(elsewhere, store).conv.weight, load(first).module.backbone.conv.weight)

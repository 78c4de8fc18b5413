"""Published files become backbones of ours, every tensor accounted for; what cannot be trusted or does not fit is refused."""

import argparse
import json
import os
import pickle

import numpy as np
import pytest
import torch

from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_core.errors import CheckpointError, ConfigError, OutputExistsError
from ecg_core.run.card import load_card
from ecg_ssl.convert import cpc, ecg_jepa, ecgfounder, heartlang, hubert_ecg, jepa_weimann, tfc, w2v_cmsc
from ecg_ssl.methods.w2v_cmsc import W2VCMSC
from ecg_ssl.weights.checkpoint_file import open_checkpoint
from ecg_ssl.weights.command import weights
from ecg_ssl.weights.importing import import_weights

torch.set_num_threads(1)


def net1d():
    torch.manual_seed(0)
    return BACKBONES.build(
        "net1d_ecgfounder", in_leads=12, stem_width=8, widths=(8, 16), depths=(2, 1), kernel_size=4, group_width=4
    ).eval()


@pytest.fixture
def founder():
    """As its authors save it: with normalisations that the network passes by, and a classifier."""
    state = ecgfounder.to_official(net1d().state_dict())
    state |= {"first_bn.weight": torch.ones(8), "first_bn.running_mean": torch.zeros(8)}
    state |= {
        "stage_list.0.block_list.1.bn2.bias": torch.zeros(8),
        "dense.weight": torch.ones(5, 16),
        "dense.bias": torch.ones(5),
    }
    return state


@pytest.fixture
def file(tmp_path):
    def save(content, name="weights.pth"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save


def test_every_tensor_of_the_encoder_arrives_and_is_counted(file, founder, tmp_path):
    extras = {"epoch": 3, "args": argparse.Namespace(lr=0.1), "best": np.float64(0.9)}
    report = import_weights(file({"state_dict": founder, **extras}), tmp_path / "out")
    assert report.layout.name == "ecgfounder"
    assert report.place == "state_dict"
    assert report.whole
    assert len(report.matched) == len(net1d().state_dict())
    assert set(report.left_out) == {n for n in founder if "bn" in n or n.startswith("dense")}
    backbone = load_card(tmp_path / "out" / "backbone.json").build()
    x = torch.randn(2, 12, 300)
    assert torch.equal(backbone(x), net1d()(x))


def test_the_card_tells_the_signal_the_licence_and_the_source(file, founder, tmp_path):
    import_weights(file(founder), tmp_path / "out")
    card = load_card(tmp_path / "out" / "backbone.json")
    assert card.facts["imported"]["licence"] == "MIT"
    assert card.facts["imported"]["file"] == "weights.pth"
    assert len(card.facts["imported"]["sha256"]) == 64
    assert (card.signal.fs, card.signal.samples) == (500.0, 5000)
    pipeline = json.loads((tmp_path / "out" / "pipeline.json").read_text())
    assert [step["name"] for step in pipeline] == ["bandpass", "notch", "baseline_remove", "resample", "z_score_normalize"]
    assert list(card.signal.pipeline) == pipeline
    assert card.signal.chain().output_fs(1000.0) == 500.0


@pytest.mark.parametrize(("name", "layout"), [("stmem_small", "st_mem"), ("mtae_small", "mtae"), ("mlae_small", "mlae")])
@pytest.mark.parametrize("full", [True, False])
def test_files_of_st_mems_repository_are_recognised_whole_or_encoder_alone(name, layout, full, golden, file, tmp_path):
    reference = golden(f"{name}.npz")
    state = {key.removeprefix("sd/"): value for key, value in reference.items() if key.startswith("sd/")}
    # The alias of full files is not stored in the reference values; these widths have heads of 64 as published.
    encoder = {key.removeprefix("encoder."): value for key, value in state.items() if key.startswith("encoder.")}
    alias = {key: value for key, value in encoder.items() if key.startswith("to_patch_embedding.")}
    report = import_weights(file({"model": state | alias if full else encoder}), tmp_path / "out")
    assert report.layout.name == layout
    assert report.whole
    assert len(report.matched) + len(report.reshaped) == len(encoder)
    backbone = load_card(tmp_path / "out" / "backbone.json").build()
    if layout == "st_mem":
        tokens = backbone.encode(backbone.embed(backbone.patchify(reference["x"])))
        torch.testing.assert_close(tokens.flatten(1, 2), reference["latent_unmasked"], rtol=1e-5, atol=2e-5)


def test_the_encoder_of_clocs_is_recognised(golden, file, tmp_path):
    reference = golden("clocs.npz")
    state = {key.removeprefix("net_sd/"): value for key, value in reference.items() if key.startswith("net_sd/")}
    report = import_weights(file(state), tmp_path / "out")
    assert report.layout.name == "clocs"
    assert report.left_out == ("view_linear_modules.0.weight", "view_linear_modules.0.bias")
    backbone = load_card(tmp_path / "out" / "backbone.json").build()
    layer = {name.rpartition(".")[2]: state[name] for name in report.left_out}
    embedded = torch.nn.functional.linear(backbone(reference["net_x"][..., 0]).flatten(1), **layer)
    torch.testing.assert_close(embedded, reference["net_h"][..., 0], rtol=0, atol=1e-5)


def test_kims_jepa_is_recognised_and_represents_as_the_original(file, tmp_path, capsys):
    torch.manual_seed(0)
    backbone = BACKBONES.build("vit_cropa_b", in_leads=8, width=32, depth=2, heads=16, patch_size=50).eval()
    method = SSL.build("ecg_jepa", backbone=backbone, leads=None, predictor_width=16, predictor_depth=1, predictor_heads=2)
    state = ecg_jepa.to_official(method.state_dict())
    for content in ({"encoder": {n.removeprefix("encoder."): v for n, v in state.items() if n.startswith("encoder.")}}, state):
        report = import_weights(file(content), tmp_path / "out", force=True)
        assert report.layout.name == "ecg_jepa"
        assert report.reshaped == ("pos_embed",)
        x = torch.randn(2, 8, 2500)
        assert torch.equal(load_card(tmp_path / "out" / "backbone.json").build()(x), backbone(x))
    weights("import", file(content), tmp_path / "again")
    assert "--leads I,II,V1,V2,V3,V4,V5,V6" in capsys.readouterr().out


def test_weimanns_jepa_is_recognised_and_represents_as_the_original(golden, file, tmp_path):
    torch.manual_seed(0)
    backbone = BACKBONES.build("vit_register_s", in_leads=12, width=192, depth=2, heads=4, patch_size=25).eval()
    method = SSL.build("jepa_weimann", backbone=backbone, predictor_width=16, predictor_depth=1, predictor_heads=2)
    report = import_weights(file({"model": jepa_weimann.to_official(method.state_dict())}), tmp_path / "out")
    assert report.layout.name == "jepa_weimann"
    assert "target_encoder.norm.weight" in report.left_out
    x = torch.randn(2, 12, 500)
    assert torch.equal(load_card(tmp_path / "out" / "backbone.json").build()(x), backbone(x))


@pytest.mark.parametrize("older", [False, True])
def test_ecg_fms_files_are_recognised_with_either_form_of_weight_normalisation(older, file, tmp_path):
    torch.manual_seed(0)
    small = {"conv_width": 8, "width": 48, "depth": 1, "heads": 12, "position_kernel": 16, "position_groups": 4}
    backbone = BACKBONES.build("wav2vec2", in_leads=12, **small).eval()
    method = W2VCMSC(backbone, groups=2, codes=4, width=8)
    state = w2v_cmsc.to_official(method.state_dict())
    if older:
        newer = "conv_pos.pos_conv.0.parametrizations.weight.original"
        letters = {f"{newer}0": "conv_pos.pos_conv.0.weight_g", f"{newer}1": "conv_pos.pos_conv.0.weight_v"}
        state = {letters.get(name, name): value for name, value in state.items()}
    report = import_weights(file({"model": state, "num_updates": 5}), tmp_path / "out")
    assert report.layout.name == "ecg_fm"
    assert set(report.left_out) == {n for n in state if n.startswith(("mask_emb", "quantizer", "project_q", "final_proj"))}
    x = torch.randn(2, 12, 300)
    assert torch.equal(load_card(tmp_path / "out" / "backbone.json").build()(x), backbone(x))


def test_a_prefix_of_parallel_training_is_no_obstacle(file, founder, tmp_path):
    report = import_weights(file({f"module.{name}": value for name, value in founder.items()}), tmp_path / "out")
    assert report.whole


def test_a_partial_file_is_refused_and_nothing_is_written(file, founder, tmp_path):
    del founder["stage_list.1.block_list.0.conv3.conv.bias"]
    with pytest.raises(CheckpointError, match=r"does not give every weight.*nothing was written") as caught:
        import_weights(file(founder), tmp_path / "out")
    assert "1 missing in the file: blocks.1.0.conv3.bias" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_tensor_nobody_knows_is_refused(file, founder, tmp_path):
    founder["stage_list.0.block_list.0.adapter.weight"] = torch.ones(3)
    with pytest.raises(CheckpointError, match="adapter.weight' is no name of an ECGFounder state dict"):
        import_weights(file(founder), tmp_path / "out")


def test_a_tensor_of_another_shape_is_refused(file, founder, tmp_path):
    founder["stage_list.1.block_list.0.se_fc1.bias"] = torch.ones(3)
    with pytest.raises(CheckpointError, match=r"1 of another shape: blocks.1.0.squeeze_excite.squeeze.bias"):
        import_weights(file(founder), tmp_path / "out")


def test_a_model_nobody_knows_is_told_what_is_known(file, tmp_path):
    path = file({"net": {"a.weight": torch.ones(2, 2)}})
    with pytest.raises(CheckpointError, match=r"of no model that is known here \(it holds net: a.weight …\); models whose files"):
        import_weights(path, tmp_path / "out")
    with pytest.raises(CheckpointError, match="no ST-MEM .* file"):
        import_weights(path, tmp_path / "out", layout_name="st_mem")
    with pytest.raises(ConfigError, match="no layout 'st_men'; did you mean 'st_mem'"):
        import_weights(path, tmp_path / "out", layout_name="st_men")


class Evil:
    """Leaves a mark if anybody unpickles it."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (self.mark,))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_would_run_code_is_not_opened(legacy, tmp_path, founder):
    mark, path = str(tmp_path / "mark"), tmp_path / "evil.pt"
    torch.save({"model": founder, "x": Evil(mark)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"was not opened: beside tensors it holds .*mkdir.*state_dict\(\)"):
        import_weights(path, tmp_path / "out")
    assert not os.path.exists(mark)


@pytest.mark.parametrize("content", [b"", b"\x80\x02}q\x00.", b"PK\x03\x04 not a zip", pickle.dumps([1, 2])])
def test_what_is_no_checkpoint_is_one_sentence(content, tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.pt (is no PyTorch file|was not opened|holds no tensors)"):
        open_checkpoint(path)


def test_other_formats_and_missing_files_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="there is no file"):
        open_checkpoint(tmp_path / "x.pt")
    (tmp_path / "PCLR.h5").write_bytes(b"\x89HDF")
    with pytest.raises(CheckpointError, match=r"PCLR\.h5 is no PyTorch file; files of PyTorch and safetensors are read"):
        open_checkpoint(tmp_path / "PCLR.h5")
    (tmp_path / "x.safetensors").write_bytes(b"12345678")
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        open_checkpoint(tmp_path / "x.safetensors")


def test_an_existing_folder_is_replaced_only_if_it_holds_imported_weights(file, founder, tmp_path):
    path = file(founder)
    import_weights(path, tmp_path / "out")
    with pytest.raises(OutputExistsError, match="already exists"):
        import_weights(path, tmp_path / "out")
    import_weights(path, tmp_path / "out", force=True)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("x")
    with pytest.raises(OutputExistsError, match="does not hold imported weights, so it is never replaced"):
        import_weights(path, tmp_path / "precious", force=True)
    assert (tmp_path / "precious" / "thesis.tex").is_file()


def test_the_command_lists_shows_and_imports(file, founder, tmp_path, capsys):
    path = file({"state_dict": founder})
    weights("list")
    assert "CC BY-NC 4.0" in capsys.readouterr().out
    weights("show", path)
    shown = capsys.readouterr().out
    assert f"state_dict: {len(founder)} tensors" in shown
    assert "first_conv.conv.weight (8, 12, 4) float32" in shown
    weights("import", path, tmp_path / "out")
    told = capsys.readouterr().out
    assert "licence of these weights: MIT" in told
    assert "missing" not in told
    with pytest.raises(ConfigError, match="takes a file"):
        weights("show")
    with pytest.raises(ConfigError, match="takes a folder to write"):
        weights("import", path)


def test_a_round_trip_is_exact():
    state = net1d().state_dict()
    again = ecgfounder.from_official(ecgfounder.to_official(state))
    assert list(again) == list(state)
    assert all(torch.equal(again[name], state[name]) for name in state)
    with pytest.raises(ValueError, match="'norm.weight' is no name of a Net1D without normalisations"):
        ecgfounder.to_official({"norm.weight": torch.ones(1)})


def test_hubert_ecg_is_recognised_with_its_size_and_takes_windows_as_published(file, tmp_path):
    torch.manual_seed(0)
    small = {"conv_width": 8, "width": 48, "depth": 1, "heads": 12, "position_kernel": 16, "position_groups": 4}
    backbone = BACKBONES.build("hubert_ecg_base", in_leads=12, decimate=5, joined=True, **small).eval()
    state = hubert_ecg.to_official(SSL.build("hubert_ecg", backbone=backbone, width=8).state_dict())
    report = import_weights(file({"model_state_dict": state, "best_val_loss": 1.0}), tmp_path / "out")
    assert report.layout.name == "hubert_ecg"
    assert set(report.left_out) == {"masked_spec_embed", "final_proj.0.weight", "final_proj.0.bias", "label_embedding.0.weight"}
    card = load_card(tmp_path / "out" / "backbone.json")
    assert (card.signal.fs, card.signal.samples) == (500.0, 2500)
    x = torch.randn(2, 12, 2500)
    assert torch.equal(card.build()(x), backbone(x))


def test_heartlang_and_its_tokenizer_are_recognised_apart(file, tmp_path):
    torch.manual_seed(0)
    as_published = {"peak_leads": "first", "centred": False, "attend_padding": True}
    sizes = {"in_leads": 12, "max_tokens": 32, "width": 16, "depth": 1, "heads": 2, "mlp_width": 32, **as_published}
    codes = BACKBONES.build("vq_hbr", codes=24, code_width=8, **sizes).eval()
    stage_one = SSL.build("vq_hbr", backbone=codes, depth=1, mlp_width=32)
    backbone = BACKBONES.build("heartlang", **sizes).eval()
    stage_two = SSL.build("heartlang", backbone=backbone, tokenizer=codes)
    first, second = heartlang.tokenizer_to_official(stage_one.state_dict()), heartlang.to_official(stage_two.state_dict())
    x = torch.randn(2, 12, 1000)
    for name, state, built in (("vq_hbr", first, codes), ("heartlang", second, backbone)):
        report = import_weights(file({"model": state}), tmp_path / name)
        assert report.layout.name == name
        card = load_card(tmp_path / name / "backbone.json")
        assert (card.signal.fs, card.signal.samples) == (100.0, 1000)
        assert torch.equal(card.build().eval()(x), built(x))
    finetuned = {f"backbone.{n}": v for n, v in second.items() if not n.startswith("lm_head")} | {"mlp_head.bias": torch.ones(5)}
    assert import_weights(file(finetuned), tmp_path / "tuned").left_out == ("backbone.mask_token", "mlp_head.bias")


def test_the_encoder_of_cpc_is_recognised_with_and_without_its_prefix(golden, file, tmp_path):
    reference = golden("cpc.npz")
    state = {key.removeprefix("sd/"): value for key, value in reference.items() if key.startswith("sd/")}
    order = [cpc.OFFICIAL_LEADS.index(lead) for lead in STANDARD_12]
    for number, prefix in enumerate(("", "model_cpc.")):
        head = {"head.0.weight": torch.ones(2, 2)} if prefix else {}
        content = {"state_dict": {f"{prefix}{name}": value for name, value in state.items()} | head}
        report = import_weights(file(content), tmp_path / str(number))
        assert report.layout.name == "cpc"
        assert set(report.left_out) == {f"{prefix}proj.weight", *head}
        backbone = load_card(tmp_path / str(number) / "backbone.json").build().eval()
        method = SSL.build("cpc", backbone=backbone, context="backbone", ahead=4, negatives=6).eval()
        torch.testing.assert_close(method.encode(reference["x"][:, order])[0], reference["z"], rtol=0, atol=2e-5)


@pytest.mark.parametrize(("samples", "layout"), [(178, "tfc_sleep_eeg"), (1500, "tfc")])
def test_the_time_encoder_of_tfc_is_recognised_by_its_length(samples, layout, file, tmp_path):
    torch.manual_seed(0)
    backbone = BACKBONES.build("tfc_transformer", in_leads=1, patch_size=samples, depth=1, mlp_ratio=0.1).eval()
    time = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    state = tfc.to_official(time)
    state["projector_t.0.weight"] = torch.ones(1)
    report = import_weights(file({"model_state_dict": state}), tmp_path / "out")
    assert report.layout.name == layout
    assert report.left_out == ("projector_t.0.weight",)
    x = torch.randn(2, 1, samples)
    assert torch.equal(load_card(tmp_path / "out" / "backbone.json").build().eval()(x), backbone(x))

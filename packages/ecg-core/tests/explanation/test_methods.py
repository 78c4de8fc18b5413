"""Every method of explanation: captum and closed forms, the planted beat, and models left as they were found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.head import Head
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.errors import ConfigError
from ecg_core.explanation.attention_rollout import attention_rollout
from ecg_core.explanation.feature_maps import activation_relevance
from ecg_core.explanation.grad_cam import upsample_relevance, weigh_grad_cam
from ecg_core.explanation.grad_cam_pp import weigh_grad_cam_pp
from ecg_core.explanation.integrated_gradients import integrated_gradients
from ecg_core.explanation.layer_cam import weigh_layer_cam
from ecg_core.explanation.methods import METHODS, method_named
from ecg_core.explanation.occlusion import lead_occlusion, occlusion
from ecg_core.explanation.target import MaskedMean, target_score
from ecg_core.layers.transformer import TransformerBlock
from ecg_core.tasks.classification import ClassificationTask

FS, LEADS, SAMPLES = 100.0, 3, 400


class Convolutions(Backbone):
    """Two stages of strided convolutions with normalisation and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.in_leads, self.stages = LEADS, (Stage(6, 2), Stage(8, 4))
        self.one = nn.Sequential(nn.Conv1d(LEADS, 6, 5, stride=2, padding=2), nn.BatchNorm1d(6), nn.Tanh())
        self.two = nn.Sequential(nn.Conv1d(6, 8, 5, stride=2, padding=2), nn.ReLU(), nn.Dropout(0.5))

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        one = self.one(x)
        return [one, self.two(one)]


class Tokens(TokenBackbone):
    """Patches of each lead, two blocks, one special token before each row."""

    def __init__(self, *, width: int = 8, depth: int = 2) -> None:
        super().__init__()
        self.in_leads, self.width, self.patch_size, self.prefix, self.suffix = LEADS, width, 40, 1, 0
        self.stages = (Stage(width, 40, 19.5),)
        self.inwards = nn.Linear(40, width)
        self.special = nn.Parameter(torch.randn(width))
        self.blocks = nn.ModuleList(TransformerBlock(width, heads=2, head_width=4) for _ in range(depth))

    def patchify(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, 40))

    def embed(self, patches: Tensor) -> Tensor:
        return self.inwards(patches)

    def encode(self, tokens: Tensor, keep=None, lead_index=None) -> Tensor:
        special = self.special.expand(*tokens.shape[:2], 1, -1)
        rows = tokens.shape[1]
        tokens = torch.cat([special, tokens], dim=2).flatten(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens.unflatten(1, (rows, -1))

    def forward_lead_features(self, x: Tensor) -> Tensor:
        return self.encode(self.embed(self.patchify(x)))[:, :, 1:].transpose(2, 3)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [self.forward_lead_features(x).mean(dim=1)]


class Linear(Head):
    """A linear layer on the mean."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.classes, self.linear = 2, nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def _task(backbone: type[Backbone] = Convolutions, seed: int = 0) -> ClassificationTask:
    torch.manual_seed(seed)
    return ClassificationTask(backbone(), Linear(), classes=("A", "B")).eval()


def _x(records: int = 3, seed: int = 1) -> Tensor:
    return torch.randn(records, LEADS, SAMPLES, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- against captum


@pytest.mark.parametrize("seed", range(3))
def test_integrated_gradients_are_captums(seed: int) -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is the oracle")
    task, x = _task(seed=seed), _x(seed=seed)
    targets = torch.tensor([0, 1, 0])
    expected = attr.IntegratedGradients(task).attribute(x, target=targets)
    torch.testing.assert_close(integrated_gradients(task, x, targets), expected.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_grad_cam_is_captums_before_it_is_stretched(seed: int) -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is the oracle")
    task, x = _task(seed=seed), _x(seed=seed)
    cam = attr.LayerGradCam(task, task.backbone.two).attribute(x, target=1, relu_attributions=True)
    stretched = upsample_relevance(cam.detach(), SAMPLES, stride=4, centre=0).expand(-1, LEADS, -1)
    torch.testing.assert_close(activation_relevance(task, x, 1, weigh=weigh_grad_cam), stretched, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("per_lead", [True, False])
@pytest.mark.parametrize(("seconds", "every"), [(0.2, 0.1), (0.3, 0.17), (5.0, 1.0)])
def test_occlusion_is_captums(per_lead: bool, seconds: float, every: float) -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is the oracle")
    task, x = _task(), _x(2)
    width, stride = min(SAMPLES, round(seconds * FS)), round(every * FS)
    shape, strides = ((1, width), (1, stride)) if per_lead else ((LEADS, width), (LEADS, stride))
    expected = attr.Occlusion(task).attribute(x, target=1, sliding_window_shapes=shape, strides=strides)
    found = occlusion(task, x, 1, fs=FS, seconds=seconds, every=every, per_lead=per_lead, batch_size=7)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-5)


def test_leads_are_captums_ablated_features() -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is the oracle")
    task, x = _task(), _x(2)
    mask = torch.arange(LEADS)[None, :, None].expand(1, LEADS, SAMPLES)
    expected = attr.FeatureAblation(task).attribute(x, target=0, feature_mask=mask)
    torch.testing.assert_close(lead_occlusion(task, x, 0), expected.detach(), rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- closed forms


def test_for_a_mean_and_a_linear_head_grad_cam_is_the_class_activation_map() -> None:
    """Zhou et al. 2016: relu(Σ w_c A_c); the gradient of a mean over n steps is w / n, so Grad-CAM is that over n."""
    task, x = _task(), _x()
    features = task.backbone.forward_features(x).detach()
    cam = torch.einsum("c,bct->bt", task.head.linear.weight[1].detach(), features).relu() / features.shape[-1]
    found = activation_relevance(task, x, 1, weigh=weigh_grad_cam)[:, 0, ::4]
    torch.testing.assert_close(found, cam, rtol=1e-5, atol=1e-6)


def test_layer_cam_and_grad_cam_pp_are_their_formulas() -> None:
    features, gradient = (
        torch.randn(2, 3, 4, 9, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in (0, 1)
    )
    layer, plus = torch.zeros(2, 3, 9).double(), torch.zeros(2, 3, 9).double()
    for b in range(2):
        for c in range(4):
            a, g = features[b, :, c], gradient[b, :, c]
            layer[b] += g.clamp(min=0) * a
            alpha = g**2 / (2 * g**2 + a.sum() * g**3)
            plus[b] += (alpha * g.clamp(min=0)).sum() * a
    torch.testing.assert_close(weigh_layer_cam(features, gradient), layer.clamp(min=0))
    torch.testing.assert_close(weigh_grad_cam_pp(features, gradient), plus.clamp(min=0))


def test_grad_cam_pp_shows_a_small_beat_where_grad_cam_shows_the_long_one_only() -> None:
    """Two channels, one active for one step and one for eight, each with gradient 1 where it is active (the paper's figure 2)."""
    features = torch.zeros(1, 1, 2, 20)
    features[0, 0, 0, 3], features[0, 0, 1, 10:18] = 1, 1
    gradient = (features > 0).float()
    plain, plus = weigh_grad_cam(features, gradient)[0, 0], weigh_grad_cam_pp(features, gradient)[0, 0]
    assert float(plain[3] / plain[12]) == pytest.approx(1 / 8)
    assert float(plus[3] / plus[12]) == pytest.approx((1 / 3) / (8 / 10))


def test_relevance_of_integrated_gradients_adds_up_to_the_difference_of_scores() -> None:
    task, x = _task(), _x()
    baseline = torch.full((1, LEADS, 1), 0.3)
    found = integrated_gradients(task, x, 1, baseline=baseline, points=200).sum(dim=(1, 2))
    with torch.no_grad():
        difference = task(x)[:, 1] - task(baseline.expand_as(x))[:, 1]
    torch.testing.assert_close(found, difference, rtol=1e-3, atol=1e-4)


def test_integrated_gradients_of_a_linear_score_are_weight_times_input() -> None:
    weight, x = torch.randn(LEADS, SAMPLES), _x(2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(LEADS * SAMPLES, 2))
    with torch.no_grad():
        model[1].weight[0] = weight.flatten()
    torch.testing.assert_close(integrated_gradients(model, x, 0, points=3), weight * x, rtol=1e-4, atol=1e-5)


def test_rollout_of_uniform_attention_is_half_itself_and_half_everybody() -> None:
    """Each of 33 tokens keeps 1/2 and takes 1/66 from all; over 30 patch tokens a patch is left with 1/60 + 1/66 on average."""
    torch.manual_seed(0)
    task = ClassificationTask(Tokens(depth=1), Linear(), classes=("A", "B")).eval()
    nn.init.zeros_(task.backbone.blocks[0].attention.qkv.weight)
    nn.init.zeros_(task.backbone.blocks[0].attention.qkv.bias)
    relevance = attention_rollout(task, _x(2))
    patches, tokens = LEADS * 10, LEADS * 11
    torch.testing.assert_close(relevance, torch.full_like(relevance, 0.5 / patches + 0.5 / tokens))


def test_rollout_finds_the_patch_that_all_others_attend_to() -> None:
    task, x = _task(Tokens), torch.zeros(1, LEADS, SAMPLES)
    x[0, 1, 200:240] = 1.0  # patch 5 of lead 1
    block = task.backbone.blocks[0]
    with torch.no_grad():
        task.backbone.inwards.weight.zero_()
        task.backbone.inwards.bias.zero_()
        task.backbone.special.zero_()
        task.backbone.inwards.weight[0], task.backbone.inwards.weight[1] = 1 / 40, -1 / 40
        block.attention_norm.weight.fill_(1)
        block.attention.qkv.weight.zero_()
        block.attention.qkv.bias.zero_()
        block.attention.qkv.bias[:8] = 20.0  # every query is the same …
        block.attention.qkv.weight[8:16, 0] = 20.0  # … and a key is as long as channel 0 is high
    relevance = attention_rollout(task, x)[0]
    assert divmod(int(relevance.argmax()), SAMPLES)[0] == 1
    assert 200 <= int(relevance.argmax()) % SAMPLES < 240


# ---------------------------------------------------------------- the planted beat


class Detector(Backbone):
    """Its one feature is the mean over leads of the squared signal, each sample a step."""

    def __init__(self) -> None:
        super().__init__()
        self.in_leads, self.stages = LEADS, (Stage(8, 1),)

    def forward_lead_features(self, x: Tensor) -> Tensor:
        return x.square()[:, :, None].expand(-1, -1, 8, -1)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [self.forward_lead_features(x).mean(dim=1)]


def _beats() -> tuple[Tensor, list[int]]:
    """Four narrow R peaks of 1 mV in all leads; the third beat is broad and of 2 mV in lead 1."""
    time, peaks = np.arange(800) / FS, [100, 300, 500, 700]
    x = np.zeros((LEADS, 800), dtype=np.float32)
    for number, peak in enumerate(peaks):
        for lead in range(LEADS):
            height, width = (2.0, 0.03) if (number, lead) == (2, 1) else (1.0, 0.012)
            x[lead] += height * np.exp(-0.5 * ((time - peak / FS) / width) ** 2)
    return torch.from_numpy(x)[None], peaks


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("attention_rollout", "lead_occlusion")])
def test_the_planted_beat_is_the_maximum_in_its_lead(method: str) -> None:
    x, peaks = _beats()
    task = ClassificationTask(Detector(), Linear(), classes=("A", "B"))
    with torch.no_grad():
        task.head.linear.weight.fill_(1.0)
    relevance = METHODS[method].relevance(task, x, 1, FS)[0]
    lead, sample = divmod(int(relevance.argmax()), x.shape[-1])
    assert lead == 1
    assert abs(sample - peaks[2]) <= 15  # within the window of 0.2 s that hides it


def test_the_lead_of_the_planted_beat_is_the_most_important_one() -> None:
    x, _ = _beats()
    task = ClassificationTask(Detector(), Linear(), classes=("A", "B"))
    with torch.no_grad():
        task.head.linear.weight.fill_(1.0)
    assert int(lead_occlusion(task, x, 0)[0, :, 0].argmax()) == 1


@pytest.mark.parametrize("method", [name for name in METHODS if name != "attention_rollout"])
def test_a_head_of_zeros_gives_a_map_of_zeros(method: str) -> None:
    task = _task()
    nn.init.zeros_(task.head.linear.weight)
    x = torch.cat([_x(1), _beats()[0][..., :SAMPLES]])
    assert not METHODS[method].relevance(task, x, 0, FS).any()


# ---------------------------------------------------------------- targets, modes, callers


@pytest.mark.parametrize("method", METHODS)
def test_records_have_targets_of_their_own_and_are_explained_as_when_alone(method: str) -> None:
    task, x = _task(Tokens), torch.cat([_beats()[0][..., :SAMPLES], _x(2)])
    relevance = METHODS[method].relevance
    together = relevance(task, x, torch.tensor([1, 0, 1]), FS)
    for number, target in enumerate([1, 0, 1]):
        torch.testing.assert_close(together[number], relevance(task, x[number : number + 1], target, FS)[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "attention_rollout"])
def test_a_function_of_the_scores_is_a_target(method: str) -> None:
    task, x, relevance = _task(), _x(2), METHODS[method].relevance
    torch.testing.assert_close(relevance(task, x, lambda scores: scores[:, 1], FS), relevance(task, x, 1, FS))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_models_are_left_as_they_were_and_callers_may_have_gradients_off(method: str, guard) -> None:
    task, x = _task(Tokens), _x(2)
    expected = METHODS[method].relevance(task, x, 0, FS)
    task.train()
    task.backbone.blocks[0].eval()
    task.backbone.requires_grad_(False)
    task.head.linear.weight.grad = torch.ones_like(task.head.linear.weight)
    modes, before = [m.training for m in task.modules()], x.clone()
    with guard():
        found = METHODS[method].relevance(task, x * 1, 0, FS)
    torch.testing.assert_close(found.clone(), expected)
    assert [m.training for m in task.modules()] == modes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in task.modules())
    assert bool((task.head.linear.weight.grad == 1).all())
    assert all(p.grad is None for p in task.backbone.parameters())
    assert [p.requires_grad for p in task.backbone.parameters()] == [False] * len(list(task.backbone.parameters()))
    assert torch.equal(x, before)


def test_no_hook_stays_when_the_model_fails() -> None:
    task = _task(Tokens)
    with pytest.raises(RuntimeError):
        attention_rollout(task, torch.zeros(1, LEADS, 401))
    assert not any(m._forward_pre_hooks for m in task.modules())


def test_a_mask_says_which_steps_of_a_delineation_are_explained() -> None:
    class Steps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x[:, 0], 2 * x[:, 1]], dim=1)  # (batch, 2 classes, steps)

    x, mask = _x(2), torch.zeros(2, SAMPLES, dtype=torch.bool)
    mask[0, 10:20], mask[1, 50:55] = True, True
    for method in (lambda t: integrated_gradients(Steps(), x, t, points=2), lambda t: occlusion(Steps(), x, t, fs=FS)):
        found = method(MaskedMean(1, mask))
        assert not found[:, [0, 2]].any()
        assert found[0, 1, 10:20].any()
    gradients = integrated_gradients(Steps(), x, MaskedMean(1, mask), points=2)
    torch.testing.assert_close(gradients[:, 1], 2 * x[:, 1] * mask / mask.sum(dim=1, keepdim=True))


def test_earlier_maps_can_be_explained_too() -> None:
    task, x = _task(), _x(2)
    fine = activation_relevance(task, x, 0, weigh=weigh_layer_cam, stage=0)
    one = task.backbone.one(x).detach().requires_grad_()
    task.head(task.backbone.two(one).mean(dim=-1))[:, 0].sum().backward()
    torch.testing.assert_close(fine[:, 0, ::2], (one.grad.relu() * one.detach()).sum(dim=1).relu(), rtol=1e-5, atol=1e-7)


# ---------------------------------------------------------------- errors


def test_names_fold_and_a_name_that_is_not_there_has_near_ones() -> None:
    assert method_named("Grad-CAM") is METHODS["grad_cam"]
    with pytest.raises(ConfigError, match="no method of explanation is named 'ocluson'. Did you mean 'occlusion'"):
        method_named("ocluson")


def test_what_does_not_fit_is_said_in_one_sentence() -> None:
    task, x = _task(), _x(2)
    with pytest.raises(ValueError, match="attention_rollout needs a backbone of tokens, and Convolutions is none; use grad_cam"):
        attention_rollout(task, x)
    with pytest.raises(ValueError, match=r"stage must be one of the 2 maps, 0 … 1 or -2 … -1, got 2"):
        activation_relevance(task, x, 0, weigh=weigh_grad_cam, stage=2)
    with pytest.raises(ValueError, match="target must be one of the 2 classes 0 … 1, got 2"):
        integrated_gradients(task, x, torch.tensor([0, 2]))
    with pytest.raises(ValueError, match=r"targets of records must be \(2,\) whole numbers, got torch.float32 of \(3,\)"):
        target_score(torch.zeros(2, 2), torch.zeros(3), batch=2)
    with pytest.raises(ValueError, match=r"must give one number per record, \(2,\), got \(2, 2\)"):
        occlusion(task, x, lambda scores: scores, fs=FS)
    with pytest.raises(ValueError, match=r"for scores of steps give a function as target, such as MaskedMean"):
        target_score(torch.zeros(2, 2, 5), 0, batch=2)
    with pytest.raises(ValueError, match=r"a mask of \(steps,\) or \(batch, steps\) is for scores .* got a mask of shape \(4,\)"):
        target_score(torch.zeros(2, 2, 5), MaskedMean(0, torch.ones(4)), batch=2)
    with pytest.raises(ValueError, match="the mask of a record has no true step"):
        target_score(torch.zeros(2, 2, 5), MaskedMean(0, torch.zeros(5)), batch=2)
    with pytest.raises(ValueError, match="points must be at least 1, got 0"):
        integrated_gradients(task, x, 0, points=0)
    with pytest.raises(ValueError, match=r"the baseline must broadcast to the signal, \(2, 3, 400\), got \(7,\)"):
        integrated_gradients(task, x, 0, baseline=torch.zeros(7))
    with pytest.raises(ValueError, match="fs, seconds and every must be positive, got fs=100.0, seconds=0, every=0.1"):
        occlusion(task, x, 0, fs=FS, seconds=0)


def test_attention_that_is_not_over_the_tokens_of_a_window_is_not_rolled_out() -> None:
    class Apart(Tokens):
        def encode(self, tokens: Tensor, keep=None, lead_index=None) -> Tensor:
            rows = [self.blocks[0](tokens[:, row]) for row in range(tokens.shape[1])]
            return torch.cat([torch.zeros_like(tokens[:, :, :1]), torch.stack(rows, dim=1)], dim=2)

    with pytest.raises(
        ValueError, match="needs self-attention over all 33 tokens of a window, and found it over 10 tokens in Apart"
    ):
        attention_rollout(_task(Apart), _x(1))

"""Networks that see the whole window: transformer, conformer, recurrent units, state spaces."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from ecg_backbones.layers.state_space import DiagonalStateSpace
from ecg_backbones.layers.strided_stem import StridedStem
from ecg_core.discovery.registries import BACKBONES
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import DropPath

torch.set_num_threads(1)

PAGE = Path(__file__).parents[3] / "docs" / "backbones.md"
ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \| (.+) \|$", flags=re.MULTILINE)
STRIDES = {"transformer": 16, "conformer": 16, "bigru": 16, "s4": 4}
LENGTHS = (1, 1000, 1001, 2499, 3333, 4999, 5000, 5001)
SMALL = {
    "transformer": {"width": 8, "depth": 2, "heads": 2, "head_width": 4, "stem_widths": (4,)},
    "conformer": {"width": 8, "depth": 2, "heads": 2, "head_width": 4, "stem_widths": (4,)},
}


def on_meta(name, **arguments):
    with torch.device("meta"):
        return BACKBONES.build(name, **{"in_leads": 12, **arguments}).eval()


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n == "bigru" else []) for n in STRIDES])
def test_shapes_are_known_exactly_at_every_length_and_full_size(name):
    model = on_meta(name)
    assert (model.min_samples, model.stages[0].stride, model.receptive_field) == (1, STRIDES[name], None)
    for samples in LENGTHS:
        (found,) = model.forward_intermediates(torch.empty(2, 12, samples, device="meta"))
        assert tuple(found.shape) == (2, model.out_channels, -(-samples // STRIDES[name]))
        assert tuple(found.shape) == model.compute_features_output_shape(samples, 2)


@pytest.mark.parametrize("name", STRIDES)
def test_every_network_of_full_size_runs_and_names_its_papers(name):
    torch.manual_seed(0)
    model = BACKBONES.build(name).eval()
    assert model.in_leads is None
    assert all(paper.startswith(("arXiv:", "doi:")) for paper in model.papers)
    with torch.no_grad():
        features = model(torch.randn(1, 12, 1000))
    assert features.isfinite().all()
    assert tuple(features.shape) == model.compute_features_output_shape(1000, 1)
    assert (model.in_leads, bool(model.papers)) == (12, True)


@pytest.mark.parametrize("name", STRIDES)
def test_the_first_step_hears_of_the_last_sample(name):
    torch.manual_seed(0)
    model = BACKBONES.build(name, in_leads=1).eval()
    x = torch.randn(1, 1, 1000, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[0, :, 0].square().sum(), x)
    assert gradient[0, 0, -1] != 0


@pytest.mark.parametrize("name", STRIDES)
def test_kernels_of_the_stem_are_scaled(name):
    def stem(scale):
        return {m.kernel_size[0] for m in on_meta(name, kernel_scale=scale).stem.modules() if isinstance(m, nn.Conv1d)}

    assert (stem(1.0), stem(0.2)) == ({15}, {3})


@pytest.mark.parametrize("name", SMALL)
def test_the_order_of_the_steps_counts(name):
    torch.manual_seed(0)
    model = BACKBONES.build(name, in_leads=2, **SMALL[name]).eval()
    steps, order = torch.randn(2, 20, 8), torch.randperm(20)
    assert (model.encode(steps[:, order]) - model.encode(steps)[:, order]).abs().max() > 0.05


def test_only_the_positions_make_the_order_count_in_a_transformer():
    torch.manual_seed(0)
    model = BACKBONES.build("transformer", in_leads=2, **SMALL["transformer"]).eval()
    steps, order = torch.randn(2, 20, 8), torch.randperm(20)
    positions = sincos_positions(20, 8, like=steps)

    def without(tokens):
        return model.encode(tokens - positions)

    torch.testing.assert_close(without(steps[:, order]), without(steps)[:, order])


@pytest.mark.parametrize("name", ["transformer", "conformer", "s4"])
def test_branches_are_left_out_ever_more_often_with_depth(name):
    rates = [m.rate for m in on_meta(name, drop_path=0.3, depth=4).modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])


def test_a_bigru_reads_in_both_directions_and_keeps_them_apart():
    torch.manual_seed(0)
    model = BACKBONES.build("bigru", in_leads=1, stem_widths=(4,), stem_kernel_size=3, hidden=5, depth=1).eval()
    x = torch.randn(1, 1, 60)
    other = x.clone()
    other[..., 30:] += 1
    changed = (model(x) != model(other))[0]  # (channels, steps)
    assert not changed[:5, :14].any()
    assert changed[5:, :14].any()


# ---------------------------------------------------------------------------------------------- state spaces


def scanned(system, u, read):
    """The recurrence in complex numbers, step by step: ``x = Abar x + Bbar u``, ``y = 2 Re(C x)``."""
    step = system.log_step.exp()[:, None]
    a = torch.complex(-system.log_decay.exp(), system.frequency)
    a_bar = (step * a).exp()
    b_bar = (a_bar - 1) / a
    state, outputs = torch.zeros(*u.shape[:2], a.shape[1], dtype=a.dtype), []
    for number in range(u.shape[-1]):
        state = a_bar * state + b_bar * u[..., number, None]
        outputs.append(2 * (read * state).sum(-1).real)
    return torch.stack(outputs, dim=-1)


def test_the_convolution_of_a_state_space_is_its_recurrence():
    torch.manual_seed(0)
    system, u = DiagonalStateSpace(3, state=4, bidirectional=False).double(), torch.randn(2, 3, 77, dtype=torch.float64)
    expected = scanned(system, u, torch.view_as_complex(system.read)[0]) + system.skip[:, None] * u
    torch.testing.assert_close(system(u), expected)


def test_backwards_a_state_space_reads_what_comes_later():
    torch.manual_seed(0)
    system, u = DiagonalStateSpace(3, state=4).double(), torch.randn(2, 3, 77, dtype=torch.float64)
    forwards, backwards = torch.view_as_complex(system.read)
    expected = scanned(system, u, forwards) + system.skip[:, None] * u
    expected[..., :-1] += scanned(system, u.flip(-1), backwards).flip(-1)[..., 1:]
    torch.testing.assert_close(system(u), expected)


def test_the_kernel_of_a_state_space_is_its_answer_to_an_impulse():
    torch.manual_seed(0)
    system = DiagonalStateSpace(3, state=4, bidirectional=False).double()
    impulse = torch.zeros(1, 3, 30, dtype=torch.float64)
    impulse[..., 0] = 1
    answer = system(impulse)
    answer[..., 0] -= system.skip
    torch.testing.assert_close(answer[0], system.kernel(30)[0])


def test_a_state_space_of_finer_steps_is_the_same_system():
    """The sum of the kernel is the answer to a constant, -2 Re(C / A), whatever the step."""
    torch.manual_seed(0)
    system = DiagonalStateSpace(2, state=3, bidirectional=False).double()
    a = torch.complex(-system.log_decay.exp(), system.frequency)
    expected = -2 * (torch.view_as_complex(system.read)[0] / a).sum(-1).real
    for step in (0.1, 0.05):
        nn.init.constant_(system.log_step, torch.tensor(step).log().item())
        torch.testing.assert_close(system.kernel(2000)[0].sum(-1), expected)


def test_a_state_space_under_half_precision_computes_in_float32():
    torch.manual_seed(0)
    system, u = DiagonalStateSpace(3, state=4), torch.randn(2, 3, 50)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(system(u), system(u.float()))
        assert system(u.bfloat16()).dtype == torch.bfloat16


# ---------------------------------------------------------------------------------------------- documentation and errors


def test_the_table_in_the_documentation_is_what_is_built():
    rows = ROW.findall(PAGE.read_text(encoding="utf-8").split("## Networks that see the whole window")[1].split("\n## ")[0])
    assert {name: here for name, here, _ in rows} == {
        name: f"{sum(p.numel() for p in on_meta(name).parameters()):,}" for name in STRIDES
    }


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: on_meta("transformer", width=7), "so width must be even, got 7"),
        (lambda: on_meta("conformer", width=7), "so width must be even, got 7"),
        (lambda: on_meta("bigru", depth=0), "at least one recurrent layer, got depth=0"),
        (lambda: on_meta("s4", state=0), "at least one number in its state, got state=0"),
        (lambda: StridedStem(1, (), kernel_size=3), "at least one convolution, got no widths"),
        (lambda: on_meta("s4", stem_kernel_size=4), "a positive odd kernel length, got 4"),
    ],
)
def test_wrong_arguments_are_named(act, message):
    with pytest.raises(ValueError, match=message):
        act()

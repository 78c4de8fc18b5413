"""Compose: fs travels, order is per window, configurations make the same chain."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ecg_chain_toys import Noise

from ecg_core.contracts.compose import Compose
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_core.discovery.registries import TRANSFORMS
from ecg_core.errors import ConfigError, UnknownComponentError


class Halve(Transform):
    """Every second sample; notes the fs it is called with."""

    needs_fs = True
    seen: list = []

    def output_fs(self, fs):
        return fs / 2

    def output_length(self, n_samples, fs):
        return -(-n_samples // 2)

    def apply(self, x, *, fs, **drawn):
        self.seen.append(fs)
        return x[..., ::2] + 0


class Stretch(Halve):
    """Every sample twice."""

    def output_fs(self, fs):
        return fs * 2

    def output_length(self, n_samples, fs):
        return n_samples * 2

    def apply(self, x, *, fs, **drawn):
        return x.repeat(2, axis=-1)


class Append(Transform):
    """Signal times ten plus a digit: the order of several is read from the result."""

    def __init__(self, digit=1):
        self.digit = digit

    def apply(self, x, *, fs, **drawn):
        return x * 10 + self.digit


class Gain(Transform):
    """Linear, with a flat response."""

    def __init__(self, gain=2.0):
        self.gain = gain

    def frequency_response(self, frequencies, fs):
        return np.full_like(frequencies, self.gain)

    def apply(self, x, *, fs, **drawn):
        return x * self.gain


@pytest.fixture(autouse=True)
def registered():
    with TRANSFORMS.isolated():
        for cls in (Halve, Append, Gain, Noise, Stretch):
            TRANSFORMS.add(cls, f"toy_{cls.__name__.lower()}")
        yield


def zeros(*shape):
    return np.zeros(shape, np.float32)


def test_fs_travels_from_one_to_the_next():
    Halve.seen.clear()
    chain = Compose([Halve(), Halve(), Halve()])
    out = chain(np.arange(16.0, dtype=np.float32)[None], fs=800)
    assert Halve.seen == [800, 400, 200]
    assert out.tolist() == [[0, 8]]
    assert chain.output_fs(800) == 100
    assert chain.output_length(17, 800) == 3
    record = chain(Record(zeros(1, 16), 800, ("I",)))
    assert (record.fs, record.n_samples) == (100, 2)
    assert chain(Batch(zeros(2, 1, 16), 800, ("I",))).fs == 100


def test_a_chain_asks_for_fs_in_the_name_of_the_one_that_needs_it():
    for chain in (
        Compose([Append(), Halve()]),
        Compose([Append(), Halve()], p=0.5),
        Compose([Compose([Halve()])], random_order=True),
    ):
        with pytest.raises(ValueError, match="Halve needs the sampling frequency"):
            chain(zeros(1, 8))


@pytest.mark.parametrize("kind", ["array", "record", "batch"])
def test_random_order_is_drawn_per_window_and_every_transform_acts_once(kind):
    chain = Compose([Append(1), Append(2), Append(3)], random_order=True)
    if kind == "array":
        found = chain(zeros(600, 1, 2), generator=0)[:, 0, 0]
    elif kind == "batch":
        found = chain(Batch(zeros(600, 1, 2), 100, ("I",))).signal[:, 0, 0]
    else:
        found = np.array([chain(Record(zeros(1, 2), 100, ("I",), f"r{i}"), generator=0).signal[0, 0] for i in range(600)])
    values, counts = np.unique(found, return_counts=True)
    assert values.tolist() == [123, 132, 213, 231, 312, 321]
    assert ((counts - 100) ** 2 / 100).sum() < 20.5  # 99.9 % of chi-squared with 5 degrees of freedom


def test_without_random_order_the_order_is_the_one_given():
    assert (Compose([Append(1), Append(2), Append(3)])(zeros(9, 1, 1)) == 123).all()
    assert set(Compose([Append(1), Append(2)], p=0.5)(zeros(99, 1, 1), generator=0).ravel()) == {0, 12}


def test_the_probability_is_of_the_whole_chain():
    out = Compose([Append(1), Append(2)], p=0.25)(zeros(4000, 1, 1), generator=1).ravel()
    assert set(out) == {0, 12}
    assert abs((out == 12).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    record = Record(zeros(1, 1), 100, ("I",), "r")
    assert Compose([Append(1)], p=0.0)(record, generator=0).signal[0, 0] == 0


@pytest.mark.parametrize("options", [{}, {"random_order": True}, {"p": 0.5}])
def test_a_chain_draws_the_same_whatever_the_batch(options):
    chain, keys = Compose([Noise(), Append(1), Noise(p=0.5)], **options), np.arange(10, 16)
    whole = Batch(zeros(6, 2, 4), 100, ("I", "II"), record_keys=keys, seed=5)
    part = Batch(zeros(2, 2, 4), 100, ("I", "II"), record_keys=keys[[3, 0]], seed=5)
    assert np.array_equal(chain(whole).signal[[3, 0]], chain(part).signal)
    direct = chain(whole.signal, fs=100, generator=Draws.seeded(5, records=keys).child(0))
    assert np.array_equal(chain(whole).signal, direct)


@pytest.mark.parametrize("random_order", [False, True])
def test_two_of_the_same_transform_draw_apart(random_order):
    # The sum of two independent noises has twice the variance of one; of twice the same noise, four times.
    out = Compose([Noise(), Noise()], random_order=random_order)(zeros(40, 1, 500), generator=0)
    assert out.var() == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("options", [{"random_order": True}, {"p": 0.5}])
@pytest.mark.parametrize("transforms", [[Halve()], [Halve(), Stretch()]])
def test_a_shuffled_chain_must_keep_length_and_fs(options, transforms):
    with pytest.raises(ConfigError, match="random_order and p need transforms that keep the length and fs"):
        Compose(transforms, **options)(zeros(2, 1, 8), fs=100)


def test_integers_are_not_truncated_by_a_shuffled_chain():
    out = Compose([Gain(0.5)], random_order=True)(np.ones((2, 1, 3), np.int16))
    assert out.dtype == np.float32
    assert (out == 0.5).all()


def test_a_shuffled_chain_leaves_its_input_alone_and_keeps_leading_dimensions():
    x = np.ones((2, 3, 1, 4), np.float32)
    x.setflags(write=False)
    assert (Compose([Append(1), Append(2)], random_order=True)(x).shape) == x.shape
    assert (x == 1).all()


def test_gradients_pass_a_shuffled_chain():
    torch = pytest.importorskip("torch")
    x = torch.ones(8, 1, 2, requires_grad=True)
    Compose([Gain(2.0), Gain(3.0)], random_order=True, p=0.5)(x, generator=0).sum().backward()
    assert set(x.grad.unique().tolist()) == {1.0, 6.0}


def test_numpy_and_torch_shuffle_alike():
    torch = pytest.importorskip("torch")
    chain = Compose([Append(1), Append(2), Append(3)], random_order=True, p=0.7)
    assert np.array_equal(chain(zeros(50, 1, 2), generator=3), chain(torch.zeros(50, 1, 2), generator=3).numpy())


def test_chains_nest():
    inner = Compose([Append(2), Append(3)])
    assert (Compose([Append(1), inner, Append(4)])(zeros(2, 1, 3)) == 1234).all()
    shuffled = Compose([inner, Append(1)], random_order=True)(zeros(200, 1, 1), generator=0)
    assert set(shuffled.ravel()) == {231, 123}


def test_an_empty_chain_changes_nothing():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(Compose([])(x), x)
    assert np.array_equal(Compose([], random_order=True)(x), x)


# ---------------------------------------------------------------------------------------------- configurations

CHAINS = [
    Compose([Halve(), Append(7)]),
    Compose([Append(1), Compose([Append(2), Noise(p=0.25)], random_order=True, p=0.5)]),
    Compose([Append(1), Append(2)], random_order=True, p=0.75),
    Compose([]),
]


@pytest.mark.parametrize("chain", CHAINS, ids=repr)
def test_a_chain_is_rebuilt_from_its_registry_configuration_bit_by_bit(chain):
    config = json.loads(json.dumps(TRANSFORMS.to_config(chain)))
    again = TRANSFORMS.build(config)
    x = zeros(50, 2, 8)
    assert repr(again) == repr(chain)
    assert TRANSFORMS.to_config(again) == config
    assert np.array_equal(again(x, fs=100, generator=1), chain(x, fs=100, generator=1))


@pytest.mark.parametrize("chain", CHAINS, ids=repr)
def test_the_list_of_a_chain_makes_a_chain_that_does_the_same(chain):
    config = json.loads(json.dumps(chain.to_config()))
    again = Compose.from_config(config)
    assert isinstance(config, list)
    assert again.to_config() == config
    values, expected = (set(np.unique(np.round(c(zeros(400, 1, 2), fs=100, generator=1), 9))) for c in (again, chain))
    assert values == expected or "Noise" in repr(chain)


def test_names_configurations_and_objects_mix():
    chain = Compose(["toy_append", {"name": "Toy-Append", "digit": 2}, Append(3)])
    assert (chain(zeros(1, 1)) == 123).all()
    assert repr(chain) == "Compose(transforms=[Append(), Append(digit=2), Append(digit=3)])"


def test_unknown_words_in_a_configuration_fail():
    with pytest.raises(UnknownComponentError, match="no transform named 'toy_apend'. Did you mean 'toy_append'"):
        Compose.from_config(["toy_apend"])
    with pytest.raises(TypeError, match="unexpected keyword argument 'digti'"):
        Compose.from_config([{"name": "toy_append", "digti": 2}])
    with pytest.raises(ConfigError, match="expected a name or a mapping with a 'name'"):
        Compose.from_config([{"digit": 2}])


@pytest.mark.parametrize("given", ["toy_append", {"name": "toy_append"}, Append()])
def test_a_single_transform_is_answered_with_the_list_to_write(given):
    with pytest.raises(ConfigError, match=r"Compose takes a list of transforms, got .*; write \["):
        Compose(given)


def test_a_wrong_signal_or_probability_is_one_clear_error():
    for chain in (Compose([Append()]), Compose([]), Compose([Append()], p=0.5)):
        with pytest.raises(TypeError, match="expected an array, a tensor, a Record or a Batch, got list"):
            chain([[1.0]])
    with pytest.raises(ValueError, match="p must be a probability"):
        Compose([Append()], p=2)


# ---------------------------------------------------------------------------------------------- frequency response


def test_the_response_of_a_chain_is_the_product_of_its_members():
    f = np.linspace(0, 50, 7)
    assert np.allclose(Compose([Gain(2.0), Gain(0.25)]).frequency_response(f, 100), 0.5)
    assert Compose([Gain(2.0), Append()]).frequency_response(f, 100) is None
    assert Compose([Gain(2.0), Halve()]).frequency_response(f, 100) is None

"""What every transform must satisfy; on NumPy alone where torch is not installed."""

from __future__ import annotations

import importlib.util
import inspect
import json
import pickle
from typing import Any

import numpy as np

from ecg_core.contracts.compose import Compose
from ecg_core.contracts.transform import RandomTransform, Transform
from ecg_core.data.record import Record
from ecg_core.discovery.registries import TRANSFORMS
from ecg_core.testing.kit import Example, check, signature_is_closed
from ecg_core.testing.toy import toy_batch, toy_signal

_TORCH = importlib.util.find_spec("torch") is not None
_SEED = 11


def _input(example: Example, *leading: int, samples: int | None = None) -> np.ndarray:
    n = int(np.prod(leading, dtype=int))
    signal = toy_signal(n, example.leads, samples or example.samples, fs=example.fs)
    return signal.reshape(*leading, *signal.shape[1:])


def _run(transform: Transform, x: Any, example: Example, seed: int = _SEED) -> Any:
    return transform(x, fs=example.fs, generator=seed)


@check("transforms")
def derives_from_transform(example: Example) -> None:
    assert isinstance(example.build(), Transform)


@check("transforms")
def constructor_takes_no_unknown_words(example: Example) -> None:
    assert signature_is_closed(type(example.build()).__init__)


@check("transforms")
def any_leading_dimensions_agree(example: Example) -> None:
    transform, x = example.build(), _input(example, 2, 3)
    flat = _run(transform, x.reshape(6, *x.shape[2:]), example)
    assert np.array_equal(_run(transform, x, example).reshape(flat.shape), flat)
    assert np.allclose(_run(transform, x[0, 0], example), flat[0], atol=1e-6)


@check("transforms")
def numpy_and_torch_agree(example: Example) -> None:
    if not _TORCH:
        return
    import torch

    transform, x = example.build(), _input(example, 3)
    there = _run(transform, torch.from_numpy(x), example)
    assert isinstance(there, torch.Tensor)
    assert np.allclose(_run(transform, x, example), there.numpy(), rtol=1e-5, atol=5e-6)


@check("transforms")
def floating_types_are_preserved_and_integers_become_float32(example: Example) -> None:
    transform, x = example.build(), _input(example, 2)
    for given, expected in ((np.float16, np.float16), (np.float32, np.float32), (np.float64, np.float64), (np.int16, np.float32)):
        assert _run(transform, (x * 100).astype(given), example).dtype == expected


@check("transforms")
def output_length_is_as_declared(example: Example) -> None:
    transform = example.build()
    for samples in (example.samples, example.samples + 1, example.samples + 7):
        found = _run(transform, _input(example, 2, samples=samples), example)
        assert found.shape[-1] == transform.output_length(samples, example.fs)


@check("transforms")
def input_is_not_modified(example: Example) -> None:
    transform, x = example.build(), _input(example, 2)
    before = x.copy()
    x.setflags(write=False)
    out = _run(transform, x, example)
    assert np.array_equal(x, before)
    assert not np.shares_memory(out, x) or out is x


@check("transforms")
def non_contiguous_input_gives_the_same(example: Example) -> None:
    transform, x = example.build(), _input(example, 2)
    strided = np.asfortranarray(x)
    assert np.allclose(_run(transform, strided, example), _run(transform, x, example), atol=1e-6)


@check("transforms")
def same_generator_gives_the_same(example: Example) -> None:
    transform, x = example.build(), _input(example, 4)
    assert np.array_equal(_run(transform, x, example), _run(transform, x, example))
    if isinstance(transform, RandomTransform):
        assert not np.array_equal(_run(transform, x, example, 1), _run(transform, x, example, 2))


@check("transforms")
def windows_are_drawn_independently(example: Example) -> None:
    transform = example.build()
    if isinstance(transform, RandomTransform):
        one = _input(example, 1)
        out = _run(transform, np.repeat(one, 8, axis=0), example)
        assert not all(np.array_equal(out[0], other) for other in out[1:])


@check("transforms")
def batch_size_never_changes_a_draw(example: Example) -> None:
    transform, batch = example.build(), toy_batch(6, example.leads, example.samples, fs=example.fs, torch=False)
    from dataclasses import replace

    part = replace(
        batch,
        signal=batch.signal[2:4],
        record_keys=batch.record_keys[2:4],
        record_ids=batch.record_ids[2:4],
        patient=None,
        segment=None,
    )
    assert np.allclose(transform(batch).signal[2:4], transform(part).signal, atol=1e-6)


@check("transforms")
def p_zero_is_the_identity_and_p_one_hits_every_window(example: Example) -> None:
    transform = example.build()
    if not isinstance(transform, RandomTransform) or "p" not in inspect.signature(type(transform).__init__).parameters:
        return
    x = _input(example, 16)
    assert np.array_equal(_run(example.build(p=0.0), x, example), x)
    changed = np.abs(_run(example.build(p=1.0), x, example) - x).max(axis=(1, 2)) > 0
    assert changed.all()


@check("transforms")
def records_and_batches_carry_their_facts(example: Example) -> None:
    transform, x = example.build(), _input(example, 1)[0]
    leads = toy_batch(1, example.leads, example.samples, torch=False).leads
    record = Record(x, example.fs, leads, record_id="r", annotations={"r_peaks": np.array([0, example.samples // 2])})
    out = transform(record, generator=_SEED)
    assert out.fs == transform.output_fs(example.fs)
    assert out.n_samples == transform.output_length(example.samples, example.fs)
    assert ((out.annotations["r_peaks"] >= 0) & (out.annotations["r_peaks"] < out.n_samples)).all()
    batch = transform(toy_batch(2, example.leads, example.samples, fs=example.fs, torch=False))
    assert batch.fs == out.fs
    assert batch.signal.shape[-1] == out.n_samples


@check("transforms")
def constant_signals_stay_finite(example: Example) -> None:
    transform = example.build()
    for value in (0.0, 1.5):
        assert np.isfinite(_run(transform, np.full((2, example.leads, example.samples), value, np.float32), example)).all()


@check("transforms")
def empty_signals_are_one_clear_error(example: Example) -> None:
    try:
        _run(example.build(), np.zeros((2, example.leads, 0), np.float32), example)
    except ValueError as error:
        assert "sample" in str(error)
    else:
        raise AssertionError("a signal without samples was accepted")


@check("transforms")
def config_round_trip_gives_the_same(example: Example) -> None:
    transform, x = example.build(), _input(example, 2)
    config = json.loads(json.dumps(TRANSFORMS.to_config(transform)))
    assert np.array_equal(_run(TRANSFORMS.build(config), x, example), _run(transform, x, example))


@check("transforms")
def pickle_keeps_everything(example: Example) -> None:
    transform, x = example.build(), _input(example, 2)
    assert np.array_equal(_run(pickle.loads(pickle.dumps(transform)), x, example), _run(transform, x, example))  # noqa: S301


@check("transforms")
def composes(example: Example) -> None:
    transform, x = example.build(), _input(example, 2)
    chain = Compose([transform])
    assert _run(chain, x, example).shape == _run(transform, x, example).shape
    assert chain.output_fs(example.fs) == transform.output_fs(example.fs)


@check("transforms")
def gradients_flow(example: Example) -> None:
    if not _TORCH:
        return
    import torch

    x = torch.from_numpy(_input(example, 2)).requires_grad_()
    (_run(example.build(), x, example) ** 2).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@check("transforms")
def missing_fs_is_one_clear_error(example: Example) -> None:
    transform = example.build()
    if not transform.needs_fs:
        return
    try:
        transform(_input(example, 2))
    except ValueError as error:
        assert "fs" in str(error)
    else:
        raise AssertionError("a transform that needs fs ran without")


@check("transforms")
def arguments_are_documented(example: Example) -> None:
    cls = type(example.build())
    missing = [n for n in inspect.signature(cls.__init__).parameters if n != "self" and n not in (inspect.getdoc(cls) or "")]
    assert not missing, f"not documented: {missing}"

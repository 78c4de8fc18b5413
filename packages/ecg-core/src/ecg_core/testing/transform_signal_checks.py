"""What every transform must satisfy as signal processing: facts that move along, and a response that is the declared one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecg_core.contracts.draws import Draws
from ecg_core.contracts.mixing import MixingTransform
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.data.record import Record
from ecg_core.testing.checks import applies, check, require
from ecg_core.testing.example import Example
from ecg_core.testing.toy import toy_batch
from ecg_core.testing.toy_arrays import SEED, require_close, signals, transformed

_BUMP = 0.02  # standard deviation of the test wave, seconds


@check("transforms")
def batch_size_never_changes_a_draw(example: Example) -> None:
    """A window of a batch is transformed alike whatever stands beside it."""
    transform, batch = example.build(), toy_batch(6, example.leads, example.samples, fs=example.fs, torch=False)
    applies(not isinstance(transform, MixingTransform), "it mixes windows, so the others matter")
    part = replace(
        batch, signal=batch.signal[2:4], record_keys=batch.record_keys[2:4], record_ids=batch.record_ids[2:4],
        patient=None, segment=None,
    )  # fmt: skip
    some, whole = transform(part).signal, transform(batch).signal
    require_close(some, whole[2:4], "two windows by themselves and among six", 1e-6)


@check("transforms")
def records_and_batches_carry_their_facts(example: Example) -> None:
    """A Record and a Batch come back with the sampling frequency and length that are declared, and positions inside."""
    transform, x = example.build(), signals(example, 1)[0]
    leads = toy_batch(1, example.leads, example.samples, torch=False).leads
    record = Record(x, example.fs, leads, record_id="r", annotations={"r_peaks": np.array([0, example.samples // 2])})
    out, fs = transform(record, generator=SEED), transform.output_fs(example.fs)
    length = transform.output_length(example.samples, example.fs)
    require(out.fs == fs, f"the record comes back at {out.fs:g} Hz, output_fs says {fs:g} Hz")
    require(out.n_samples == length, f"the record comes back with {out.n_samples} samples, output_length says {length}")
    peaks = out.annotations["r_peaks"]
    require(((peaks >= 0) & (peaks < out.n_samples)).all(), f"the positions {peaks} lie outside of {out.n_samples} samples")
    batch = transform(toy_batch(2, example.leads, example.samples, fs=example.fs, torch=False))
    require(batch.fs == fs, f"the batch comes back at {batch.fs:g} Hz, output_fs says {fs:g} Hz")
    require(batch.signal.shape[-1] == length, f"the batch comes back with {batch.signal.shape[-1]} samples instead of {length}")


@check("transforms")
def annotations_move_with_the_signal(example: Example) -> None:
    """A wave and the annotation that stands on it are at the same place after the transform."""
    transform = example.build()
    leads = toy_batch(1, example.leads, example.samples, torch=False).leads
    time, seen = np.arange(example.samples), 0
    for number in range(12):  # other places, and other draws
        centre = int(example.samples * (0.25 + 0.04 * number))
        wave = 10.0 * np.exp(-0.5 * ((time - centre) / (_BUMP * example.fs)) ** 2)
        x = np.repeat(wave[None], example.leads, axis=0).astype(np.float32)
        out = transform(
            Record(x, example.fs, leads, record_id=f"r{number}", annotations={"r": np.array([centre])}), generator=number
        )
        height = np.abs(out.signal).max(axis=0)
        there = int(height.argmax())
        if not _is_whole(height, there, _BUMP * out.fs):
            continue  # it was cut off, silenced or drowned
        moved = out.annotations["r"]
        seen += 1
        require(len(moved) == 1, f"the wave is at sample {there} of {out.n_samples}, its annotation is gone")
        tolerance = 1 + _BUMP * out.fs / 2
        require(
            abs(int(moved[0]) - there) <= tolerance,
            f"the wave is at sample {there}, its annotation at {int(moved[0])}; see move()",
        )
    applies(seen, "no wave is left to be found")


@check("transforms")
def masks_move_with_the_annotations(example: Example) -> None:
    """A mask has the length of the output, and the sample it marks is where an annotation goes."""
    transform, centre = example.build(), example.samples // 2
    mask = np.zeros((1, example.samples), bool)
    mask[:, centre - 3 : centre + 4] = True
    batch = replace(toy_batch(1, example.leads, example.samples, fs=example.fs, torch=False), mask=mask)
    record = Record(batch.signal[0], example.fs, batch.leads, record_id="r", annotations={"mark": np.array([centre])})
    for seed in range(4):
        # The same draws for both, so that both go the same way.
        out = transform(batch, generator=Draws.seeded(seed))
        there = transform(record, generator=Draws.seeded(seed)).annotations["mark"]
        require(out.mask is not None, "a batch with a mask comes back without")
        length = out.signal.shape[-1]
        require(out.mask.shape == (1, length), f"the mask is {out.mask.shape} beside {length} samples; see move_mask()")
        for place in (int(p) for p in there if 4 <= p < length - 4):
            near = out.mask[0, place - 1 : place + 2].any()
            require(near, f"an annotation goes to sample {place}, and the mask around it elsewhere; see move() and move_mask()")


@check("transforms")
def windows_that_are_not_hit_keep_their_facts(example: Example) -> None:
    """Where a random transform leaves a window's signal as it is, its positions, mask and step targets stay too."""
    transform, windows = example.build(), 8
    applies(isinstance(transform, RandomTransform), "it is not random")
    applies(transform.output_length(example.samples, example.fs) == example.samples, "it changes the length")
    rng = np.random.default_rng(0)
    batch = replace(
        toy_batch(windows, example.leads, example.samples, fs=example.fs, torch=False),
        mask=rng.random((windows, example.samples)) < 0.5,
        step_targets=rng.integers(0, 2, (windows, 2, example.samples)).astype(np.float32),
        annotations={"r": np.sort(rng.integers(0, example.samples, (windows, 3)))},
    )
    for seed in range(4):
        out = transform(batch, generator=seed)
        for row in (row for row in range(windows) if np.array_equal(out.signal[row], batch.signal[row])):
            pairs = {
                "positions": (out.annotations["r"][row, :3], batch.annotations["r"][row]),
                "mask": (out.mask[row], batch.mask[row]),
                "step targets": (out.step_targets[row], batch.step_targets[row]),
            }
            moved = [] if transform.targets_only else [k for k, (now, then) in pairs.items() if not np.array_equal(now, then)]
            require(
                not moved, f"window {row} is as before, and its {', '.join(moved)} moved; respect the windows that are not hit"
            )


@check("transforms")
def the_label_is_mixed_as_the_signal_is(example: Example) -> None:
    """Of a mixture of constant signals, the mean level is that of the labels' weights."""
    transform, windows = example.build(), 8
    applies(isinstance(transform, MixingTransform), "it mixes no windows")
    level = np.arange(1.0, windows + 1)
    batch = replace(
        toy_batch(windows, example.leads, example.samples, fs=example.fs, torch=False),
        signal=np.tile(level[:, None, None], (1, example.leads, example.samples)).astype(np.float64),
        targets=np.eye(windows),
    )
    for seed in range(4):
        out = transform(batch, generator=seed)
        share = (out.signal.mean(axis=(1, 2)), out.targets @ level)
        worst = int(np.abs(share[0] - share[1]).argmax())
        require(
            np.allclose(*share, atol=1e-4),
            f"window {worst} has the level {share[0][worst]:.3f} and its label says {share[1][worst]:.3f}; "
            "weigh a label by the share of the own signal that is left",
        )


@check("transforms")
def frequency_response_is_the_declared_one(example: Example) -> None:
    """A tone comes out with the declared gain, and neither earlier nor later."""
    transform, fs = example.build(), example.fs
    frequencies = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4]) * fs
    declared = transform.frequency_response(frequencies, fs)
    applies(declared is not None, "it declares no frequency response")
    applies(transform.output_fs(fs) == fs, "it changes the sampling frequency")
    samples = int(40 * fs)
    middle = slice(samples // 4, 3 * samples // 4)
    time = np.arange(samples) / fs
    for frequency, gain in zip(frequencies, np.asarray(declared), strict=True):
        tone = np.sin(2 * np.pi * frequency * time)
        out = transformed(transform, np.repeat(tone[None], example.leads, axis=0), example)[0][middle]
        wave = np.exp(-2j * np.pi * frequency * time[middle])
        found = np.mean(out * wave) / np.mean(tone[middle] * wave)
        require(abs(found - gain) < 0.02, f"at {frequency:g} Hz the gain is {found:.3f}, declared is {gain:.3f}")


@check("transforms")
def linear_transforms_are_linear(example: Example) -> None:
    """Where a frequency response is declared, the transform of a sum is the sum of the transforms."""
    transform = example.build()
    declared = transform.frequency_response(np.array([1.0]), example.fs)
    applies(declared is not None, "it declares no frequency response")
    x, y = signals(example, 2).astype(np.float64)
    both, first, second = (transformed(transform, s, example) for s in (2 * x - 3 * y, x, y))
    require_close(both, 2 * first - 3 * second, "the transform of 2x - 3y and the same of the transforms", 1e-4)


@check("transforms")
def doing_it_twice_is_doing_it_once(example: Example) -> None:
    """Where its author states ``idempotent``, a second time changes nothing."""
    applies(example.idempotent, "conformance_params() does not state idempotent")
    transform = example.build()
    once = transformed(transform, signals(example, 3), example)
    require_close(transformed(transform, once, example), once, "twice and once", 1e-4)


def _is_whole(height: np.ndarray, peak: int, width: float) -> bool:
    """Whether the highest point of ``(samples,)`` is that of the test wave, with both its flanks."""
    if not 3 * width <= peak < len(height) - 3 * width or np.median(height) > 0.5 * height[peak]:
        return False
    flanks = height[[peak - round(width), peak + round(width)]]
    return bool((flanks > 0.4 * height[peak]).all())

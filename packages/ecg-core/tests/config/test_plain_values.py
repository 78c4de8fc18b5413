"""Plain values: what goes into a configuration comes out again, and what would not is refused with its place."""

from __future__ import annotations

import datetime
import enum
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.config.plain import plain
from ecg_core.errors import ConfigError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=20)
TUPLES = st.recursive(SCALARS, lambda v: st.lists(v) | st.lists(v).map(tuple) | st.dictionaries(st.text(), v), max_leaves=20)


def as_json(value):
    """The value with its tuples as lists, by the standard library."""
    return json.loads(json.dumps(value))


@settings(deadline=None)
@given(JSON)
def test_json_is_written_as_it_is(value):
    assert plain(value, "x") == value


@settings(deadline=None)
@given(TUPLES)
def test_what_is_written_survives_a_file_and_is_written_the_same_again(value):
    written = plain(value, "x")
    assert written == as_json(value)
    assert plain(as_json(written), "x") == written


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_comes_back_to_the_last_bit(value):
    back = json.loads(json.dumps(plain(value, "x")))
    assert math.copysign(1, back) == math.copysign(1, value)
    assert back == value


@settings(deadline=None)
@given(JSON)
def test_what_is_written_shares_nothing_that_could_be_changed(value):
    written = plain([value], "x")
    before = json.dumps(value)
    if isinstance(written[0], list):
        written[0].append("changed")
    elif isinstance(written[0], dict):
        written[0]["changed"] = True
    assert json.dumps(value) == before


class Mode(enum.StrEnum):
    FULL = "full"


class Level(enum.IntEnum):
    HIGH = 3


class Plain(enum.Enum):
    FULL = "full"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(7), 7), (np.float64(0.1), 0.1), (np.float32(0.5), 0.5), (np.uint8(3), 3), (np.bool_(True), True),
        (np.str_("I"), "I"), (Mode.FULL, "full"), (Level.HIGH, 3), ((1, (2,)), [1, [2]]),
    ],
)  # fmt: skip
def test_numbers_of_numpy_and_enumerations_that_are_plain_become_plain(value, expected):
    written = plain(value, "x")
    assert written == expected
    assert type(written) is type(expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "x: nan cannot be written to a configuration, since JSON has no such number; use null or a large one"),
        ([0, -math.inf], "x[1]: -inf cannot be written to a configuration"),
        ({"a": [{"b": np.float32("inf")}]}, "x.a[0].b: inf cannot be written"),
        (Path("/data/leads.csv"), "x: PosixPath cannot be written to a configuration; pass it as a string"),
        (Plain.FULL, "x: Plain cannot be written to a configuration; pass its value, 'full'"),
        ([{3}], "x[0]: set cannot be written to a configuration; pass a list"),
        (datetime.date(2026, 1, 2), "x: date cannot be written to a configuration; put it in quotes"),
        (np.zeros(2), "x: ndarray cannot be written to a configuration; pass numbers, strings, lists, dictionaries or"),
        (len, "x: builtin_function_or_method cannot be written"),
        (b"I", "x: bytes cannot be written"),
        (1j, "x: complex cannot be written"),
        ({1: "a"}, "x: the key 1 is int, keys of a configuration are strings; put it in quotes"),
    ],
)  # fmt: skip
def test_what_would_not_come_back_is_refused_with_its_place_and_a_way_out(value, message):
    with pytest.raises(ConfigError) as caught:
        plain(value, "x")
    assert str(caught.value).startswith(message)

"""What every reader must satisfy without a data set at hand; equality with recordings is tested by its package."""

from __future__ import annotations

import json
import pickle
import tempfile
from pathlib import Path

from ecg_core.data.reader import Reader
from ecg_core.discovery.registries import READERS
from ecg_core.errors import DataError
from ecg_core.testing.kit import Example, check, signature_is_closed


@check("readers")
def derives_from_reader(example: Example) -> None:
    assert isinstance(example.build(), Reader)


@check("readers")
def constructor_takes_no_unknown_words(example: Example) -> None:
    assert signature_is_closed(type(example.build()).__init__)


@check("readers")
def an_empty_folder_is_one_clear_error(example: Example) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path in (Path(folder), Path(folder) / "absent"):
            assert not example.build().recognises(path)
            try:
                example.build().scan(path)
            except DataError as error:
                assert str(path) in str(error)
            else:
                raise AssertionError("a folder without recordings was accepted")


@check("readers")
def config_round_trip_and_pickle(example: Example) -> None:
    reader = example.build()
    config = json.loads(json.dumps(READERS.to_config(reader)))
    assert READERS.to_config(READERS.build(config)) == config
    assert READERS.to_config(pickle.loads(pickle.dumps(reader))) == config  # noqa: S301

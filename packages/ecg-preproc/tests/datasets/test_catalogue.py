"""The catalogue: complete entries, names found however they are spelt, and words on the terminal that say what to do."""

from __future__ import annotations

import re

import pytest

from ecg_core.discovery.registries import READERS
from ecg_core.errors import ConfigError, DataError
from ecg_preproc.datasets.catalogue import catalogue, data_set
from ecg_preproc.datasets.command import data


def test_every_entry_can_be_cited_found_and_read_about():
    names = [entry.name for entry in catalogue()]
    assert len(set(names)) == len(names) >= 50
    for entry in catalogue():
        assert re.fullmatch(r"10\.\d{4,}/\S+", entry.doi), entry.name
        assert entry.page.startswith(("https://", "http://")), entry.name
        assert entry.licence, entry.name
        assert entry.records > 0, entry.name
        assert entry.access != "open" or entry.files == entry.page.replace("/content/", "/files/"), entry.name


def test_a_reader_that_is_named_is_there():
    ours = {entry.reader for entry in catalogue() if entry.reader}
    assert {name for name in ours if name not in READERS} == set()


@pytest.mark.parametrize("name", ["ptbxl", "PTB-XL", "ptb_xl", "ptb-xl"])
def test_a_data_set_is_found_however_it_is_spelt(name):
    assert data_set(name).name == "ptbxl"


def test_an_unknown_name_is_one_clear_error_with_near_ones():
    with pytest.raises(DataError, match=r"there is no data set 'ptbx' in the catalogue. Did you mean 'ptbxl'"):
        data_set("ptbx")


def test_what_is_told_about_one_names_its_licence_and_the_next_command(capsys):
    data("info", "mitdb")
    said = capsys.readouterr().out
    assert "48 recordings, 47 patients" in said
    assert "licence ODC-By 1.0; open to everybody" in said
    assert "ecg data download mitdb" in said


def test_the_list_has_a_line_for_each(capsys):
    data("list")
    said = capsys.readouterr().out
    assert all(entry.name in said for entry in catalogue())


def test_what_cannot_be_downloaded_says_where_it_is_had():
    with pytest.raises(
        DataError, match=r"echonext is had after an agreement is signed on its page: https://physionet.org/content"
    ):
        data("download", "echonext")
    with pytest.raises(DataError, match=r"code15 is had from its page, by hand: https://doi.org/10.5281/zenodo.4916206"):
        data("download", "code15")


def test_a_name_is_wanted():
    with pytest.raises(ConfigError, match=r"ecg data info takes the name of a data set, e.g. `ecg data info ptbxl`"):
        data("info")

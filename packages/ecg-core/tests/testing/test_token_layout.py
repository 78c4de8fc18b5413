"""Backbones of tokens whose rows hold several leads: what the kit reads from ``layout``, and what it says when that is wrong."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ecg_kit_toys.tokens import Tokens

from ecg_core.testing.checks import CheckFailed
from ecg_core.testing.token_checks import patches_hold_every_sample_once


class OneRow(Tokens):
    """The patches of all leads in one row, lead by lead."""

    def layout(self, leads, samples):
        return leads, self.steps(samples)

    def patchify(self, x):
        return super().patchify(x).flatten(1, 2).unsqueeze(1)


class Uncounted(OneRow):
    """Forgets that its leads share a row."""

    def layout(self, leads, samples):
        return 1, self.steps(samples)


class Untimed(OneRow):
    """Counts samples where whole patches are asked for."""

    def layout(self, leads, samples):
        return leads, samples


def example_of(cls):
    return SimpleNamespace(leads=2, samples=64, fs=100.0, build=cls)


def test_leads_that_share_a_row_are_counted_by_the_layout():
    patches_hold_every_sample_once(example_of(OneRow))


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Uncounted, "patchify gives 16 columns, layout tells of 1 leads in a row and 8 times: 8"),
        (Untimed, "layout tells of 64 times, the signal holds 8 whole patches"),
    ],
)
def test_a_layout_that_is_not_the_grid_is_told_so(cls, message):
    with pytest.raises(CheckFailed, match=message):
        patches_hold_every_sample_once(example_of(cls))

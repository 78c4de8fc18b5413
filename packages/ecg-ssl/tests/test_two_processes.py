"""Two processes with parts of a batch compute what one computes of the whole: losses, gradients, queues."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROWS = [
    "nt_xent",
    "nt_xent_poly",
    "vicreg",
    "barlow_twins",
    "clocs",
    "dcl",
    "sigreg",
    "metadata",
    "clip",
    "clip_repeats",
    "koleo",
]
METHODS = [
    "tfc",
    "tfc_paper",
    "cpc",
    "cpc_any",
    "simclr",
    "moco",
    "moco_v3",
    "clocs",
    "cmsc",
    "cmsc_all",
    "three_kg",
    "pclr",
    "comet",
    "isl",
]
SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    running = [subprocess.Popen([sys.executable, SCRIPT, str(rank), str(folder)]) for rank in range(2)]
    assert [process.wait(timeout=180) for process in running] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def whole():
    return runpy.run_path(str(SCRIPT))["results"]()


@pytest.mark.parametrize("name", sorted({*ROWS, *METHODS}))
def test_the_loss_is_that_of_the_whole_batch_on_every_rank(both, whole, name):
    for found in both:
        torch.testing.assert_close(found[f"{name}/loss"], whole[f"{name}/loss"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ROWS)
def test_rows_get_the_gradients_they_have_in_the_whole_batch(both, whole, name):
    found = torch.cat([part[f"{name}/grad"] for part in both])
    torch.testing.assert_close(found, whole[f"{name}/grad"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_the_mean_of_the_gradients_is_that_of_the_whole_batch(both, whole, name):
    for found in both:
        expected = whole[f"{name}/weights"]
        torch.testing.assert_close(found[f"{name}/weights"], expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_the_queues_of_all_ranks_are_the_same_to_the_last_bit(both, whole):
    assert torch.equal(both[0]["moco/queue"], both[1]["moco/queue"])
    torch.testing.assert_close(both[0]["moco/queue"], whole["moco/queue"], rtol=1e-5, atol=1e-6)


def test_a_centre_moves_to_the_mean_of_all_processes_on_every_rank(both, whole):
    assert torch.equal(both[0]["centre"], both[1]["centre"])
    torch.testing.assert_close(both[0]["centre"], whole["centre"])


def test_codes_are_made_of_the_points_of_all_processes(both, whole):
    assert torch.equal(torch.cat([part["cluster_codes"] for part in both]), whole["cluster_codes"])
    assert all(torch.equal(part["cluster_centres"], whole["cluster_centres"]) for part in both)

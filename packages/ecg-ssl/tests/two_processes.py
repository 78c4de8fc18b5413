"""Run as two processes: what each computes of its share of a batch, saved for the test that compares it with one process.

python two_processes.py RANK FOLDER
"""

import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.data.batch import Batch
from ecg_ssl.centres import move_centre
from ecg_ssl.gather import gather_rows
from ecg_ssl.heads.metadata import MatchingHead
from ecg_ssl.layers.cluster_codes import ClusterCodes
from ecg_ssl.methods.clocs import CLOCS
from ecg_ssl.methods.cmsc import CMSC
from ecg_ssl.methods.comet import COMET
from ecg_ssl.methods.cpc import CPC
from ecg_ssl.methods.isl import ISL
from ecg_ssl.methods.moco import MoCo
from ecg_ssl.methods.moco_v3 import MoCoV3
from ecg_ssl.methods.pclr import PCLR
from ecg_ssl.methods.simclr import SimCLR
from ecg_ssl.methods.tfc import TFC
from ecg_ssl.methods.three_kg import ThreeKG
from ecg_ssl.methods.three_m_ecg import matched
from ecg_ssl.objectives.barlow_twins import barlow_twins
from ecg_ssl.objectives.clip_loss import clip_loss
from ecg_ssl.objectives.clocs import clocs
from ecg_ssl.objectives.dcl import dcl
from ecg_ssl.objectives.koleo import koleo
from ecg_ssl.objectives.nt_xent import nt_xent
from ecg_ssl.objectives.nt_xent_poly import nt_xent_poly
from ecg_ssl.objectives.sigreg import random_directions, sigreg
from ecg_ssl.objectives.vicreg import vicreg

SHARES = (slice(0, 5), slice(5, 8))  # uneven, as a last batch is

_DIRECTIONS = random_directions(6, 16, seed=0, like=torch.zeros(1))
LOSSES = {
    "sigreg": lambda a, b: sigreg(gather_rows(torch.stack([a, b], dim=1)).transpose(0, 1), _DIRECTIONS),
    "nt_xent": nt_xent,
    "nt_xent_poly": nt_xent_poly,
    "vicreg": lambda a, b: vicreg(a, b).weighted(),
    "barlow_twins": lambda a, b: barlow_twins(a, b).weighted(),
    "clip": clip_loss,
    "koleo": lambda a, b: koleo(a) + koleo(b),
}
PATIENTS = torch.tensor([0, 0, 1, 1, 2, 0, 3, 0])  # patient 0 has windows in both shares

PAIRED = torch.tensor([0, 0, 1, 1, 1, 2, 2, 2])  # each in one share, as groups are
RECORDINGS = (0, 1, 2, 2, 3, 1, 4, 5)

PATIENT_LOSSES = {
    "clocs": lambda a, b, patient: clocs(torch.stack([a, b]), patient),
    "dcl": lambda a, b, patient: dcl(a, b, patient=patient),
    "clip_repeats": lambda a, b, patient: clip_loss(a, b, repeats=patient),
}


def metadata(a, b, patient):
    """The age and sex of windows, some of them unknown."""
    torch.manual_seed(4)
    head = MatchingHead(6, width=4)
    nn.init.normal_(head.match[2].weight)
    age, sex = torch.where(patient == 2, torch.nan, 30.0 + 12 * patient), (patient % 2).float()
    return matched(head, a + b, age, sex, (0.37 * patient + 0.1) % 1, years=10.0)


PATIENT_LOSSES["metadata"] = metadata


class Plain(Backbone):
    """Without batch statistics, which processes do not share."""

    def __init__(self):
        super().__init__()
        self.in_leads, self.stages = 2, (Stage(6, 2),)
        self.conv = nn.Conv1d(2, 6, 5, stride=2)

    def forward_intermediates(self, x):
        return [self.conv(x).tanh()]


def methods():
    """Methods of which no layer has batch statistics."""
    made = {
        "tfc": TFC(Plain(), augment=[], hidden=8, width=4),
        "tfc_paper": TFC(Plain(), augment=[], hidden=8, width=4, loss="paper"),
        "cpc": CPC(Plain(), context_width=5, context_layers=1, ahead=3, negatives=4),
        "cpc_any": CPC(Plain(), context_width=5, context_layers=1, ahead=3, negatives=4, negatives_from="any"),
        "simclr": SimCLR(Plain(), augment=[], width=8),
        "moco": MoCo(Plain(), augment=[], width=8, queue=16, momentum=0.9),
        "moco_v3": MoCoV3(Plain(), augment=[], width=8, hidden=8),
        "clocs": CLOCS(Plain(), pairing="cmsmlc", width=8),
        "cmsc": CMSC(Plain()),
        "cmsc_all": CMSC(Plain(), pairing="all", weigh="anchors"),
        "three_kg": ThreeKG(Plain(), augment=[], width=8),
        "pclr": PCLR(Plain(), width=8),
        "comet": COMET(Plain()),
        "isl": ISL(Plain(), augment=[], width=8, beat_seconds=0.05),
    }
    for method in made.values():
        for name, module in list(method.named_modules()):
            if isinstance(module, nn.BatchNorm1d):
                method.get_submodule(name.rpartition(".")[0])[int(name.rpartition(".")[2])] = nn.Identity()
    return made


def batch(share=slice(None), *, paired=False):
    signal = torch.randn(8, 2, 40, generator=torch.Generator().manual_seed(3))
    keys = torch.arange(8).numpy()[share]
    names = tuple(f"r{number}" for number in (range(8) if paired else RECORDINGS)[share])
    patient = (PAIRED if paired else PATIENTS)[share]
    return Batch(signal[share], fs=100.0, leads=("I", "II"), record_ids=names, record_keys=keys, patient=patient)


def results(share=slice(None)):
    """Losses, and gradients as DDP would average them: of the mean over processes."""
    torch.manual_seed(0)
    world = dist.get_world_size() if dist.is_initialized() else 1
    found = {}
    z = torch.randn(2, 8, 6)
    for name, loss in {**LOSSES, **PATIENT_LOSSES}.items():
        a, b = (x[share].clone().requires_grad_(True) for x in z)
        value = loss(a, b, PATIENTS[share]) if name in PATIENT_LOSSES else loss(a, b)
        value.backward()
        found[f"{name}/loss"], found[f"{name}/grad"] = value.detach(), torch.cat([a.grad, b.grad], dim=1) / world
    found["centre"] = torch.ones(1, 6)
    move_centre(found["centre"], z[0][share], 0.9)
    codes = ClusterCodes(3)
    found["cluster_codes"] = codes(z[0][share])
    found["cluster_centres"] = codes.centres
    for name, method in methods().items():
        method.train()
        value = method.loss(batch(share, paired=name == "pclr")).total
        value.backward()
        gradient = method.backbone.conv.weight.grad
        if world > 1:
            dist.all_reduce(gradient)
        found[f"{name}/loss"], found[f"{name}/weights"] = value.detach(), gradient / world
        method.after_step()
        if name == "moco":
            found["moco/queue"] = method.queue.keys.clone()
    return found


if __name__ == "__main__":
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    torch.save(results(SHARES[rank]), folder / f"{rank}.pt")
    dist.destroy_process_group()

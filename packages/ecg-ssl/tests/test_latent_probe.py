"""After a short pre-training, a linear probe reads rhythms from the features better than from a random encoder."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ecg_core.data.batch import Batch
from ecg_core.discovery.registries import BACKBONES, SSL

torch.set_num_threads(1)


def rhythms(count, seed, samples=500, fs=100.0):
    """Standardised two-lead windows of slow, fast and irregular beats, and which they are."""
    rng = np.random.default_rng(seed)
    time, label = np.arange(samples) / fs, rng.integers(0, 3, count)
    signal = np.zeros((count, 2, samples))
    for window, kind in zip(signal, label, strict=True):
        low, high = ((0.9, 1.1), (0.55, 0.7), (0.5, 1.2))[kind]
        intervals = rng.uniform(low, high, 20) if kind == 2 else np.full(20, rng.uniform(low, high))
        beats = intervals.cumsum() - rng.uniform(0, 1)
        for centre, width, height in ((-0.16, 0.03, 0.15), (0.0, 0.02, 1.0), (0.25, 0.05, 0.3)):
            wave = np.exp(-0.5 * ((time - beats[:, None] - centre) / width) ** 2).sum(axis=0)
            window += height * rng.normal(1, 0.3, (2, 1)) * wave
    signal += 0.05 * rng.normal(size=signal.shape)
    signal /= signal.std(axis=-1, keepdims=True)
    return torch.from_numpy(signal.astype(np.float32)), torch.from_numpy(label)


def auroc(score, label):
    areas = []
    for kind in range(3):
        mine, others = score[label == kind, kind, None], score[label != kind, kind]
        areas.append(((mine > others).float() + 0.5 * (mine == others).float()).mean())
    return float(torch.stack(areas).mean())


@torch.no_grad()
def probed(backbone, seen, unseen):
    """Macro AUROC of ridge regression on standardised pooled features."""
    backbone.eval()
    train, test = (backbone.pool(backbone(x)) for x, _ in (seen, unseen))
    mean, std = train.mean(dim=0), train.std(dim=0) + 1e-6
    train, test = (F.pad((z - mean) / std, (0, 1), value=1.0) for z in (train, test))
    weights = torch.linalg.solve(train.T @ train + 10 * torch.eye(train.shape[1]), train.T @ F.one_hot(seen[1], 3).float())
    return auroc(test @ weights, unseen[1])


@pytest.mark.slow
def test_a_short_pretraining_helps_a_linear_probe_of_rhythms():
    torch.manual_seed(0)
    backbone = BACKBONES.build("vit_register_xs", in_leads=2, width=64, depth=2, heads=4, patch_size=10)
    method = SSL.build("jepa_weimann", backbone=backbone, predictor_depth=2, predictor_heads=4, shortest_block=4)
    seen, unseen, (unlabelled, _) = rhythms(400, 1), rhythms(400, 2), rhythms(1024, 3)
    before = probed(backbone, seen, unseen)
    method.train().plan(200)
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.01)
    generator = torch.Generator().manual_seed(0)
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 30)
        index = torch.randint(0, len(unlabelled), (64,), generator=generator)
        batch = Batch(unlabelled[index], 100.0, ("I", "II"), record_keys=index.numpy(), epoch=step)
        optimizer.zero_grad()
        method.loss(batch).total.backward()
        optimizer.step()
        method.after_step()
    assert probed(backbone, seen, unseen) > before + 0.02

"""Does each method learn? Encoders before and after pre-training, under a linear probe on validation patients.

    python benchmarks/learning.py prepared/ --target superclass --out learning/ [--methods simclr,st_mem] [--seeds 5]
    python benchmarks/learning.py prepared/ --target superclass --out learning/ --table

Every method teaches a small encoder on the training split, labels unread. Before and after, a ridge regression in closed form
from the frozen features of the training windows to their labels is asked about the validation windows (macro AUROC). Nothing
about the methods is chosen by these numbers: each has its own defaults, and all have the same number of epochs. `--table` prints
what is there as Markdown, with 95 % intervals over seeds (Student's t), and the same encoder trained with all labels beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from ecg_core.data.store import Store
from ecg_core.run.progress import read_metrics
from ecg_core.run.training.finetune import finetune
from ecg_core.run.training.pretrain import pretrain

CNN = {"name": "resnet18", "widths": [16, 32, 64, 128]}
_BLOCKS = {"width": 64, "depth": 4, "heads": 4}
_SMALL = {**_BLOCKS, "head_width": 16}
LEADS = {"name": "vit_tiny", "patch_size": 50, **_SMALL}
TIMES = {"name": "vit_time_tiny", "patch_size": 20, **_SMALL}
WHOLE = {"name": "vit_leads_tiny", "patch_size": 1000, **_SMALL}
GRID = {"name": "vit_grid_tiny", "patch_size": 50, **_SMALL}
CROPA = {"name": "vit_cropa_b", "patch_size": 50, **_BLOCKS}
CAUSAL = {
    "name": "cpc_encoder",
    "widths": [64, 64, 64, 64],
    "kernel_sizes": [9, 3, 3, 3],
    "strides": [4, 2, 1, 1],
    "context_width": 64,
}
WAVES = {"name": "wav2vec2", "conv_width": 64, **_BLOCKS, "position_kernel": 16, "position_groups": 4}
JOINED = {"name": "hubert_ecg_base", "conv_width": 64, **_BLOCKS, "position_kernel": 16, "position_groups": 4}
BEATS = {"name": "heartlang", **_SMALL, "mlp_width": 128}
CODES = {"name": "vq_hbr", **_SMALL, "mlp_width": 128, "codes": 512, "code_width": 32}
WORDS = {
    "name": "ecg_bert_small",
    "width": 64,
    "depth": 4,
    "heads": 4,
    "mlp_width": 128,
    "signal_widths": [16, 32, 64],
    "max_segments": 96,
}
_DECODER = {"decoder_width": 48, "decoder_depth": 1, "decoder_heads": 4}

# What the encoder is, and what is not a default: decoders, because the published ones are several times this encoder.
PLANS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "simclr": (CNN, {}),
    "moco_v1": (CNN, {}),
    "moco_v2": (CNN, {}),
    "moco_v3": (CNN, {}),
    "byol": (CNN, {}),
    "vicreg": (CNN, {}),
    "barlow_twins": (CNN, {}),
    "dino": (CNN, {"prototypes": 512}),
    "ibot": (TIMES, {"prototypes": 512}),
    "lejepa": (CNN, {}),
    "clocs_cmsc": (CNN, {}),
    "clocs_cmlc": (CNN, {}),
    "clocs_cmsmlc": (CNN, {}),
    "cmsc": (CNN, {}),
    "tfc": (CNN, {}),
    "pclr": (CNN, {}),
    "three_kg": (CNN, {}),
    "comet": (CNN, {}),
    "isl": (CNN, {}),
    "cpc": (CAUSAL, {"context": "backbone"}),
    "jepa_weimann": (TIMES, {"predictor_heads": 4}),
    "data2vec": (TIMES, {"top_blocks": 2}),
    "ecg_jepa": (CROPA, {"predictor_heads": 4}),
    "mae": (LEADS, _DECODER),
    "mae_ecg": (GRID, _DECODER),
    "mtae": (TIMES, _DECODER),
    "mlae": (WHOLE, _DECODER),
    "st_mem": (LEADS, {**_DECODER, "decoder_head_width": 12}),
    "three_m_ecg": (LEADS, {**_DECODER, "decoder_head_width": 12}),
    "w2v_cmsc": (WAVES, {}),
    "hubert_ecg": (JOINED, {}),
    "vq_hbr": (CODES, {"head_width": 16, "mlp_width": 128}),
    "heartlang": (BEATS, {"tokenizer": "vq_hbr"}),
    "ecg_bert": (WORDS, {}),
}

# Student's t at 97.5 % for 1 … 9 degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def learn(name: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """One method, one seed: pre-train, and read what the monitor saw before and after."""
    backbone, words = PLANS[name]
    if "tokenizer" in words:  # another method's encoder of the same seed
        words = {**words, "tokenizer": str(args.out / f"{words['tokenizer']}-{seed}")}
    out = args.out / f"{name}-{seed}"
    start = time.process_time()
    run = pretrain(
        args.store,
        out,
        method={"name": name, **words},
        backbone=backbone,
        epochs=args.epochs,
        batch_size=args.batch,
        device="cpu",
        seed=seed,
        monitor=args.target,
        resume=out.is_dir(),
    )
    minutes = (time.process_time() - start) / 60
    last = [line for line in read_metrics(run.path / "metrics.jsonl") if line.get("validation")][-1]
    before = run.facts["gauges_before"]
    keep = ("probe_auroc", "knn_auroc", "rankme", "embedding_std")
    return {
        "method": name,
        "backbone": backbone["name"],
        "seed": seed,
        "epochs": args.epochs,
        "minutes": round(minutes, 2),
        "before": {key: before[key] for key in keep},
        "after": {key: last[key] for key in keep},
    }


def supervise(backbone: dict[str, Any], seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """The same encoder from scratch with all labels; the epoch that is best on the same validation patients."""
    out = args.out / f"supervised-{backbone['name']}-{seed}"
    start = time.process_time()
    run = finetune(
        args.store,
        out,
        target=args.target,
        backbone=backbone,
        mode="full",
        epochs=args.epochs,
        batch_size=args.batch,
        device="cpu",
        seed=seed,
        resume=out.is_dir(),
    )
    minutes = (time.process_time() - start) / 60
    return {
        "method": "supervised",
        "backbone": backbone["name"],
        "seed": seed,
        "epochs": args.epochs,
        "minutes": round(minutes, 2),
        "after": {"probe_auroc": run.facts["val_auroc"]},
    }


def interval(values: list[float]) -> str:
    """Mean and half the width of the 95 % interval of the mean."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.3f}"
    return f"{mean:.3f} ± {_T[len(values) - 2] * statistics.stdev(values) / math.sqrt(len(values)):.3f}"


def table(results: list[dict[str, Any]]) -> str:
    """Markdown, best gain first; the floor of a row is its own encoder before training."""
    lines = [
        "| method | encoder | minutes | as initialised | pre-trained | gain | k-NN | RankMe before, after |",
        "|" + "---|" * 8,
    ]
    rows = []
    for key in sorted({(r["method"], r["backbone"]) for r in results}):
        own = [r for r in results if (r["method"], r["backbone"]) == key]
        after = [r["after"]["probe_auroc"] for r in own]
        minutes = f"{statistics.fmean(r['minutes'] for r in own):.1f}"
        if key[0] == "supervised":
            rows.append((-9.0, f"| all labels, from scratch | `{key[1]}` | {minutes} | – | {interval(after)} | – | – | – |"))
            continue
        before = [r["before"]["probe_auroc"] for r in own]
        gains = [a - b for a, b in zip(after, before, strict=True)]
        ranks = [statistics.fmean(r[when]["rankme"] for r in own) for when in ("before", "after")]
        knn = interval([r["after"]["knn_auroc"] for r in own])
        text = f"| `{key[0]}` | `{key[1]}` | {minutes} | {interval(before)} | {interval(after)} | {interval(gains)} | {knn} | "
        rows.append((statistics.fmean(gains), text + f"{ranks[0]:.1f}, {ranks[1]:.1f} |"))
    return "\n".join([*lines, *(text for _, text in sorted(rows, key=lambda row: -row[0]))])


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--target", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--methods", default=",".join(PLANS))
    parser.add_argument("--supervised", action="store_true", help="train the encoders with all labels too")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    log = args.out / "learning.jsonl"
    results = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    if args.table:
        print(table(results))
        return
    args.store = Store(args.data)
    done = {(r["method"], r["backbone"], r["seed"]) for r in results}
    jobs = [(learn, name, PLANS[name][0], seed) for seed in range(args.seeds) for name in args.methods.split(",") if name]
    if args.supervised:
        jobs += [(supervise, "supervised", encoder, s) for s in range(args.seeds) for encoder in (CNN, LEADS)]
    for work, name, encoder, seed in jobs:
        if (name, encoder["name"], seed) in done:
            continue
        found = work(name if work is learn else encoder, seed, args)
        with log.open("a") as file:
            file.write(json.dumps(found) + "\n")
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

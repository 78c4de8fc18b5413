"""What the toolkit reaches on real recordings: superclasses on few labels, AF, rhythms of one lead, waves, beats.

    python benchmarks/evidence.py DATA --out evidence/ [--only ptbxl,af,cinc2017,ludb,mitdb]
    python benchmarks/evidence.py DATA --out evidence/ --table

DATA is a folder that holds `ptbxl`, `ptbxl_plus/ptbxl` (further recordings of other patients, whose labels are not read),
`cinc2017`, `ludb` and `mitdb`. Every number is about patients that no part of the model has seen: PTB-XL's test fold, or, where
there is none, each of five folds by patient in turn, pooled. Settings are the defaults of the toolkit but for sizes that fit
a CPU; nothing was chosen by these numbers. A row that is there is not made again, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecg_core.data.prepare import prepare
from ecg_core.data.r_peaks import detect_r_peaks
from ecg_core.data.store import Store
from ecg_core.evaluation.challenges.cinc2017 import cinc2017_score
from ecg_core.evaluation.evaluation import evaluate_scores
from ecg_core.evaluation.paired import compare_scores
from ecg_core.evaluation.samples import evaluate_samples
from ecg_core.run.inference.scorer import load_task
from ecg_core.run.inference.window_scores import score_recordings
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.scoring.evaluate_samples import event_kinds, judged_recordings
from ecg_core.run.training.finetune import finetune
from ecg_core.run.training.pretrain import pretrain

CNN = {"name": "resnet18", "widths": [16, 32, 64, 128]}
VIT = {"name": "vit_tiny", "patch_size": 50, "width": 64, "depth": 4, "heads": 4, "head_width": 16}
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "simclr": (CNN, {"name": "simclr"}),
    "st_mem": (VIT, {"name": "st_mem", "decoder_width": 48, "decoder_depth": 1, "decoder_heads": 4, "decoder_head_width": 12}),
}
FOLDS = 5
MOVED = [{"name": "time_shift"}, {"name": "amplitude_scale"}]
UNET = {"name": "unet"}
SMALL_UNET = {
    "name": "unet",
    "backbone": {"kind": "backbones", "name": "unet", "widths": [8, 16, 32, 64]},
    "head": {"kind": "heads", "name": "unet_decoder", "widths": [32, 16, 8], "kernel_size": 9, "classes": 6},
}
# Student's t at 97.5 % for 1 … 4 degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776)

Row = dict[str, Any]


class Rows:
    """Rows of a JSON Lines file by their key, each made once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        if path.is_file():
            self.rows = {row["key"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}

    def make(self, key: str, act: Callable[[], Row]) -> None:
        if key in self.rows:
            return
        start = time.process_time()
        row = {"key": key, **act(), "minutes": round((time.process_time() - start) / 60, 2)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.rows[key] = row
        print(json.dumps(row), flush=True)


def prepared(args: argparse.Namespace, name: str, source: str, **words: Any) -> Store:
    """The store of this name, made if it is not there."""
    out = args.out / "stores" / name
    return Store(out) if (out / "store.json").is_file() else prepare(args.data / source, out, **words)


def encoder(args: argparse.Namespace, method: str) -> Path:
    """A pre-trained run, labels unread."""
    backbone, words = METHODS[method]
    out = args.out / "runs" / f"pretrained-{method}"
    store = prepared(args, "unlabelled", "ptbxl_plus/ptbxl", fs=100, split="1/0/0")
    if not (out / "backbone.json").is_file():
        start = time.process_time()
        pretrain(store, out, method=words, backbone=backbone, epochs=30, batch_size=32, device="cpu", seed=0, resume=out.is_dir())
        print(f"{method} pre-trained in {(time.process_time() - start) / 60:.1f} minutes", flush=True)
    return out


def ptbxl(args: argparse.Namespace, rows: Rows) -> None:
    """Five superclasses on 1, 10 and 100 % of the labels, five draws of them each."""
    store = prepared(args, "ptbxl", "ptbxl", fs=100)
    starts: list[tuple[str, dict[str, Any], str]] = []
    for method, (backbone, _) in METHODS.items():
        starts += [
            (method, {"source": encoder(args, method)}, "linear"),
            (f"random {backbone['name']}", {"backbone": backbone}, "linear"),
            (method, {"source": encoder(args, method)}, "full"),
            (f"random {backbone['name']}", {"backbone": backbone}, "full"),
        ]
    for name, words, mode in starts:
        for fraction in (0.01, 0.1, 1.0):
            for seed in range(args.seeds):
                key = f"ptbxl/{name}/{mode}/{fraction:g}/{seed}"

                def act(words: dict[str, Any] = words, mode: str = mode, fraction: float = fraction, seed: int = seed) -> Row:
                    out = args.out / "runs" / "ptbxl"
                    run = finetune(
                        store, out, target="superclass", mode=mode, fraction=fraction, seed=seed, device="cpu", force=True,
                        epochs=15 if mode == "full" else None, batch_size=32, **words,
                    )  # fmt: skip
                    found = evaluate(run.path, floors=False, repeats=200)
                    roc = found.macro_auroc
                    return {"windows": run.facts["windows"], "auroc": roc.value, "low": roc.low, "high": roc.high}

                rows.make(key, act)


def labelled_elsewhere(args: argparse.Namespace) -> Path:
    """The encoder pre-trained by SimCLR after it has learned the rhythms of the same other patients, from their labels."""
    out = args.out / "runs" / "rhythms"
    if not (out / "model.json").is_file():
        store = prepared(args, "unlabelled", "ptbxl_plus/ptbxl", fs=100, split="1/0/0")
        words = {"epochs": 30, "batch_size": 32, "device": "cpu", "augment": MOVED}
        finetune(store, out, target="rhythm", source=encoder(args, "simclr"), resume=out.is_dir(), **words)
    return out


def af(args: argparse.Namespace, rows: Rows) -> None:
    """AF against sinus rhythm, each of five folds in turn, beside the irregularity of RR intervals alone."""
    store = prepared(args, "ptbxl-folds", "ptbxl", fs=100, split=f"{FOLDS}-fold")

    def act(start: Callable[[argparse.Namespace], Path]) -> Row:
        truth, scores, patients, irregular = [], [], [], []
        for fold in range(FOLDS):
            part = Store(store.path, fold=fold)
            out = args.out / "runs" / "af"
            words = {"epochs": 15, "batch_size": 32, "device": "cpu", "force": True, "augment": MOVED}
            finetune(part, out, target="rhythm", source=start(args), **words)
            task, _ = load_task(out)
            found = score_recordings(task, part, "test", "rhythm")
            column = list(task.classes)
            for i, row in enumerate(found.first.tolist()):
                labels = set(part.table["rhythm"].iloc[row])
                if labels & {"AFIB", "SR"}:
                    truth.append(int("AFIB" in labels))
                    scores.append(found.scores[i, column.index("AFIB")])
                    patients.append(part.table["patient_id"].iloc[row])
                    irregular.append(irregularity(part.record(row)))
        drawn: Row = {"classes": ["AFIB"], "patients": patients, "repeats": 1000}
        model = evaluate_scores(np.array(truth)[:, None], np.array(scores)[:, None], **drawn)
        floor = evaluate_scores(np.array(truth)[:, None], np.array(irregular)[:, None], **drawn)
        apart = compare_scores(
            np.array(truth)[:, None], np.array(scores)[:, None], np.array(irregular)[:, None], name="irregularity", **drawn
        )
        return {
            "records": len(truth),
            "af": sum(truth),
            "auroc": str(model.macro_auroc),
            "auprc": str(model.macro_auprc),
            "floor_auroc": str(floor.macro_auroc),
            "floor_auprc": str(floor.macro_auprc),
            "difference": str(apart.auroc_difference),
        }

    rows.make("af/simclr", lambda: act(lambda args: encoder(args, "simclr")))
    rows.make("af/rhythms", lambda: act(labelled_elsewhere))


def irregularity(record: Any) -> float:
    """Standard deviation of the RR intervals over their mean; 0 of fewer than three beats."""
    intervals = np.diff(detect_r_peaks(record.signal, fs=record.fs))
    return float(intervals.std() / intervals.mean()) if len(intervals) > 1 else 0.0


def cinc2017(args: argparse.Namespace, rows: Rows) -> None:
    """Normal, AF, other, noise in one lead, each of five folds in turn."""
    store = prepared(args, "cinc2017", "cinc2017", fs=100, seconds=9, leads=("ECG",), split=f"{FOLDS}-fold")
    target = store.targets[0]

    def act() -> Row:
        truth: list[str] = []
        given: list[str] = []
        for fold in range(FOLDS):
            part = Store(store.path, fold=fold)
            out = args.out / "runs" / "cinc2017"
            finetune(
                part, out, target=target, backbone=CNN, problem="multi_class", epochs=20, batch_size=32, device="cpu", force=True,
                augment=MOVED,
            )  # fmt: skip
            task, _ = load_task(out)
            found = score_recordings(task, part, "test", target)
            given += [task.classes[i] for i in found.scores.argmax(axis=1).tolist()]
            truth += [part.table[target].iloc[row][0] for row in found.first.tolist()]
        score = cinc2017_score(truth, given)
        drawn = [_resampled(truth, given, seed) for seed in range(1000)]
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        return {"records": len(truth), **score._asdict(), "low": float(low), "high": float(high)}

    rows.make("cinc2017/resnet18", act)


def _resampled(truth: list[str], given: list[str], seed: int) -> float:
    chosen = np.random.default_rng(seed).integers(0, len(truth), len(truth))  # a recording is a person here
    return cinc2017_score([truth[i] for i in chosen], [given[i] for i in chosen]).score


def of_samples(
    args: argparse.Namespace, rows: Rows, name: str, target: str, store: Store, model: dict[str, Any], epochs: int, **words: Any
) -> None:
    """Waves or beats, each of five folds in turn, judged together."""

    def act() -> Row:
        judged = []
        for fold in range(FOLDS):
            part = Store(store.path, fold=fold)
            out = args.out / "runs" / name.replace("/", "-")
            finetune(part, out, target=target, model=model, epochs=epochs, batch_size=8, device="cpu", force=True, **words)
            task, signal = load_task(out)
            judged += judged_recordings(task, signal, part, target=target, split="test")
        steps = store.step_target(target)
        assert steps is not None
        found = evaluate_samples(judged, classes=steps.classes, kinds=event_kinds(steps), fs=store.fs)
        return found.to_dict()

    rows.make(name, act)


def ludb(args: argparse.Namespace, rows: Rows) -> None:
    """P, QRS and T of lead II, from twelve leads."""
    of_samples(
        args,
        rows,
        "ludb/unet",
        "waves",
        prepared(args, "ludb", "ludb", fs=250, split=f"{FOLDS}-fold"),
        UNET,
        args.epochs_of_samples,
    )


def mitdb(args: argparse.Namespace, rows: Rows) -> None:
    """Beats by AAMI class of DS1, from lead MLII alone: five epochs of plain cross-entropy, fifteen that weigh rare classes."""
    store = prepared(args, "mitdb", "mitdb", fs=125, leads=("MLII",), split=f"{FOLDS}-fold")
    of_samples(args, rows, "mitdb/unet", "beats", store, SMALL_UNET, 5)
    of_samples(args, rows, "mitdb/weighed", "beats", store, SMALL_UNET, args.epochs_of_samples, class_weight="sqrt")


JOBS = {"ptbxl": ptbxl, "af": af, "cinc2017": cinc2017, "ludb": ludb, "mitdb": mitdb}


def table(rows: Rows) -> Iterator[str]:
    """What is there, as Markdown."""
    names = sorted({key.rsplit("/", 2)[0] for key in rows.rows if key.startswith("ptbxl/")})
    if names:
        yield "| encoder | start | trained | 1 % | 10 % | 100 % |"
        yield "|---|---|---|---|---|---|"
    for name in names:
        _, start, mode = name.split("/")
        cells = []
        for fraction in ("0.01", "0.1", "1"):
            values = [row["auroc"] for key, row in rows.rows.items() if key.rsplit("/", 1)[0] == f"{name}/{fraction}"]
            cells.append(_interval(values))
        network = METHODS[start][0]["name"] if start in METHODS else start.removeprefix("random ")
        yield f"| `{network}` | {start.split(' ')[0]} | {mode} | " + " | ".join(cells) + " |"
    for key in ("ludb/unet", "mitdb/unet", "mitdb/weighed"):
        if key in rows.rows:
            yield ""
            yield f"| {key} | number | F1 | sensitivity | PPV | error (ms) |"
            yield "|---|---|---|---|---|---|"
            for event in rows.rows[key]["events"]:
                f1, se, ppv = (_estimate(event[word]) for word in ("f1", "sensitivity", "ppv"))
                error = "–" if event["mean_ms"] is None else f"{event['mean_ms']:+.1f} ± {event['sd_ms'] or 0:.1f}"
                yield f"| {event['name']} | {event['found'] + event['missed']:,} | {f1} | {se} | {ppv} | {error} |"
    for key in ("af/simclr", "af/rhythms", "cinc2017/resnet18"):
        if key in rows.rows:
            yield ""
            yield json.dumps(rows.rows[key])


def _interval(values: list[float]) -> str:
    if not values:
        return "–"
    mean = statistics.fmean(values)
    half = _T[len(values) - 2] * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{mean:.3f} ± {half:.3f}"


def _estimate(stored: Row) -> str:
    return "–" if stored["value"] is None else f"{stored['value']:.3f} ({stored['low']:.3f}–{stored['high']:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default=",".join(JOBS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs-of-samples", type=int, default=15)
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    (args.out / "stores").mkdir(parents=True, exist_ok=True)
    (args.out / "runs").mkdir(exist_ok=True)
    rows = Rows(args.out / "evidence.jsonl")
    if args.table:
        print("\n".join(table(rows)))
        return
    for name in args.only.split(","):
        JOBS[name](args, rows)


if __name__ == "__main__":
    main()

"""How long does the arithmetic of an evaluation take? 1,000 draws of patients, 2,000 recordings, 20 classes.

    python benchmarks/evaluation.py [--records 2000] [--classes 20] [--repeats 1000] [--prevalence 0.1]

Everything that `ecg evaluate` does by default beside scoring windows: areas with intervals, micro areas, decisions and
calibration, two floors compared pair by pair, and subgroups by age, sex and source. CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from ecg_core.evaluation.bootstrap import bootstrap
from ecg_core.evaluation.evaluation import evaluate_scores
from ecg_core.evaluation.paired import compare_scores
from ecg_core.evaluation.subgroups import age_bands, score_subgroups
from ecg_core.evaluation.thresholds import choose_thresholds


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--prevalence", type=float, default=0.1)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    targets = (rng.random((args.records, args.classes)) < args.prevalence).astype(int)
    scores = 1 / (1 + np.exp(-(rng.normal(size=targets.shape) + targets)))
    classes = [f"c{i}" for i in range(args.classes)]
    patients = [f"p{i // 2}" for i in range(args.records)]
    thresholds = choose_thresholds(targets, scores, classes=classes)
    groups = {
        "age": age_bands(rng.uniform(20, 95, args.records).tolist()),
        "sex": [("F", "M")[i % 2] for i in range(args.records)],
        "source": [("a", "b", "c")[i % 3] for i in range(args.records)],
    }
    words = {"classes": classes, "patients": patients, "repeats": args.repeats}
    print("| what | CPU seconds |\n|---|---|")
    total = start = time.process_time()

    def lap(name: str) -> None:
        nonlocal start
        now = time.process_time()
        print(f"| {name} | {now - start:.2f} |")
        start = now

    drawn = bootstrap(targets, scores, patients=patients, repeats=args.repeats)
    lap("AUROC and AUPRC per class and macro")
    evaluate_scores(targets, scores, thresholds=thresholds, drawn=drawn, **words)
    lap("micro, decisions, calibration")
    for name in ("random encoder", "hand-crafted features"):
        compare_scores(targets, scores, scores[::-1], name=name, drawn=drawn, floor=True, **words)
    lap("two floors")
    score_subgroups(targets, scores, groups, **words)
    lap("age, sex, source")
    print(f"| all | {time.process_time() - total:.2f} |")


if __name__ == "__main__":
    main()

"""The whole road in one go: ``python examples/quickstart.py [RECORDINGS] [--out FOLDER]``.

Without a folder of recordings it makes synthetic ones first. With one it takes any folder of WFDB records (labels from a
``labels.csv`` in it, or from the ``Dx`` comments of the headers) or PTB-XL in its official layout.
Every step is one ``ecg`` command, shown before it runs, so that you can go on from any of them.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

# Pre-training in minutes on two cores. Real recordings get a larger encoder and more steps, since masked modelling spends its
# first thousand on leaving the plateau of predicting the mean.
METHOD = '{"name": "st_mem", "crop_seconds": 5}'
DEMO = {"backbone": "vit_tiny", "windows": 2_000}
OWN = {"backbone": "vit_small", "windows": 48_000}


def ecg(*words: object) -> None:
    """Show and run one command; stop at the first that fails."""
    command = ["ecg", *map(str, words)]
    print(f"\n$ {shlex.join(command)}", flush=True)
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "ecg_core", *command[1:]], check=False).returncode
    if code:
        sys.exit(code)
    print(f"({time.monotonic() - began:.0f} s)", flush=True)


def main() -> None:
    """Walk the road."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recordings", nargs="?", type=Path, help="folder of WFDB records or PTB-XL; synthetic ECGs if left out")
    parser.add_argument("--out", type=Path, default=Path("quickstart"), help="where everything goes")
    parser.add_argument("--target", help="target to predict; the first of the store unless given")
    parser.add_argument("--backbone", default=None, help="backbone to pre-train")
    parser.add_argument("--epochs", type=int, help="of the pre-training")
    chosen = parser.parse_args()
    own = chosen.recordings is not None
    out: Path = chosen.out
    if out.exists():
        shutil.rmtree(out) if (out / "prepared").exists() or not any(out.iterdir()) else sys.exit(
            f"{out} is not a quickstart; choose --out"
        )
    out.mkdir(parents=True)
    began = time.monotonic()

    ecg("doctor")
    ecg("plugins", "list", "--kind", "ssl")
    recordings = chosen.recordings if own else out / "wfdb"
    if not own:
        ecg("demo", recordings, "--records", 400)
    labels = recordings / "labels.csv"
    options = ["--labels", labels] if labels.is_file() else []
    ecg("prep", recordings, out / "prepared", *options, "--jobs", 2)

    store = json.loads((out / "prepared" / "store.json").read_text(encoding="utf-8"))
    target = chosen.target or (store["targets"] or [None])[0]
    size = OWN if own else DEMO
    backbone = chosen.backbone or size["backbone"]
    epochs = chosen.epochs or max(1, round(size["windows"] / (0.8 * store["windows"])))
    ecg(
        "pretrain", out / "prepared", "--method", METHOD, "--backbone", backbone, "--epochs", epochs,
        "--batch-size", 16, "--precision", "bf16", "--out", out / "runs" / "st_mem",
    )  # fmt: skip
    if target is None:
        print(f"\nno labels, so the road ends here: a pre-trained backbone in {out / 'runs' / 'st_mem'}")
        return
    # The floor (a random encoder, frozen) and, where there is time for it, the same encoder supervised from scratch.
    runs = {"random-linear": ["--backbone", backbone, "--mode", "linear"]}
    if own:
        whole = ["--mode", "full", "--epochs", 5, "--batch-size", 16, "--precision", "bf16"]
        runs["scratch-full"] = ["--backbone", backbone, *whole]
        runs["st_mem-full"] = ["--from", out / "runs" / "st_mem", *whole]
    runs["st_mem-linear"] = ["--from", out / "runs" / "st_mem", "--mode", "linear"]
    for name, words in runs.items():
        ecg("finetune", out / "prepared", "--target", target, *words, "--out", out / "runs" / name)
    *others, trained = (out / "runs" / name for name in runs)
    for other in others:
        ecg("evaluate", other, "--split", "test")
    report = out / "report.html"
    ecg("evaluate", trained, "--split", "test", "--html", report, "--compare", *others)

    record = _example(out / "prepared", recordings)
    picture = out / "explanation.png"
    ecg("explain", trained, record, "-o", picture)
    print(f"\ndone in {time.monotonic() - began:.0f} s\nreport:  {report.resolve()}\npicture: {picture.resolve()}")


def _example(prepared: Path, recordings: Path) -> Path:
    """A recording of the test split, by its path."""
    import csv

    with (prepared / "table.csv").open(encoding="utf-8", newline="") as file:
        name = next(row["record_id"] for row in csv.DictReader(file) if row["split"] == "test")
    found = sorted(p for p in recordings.rglob("*.hea") if p.stem.lstrip("0").split("_")[0] == name or p.stem == Path(name).name)
    return found[0].with_suffix("")


if __name__ == "__main__":
    main()

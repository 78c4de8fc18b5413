"""CPU time of ``ecg plugins list`` as a whole process, with 15, 300 and 1000 other distributions installed, beside its peers.

    python benchmarks/discovery.py [--repeats 11]

The peers are the plugin lists of two command lines built on pluggy and entry points, ``llm`` and ``datasette``, installed into
the same environment and measured in turn with ours, so that other load hits all alike. The environments are made anew; the
other distributions are metadata folders as wheels leave them (METADATA, RECORD, entry_points.txt with a console script).
CPU time is user and system time of the finished process.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ("ecg-core", "ecg-preproc", "ecg-backbones", "ecg-ssl")
PEERS = ("llm", "datasette")
GOALS = {"CPU ms at 300": 150.0, "times less CPU than each peer": 5.0, "ms per further distribution": 0.1}


def environment(folder: Path, *more: str) -> Path:
    """A virtual environment with our wheels, without torch, which listing does not need; the folder of its commands."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = next(p for p in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if p.exists())
    pip = [python, "-m", "pip", "install", "-qqq", "--disable-pip-version-check", "-c", ROOT / "constraints.txt"]
    subprocess.run([*pip, *(ROOT / "packages" / name for name in OURS[:2]), *more], check=True)
    subprocess.run([*pip, "--no-deps", *(ROOT / "packages" / name for name in OURS[2:])], check=True)
    return python.parent


def others(commands: Path) -> list[Path]:
    """Metadata folders of everything in an environment but our own packages."""
    (site,) = {p.parent for p in commands.parent.rglob("ecg_core-*.dist-info")}
    return [p for p in site.glob("*.dist-info") if not p.name.startswith("ecg_")]


def fill(commands: Path, count: int) -> int:
    """Add distributions until there are ``count`` others; how many there are."""
    there = others(commands)
    for number in range(len(there), count):
        info = there[0].parent / f"filler_{number:04d}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: filler-{number:04d}\nVersion: 1.0\n\n{'text ' * 400}\n")
        (info / "entry_points.txt").write_text(f"[console_scripts]\nfiller{number} = filler_{number}:main\n")
        (info / "RECORD").write_text(f"filler_{number:04d}/__init__.py,,\n" * 20)
    return len(others(commands))


def cpu_seconds(words: Sequence[str | Path]) -> float:
    """User and system time of one finished process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(commands: dict[str, Sequence[str | Path]], repeats: int) -> dict[str, float]:
    """Median CPU milliseconds of each, the commands in turn after one warm-up."""
    seen: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(repeats + 1):
        for name, words in commands.items():
            seconds = cpu_seconds(words)
            if turn:
                seen[name].append(1000 * seconds)
    return {name: statistics.median(values) for name, values in seen.items()}


def main() -> int:
    """Print the medians, ratios and growth; exit code 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=11)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        alone, crowded = environment(Path(folder) / "alone"), environment(Path(folder) / "crowded", *PEERS)
        count = fill(alone, 15)
        words = {"python -c pass": [alone / "python", "-c", "pass"], "ecg plugins list": [alone / "ecg", "plugins", "list"]}
        words["ecg plugins list --json"] = [*words["ecg plugins list"], "--json"]
        show(count, measure(words, repeats))
        medians = {}
        for wanted in (300, 1000):
            count = fill(crowded, wanted)
            words = {"python -c pass": [crowded / "python", "-c", "pass"]}
            words |= {f"{name} plugins list": [crowded / name, "plugins", "list"] for name in ("ecg",)}
            words |= {f"{name} plugins": [crowded / name, "plugins"] for name in PEERS}
            medians[count] = measure(words, repeats)
            show(count, medians[count])
    (few, at_few), (many, at_many) = sorted(medians.items())
    ours = "ecg plugins list"
    found = {
        "CPU ms at 300": at_few[ours],
        "times less CPU than each peer": min(at_few[f"{peer} plugins"] / at_few[ours] for peer in PEERS),
        "ms per further distribution": (at_many[ours] - at_few[ours]) / (many - few),
    }
    missed = [name for name, goal in GOALS.items() if (found[name] < goal if "less" in name else found[name] > goal)]
    for name, value in found.items():
        print(f"{name:32s} {value:8.3f}   goal {GOALS[name]:g}{'   MISSED' if name in missed else ''}")
    return 1 if missed else 0


def show(count: int, medians: dict[str, float]) -> None:
    """One block of the table."""
    print(f"{count} other distributions: CPU ms, median")
    for name, value in medians.items():
        print(f"  {name:26s} {value:8.1f}   x{value / medians['python -c pass']:.1f} of a bare interpreter")


if __name__ == "__main__":
    sys.exit(main())

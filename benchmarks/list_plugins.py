"""``ecg plugins list`` and ``import ecg_core`` as whole processes, against a bare interpreter, interleaved."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import ecg_core": ["-c", "import ecg_core"],
    "ecg plugins list": ["-m", "ecg_core", "plugins", "list"],
    "import torch": ["-c", "import torch"],
}


def main(repeats: int = 9) -> None:
    """Print the median wall time of each and its ratio to the bare interpreter."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, words in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    bare = statistics.median(seconds["python -c pass"])
    for name, values in seconds.items():
        print(f"{name:20s} {1000 * statistics.median(values):7.0f} ms  x{statistics.median(values) / bare:.1f}")


if __name__ == "__main__":
    main()

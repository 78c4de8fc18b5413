"""mypy --strict over what must be accepted and what must be refused; fails for an error too many and for one too few."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
_EXPECTED = re.compile(r"# E: \[([\w-]+)\] (.+)$")
_FOUND = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: (?P<text>.*?)  \[(?P<code>[\w-]+)\]$")

Errors = dict[tuple[str, int], tuple[str, str]]


def expected() -> Errors:
    """``(file, line) → (code, words)`` from the comments."""
    found: Errors = {}
    for file in sorted(HERE.glob("*.py")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            match = _EXPECTED.search(line)
            if match and file != Path(__file__):
                found[file.name, number] = match[1], match[2].strip()
    return found


def found() -> Errors:
    """The same from mypy, as a stranger has it: strict, with no settings of this repository."""
    files = [str(HERE / name) for name in ("accepted.py", "refused.py")]
    words = ["--strict", "--config-file=", "--no-pretty", "--show-error-codes", "--hide-error-context", "--no-error-summary"]
    done = subprocess.run([sys.executable, "-m", "mypy", *words, *files], capture_output=True, text=True, check=False)
    matches = [match for match in map(_FOUND.match, done.stdout.splitlines()) if match]
    if done.stderr or (done.returncode and not matches):
        sys.exit(done.stdout + done.stderr)
    return {(Path(m["file"]).name, int(m["line"])): (m["code"], m["text"]) for m in matches}


def main() -> int:
    """Print what differs; exit code 1 if anything does."""
    wanted, came = expected(), found()
    wrong = [
        f"{file}:{line}: unexpected [{code}] {text}" for (file, line), (code, text) in came.items() if (file, line) not in wanted
    ]
    for (file, line), (code, words) in wanted.items():
        if (file, line) not in came:
            wrong.append(f"{file}:{line}: expected [{code}] {words}, nothing came")
        elif came[file, line][0] != code or words not in came[file, line][1]:
            wrong.append(f"{file}:{line}: expected [{code}] {words}, came [{came[file, line][0]}] {came[file, line][1]}")
    print("\n".join(wrong) or f"{len(wanted)} expected type errors came, and no other")
    return 1 if wrong or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())

"""Read records in a process that may use little memory and little time; one line of JSON per record on standard output.

Run by tests: ``python read_limited.py JOBS``, where each line of the file JOBS is ``{"name", "root", "path", "annotations"}``.
A record that hangs ends the process, by a signal: its name is then the first for which there is no line.
"""

import hashlib
import json
import resource
import signal
import sys
import warnings
from pathlib import Path

import numpy as np

from ecg_core.errors import DataError
from ecg_preproc.readers.wfdb import WFDBReader

with warnings.catch_warnings():  # it is loaded before memory is limited and time is counted
    warnings.simplefilter("ignore")
    import wfdb  # noqa: F401

MEMORY = 1 << 30
CPU_SECONDS, SECONDS = 2, 30  # a machine may be busy; a pipe costs no CPU time


def outcome(job: dict) -> dict:
    reader = WFDBReader(annotations=job["annotations"])
    try:
        table = reader.scan(Path(job["root"]))
        rejected = dict(table.rejects.to_numpy().tolist())
    except DataError as error:
        rejected = {"": str(error)}
    try:
        record = reader.read({"root": job["root"], "path": job["path"], "record_id": job["name"]})
    except DataError as error:
        return {"error": str(error), "rejected": rejected}
    except Exception as error:
        return {"raw": f"{type(error).__name__}: {error}", "rejected": rejected}
    signal_ = np.ascontiguousarray(record.signal)
    return {
        "rejected": rejected,
        "fs": record.fs,
        "leads": record.leads,
        "shape": signal_.shape,
        "nan": int(np.isnan(signal_).sum()),
        "sha256": hashlib.sha256(signal_.tobytes()).hexdigest(),
        "annotations": {name: len(positions) for name, positions in record.annotations.items()},
    }


def main(jobs: str) -> None:
    lines = [json.loads(line) for line in Path(jobs).read_text().splitlines()]
    base = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (base + MEMORY, base + MEMORY))
    for job in lines:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        print(json.dumps({"name": job["name"], **outcome(job)}), flush=True)
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


main(sys.argv[1])

"""Reading 12-lead WFDB records: our reader (checksums verified) against the wfdb package, interleaved in one process."""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from pathlib import Path

import ecg_core

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import wfdb


def main(records: int = 100, repeats: int = 7) -> None:
    """Print records per second of both, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        root = ecg_core.demo(Path(folder) / "wfdb", records=records)
        reader = ecg_core.READERS.build("wfdb")
        rows = list(reader.scan(root).rows())
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(repeats):
            began = time.process_time()
            for row in rows:
                reader.read(row)
            ours.append(time.process_time() - began)
            began = time.process_time()
            for row in rows:
                wfdb.rdrecord(str(root / row["path"]))
            theirs.append(time.process_time() - began)
        ratio = statistics.median(t / o for o, t in zip(ours, theirs, strict=True))
        fast, slow = (records / statistics.median(seconds) for seconds in (ours, theirs))
        print(f"ours {fast:.0f} records/s, wfdb {slow:.0f}, ratio {ratio:.1f}")


if __name__ == "__main__":
    main()

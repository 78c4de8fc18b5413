"""What a wheel must hold, and what it must not."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path


def main(folder: str) -> None:
    """Fail loudly."""
    wheels = sorted(Path(folder).glob("ecg_*.whl"))
    assert len(wheels) == 4, f"expected four wheels in {folder}, got {[w.name for w in wheels]}"
    for wheel in wheels:
        names = zipfile.ZipFile(wheel).namelist()
        package = "_".join(wheel.name.split("-")[0].split("_"))
        assert f"{package}/py.typed" in names, f"{wheel.name} has no py.typed"
        assert any(n.endswith("/entry_points.txt") for n in names), f"{wheel.name} declares no entry points"
        assert any(n.endswith("LICENSE") for n in names), f"{wheel.name} has no licence"
        stray = [n for n in names if not n.startswith((f"{package}/", f"{package}-")) or "/tests/" in n]
        assert not stray, f"{wheel.name} holds {stray}"
    print(f"{len(wheels)} wheels are complete")


if __name__ == "__main__":
    main(sys.argv[1])

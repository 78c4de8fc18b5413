"""Write the metadata of an installed distribution."""

from __future__ import annotations

from pathlib import Path


def write_distribution(folder: Path, name: str, entry_points: str, metadata: str = "") -> None:
    """A ``.dist-info`` folder, version 0.1.0; ``metadata`` is further lines of METADATA."""
    info = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 0.1.0\n{metadata}\nA description.\n")
    (info / "entry_points.txt").write_text(entry_points)

"""The four packages share one version, and each sibling asks for exactly that minor version of ecg-core."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

PACKAGES = Path(__file__).parents[1] / "packages"


def main() -> int:
    """Print what is out of step; exit code 1 if anything is."""
    projects = {
        p.parent.name: tomllib.loads(p.read_text(encoding="utf-8"))["project"] for p in sorted(PACKAGES.glob("*/pyproject.toml"))
    }
    versions = {name: project["version"] for name, project in projects.items()}
    wrong = [] if len(set(versions.values())) == 1 else [f"versions differ: {versions}"]
    major, minor = next(iter(versions.values())).split(".")[:2]
    wanted = f">={major}.{minor},<{major}.{int(minor) + 1}"
    for name, project in projects.items():
        code = PACKAGES / name / "src" / name.replace("-", "_") / "__init__.py"
        if f'__version__ = "{project["version"]}"' not in code.read_text(encoding="utf-8"):
            wrong.append(f"{code} states another version than its pyproject.toml")
        ours = [d for d in project["dependencies"] if d.startswith("ecg-")]
        if name != "ecg-core" and not any(d.startswith("ecg-core") for d in ours):
            wrong.append(f"{name} does not depend on ecg-core")
        wrong += [f"{name} asks for {d}, expected …{wanted}" for d in ours if not d.endswith(wanted)]
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(projects)} packages in step at {next(iter(versions.values()))}" if not wrong else "out of step")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

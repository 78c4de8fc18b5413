"""In an environment without torch: every module that promises it imports, the demo is written, prepared and listed."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What may need torch: the second floor, the parts of the contracts that are torch modules, and what they carry.
NEEDS_TORCH = ("ecg_core.run", "ecg_core.layers", "ecg_core.testing", "ecg_core.__main__")
NEEDS_AN_EXTRA = ("ecg_core.explanation.grad_cam", "ecg_core.config.yaml")
TORCH_CONTRACTS = {"backbone", "head", "lazy", "losses", "module", "ssl", "task", "tokens"}


def promises_no_torch(name: str) -> bool:
    """Whether a module has to import without torch."""
    if name.startswith(NEEDS_TORCH) or name in NEEDS_AN_EXTRA:
        return False
    return not (name.startswith("ecg_core.contracts.") and name.rpartition(".")[2] in TORCH_CONTRACTS)


def main() -> None:
    """Fail loudly."""
    assert importlib.util.find_spec("torch") is None, "torch is installed; this check needs an environment without it"
    imported = 0
    for package in ("ecg_core", "ecg_preproc"):
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, prefix=f"{package}."):
            if promises_no_torch(module.name):
                importlib.import_module(module.name)
                imported += 1
    with tempfile.TemporaryDirectory() as folder:
        wfdb, prepared = Path(folder) / "wfdb", Path(folder) / "prepared"
        for words in (
            ["plugins", "list"],
            ["demo", wfdb, "--records", "24"],
            ["prep", wfdb, prepared, "--labels", wfdb / "labels.csv"],
            ["prep", prepared, "--verify"],
        ):
            subprocess.run([sys.executable, "-c", "from ecg_core.cli.main import main; main()", *map(str, words)], check=True)
        refused = subprocess.run(
            [
                sys.executable,
                "-c",
                "from ecg_core.cli.main import main; main()",
                "pretrain",
                str(prepared),
                "--out",
                f"{folder}/run",
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        assert refused.returncode == 2, refused
        assert "ecg-core[torch]" in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr, refused.stderr
    from ecg_core.discovery.registries import TRANSFORMS
    from ecg_core.testing.toy import toy_signal

    x = toy_signal(2, 12, 1000, fs=500.0)
    for name in TRANSFORMS.names():
        if name not in ("compose", "crop", "resample"):
            assert TRANSFORMS.build(name)(x, fs=500.0).shape == x.shape
    print(f"1 passed, 0 failed: {imported} modules and the road up to the store work without torch")


if __name__ == "__main__":
    main()

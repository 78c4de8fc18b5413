"""In an environment without torch: every module that promises it imports, and the road goes as far as the store.

With ecg-core alone, the road is the command line itself; ecg-preproc adds the demo, its preparation and the transforms.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What may need torch: the second floor, the parts of the contracts that are torch modules, and what they carry.
NEEDS_TORCH = (
    "ecg_core.adaptation", "ecg_core.estimators", "ecg_core.hub", "ecg_core.layers", "ecg_core.run", "ecg_core.tasks",
    "ecg_core.testing", "ecg_core.__main__",
)  # fmt: skip
NEEDS_AN_EXTRA = (
    "ecg_core.config.yaml",
    *(
        f"ecg_core.explanation.{name}"
        for name in (
            "attention_rollout", "feature_maps", "grad_cam", "grad_cam_pp", "integrated_gradients", "layer_cam", "methods",
            "occlusion", "target",
        )
    ),
)  # fmt: skip
TORCH_CONTRACTS = {"backbone", "head", "lazy", "losses", "module", "ssl", "task", "tokens"}


def promises_no_torch(name: str) -> bool:
    """Whether a module has to import without torch."""
    if name.startswith(NEEDS_TORCH) or name in NEEDS_AN_EXTRA:
        return False
    return not (name.startswith("ecg_core.contracts.") and name.rpartition(".")[2] in TORCH_CONTRACTS)


def main() -> None:
    """Fail loudly."""
    assert importlib.util.find_spec("torch") is None, "torch is installed; this check needs an environment without it"
    imported = sum(map(_import_what_promises_it, filter(importlib.util.find_spec, ("ecg_core", "ecg_preproc"))))
    with_preproc = importlib.util.find_spec("ecg_preproc") is not None
    with tempfile.TemporaryDirectory() as folder:
        wfdb, prepared = Path(folder) / "wfdb", Path(folder) / "prepared"
        _ecg("plugins", "list")
        _ecg("plugins", "new", "my-net", "--out", folder)
        if with_preproc:
            _ecg("data", "info", "ptbxl")  # the catalogue is in the wheel
            _ecg("demo", wfdb, "--records", 24)
            _ecg("prep", wfdb, prepared, "--labels", wfdb / "labels.csv")
            _ecg("prep", prepared, "--verify")
            _transforms_run()
        else:
            _refused("'demo'", "demo", wfdb)
            Path(wfdb).mkdir()
            _refused("no reader recognises", "prep", wfdb, prepared)
        _refused("ecg-core[torch]", "pretrain", prepared, "--out", f"{folder}/run")
    road = "the road up to the store" if with_preproc else "the command line of ecg-core alone"
    print(f"1 passed, 0 failed: {imported} modules and {road} work without torch")


def _import_what_promises_it(package: str) -> int:
    found = importlib.import_module(package)
    names = [module.name for module in pkgutil.walk_packages(found.__path__, prefix=f"{package}.")]
    return len([importlib.import_module(name) for name in names if promises_no_torch(name)])


def _ecg(*words: object, code: int = 0) -> str:
    program = [sys.executable, "-c", "from ecg_core.cli.main import main; main()", *map(str, words)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"ecg {words} left with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stderr


def _refused(expected: str, *words: object) -> None:
    said = _ecg(*words, code=2)
    assert expected in said, said
    assert "Traceback" not in said, said


def _transforms_run() -> None:
    import numpy as np

    from ecg_core.data.leads import STANDARD_12
    from ecg_core.discovery.registries import TRANSFORMS
    from ecg_core.testing.toy import toy_signal

    x = toy_signal(2, 12, 1000, fs=500.0)
    for name in TRANSFORMS.names():
        source = TRANSFORMS.get(name)
        stated = getattr(source, "cls", source).conformance_params() if hasattr(source, "conformance_params") else {}
        transform = TRANSFORMS.build({"name": name, **stated.get("arguments", {})})
        out = transform(x, fs=500.0, leads=STANDARD_12)
        assert np.isfinite(out).all(), name
        assert out.shape[::2] == (2, transform.output_length(1000, 500.0)), name


if __name__ == "__main__":
    main()

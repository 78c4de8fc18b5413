"""The shipped example is a stranger's package: built as a wheel, used as a wheel, and in step with what the template writes."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from ecg_core.templates.kinds import KINDS
from ecg_core.templates.names import Names
from ecg_core.templates.package_files import package_files

EXAMPLE = Path(__file__).parents[2] / "examples" / "ecg-tcn"
ECG = ("-m", "ecg_core")
SMALL = '{"name": "tcn_small", "width": 8, "levels": 3}'


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", str(folder), str(EXAMPLE)], check=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def tcn(installed, python, wheel: Path):
    """Run Python with the wheel installed."""
    return functools.partial(python, installed(wheel))


def test_its_wheel_holds_what_a_plugin_ships_and_nothing_else(wheel: Path) -> None:
    names = {re.sub(r"^ecg_tcn-0\.1\.0", "", name) for name in zipfile.ZipFile(wheel).namelist()}
    assert names == {
        "ecg_tcn/__init__.py", "ecg_tcn/backbone.py", "ecg_tcn/hooks.py", "ecg_tcn/py.typed",
        ".dist-info/METADATA", ".dist-info/RECORD", ".dist-info/WHEEL", ".dist-info/entry_points.txt",
        ".dist-info/licenses/LICENSE",
    }  # fmt: skip


def test_it_is_listed_and_the_check_finds_nothing(tcn) -> None:
    index = json.loads(tcn(*ECG, "plugins", "list", "--json", "--kind", "backbones").stdout)
    (plugin,) = [p for p in index["plugins"] if p["name"] == "ecg-tcn"]
    assert {c["name"]: c["status"] for c in plugin["components"]} == {"tcn": "ok", "tcn_small": "ok"}
    tcn(*ECG, "plugins", "check", "ecg-tcn")


def test_it_passes_its_own_conformance_test(tcn) -> None:
    done = tcn("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=EXAMPLE)
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_it_is_pretrained_finetuned_and_evaluated(tcn, store: Path, tmp_path: Path) -> None:
    words = ("--epochs", 1, "--batch-size", 8)
    tcn(*ECG, "pretrain", store, "--method", "simclr", "--backbone", SMALL, *words, "--out", tmp_path / "s")
    tcn(*ECG, "finetune", store, "--from", tmp_path / "s", "--target", "dx", *words, "--out", tmp_path / "f")
    assert "AUROC" in tcn(*ECG, "evaluate", tmp_path / "f", "--repeats", 20).stdout
    card = json.loads((tmp_path / "f" / "model.json").read_text(encoding="utf-8"))
    assert "ecg-tcn" in {part["provider"] for part in card["provenance"]}


def test_features_see_as_far_as_its_docstring_says(tcn) -> None:
    """757 steps, 378 to each side, of 4 samples each; and the stem's 15 samples are 7 to each side."""
    code = (
        "import torch\n"
        "from ecg_core import create_backbone\n"
        "torch.manual_seed(0)\n"
        "net = create_backbone('tcn', in_leads=1, width=4).double().eval()\n"
        "for parameter in net.parameters(): parameter.data.abs_()\n"  # so that no ReLU closes a way
        "x = torch.ones(1, 1, 8000, dtype=torch.float64, requires_grad=True)\n"
        "net(x)[0, :, 1000].abs().sum().backward()\n"
        "seen = x.grad[0, 0].nonzero()\n"
        "print(int(seen.min()), int(seen.max()))\n"
    )
    first, last = map(int, tcn("-c", code).stdout.split())
    assert (first, last) == (4 * (1000 - 378) - 7, 4 * (1000 + 378) + 7)


def test_its_old_name_works_and_warns(tcn) -> None:
    code = "from ecg_core import create_backbone; print(type(create_backbone('temporal_conv_net', in_leads=3)).__name__)"
    done = tcn("-c", code)
    assert done.stdout == "TCN\n"
    assert "FutureWarning" in done.stderr
    assert "0.3.0" in done.stderr


def test_it_is_laid_out_as_the_template_writes_it() -> None:
    made = package_files(Names("ecg-tcn", "ecg_tcn", "tcn", "TCN"), KINDS["backbone"])
    ours = {path: (EXAMPLE / path).read_text(encoding="utf-8") for path in made}
    files = {f.relative_to(EXAMPLE).as_posix() for f in EXAMPLE.rglob("*") if f.is_file()}
    files = {f for f in files if not re.search(r"(^|/)(\.\w+_cache|__pycache__|build|dist)/", f)}
    assert files - {"src/ecg_tcn/hooks.py"} == set(made)
    rewritten = {"README.md", "pyproject.toml", "LICENSE", "src/ecg_tcn/__init__.py", "src/ecg_tcn/backbone.py"}
    assert {path for path in made if ours[path] != made[path]} <= rewritten
    licences = [re.sub(r"\(c\) \d{4}", "(c)", text["LICENSE"]) for text in (ours, made)]
    assert licences[0] == licences[1]


def test_its_pyproject_has_the_shape_of_the_template() -> None:
    made = package_files(Names("ecg-tcn", "ecg_tcn", "tcn", "TCN"), KINDS["backbone"])["pyproject.toml"]
    theirs, ours = tomllib.loads(made), tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))
    points = ours["project"].pop("entry-points")
    assert set(points) == {*theirs["project"].pop("entry-points"), "ecg_core.plugins"}
    for project in (theirs, ours):
        assert project["project"].pop("description")
    assert ours == theirs

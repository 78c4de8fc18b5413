"""Sessions: what a stranger runs (``quickstart``, ``tests``), and what keeps the house standing."""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PACKAGES = ("core", "preproc", "backbones", "ssl")  # in the order they depend on each other
SOURCES = [f"packages/ecg-{name}" for name in PACKAGES]
PYTHONS = ["3.11", "3.12", "3.13"]  # of the parts that need no torch

PLAIN = ["./packages/ecg-core[all]", *[f"./{source}" for source in SOURCES[1:]]]
# What reads rare formats and what runs on a cluster are extras, and tested.
EVERYTHING = ["./packages/ecg-core[all,dask]", "./packages/ecg-preproc[all]", *[f"./{source}" for source in SOURCES[2:]]]
TESTING = ["pytest", "pytest-xdist", "pytest-timeout", "hypothesis", "scikit-learn", "scipy", "captum"]

KINDS = ("backbone", "ssl", "transform", "reader", "model", "command")  # of `ecg plugins new`

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False


def install(session: nox.Session, *what: str) -> None:
    """Pip install under the constraints, so that torch is the CPU wheel."""
    session.install("-q", "--disable-pip-version-check", "-c", "constraints.txt", *what)


def install_all(session: nox.Session, *more: str, every_format: bool = False) -> None:
    """The four packages, as wheels: tests see what a user gets."""
    # torch first and by its exact version, so that no dependency can ask for another build of it.
    install(session, "torch==2.13.0")
    install(session, *(EVERYTHING if every_format else PLAIN), *more)


def single_threaded(session: nox.Session) -> None:
    """Two test processes share the cores; more threads each would only fight."""
    session.env.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})


@nox.session(reuse_venv=False)
def quickstart(session: nox.Session) -> None:
    """The main job: recordings → prepared → pre-trained → fine-tuned → evaluated → explained. ``-- PATH`` takes your own."""
    install_all(session)
    session.run("python", "examples/quickstart.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Every test that is not slow."""
    install_all(session, *TESTING, "import-linter", "hatchling", "ruff", every_format=True)
    single_threaded(session)
    arguments = session.posargs or ["-n", "2", "packages", "tests"]
    session.run("pytest", "-q", "--timeout", "600", "-m", "not slow", *arguments)


@nox.session
def slow(session: nox.Session) -> None:
    """The tests that take minutes."""
    install_all(session, *TESTING, "import-linter", "onnx", "onnxscript", "onnxruntime", every_format=True)
    single_threaded(session)
    session.run("pytest", "-q", "-m", "slow", *(session.posargs or ["packages", "tests"]))


@nox.session
def tests_min(session: nox.Session) -> None:
    """The tests on the oldest versions the packages claim; old releases may warn of what is new."""
    oldest = ["-q", "--disable-pip-version-check", "-c", "constraints-min.txt"]
    session.install(*oldest, "torch==2.13.0")
    session.install(*oldest, *EVERYTHING, *TESTING, "hatchling")
    single_threaded(session)
    session.run("pytest", "-q", "-n", "2", "-m", "not slow", "-W", "default", *(session.posargs or ["packages", "tests"]))


@nox.session
def conformance(session: nox.Session) -> None:
    """The public contract kit over every first-party component, and how many checks each package had."""
    install_all(session, "pytest-xdist", "pytest-timeout", every_format=True)
    single_threaded(session)
    for name, source in zip(PACKAGES, SOURCES, strict=True):
        expected = ROOT / source / "tests" / "expected_failures.json"
        stated = ["--expected-failures", str(expected)] if expected.is_file() else []
        session.run("python", "-m", "ecg_core.testing", "--workers", "2", *stated, f"ecg-{name}")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, walls, lockstep versions, and requirements that are declared or used but not both."""
    install_all(session, "ruff", "import-linter", "deptry", every_format=True)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    # The example is a stranger's package: ruff as it comes.
    session.run("ruff", "check", "--isolated", "examples/ecg-tcn")
    session.run("ruff", "format", "--isolated", "--check", "examples/ecg-tcn")
    session.run("lint-imports")
    session.run("python", "tests/lockstep.py")
    for source in SOURCES:
        with session.chdir(source):
            session.run("deptry", "src")


@nox.session
def typecheck(session: nox.Session) -> None:
    """mypy, strict; what must be refused is refused; and what the template and the example hold is accepted."""
    install_all(session, "mypy", "pandas-stubs", every_format=True)
    for name in PACKAGES:
        session.run("mypy", "-p", f"ecg_{name}")
    session.run("python", "tests/types/check.py")
    written = Path(session.create_tmp()).resolve()
    for kind in KINDS:
        shutil.rmtree(written / f"my-{kind}", ignore_errors=True)
        session.run("ecg", "plugins", "new", f"my-{kind}", "--kind", kind, "--out", str(written), silent=True)
    sources = [written / f"my-{kind}" / "src" for kind in KINDS] + [ROOT / "examples" / "ecg-tcn" / "src"]
    session.run("mypy", "--strict", "--config-file=", *map(str, sources))


@nox.session(python=PYTHONS)
def core_only(session: nox.Session) -> None:
    """ecg-core alone, without torch: every module that promises it imports, and nothing heavy is loaded to look around."""
    session.install("-q", "--disable-pip-version-check", "./packages/ecg-core")
    session.run("python", "tests/cold_start.py")
    session.run("python", "tests/without_torch.py")


@nox.session(python=PYTHONS)
def preproc_only(session: nox.Session) -> None:
    """ecg-core and ecg-preproc without torch: reading, transforms, preparing, listing."""
    session.install("-q", "--disable-pip-version-check", "./packages/ecg-core", "./packages/ecg-preproc")
    session.run("python", "tests/cold_start.py")
    session.run("python", "tests/without_torch.py")


@nox.session
@nox.parametrize("missing", ["ecg-backbones", "ecg-preproc", "ecg-ssl"])
def without(session: nox.Session, missing: str) -> None:
    """The others work when one sibling is not there."""
    install_all(session)
    session.run("pip", "uninstall", "-q", "-y", missing)
    session.run("python", "tests/without_sibling.py", missing)
    install(session, "--no-deps", f"./packages/{missing}")


@nox.session
def integration(session: nox.Session) -> None:
    """Wheels of all four in a clean environment, with strangers' packages, the example and the README's words."""
    # torch first and by its exact version, so that no dependency can ask for another build of it.
    install(session, "torch==2.13.0", "build", "hatchling")
    wheels = Path(session.create_tmp()).resolve() / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    for source in SOURCES:
        session.run("python", "-m", "build", "-q", "--wheel", "--no-isolation", "--outdir", str(wheels), source)
    built = {wheel.name.split("-")[0]: wheel for wheel in wheels.glob("*.whl")}
    # Installed anew each time: a wheel of the same version would count as being there.
    session.run("pip", "uninstall", "-q", "-y", *(f"ecg-{name}" for name in PACKAGES), silent=True)
    install(
        session, f"{built.pop('ecg_core')}[all]", *map(str, built.values()), "pytest", "pytest-timeout", "import-linter", "ruff"
    )
    single_threaded(session)
    session.run("pytest", "-q", "--timeout", "600", "tests/integration", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Source distributions and wheels of all four packages; a wheel holds py.typed, entry points and the licence."""
    install(session, "build", "hatchling")
    for source in SOURCES:
        session.run("python", "-m", "build", "-q", "--no-isolation", "--outdir", "dist", source)
    session.run("python", "tests/wheels.py", "dist")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Ratios against a peer or a physical limit, measured in one run. What models reach on recordings has commands of its own."""
    install_all(session, "scikit-learn", "scipy", every_format=True)
    for script in sorted((ROOT / "benchmarks").glob("*.py")):
        if script.stem not in ("evidence", "learning"):
            session.run("python", str(script), env={"OMP_NUM_THREADS": "1"})

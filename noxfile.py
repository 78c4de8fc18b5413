"""Sessions: what a stranger runs (``quickstart``, ``tests``), and what keeps the house standing."""

from __future__ import annotations

from pathlib import Path

import nox

ROOT = Path(__file__).parent
PACKAGES = ("core", "preproc", "backbones", "ssl")  # in the order they depend on each other
SOURCES = [f"packages/ecg-{name}" for name in PACKAGES]
PYTHONS = ["3.11", "3.12", "3.13"]  # of the parts that need no torch

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False


def install(session: nox.Session, *what: str) -> None:
    """Pip install under the constraints, so that torch is the CPU wheel."""
    session.install("-q", "--disable-pip-version-check", "-c", "constraints.txt", *what)


def install_all(session: nox.Session, *more: str) -> None:
    """The four packages, as wheels: tests see what a user gets."""
    # torch first and by its exact version, so that no dependency can ask for another build of it.
    install(session, "torch==2.13.0")
    install(session, "./packages/ecg-core[all]", *[f"./{source}" for source in SOURCES[1:]], *more)


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
    install_all(
        session, "pytest", "pytest-xdist", "pytest-timeout", "hypothesis", "scikit-learn", "scipy", "wfdb", "import-linter"
    )
    single_threaded(session)
    arguments = session.posargs or ["-n", "2", "packages", "tests"]
    session.run("pytest", "-q", "--timeout", "600", "-m", "not slow", *arguments)


@nox.session
def slow(session: nox.Session) -> None:
    """The tests that take minutes."""
    install_all(
        session, "pytest", "pytest-xdist", "pytest-timeout", "hypothesis", "scikit-learn", "scipy", "wfdb", "import-linter"
    )
    single_threaded(session)
    session.run("pytest", "-q", "-m", "slow", *(session.posargs or ["packages", "tests"]))


@nox.session
def tests_min(session: nox.Session) -> None:
    """The tests on the oldest versions the packages claim; old releases may warn of what is new."""
    oldest = ["-q", "--disable-pip-version-check", "-c", "constraints-min.txt"]
    session.install(*oldest, "torch==2.13.0")
    wanted = ["pytest", "pytest-xdist", "pytest-timeout", "hypothesis", "scikit-learn", "scipy", "wfdb"]
    session.install(*oldest, "./packages/ecg-core[all]", *[f"./{source}" for source in SOURCES[1:]], *wanted)
    single_threaded(session)
    session.run("pytest", "-q", "-n", "2", "-m", "not slow", "-W", "default", *(session.posargs or ["packages", "tests"]))


@nox.session
def conformance(session: nox.Session) -> None:
    """The public contract kit over every first-party component, and how many checks each package had."""
    install_all(session, "pytest-xdist", "pytest-timeout")
    single_threaded(session)
    session.run("python", "-m", "ecg_core.testing", "--workers", "2", *[f"ecg-{name}" for name in PACKAGES])


@nox.session
def lint(session: nox.Session) -> None:
    """Style, walls, lockstep versions."""
    install_all(session, "ruff", "import-linter")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("python", "tests/lockstep.py")


@nox.session
def typecheck(session: nox.Session) -> None:
    """mypy, strict on ecg-core."""
    install_all(session, "mypy", "pandas-stubs")
    for name in PACKAGES:
        session.run("mypy", "-p", f"ecg_{name}")


@nox.session(python=PYTHONS)
def core_only(session: nox.Session) -> None:
    """ecg-core and ecg-preproc without torch: reading, transforms, preparing, listing."""
    session.install("-q", "--disable-pip-version-check", "./packages/ecg-core", "./packages/ecg-preproc", "pytest", "hypothesis")
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
    """Wheels in a clean environment, with a stranger's package and the README's words."""
    install_all(session, "pytest-timeout")
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
    """Ratios against a peer or a physical limit, measured in one run."""
    install_all(session, "wfdb", "scikit-learn")
    for script in sorted((ROOT / "benchmarks").glob("*.py")):
        session.run("python", str(script), env={"OMP_NUM_THREADS": "1"})

"""The files of a new package, as text by path: the templates of this folder with every placeholder filled in."""

from __future__ import annotations

from datetime import date
from importlib.resources import files
from string import Template

from ecg_core import __version__
from ecg_core.templates.kinds import TemplateKind
from ecg_core.templates.names import Names

__all__ = ["core_range", "package_files"]

_PACKAGE = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "LICENSE": "LICENSE",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/test.yml",
    "test_conformance.py": "tests/test_conformance.py",
    "__init__.py": "src/$package/__init__.py",
}


def package_files(names: Names, kind: TemplateKind, *, version: str = __version__) -> dict[str, str]:
    """Every file of the package by its path, in a fixed order."""
    words = _words(names, kind, version)
    sources = {f"package/{source}.txt": target for source, target in _PACKAGE.items()}
    sources[f"component/{kind.module}.py.txt"] = f"src/$package/{kind.module}.py"
    made = {_filled(target, words): _filled(_text(source), words) for source, target in sources.items()}
    return made | {f"src/{names.package}/py.typed": ""}


def core_range(version: str) -> str:
    """The versions of ecg-core a plugin written today asks for: ``>=0.1,<0.2`` for 0.1.3, ``>=1.4,<2`` for 1.4.0."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"


def _words(names: Names, kind: TemplateKind, version: str) -> dict[str, str]:
    wanted = core_range(version)
    ours = [f"{package}{wanted}" for package in kind.requires]
    test = ["pytest>=8", *(f"{package}{wanted}" for package in kind.test_requires)]
    words = {
        "distribution": names.distribution,
        "package": names.package,
        "name": names.name,
        "word": names.name.replace("_", "-"),
        "class_name": "run" if kind.group == "commands" else names.class_name,
        "module": kind.module,
        "group": kind.group,
        "summary": kind.summary,
        "year": str(date.today().year),
        "dependencies": "\n".join(f'    "{line}",' for line in sorted([*ours, *kind.others])),
        "test_dependencies": ", ".join(f'"{line}"' for line in test),
    }
    return words | {"use": _filled(kind.use, words)}


def _text(source: str) -> str:
    return files(__package__).joinpath(source).read_text(encoding="utf-8")


def _filled(text: str, words: dict[str, str]) -> str:
    return Template(text).substitute(words)

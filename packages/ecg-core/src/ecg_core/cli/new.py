"""``ecg plugins new``: a complete package with one component, ready to install, test and use."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.text import Text

from ecg_core.cli.output import console, shell_path, tell
from ecg_core.errors import ConfigError, OutputExistsError
from ecg_core.templates.kinds import KINDS
from ecg_core.templates.names import Names
from ecg_core.templates.package_files import package_files

__all__ = ["new"]


def new(
    name: str,
    /,
    *,
    kind: Literal["backbone", "ssl", "transform", "reader", "model", "command"] = "backbone",
    out: Path = Path(),
) -> None:
    """Write a complete package with one component: installable, tested by the contract kit, and useful as it is.

    Args:
        name: Of the package, such as my-backbone or ecg-my-net; its component is my_backbone or my_net.
        kind: backbone, ssl, transform, reader, model or command.
        out: Folder to write the package's folder into.
    """
    chosen = KINDS[kind]
    names = Names.of(name, chosen.group)
    if kind == "command":
        _check_word(names.name)
    folder = out / names.distribution
    if folder.exists() or folder.is_symlink():
        raise OutputExistsError(f"{folder} is already there, and nothing is overwritten; choose another name or --out")
    made = package_files(names, chosen)
    for path, text in made.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    where = folder / "src" / names.package / f"{chosen.module}.py"
    tell(f"{folder}: a package of {len(made)} files; its {kind} '{names.name}' is in {where}")
    _say_what_to_type(folder, names, chosen.group, made["README.md"])


def _check_word(name: str) -> None:
    from ecg_core.cli.app import BUILT_IN

    if name in BUILT_IN:
        raise ConfigError(f"'{name}' is a word of ecg itself, so a command of that name could never run; choose another name")


def _say_what_to_type(folder: Path, names: Names, group: str, readme: str) -> None:
    """The README's own commands, from where the user stands."""
    shown = readme.split("```\n")[1].splitlines()
    lines = [f"cd {shell_path(folder)}", shown[0], f"ecg plugins list --kind {group}", "pytest", "cd -", shown[-1]]
    for number, line in enumerate(lines):
        console.print(Text.assemble(("next:" if number == 0 else "     ", "dim"), " ", (line, "bold")))

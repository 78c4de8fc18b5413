"""The names of a new package: from the one that is given to those of its component, module and class, each one free."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from dataclasses import dataclass

import ecg_core
from ecg_core.discovery.first_party import shipped_by
from ecg_core.discovery.index import get_index
from ecg_core.discovery.kinds import FIRST_PARTY
from ecg_core.discovery.metadata import version_of
from ecg_core.discovery.modules import located
from ecg_core.discovery.names import distribution_key
from ecg_core.errors import ConfigError

__all__ = ["Names"]

_DISTRIBUTION = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_IMPORTED = ("Any", "Mapping", "Path", "Sequence", "Tensor")
_COMPONENT = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Names:
    """What everything in a new package is called.

    Args:
        distribution: What pip calls it, such as ``ecg-my-net``; also the folder.
        package: What Python imports, ``ecg_my_net``.
        name: The component, ``my_net``.
        class_name: Its class, ``MyNet``.
    """

    distribution: str
    package: str
    name: str
    class_name: str

    @classmethod
    def of(cls, given: str, group: str) -> Names:
        """The names that follow from the given one, for a component of this group.

        Raises:
            ConfigError: It cannot be a name, or something that is installed or ours has it.
        """
        distribution = distribution_key(given)
        package = distribution.replace("-", "_")
        name = package.removeprefix("ecg_")
        if not _DISTRIBUTION.fullmatch(distribution) or not _COMPONENT.fullmatch(name):
            raise ConfigError(
                f"{given!r} cannot name a package; expected letters, digits and hyphens, a letter first, such as my-backbone"
            )
        reserved = next((word for word in (package, name) if keyword.iskeyword(word)), None)
        if reserved is not None or package in sys.stdlib_module_names:
            word = reserved or package
            raise ConfigError(f"{given!r} cannot name a package, because '{word}' is a word of Python's; add a word to it")
        owner = shipped_by(group, name) or next((c.provider for c in get_index().find(group, name)), None)
        if owner is not None:
            raise ConfigError(f"{owner} already ships one of {group} called '{name}'; choose another name")
        if distribution in FIRST_PARTY or version_of(distribution) is not None:
            raise ConfigError(f"a package called '{distribution}' is already installed; choose another name")
        spec = located(package)
        if spec is not None and spec.origin is not None:  # without an origin it is only a folder that happens to lie here
            raise ConfigError(f"an installed package already has a module '{package}' ({spec.origin}); choose another name")
        return cls(distribution, package, name, _class_name(name))


def _class_name(name: str) -> str:
    """``my_net`` as ``MyNet``; ``EcgReader`` where the plain word is one the module needs for something else."""
    found = "".join(part.capitalize() for part in name.split("_"))
    return f"Ecg{found}" if found in {*ecg_core.__all__, *dir(builtins), *_IMPORTED} else found

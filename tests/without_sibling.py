"""One sibling is not installed: every module of the others imports, and listing says what is there."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys

from ecg_core.discovery.index import get_index
from ecg_core.discovery.kinds import FIRST_PARTY
from ecg_core.discovery.registries import BACKBONES, SSL, TRANSFORMS
from ecg_core.errors import UnknownComponentError

EXAMPLE = {"ecg-backbones": (BACKBONES, "resnet18"), "ecg-preproc": (TRANSFORMS, "bandpass"), "ecg-ssl": (SSL, "simclr")}


def main(missing: str) -> None:
    """Fail loudly."""
    assert importlib.util.find_spec(missing.replace("-", "_")) is None, f"{missing} is installed"
    for name in FIRST_PARTY:
        if name != missing:
            package = importlib.import_module(name.replace("-", "_"))
            for module in pkgutil.walk_packages(package.__path__, prefix=f"{package.__name__}."):
                if not module.name.endswith("__main__"):
                    importlib.import_module(module.name)
    assert missing not in get_index().plugins
    registry, name = EXAMPLE[missing]
    try:
        registry.get(name)
    except UnknownComponentError as error:
        assert f"pip install {missing}" in str(error), str(error)
    else:
        raise AssertionError(f"{name} was found although {missing} is not installed")
    print(f"1 passed, 0 failed: the others work without {missing}")


if __name__ == "__main__":
    main(sys.argv[1])

"""Keep ``import torch`` working beside a package whose metadata cannot be read.

While it is imported, torch asks every installed distribution for device backends. One stranger's malformed ``entry_points.txt``
makes that question, and with it ``import torch``, raise. Where that would happen, torch is told not to ask.
"""

from __future__ import annotations

import os
import sys
import warnings

from ecg_core.discovery.modules import located
from ecg_core.errors import PluginWarning

__all__ = ["ask_again", "keep_torch_importable"]

_SWITCH = "TORCH_DEVICE_BACKEND_AUTOLOAD"

# Where distributions were looked for when the question was found harmless: it reads all of their metadata.
_harmless: list[tuple[str, ...]] = []


def ask_again() -> None:
    """Forget what was found: a distribution may have been installed since."""
    _harmless.clear()


def keep_torch_importable() -> None:
    """Called before anything that may import torch; does nothing once torch is there or where the question is harmless."""
    if "torch" in sys.modules or _SWITCH in os.environ or tuple(sys.path) in _harmless or located("torch") is None:
        return
    from importlib.metadata import entry_points

    try:
        entry_points(group="torch.backends")
        _harmless.append(tuple(sys.path))
    except Exception:  # whatever it is, torch would raise it too
        os.environ[_SWITCH] = "0"
        warnings.warn(
            "an installed package has metadata that cannot be read, so torch looks for no device backends of other packages; "
            "`ecg plugins check` names the package",
            PluginWarning,
            stacklevel=2,
        )

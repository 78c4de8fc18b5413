"""pull: a model of the hub as a folder of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from ecg_core.data.files import checked_output, new_folder
from ecg_core.errors import ConfigError, OutputExistsError
from ecg_core.run.from_hub import HubAddress, pinned

__all__ = ["pull"]


def pull(address: str, folder: str | Path, *, force: bool = False) -> tuple[Path, str]:
    """Copy a model of the hub into a folder; nothing of it is executed.

    Args:
        address: ``hf://owner/name`` or ``hf://owner/name@revision``.
        folder: To write.
        force: Replace an existing folder that holds a saved model.

    Returns:
        The folder, and the address of the commit it holds.

    Raises:
        ConfigError: ``address`` is none.
        RunError: There is no such repository or revision, the hub cannot be reached, or there is no card in it.
        OutputExistsError: The folder is there already.
    """
    if HubAddress.of(address) is None:
        raise ConfigError(f"an address of the hub is hf://owner/name or hf://owner/name@revision, got {address!r}")
    out = checked_output(Path(folder), force=force)
    if out.is_file() or (out.exists() and any(out.iterdir()) and not (out / "README.md").is_file()):
        raise OutputExistsError(f"{out} does not hold a saved model, so it is never replaced; choose another output")
    fetched, there = pinned(address)
    with new_folder(out) as temporary:
        for file in sorted(fetched.iterdir()):
            if file.is_file():
                shutil.copyfile(file, temporary / file.name)
    return out, there

"""From the hub: what ``hf://owner/name[@revision]`` names, as a folder on this machine.

Only JSON, safetensors and Markdown files of the repository's top folder are fetched, and nothing in them can be executed. Naming
an address is asking for the network; a copy that was fetched before is used without it when ``HF_HUB_OFFLINE=1`` is set.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ecg_core import __version__
from ecg_core.errors import ConfigError, RunError
from ecg_core.run.inference.exported import needed

__all__ = ["CARDS", "HubAddress", "first_line", "local", "pinned", "quiet", "working_copy"]

CARDS = ("model.json", "backbone.json")
_FILES = ("*.json", "*.safetensors", "*.md")

# A Path keeps one of the two slashes, and a command line gives Paths.
_ADDRESS = re.compile(r"hf:/{1,2}(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[^\s@]+))?/?", re.ASCII)


@dataclass(frozen=True)
class HubAddress:
    """A model repository of the hub, and which state of it.

    Args:
        repo: ``owner/name``.
        revision: Branch, tag or commit; the main branch unless given.
    """

    repo: str
    revision: str | None = None

    @classmethod
    def of(cls, source: str | Path) -> HubAddress | None:
        """The address that ``hf://owner/name[@revision]`` is; ``None`` of a path.

        Raises:
            ConfigError: It begins with ``hf:`` and is no address.
        """
        text = source.as_posix() if isinstance(source, Path) else source
        if not text.startswith("hf:"):
            return None
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ConfigError(f"an address of the hub is hf://owner/name or hf://owner/name@revision, got {text!r}")
        return cls(found["repo"], found["revision"])

    def __str__(self) -> str:
        return f"hf://{self.repo}" + (f"@{self.revision}" if self.revision else "")

    def download(self) -> Path:
        """The repository's files, in the hub's cache; the folder's name is the commit. They are not to be written to.

        Raises:
            RunError: There is no such repository or revision, the hub cannot be reached, or there is no card in it.
            MissingExtraError: huggingface_hub is not installed.
        """
        hub = needed("huggingface_hub")
        with quiet(), _told(self):
            folder = Path(
                hub.snapshot_download(
                    self.repo,
                    revision=self.revision,
                    allow_patterns=list(_FILES),
                    ignore_patterns=["*/*"],
                    library_name="ecg-core",
                    library_version=__version__,
                )
            )
        if not any((folder / name).is_file() for name in CARDS):
            raise RunError(
                f"{self} holds no card ({' or '.join(CARDS)}), so nothing says what its weights are; it takes a repository that "
                "`ecg hub push` wrote, and weights from elsewhere need `ecg weights import`"
            )
        return folder


def local(source: str | Path) -> Path:
    """A path as it is, and what an address of the hub names as a folder of this machine.

    Raises:
        RunError: There is no such repository or revision, the hub cannot be reached, or there is no card in it.
        MissingExtraError: It is an address, and huggingface_hub is not installed.
    """
    return pinned(source)[0]


def pinned(source: str | Path) -> tuple[Path, str]:
    """The folder, and the words that find the very same again: of an address, those of the commit."""
    address = HubAddress.of(source)
    if address is None:
        return Path(source), str(source)
    folder = address.download()
    return folder, str(HubAddress(address.repo, folder.name))


def working_copy(source: str | Path) -> Path:
    """A path as it is; of an address, a run directory beside the hub's cache that a command may write its results into.

    Raises:
        RunError: As of :func:`local`, or the repository holds a card alone, and no run.
    """
    address = HubAddress.of(source)
    if address is None:
        return Path(source)
    folder = address.download()
    if not (folder / "run.json").is_file():
        raise RunError(f"{address} holds a card alone, without the run that made it (no run.json), so it cannot be evaluated")
    copy = needed("huggingface_hub").cached_assets_path(
        "ecg-core", namespace="runs", subfolder=f"{address.repo.replace('/', '--')}@{folder.name[:12]}"
    )
    for file in sorted(folder.iterdir()):
        if not (copy / file.name).is_file():
            _link(file.resolve(), copy / file.name)
    return Path(copy)


def _link(file: Path, place: Path) -> None:
    place.unlink(missing_ok=True)  # a link whose file the hub's cache has dropped
    try:
        place.symlink_to(file)
    except OSError:  # not every system makes links
        shutil.copyfile(file, place)


@contextmanager
def _told(address: HubAddress) -> Iterator[None]:
    """Errors of the hub's client as one sentence each."""
    errors = import_module("huggingface_hub.errors")
    try:
        yield
    except errors.GatedRepoError:
        raise RunError(
            f"{address} is given only to those who accept its terms; accept them on its page, then log in with `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise RunError(
            f"the hub has no model repository {address.repo}, or it is private and you are not logged in; look at the spelling, "
            "or log in with `hf auth login`"
        ) from None
    except errors.RevisionNotFoundError:
        raise RunError(f"{address.repo} has no revision {address.revision!r}; give a branch, a tag or a commit of it") from None
    except errors.LocalEntryNotFoundError as error:
        raise RunError(_unreachable(address, error)) from None
    except errors.HFValidationError as error:
        raise ConfigError(f"{address} is no address of the hub ({first_line(error)})") from None
    except (errors.HfHubHTTPError, errors.HTTPError) as error:
        raise RunError(f"the hub did not give {address} ({first_line(error)}); try again later") from None


def _unreachable(address: HubAddress, error: Exception) -> str:
    if import_module("huggingface_hub.constants").HF_HUB_OFFLINE:
        return (
            f"{address} was never fetched whole, and HF_HUB_OFFLINE keeps the network away; fetch it once without that variable"
        )
    return f"the hub cannot be reached, and no whole copy of {address} is on this machine ({first_line(error)}); try again online"


def first_line(error: BaseException) -> str:
    """What an error says, as part of a sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:;")


@contextmanager
def quiet() -> Iterator[None]:
    """Without the client's progress bars where nobody watches."""
    utils = import_module("huggingface_hub.utils")
    if sys.stderr.isatty() or utils.are_progress_bars_disabled():
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()

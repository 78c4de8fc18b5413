"""push: a trained model as a repository of the hub."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from ecg_core import __version__
from ecg_core.errors import ConfigError, RunError
from ecg_core.hub.licences import check_may_be_shared
from ecg_core.hub.model_facts import ModelFacts
from ecg_core.hub.pretrained import write_folder
from ecg_core.run.from_hub import HubAddress, first_line, quiet
from ecg_core.run.inference.exported import needed

__all__ = ["push"]


def push(
    run: str | Path,
    repo: str,
    *,
    private: bool = True,
    token: str | None = None,
    message: str | None = None,
    licence: str | None = None,
    data_licence: str | None = None,
    i_have_the_right: bool = False,
) -> str:
    """Put a model on the hub: what :func:`save_pretrained` writes, as one commit of a model repository.

    Args:
        run: A run, a card, or a folder that ``ecg weights import`` wrote.
        repo: ``"owner/name"`` or ``"hf://owner/name"``; made if it is not there.
        private: Whether a new repository is seen by its owner only.
        token: Of the hub; the one of ``hf auth login`` or ``HF_TOKEN`` unless given.
        message: Of the commit.
        licence: Of the weights, such as ``"cc-by-4.0"``.
        data_licence: Of the data it was trained on.
        i_have_the_right: Push although the weights it began with do not come with a licence that lets everybody pass them on.

    Returns:
        The address of this very state, ``hf://owner/name@commit``.

    Raises:
        ConfigError: ``repo`` is no address, or one with a revision.
        RunError: The licence of the weights it began with stands against it, or the hub refuses or cannot be reached.
        MissingExtraError: huggingface_hub is not installed.
    """
    address = HubAddress.of(repo if repo.startswith("hf:") else f"hf://{repo}")
    if address is None or address.revision is not None:
        raise ConfigError(f"a model is put at hf://owner/name, without a revision, got {repo!r}")
    hub = needed("huggingface_hub")
    facts = ModelFacts.of(
        run, name=address.repo.partition("/")[2], licence=licence, data_licence=data_licence, address=str(address)
    )
    if not i_have_the_right:
        check_may_be_shared(facts.origin, str(run))
    with tempfile.TemporaryDirectory() as temporary:
        write_folder(facts, Path(temporary))
        with quiet(), _told(address):
            api = hub.HfApi(token=token, library_name="ecg-core", library_version=__version__)
            api.create_repo(address.repo, private=private, repo_type="model", exist_ok=True)
            commit = api.upload_folder(
                repo_id=address.repo,
                repo_type="model",
                folder_path=temporary,
                commit_message=message or f"{facts.name}, by ecg-core {__version__}",
            )
    return str(HubAddress(address.repo, commit.oid))


@contextmanager
def _told(address: HubAddress) -> Iterator[None]:
    """Errors of the hub's client as one sentence each."""
    errors = import_module("huggingface_hub.errors")
    try:
        yield
    except errors.HFValidationError as error:
        raise ConfigError(f"{address} is no address of the hub ({first_line(error)})") from None
    except errors.OfflineModeIsEnabled:
        raise RunError(f"{address} cannot be written to while HF_HUB_OFFLINE keeps the network away; unset it") from None
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise RunError(
                f"the hub does not let you write to {address.repo}; log in with `hf auth login` (a token that may write) "
                "or choose a repository of your own"
            ) from None
        raise RunError(f"the hub did not take {address} ({first_line(error)}); try again later") from None
    except (errors.HTTPError, OSError) as error:
        raise RunError(f"the hub cannot be reached ({first_line(error)}); nothing was put at {address}") from None
    except RuntimeError as error:  # of a large file, with the reason behind it
        raise RunError(f"the hub did not take {address} ({first_line(error.__cause__ or error)}); try again later") from None

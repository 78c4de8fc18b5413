"""``ecg hub``: a trained model for others, as a folder or as a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ecg_core.cli.output import next_command, shell_path, tell, working

__all__ = ["hub"]

hub = App(name="hub", help="A trained model for others: saved with all that is known of it, put on the hub, fetched.")


@hub.command
def save(
    run: Path,
    folder: Path,
    /,
    *,
    name: str | None = None,
    licence: str | None = None,
    data_licence: str | None = None,
    force: bool = False,
) -> None:
    """Write a model as a folder with a README.md that says all that is known of it.

    Args:
        run: Run, card, or folder of `ecg weights import`.
        folder: To write.
        name: Of the model; that of the run's folder unless given.
        licence: Of the weights, e.g. cc-by-4.0.
        data_licence: Of the data it was trained on.
        force: Replace an existing folder.
    """
    from ecg_core.hub.pretrained import save_pretrained

    with working("save"):
        out = save_pretrained(run, folder, name=name, licence=licence, data_licence=data_licence, force=force)
    tell(f"{out}: {', '.join(sorted(file.name for file in out.iterdir()))}")
    next_command(f"ecg hub push {shell_path(run)} hf://OWNER/NAME")


@hub.command
def push(
    run: Path,
    address: str,
    /,
    *,
    public: Annotated[bool, Parameter(negative=())] = False,
    message: str | None = None,
    licence: str | None = None,
    data_licence: str | None = None,
    i_have_the_right: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Put a model on the hub, into a private repository unless it is there already or is to be public.

    Args:
        run: Run, card, or folder of `ecg weights import`.
        address: hf://owner/name; the login is that of `hf auth login` or HF_TOKEN.
        public: Let everybody see a new repository.
        message: Of the commit.
        licence: Of the weights, e.g. cc-by-4.0.
        data_licence: Of the data it was trained on.
        i_have_the_right: Push although the weights it began with have no licence that lets everybody pass them on.
    """
    from ecg_core.hub.push import push as put

    with working("push"):
        there = put(
            run,
            address,
            private=not public,
            message=message,
            licence=licence,
            data_licence=data_licence,
            i_have_the_right=i_have_the_right,
        )
    tell(f"{run} is at {there}")
    next_command(f"ecg hub pull {there} FOLDER")


@hub.command
def pull(address: str, folder: Path, /, *, force: bool = False) -> None:
    """Fetch a model of the hub into a folder, which every command takes in place of a run.

    Args:
        address: hf://owner/name or hf://owner/name@revision.
        folder: To write.
        force: Replace an existing folder.
    """
    from ecg_core.hub.pull import pull as fetch

    with working("pull"):
        out, there = fetch(address, folder, force=force)
    tell(f"{there}, in {out}")
    next_command(f"less {shell_path(out / 'README.md')}")

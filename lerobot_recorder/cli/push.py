"""``push``: upload a dataset to the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.cli.options import PrivateOption, TagOption
from lerobot_recorder.cli.terminal import file_progress
from lerobot_recorder.excerpt import counted
from lerobot_recorder.sharing import check_ready, repo_id_of
from lerobot_recorder.sharing import push as push_files


def push(
    dataset: DatasetArgument,
    *,
    licence: Annotated[
        str,
        typer.Option(
            "--license", help="Licence, as the Hub names it: apache-2.0, cc-by-4.0, ...", show_default=False
        ),
    ],
    repo_id: Annotated[
        str | None,
        typer.Option(
            "--repo-id", help="Name on the Hub, user/name; default: the dataset's name.", show_default=False
        ),
    ] = None,
    private: PrivateOption = False,
    tag: TagOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Upload in spite of faults, or while episodes wait to be encoded.")
    ] = False,
) -> None:
    """Upload a dataset to the Hugging Face Hub, with a card and the version tag that LeRobot needs.

    An interrupted upload goes on where it was. The dataset on the Hub changes when all files are there.
    """
    name = repo_id or repo_id_of(dataset)
    upload(dataset, name, licence, private=private, tags=tag or (), force=force)


def upload(
    root: Path, name: str, licence: str, *, private: bool, tags: Sequence[str], force: bool = False
) -> None:
    """Check and upload a dataset, show the progress and print the dataset's address.

    Args:
        root: the dataset's directory
        name: its name on the Hub
        licence: as the Hub names it
        private: whether a new repository is visible to its owner only
        tags: of its card
        force: whether to upload it without the check

    Raises:
        RecorderError: it has faults, or the Hub refuses it
    """
    if not force:
        with file_progress("Checking") as progress:
            check_ready(root, progress)
    with file_progress("Uploading") as progress:
        done = push_files(root, name, licence, private=private, tags=tags, force=True, progress=progress)
    typer.echo(f"{done.url}: {counted(done.files, 'file')}, {done.size_bytes / 1e6:.1f} MB")

"""``push``: upload a dataset to the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.cli.terminal import file_progress
from lerobot_recorder.excerpt import counted
from lerobot_recorder.sharing import check_ready, repo_id_of
from lerobot_recorder.sharing import push as upload


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
    private: Annotated[
        bool, typer.Option("--private", help="Create a repository that only you can see.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Upload in spite of faults, or while episodes wait to be encoded.")
    ] = False,
) -> None:
    """Upload a dataset to the Hugging Face Hub, with a card and the version tag that LeRobot needs.

    An interrupted upload goes on where it was. The dataset on the Hub changes when all files are there.
    """
    name = repo_id or repo_id_of(dataset)
    if not force:
        with file_progress("Checking") as progress:
            check_ready(dataset, progress)
    with file_progress("Uploading") as progress:
        done = upload(dataset, name, licence, private=private, force=True, progress=progress)
    typer.echo(f"{done.url}: {counted(done.files, 'file')}, {done.size_bytes / 1e6:.1f} MB")

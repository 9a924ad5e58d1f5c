"""The summary of a recording: a table of its episodes, a contact sheet, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lerobot_recorder.cli.check import WAITING
from lerobot_recorder.cli.contact_sheet import (
    INSTALL_HINT,
    SHEET_EPISODES,
    can_draw,
    read_sheet_episode,
    write_contact_sheet,
)
from lerobot_recorder.cli.status import RunStatus
from lerobot_recorder.cli.terminal import plain_table
from lerobot_recorder.dataset import DatasetPlace, dataset_name, recorded_numbers, spool_path
from lerobot_recorder.encoding import CommittedEpisode, EncoderStatus
from lerobot_recorder.excerpt import counted
from lerobot_recorder.recording import CompletedEpisode
from lerobot_recorder.spool import Spool

_COLUMNS = ("episode", "frames", "length s", "saving s", "encoding s", "size MB")


def in_dataset(run: RunStatus) -> list[CommittedEpisode]:
    """Return the episodes of this run that are in the dataset now, with their numbers there.

    An operator may have deleted some, which moves the numbers of those after them.

    Raises:
        DatasetError: the dataset cannot be read
    """
    if run.root is None or not run.committed:
        return []
    numbers = recorded_numbers(run.root)
    latest = {episode.episode_id: episode for episode in run.committed if episode.episode_id in numbers}
    found = [replace(episode, episode_index=numbers[name]) for name, episode in latest.items()]
    return sorted(found, key=lambda episode: episode.episode_index)


def summarise(run: RunStatus, committed: Sequence[CommittedEpisode], console: Console) -> None:
    """Print the new episodes, the episodes that are not in the dataset yet, the dataset and a contact sheet.

    Args:
        run: what the nodes have reported
        committed: see `in_dataset`
        console: where to print

    Raises:
        RecorderError: the new dataset cannot be read
        OSError: the contact sheet cannot be written
    """
    root = run.root
    left = _left(run, root) if root else {}
    if root is None or not (committed or run.committed or left):
        console.print("no episode was saved")
        return
    if committed or any(state in WAITING for state in left.values()):
        console.print(episode_table(run, committed, left))
    for name, text in _places(run, root, left):
        console.print(f"{name:<15}{text}")
    if gone := len({episode.episode_id for episode in run.committed}) - len(committed):
        console.print(f"{'removed':<15}{counted(gone, 'episode')} of this run, from the dataset")
    indices = [episode.episode_index for episode in committed][-SHEET_EPISODES:]
    if indices:
        console.print(f"{'contact sheet':<15}{_draw_sheet(root, indices)}")


def _draw_sheet(root: Path, indices: Sequence[int]) -> str:
    """Draw the contact sheet, and return its path, or why there is none."""
    if not can_draw():
        return f"not drawn: {INSTALL_HINT}"
    sheet = root.with_name(f"{root.name}_contact_sheet.png")
    write_contact_sheet([read_sheet_episode(root, index) for index in indices], sheet)
    return str(sheet)


def _left(run: RunStatus, root: Path) -> dict[str, str]:
    """Return the state of each episode of this run that is still in the spool, by ID."""
    spool = Spool(root)
    found = {episode_id: spool.find(episode_id) for episode_id in run.completed}
    return {name: episode.path.parent.name for name, episode in found.items() if episode is not None}


def episode_table(run: RunStatus, committed: Sequence[CommittedEpisode], left: Mapping[str, str]) -> Table:
    """Return a table of this run's episodes: first those in the dataset, then those that wait."""
    table = plain_table(*_COLUMNS)
    for column in table.columns:
        column.justify = "right"
    for episode in committed:
        saved = run.completed.get(episode.episode_id)
        table.add_row(str(episode.episode_index), *_cells(saved, episode))
    for episode_id, state in left.items():
        if state in WAITING:
            table.add_row("waits", *_cells(run.completed[episode_id], None))
    return table


def _cells(saved: CompletedEpisode | None, encoded: CommittedEpisode | None) -> list[str]:
    frames = encoded.frames if encoded else saved.length if saved else 0
    size = encoded.size_bytes if encoded else saved.size_bytes if saved else 0
    return [
        str(frames),
        f"{saved.duration_s:.1f}" if saved else "earlier",
        f"{saved.wait_s:.3f}" if saved else "",
        f"{encoded.encode_s:.1f}" if encoded else "",
        f"{size / 1e6:.2f}",
    ]


def _places(run: RunStatus, root: Path, left: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield where the operator finds each kind of episode, with the command that handles it."""
    if rejected := sum(state == "rejected" for state in left.values()):
        accept = f"to keep the last one: lerobot-recorder accept {root}"
        yield "rejected", f"{rejected}, in {spool_path(root) / 'rejected'}; {accept}"
    if deleted := sum(state == "discarded" for state in left.values()):
        yield "deleted", f"{deleted}; to restore the last one: lerobot-recorder undo-delete {root}"
    encoder = run.encoder or EncoderStatus()
    if encoder.failed:
        yield "not encoded", f"{encoder.failed}; the reasons are in {spool_path(root) / 'failed'}"
        yield "to try again", f"lerobot-recorder encode {root} --retry-failed"
    if waiting := len(Spool(root).waiting()):
        yield "waiting", f"{waiting}; to encode: lerobot-recorder encode {root}"
    if root.exists():
        yield "dataset", str(root)


def next_steps(
    place: DatasetPlace, episode: int, hardware: Mapping[str, Any] | None
) -> Iterator[tuple[str, str]]:
    """Yield what can be done with a dataset, and the command.

    Args:
        place: the dataset
        episode: number of an episode
        hardware: parameters of the hardware node; None if there is none
    """
    root, name = place.directory, shlex.quote(dataset_name(place))
    yield "to look at it", f"lerobot-recorder show {name} {episode}"
    if hardware is not None:
        names = {"--port": "follower.port", "--calibration": "follower.calibration"}
        names = {"--port": "follower.port"} if hardware.get("follower.port") == "sim" else names
        arm = [
            f"{flag} {shlex.quote(str(hardware[key]))}" for flag, key in names.items() if hardware.get(key)
        ]
        yield "to replay it", " ".join([f"lerobot-recorder replay {name} --episode {episode}", *arm])
    is_ours = bool(place.repo_id) and not place.repo_id.startswith("local/")  # a name that the Hub can have
    target = "" if place.repo_id == name else f" --repo-id {place.repo_id if is_ours else 'USER/NAME'}"
    yield "to upload it", f"lerobot-recorder push {name} --license apache-2.0{target}"
    where = "" if name == place.repo_id else f" --dataset.root={shlex.quote(str(root))}"
    repo_id = place.repo_id or f"local/{root.name}"
    yield (
        "to train on it",
        f"lerobot-train --dataset.repo_id={repo_id}{where} --policy.type=act --policy.push_to_hub=false",
    )

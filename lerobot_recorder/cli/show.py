"""``show``: print what is known about the episodes of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.cli.contact_sheet import SHEET_EPISODES, read_sheet_episode, write_contact_sheet
from lerobot_recorder.cli.terminal import operator_console, plain_table
from lerobot_recorder.dataset import RecordedEpisode, Recording, StreamAges, open_dataset, recordings_of

_SUCCESS = {True: "yes", False: "no", None: "not marked"}


def show(
    dataset: DatasetArgument,
    episode: Annotated[
        int | None,
        typer.Argument(
            min=0, help="Number of an episode; without it, one line per episode.", show_default=False
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            "-o",
            help="Also draw a contact sheet into this PNG, of the episode or of the last 8.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show the task, verdict and success of episodes, and the rate and sample ages of each stream."""
    console = operator_console()
    count = open_dataset(dataset).info.total_episodes
    if episode is None:
        console.print(episodes_table(dataset))
        shown = list(range(max(0, count - SHEET_EPISODES), count))
    else:
        _show_episode(dataset, episode, console)
        shown = [episode]
    if sheet is not None:
        write_contact_sheet([read_sheet_episode(dataset, index) for index in shown], sheet)
        console.print(f"contact sheet  {sheet}")


def episodes_table(root: Path) -> Table:
    """Return a table with a row for each episode of a dataset.

    Raises:
        DatasetError: there is no dataset, or it cannot be read
    """
    dataset = open_dataset(root)
    known = recordings_of(dataset.layout.recordings_files())
    table = plain_table("episode", "frames", "s", "verdict", "success", "task")
    for index in range(dataset.info.total_episodes):
        recording, frames = known.get(index, {}), int(dataset.lengths[index])
        table.add_row(
            str(index),
            str(frames),
            f"{frames / dataset.info.fps:.1f}",
            _verdict(recording),
            _success(recording) if recording else "unknown",
            Text(dataset.task(index)),
        )
    return table


def _show_episode(root: Path, index: int, console: Console) -> None:
    episode = RecordedEpisode(root, index)
    for name, text in _facts(index, episode):
        console.print(f"{name:<15}{text}", markup=False)
    if ages := episode.ages():
        console.print()
        console.print(streams_table(ages, episode.fps, episode.recording.get("streams", {})))


def _facts(index: int, episode: RecordedEpisode) -> Iterator[tuple[str, str]]:
    yield "episode", str(index)
    yield "task", episode.task
    yield "length", f"{episode.length} frames, {episode.length / episode.fps:.1f} s at {episode.fps} fps"
    recording = episode.recording
    if not recording:
        yield "recording", "unknown: meta/recordings has no line for this episode"
        return
    yield "recorded", f"{_start(recording)}, as {recording.get('episode_id', 'unknown')}"
    yield "ended by", str(recording.get("ended_by", "unknown"))
    yield "verdict", _verdict(recording)
    for name in ("reason", "note"):
        for text in recording.get(f"{name}s", ()):
            yield name, text
    yield "success", _success(recording)
    if late := recording.get("ticks", {}).get("late"):
        yield "late rows", f"{late}, by at most {recording['ticks']['max_lateness_s'] * 1000:.1f} ms"


def _start(recording: Recording) -> str:
    started_s = recording.get("started_at_ns", 0) / 1e9
    if recording.get("clock") == "sim":
        return f"at {started_s:.3f} s of simulated time"
    return f"{datetime.fromtimestamp(started_s, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def _verdict(recording: Recording) -> str:
    verdict = str(recording.get("verdict", "unknown"))
    notes = ", note" if recording.get("notes") else ""
    return f"{verdict}{', accepted' if recording.get('accepted') else ''}{notes}"


def _success(recording: Recording) -> str:
    return _SUCCESS.get(recording.get("success"), "unknown")


def streams_table(ages: Mapping[str, StreamAges], fps: int, figures: Mapping[str, Any]) -> Table:
    """Return a table of streams: how many rows have a new sample, how old samples were, and their faults."""
    table = plain_table("stream", "new rows", "a second", "age ms: p50", "p95", "max", "stale", "faults")
    for name, stream in ages.items():
        new, rows = stream.new_rows(fps), len(stream.age_s)
        counted = figures.get(name, {})
        faults = "; ".join(f"{what} ({count} times)" for what, count in counted.get("faults", {}).items())
        table.add_row(
            Text(name),
            f"{new} of {rows}",
            f"{new * fps / rows:.1f}",
            *(f"{value * 1000:.1f}" for value in np.percentile(stream.age_s, [50, 95, 100])),
            str(counted.get("stale_ticks", "")),
            Text(faults),
        )
    return table

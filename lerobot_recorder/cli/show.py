"""``show``: print what is known about a dataset and its episodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lerobot_recorder.cli import report
from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.cli.contact_sheet import (
    SHEET_EPISODES,
    SheetEpisode,
    read_sheet_episode,
    write_contact_sheet,
)
from lerobot_recorder.cli.overview import EpisodeSummary, Overview, selected, summary_lines
from lerobot_recorder.cli.rerun_viewer import open_in_rerun
from lerobot_recorder.cli.terminal import file_progress, operator_console, plain_table
from lerobot_recorder.dataset import SETUPS_PATH, RecordedEpisode, Recording, StreamAges
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import counted, tallied
from lerobot_recorder.topics import meanings

_SUCCESS = {True: "yes", False: "no", None: "not marked"}
_EPISODES = ("episode", "frames", "s", "verdict", "success", "task")
_STREAMS = ("stream", "new rows", "new a second", "age ms: p50", "p95", "max", "stale", "faults")
_SUMMARY = ("stream", "new rows a second", "age ms: p50", "p95", "max")


def show(
    dataset: DatasetArgument,
    episode: Annotated[
        int | None,
        typer.Argument(
            min=0,
            help="Number of an episode; without it, a summary and a line per episode.",
            show_default=False,
        ),
    ] = None,
    *,
    verdict: Annotated[
        str | None,
        typer.Option("--verdict", help="List episodes that are good, bad or unknown.", show_default=False),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", help="List episodes with this text in their task.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            "-o",
            help="Also draw a contact sheet into this PNG, of the episode or of the last 8.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", help="Also write a report into this file; it needs no network.", show_default=False
        ),
    ] = None,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Open the dataset in Rerun, if it is installed.")
    ] = False,
) -> None:
    """Show a dataset, or an episode: task, verdict, success, and the streams.

    Of each stream: how many rows a second have a new sample, at most the frame rate also if the topic is
    faster, and how old the samples are. ``--json`` calls the former rate_hz.
    """
    if episode is not None and (verdict or task):
        raise ConfigError("--verdict and --task choose episodes of the list: leave out the number")
    console = operator_console()
    page = _Dataset(dataset, verdict, task) if episode is None else _Episode(dataset, episode)
    if as_json:
        typer.echo(json.dumps(page.plain(), indent=2, ensure_ascii=False))
    else:
        page.print(console)
    written = Console(stderr=as_json, highlight=False, soft_wrap=True)
    if sheet is not None:
        with file_progress("Reading") as progress:
            write_contact_sheet([*_read(dataset, page.shown, progress)], sheet)
        written.print(f"contact sheet  {sheet}", markup=False)
    if html is not None:
        report.write_report(html, *page.html())
        written.print(f"report  {html}", markup=False)
    if rerun:
        open_in_rerun(dataset)


class _Dataset:
    """The summary of a dataset, and its episodes.

    Attributes:
        shown: numbers of the episodes whose contact sheets are drawn.
    """

    def __init__(self, root: Path, verdict: str | None, task: str | None) -> None:
        self._overview = Overview(root)
        self._episodes = selected(self._overview.episodes, verdict, task)
        self.shown = [each.episode for each in self._episodes[-SHEET_EPISODES:]]

    def print(self, console: Console) -> None:
        _print_facts(summary_lines(self._overview), console)
        console.print()
        if streams := list(self._streams()):
            console.print(_table(_SUMMARY, streams))
            console.print()
        console.print(_table(_EPISODES, map(_line, self._episodes)))

    def plain(self) -> dict[str, Any]:
        return {**self._overview.plain(), "list": [each.plain() for each in self._episodes]}

    def html(self) -> Iterator[str]:
        yield self._overview.root.name
        yield report.facts(summary_lines(self._overview))
        if streams := list(self._streams()):
            yield report.grid(_SUMMARY, streams)
        yield report.grid(_EPISODES, map(_line, self._episodes))
        yield report.sheets(self._overview.root, self.shown)

    def _streams(self) -> Iterator[Sequence[str]]:
        for each in self._overview.streams():
            ages = (f"{value * 1000:.1f}" for value in (each.p50_s, each.p95_s, each.max_s))
            yield each.name, f"{each.rate_hz:.1f}", *ages


class _Episode:
    """All that is known about an episode."""

    def __init__(self, root: Path, index: int) -> None:
        self._root, self._index = root, index
        self._episode = RecordedEpisode(root, index)
        self._ages = self._episode.ages()
        self.shown = [index]

    def print(self, console: Console) -> None:
        _print_facts(_facts(self._index, self._episode), console)
        if self._ages:
            console.print()
            console.print(_table(_STREAMS, self._streams()))

    def plain(self) -> dict[str, Any]:
        episode = self._episode
        known = EpisodeSummary(
            self._index, episode.length, episode.length / episode.fps, episode.task, episode.recording
        )
        return {**known.plain(), "recording": episode.recording, "streams": self._plain_streams()}

    def html(self) -> Iterator[str]:
        yield f"{self._root.name}, episode {self._index}"
        yield report.facts(_facts(self._index, self._episode))
        if self._ages:
            yield report.grid(_STREAMS, self._streams())
        yield report.sheets(self._root, self.shown)

    def _streams(self) -> Iterator[Sequence[str]]:
        return streams_rows(self._ages, self._episode.fps, self._episode.recording.get("streams", {}))

    def _plain_streams(self) -> dict[str, Any]:
        fps = self._episode.fps
        return {
            name: {
                "rate_hz": stream.new_rows(fps) * fps / len(stream.age_s),
                "age_s": dict(zip(("p50", "p95", "max"), _percentiles(stream), strict=True)),
            }
            for name, stream in self._ages.items()
        }


def _read(
    root: Path, episodes: Sequence[int], progress: Callable[[int, int], None]
) -> Iterator[SheetEpisode]:
    for count, index in enumerate(episodes):
        progress(count, len(episodes))
        yield read_sheet_episode(root, index)


def _print_facts(lines: Iterable[tuple[str, str]], console: Console) -> None:
    for name, text in lines:
        console.print(f"{name:<15}{text}", markup=False)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = plain_table(*header)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _line(episode: EpisodeSummary) -> Sequence[str]:
    return (
        str(episode.episode),
        str(episode.frames),
        f"{episode.seconds:.1f}",
        _verdict(episode.recording),
        _success(episode.recording) if episode.recording else "unknown",
        episode.task,
    )


def _facts(index: int, episode: RecordedEpisode) -> Iterator[tuple[str, str]]:
    yield "episode", str(index)
    yield "task", episode.task
    yield (
        "length",
        f"{counted(episode.length, 'frame')}, {episode.length / episode.fps:.1f} s at {episode.fps} fps",
    )
    recording = episode.recording
    if not recording:
        yield "recording", "unknown: meta/recordings has no line for this episode"
        return
    yield "recorded", f"{_start(recording)}, as {recording.get('episode_id', 'unknown')}"
    if source := recording.get("source"):
        yield "imported from", str(source.get("bag", "unknown"))
    if setup := recording.get("setup"):
        yield "set-up", f"{SETUPS_PATH}/{setup}"
    for key, meaning in meanings(episode.setup()).items():
        yield key.removeprefix("observation."), meaning
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


def streams_rows(
    ages: Mapping[str, StreamAges], fps: int, figures: Mapping[str, Any]
) -> Iterator[Sequence[str]]:
    """Yield for each stream how many rows have a new sample, how old samples were, and their faults."""
    for name, stream in ages.items():
        new, rows = stream.new_rows(fps), len(stream.age_s)
        known = figures.get(name, {})
        faults = "; ".join(tallied(known.get("faults", {})))
        yield (
            name,
            f"{new} of {rows}",
            f"{new * fps / rows:.1f}",
            *(f"{value * 1000:.1f}" for value in _percentiles(stream)),
            str(known.get("stale_ticks", "")),
            faults,
        )


def _percentiles(stream: StreamAges) -> list[float]:
    return [float(value) for value in np.percentile(stream.age_s, [50, 95, 100])]

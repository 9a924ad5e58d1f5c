"""Shows a recording as it happens: messages as lines and, on a terminal, the current state below them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lerobot_recorder.cli.status import Remark, RunStatus
from lerobot_recorder.encoding import EncoderStatus
from lerobot_recorder.recording import RecorderStatus, StreamStatus

_STYLES = {"info": "not dim", "warning": "not dim yellow", "error": "not dim red", "stray": "dim"}
_STATES = {
    "recording": ("● recording", "bold red"),
    "saving": ("saving", "yellow"),
    "resetting": ("reset the scene", "bold green"),
    "waiting": ("waiting for the robot", "yellow"),
    "finished": ("finished", "green"),
}
_KEYS = "→ start or save   ← discard and repeat   d delete last   u undo   a accept   e encode now   q quit"
_BAR_WIDTH = 40


class Screen:
    """The operator's view of a recording; prints only lines if the output is not a terminal.

    Attributes:
        shows_keys: whether the view lists the keys
    """

    def __init__(self, run: RunStatus, console: Console | None = None) -> None:
        self.shows_keys = False
        self._run = run
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._live: Live | None = None

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._view, console=self._console, refresh_per_second=8, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def print(self, remark: Remark) -> None:
        """Print a line."""
        source = Text(f"{remark.source:<9}", "dim")
        self._console.print(source.append(remark.text, _STYLES[remark.level]))

    def _view(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for name, content in rows(self._run):
            table.add_row(Text(name, "dim"), content)
        if self.shows_keys:
            table.add_row(Text("keys", "dim"), Text(_KEYS))
        return Group(Text(), table)


def rows(run: RunStatus) -> Iterator[tuple[str, RenderableType]]:
    """Yield the current state as pairs of a name and its content."""
    if run.recorder is None:
        yield "state", Text("starting")
        return
    status = run.recorder
    yield "state", _state(status)
    if status.task:
        yield "task", Text(status.task)
    yield "streams", _streams(status.streams)
    for line in status.missing:
        yield "missing", Text(line, "yellow")
    if not status.missing:
        for stream in status.streams.values():
            if stream.wrong:
                yield "wrong", Text(stream.wrong, "yellow")
    if status.message:
        yield "problem", Text(status.message, "red")
    if run.encoder is not None:
        yield "encoder", _encoder(run.encoder)
    yield "disk", _disk(status)


def _state(status: RecorderStatus) -> RenderableType:
    text, style = _STATES.get(status.state, ("ready to start", "green"))
    of = f" of {status.num_episodes}" if status.num_episodes else ""
    line = Text.assemble((text, style), f"   episode {status.episode}{of}   ")
    if status.state == "recording":
        return _with_bar(line, status.elapsed_s, status.episode_time_s, "s")
    if status.state == "resetting":
        line.append(f"next in {status.remaining_s:.0f} s")
    return line


def _streams(streams: Mapping[str, StreamStatus]) -> Text:
    line = Text()
    for name, stream in streams.items():
        age = stream.age_s
        lost = age is None or age > 1
        line.append(f"{name} ", "dim").append("nothing" if lost else f"{stream.rate_hz:.0f} Hz")
        line.append("   ")
    return line


def _encoder(status: EncoderStatus) -> RenderableType:
    waiting = f"   {status.waiting} waiting, {status.waiting_s:.0f} s of recording" if status.waiting else ""
    batch = status.encoding
    if not batch:
        return Text(f"{status.state}   {status.committed} done{waiting}")
    text = Text(f"{status.state} {batch.episodes}{waiting}   ")
    return _with_bar(text, batch.frames_done, batch.frames, "frames")


def _disk(status: RecorderStatus) -> Text:
    if status.free_bytes is None:
        return Text("free space unknown", "dim")
    text = f"{status.free_bytes / 1e9:.1f} GB free"
    if status.seconds_left is not None:
        text += f", enough for {duration(status.seconds_left)}"
    return Text(text)


def _with_bar(text: Text, done: float, total: float, unit: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    digits = 1 if unit == "s" else 0
    if not total:
        return text.append(f"{done:.{digits}f} {unit}")
    grid.add_row(
        text, ProgressBar(total, done, width=_BAR_WIDTH), f"{done:.{digits}f} / {total:.{digits}f} {unit}"
    )
    return grid


def duration(seconds: float) -> str:
    """Format a duration for people, in seconds, minutes or hours."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"

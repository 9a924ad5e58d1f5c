"""Shows a recording as it happens: messages as lines and, on a terminal, the current state below them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lerobot_recorder.cli.status import Remark, RunStatus
from lerobot_recorder.encoding import EncoderStatus
from lerobot_recorder.excerpt import counted
from lerobot_recorder.recording import RecorderStatus, StreamStatus

_STYLES = {"info": "not dim", "warning": "not dim yellow", "error": "not dim red", "stray": "dim"}
_STATES = {
    "recording": ("● recording", "bold red"),
    "saving": ("saving", "yellow"),
    "resetting": ("reset the scene", "bold green"),
    "waiting": ("waiting for the robot", "yellow"),
    "finished": ("finished", "green"),
}
_KEYS = "→ start or save   ← discard and repeat   d delete last   u undo   a accept   e encode now   q end"
_LEAVE = "Ctrl-C leaves the encoding for the next start"
_GRACE_S = 10.0
"""How long a stream without samples is no problem: nodes start, and the follower approaches the leader."""

_BAR_WIDTH = 40


class Screen:
    """The operator's view of a recording; prints only lines if the output is not a terminal.

    Attributes:
        shows_keys: whether the view lists the keys
    """

    def __init__(
        self, run: RunStatus, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.shows_keys = False
        self._run = run
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._clock = clock
        self._grace_until_s = clock() + _GRACE_S
        self._printed: deque[str] = deque(maxlen=20)

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
        self._printed.append(remark.text)
        source = Text(f"{remark.source:<9}", "dim")
        self._console.print(source.append(remark.text, _STYLES[remark.level]))

    def _view(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for name, content in self.rows():
            table.add_row(Text(name, "dim"), content)
        return Group(Text(), table)

    def rows(self) -> Iterator[tuple[str, RenderableType]]:
        """Yield the current state as pairs of a name and its content."""
        for problem in self._run.problems:
            yield "problem", Text(problem, "red")
        if self._run.ending:
            yield from _ending(self._run)
        elif self._run.recorder is None or self._is_starting():
            yield from _starting(self._run.recorder)
        else:
            yield from self._running(self._run.recorder)
        if self.shows_keys and not self._run.ending:
            yield "keys", Text(_KEYS)

    def _is_starting(self) -> bool:
        return not self._run.ready and self._clock() < self._grace_until_s

    def _running(self, status: RecorderStatus) -> Iterator[tuple[str, RenderableType]]:
        yield "state", _state(status)
        if status.task:
            yield "task", Text(status.task)
        yield "streams", _streams(status.streams)
        yield from _faults(status)
        if status.message and not status.missing and status.message not in self._printed:
            yield "problem", Text(status.message, "red")
        if self._run.encoder is not None:
            yield "encoder", _encoder(self._run.encoder)
        yield "disk", _disk(status)


def _starting(status: RecorderStatus | None) -> Iterator[tuple[str, RenderableType]]:
    line = Text("starting", "bold")
    if status is not None:
        silent = [name for name, stream in status.streams.items() if _is_silent(stream)]
        line.append(f"   waiting for {', '.join(silent) or 'the robot'}", "not bold dim")
    yield "state", line


def _ending(run: RunStatus) -> Iterator[tuple[str, RenderableType]]:
    """Show what is still done after the last episode: only the encoder works."""
    yield "state", Text("ending", "bold green")
    if run.encoder is not None and run.encoder.state != "ended":
        yield "encoder", _encoder(run.encoder)
        if run.encoder.waiting or run.encoder.encoding:
            yield "", Text(_LEAVE, "dim")


def _faults(status: RecorderStatus) -> Iterator[tuple[str, RenderableType]]:
    """Show what is missing, or else what is wrong with a stream."""
    for line in status.missing:
        yield "missing", Text(line, "yellow")
    if not status.missing:
        for stream in status.streams.values():
            if stream.wrong:
                yield "wrong", Text(stream.wrong, "yellow")


def _state(status: RecorderStatus) -> RenderableType:
    """Return the state with the number in the dataset, and how much of the run is done."""
    idle = ("not ready", "yellow") if status.missing else ("ready", "green")
    line = Text.assemble(_STATES.get(status.state, idle), "   ")
    of = f" of {status.num_episodes}" if status.num_episodes else ""
    done = f"{status.episode - 1}{of} saved   "
    if status.state == "recording":
        line.append(f"episode {status.episode_index}   {done}")
        return _with_bar(line, status.elapsed_s, status.episode_time_s, "s")
    if status.state == "resetting":
        line.append(f"episode {status.episode_index} in {status.remaining_s:.0f} s   ")
    elif status.state in ("idle", "waiting"):
        line.append(f"next: episode {status.episode_index}   ")
    return line.append(done)


def _streams(streams: Mapping[str, StreamStatus]) -> Text:
    line = Text()
    for name, stream in streams.items():
        rate = "nothing" if _is_silent(stream) else f"{stream.rate_hz:.0f} Hz"
        line.append(f"{name} ", "dim").append(rate)
        line.append("   ")
    return line


def _is_silent(stream: StreamStatus) -> bool:
    return stream.age_s is None or stream.age_s > 1


def _encoder(status: EncoderStatus) -> RenderableType:
    waiting = f"   {status.waiting} waiting ({duration(status.waiting_s)})" if status.waiting else ""
    batch, done = status.encoding, f"   {status.committed} in the dataset" if status.committed else ""
    progress = batch or status.take
    if not progress:
        return Text(f"{status.state}{done}{waiting}")
    what = f"{status.state} {counted(batch.episodes, 'episode')}" if batch else "encoding this take"
    clear = "" if status.eta_s is None else f"   {duration(status.eta_s)} to clear"
    text = Text(f"{what}{done}{waiting}{clear}   ")
    return _with_bar(text, progress.frames_done, progress.frames, "frames")


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

"""Shows a recording as it happens: messages as lines and, on a terminal, the current state below them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from lerobot_recorder.answers import OFFERS, with_offer
from lerobot_recorder.cli.controls import OFFER_KEYS, Controls
from lerobot_recorder.cli.large_type import HEIGHT, WIDTH, large
from lerobot_recorder.cli.status import PhoneCode, Remark, RunStatus
from lerobot_recorder.dashboard import CODE_HINT, OFFER_BUTTONS
from lerobot_recorder.encoding import EncoderStatus
from lerobot_recorder.excerpt import counted, duration, excerpt, first_sentences
from lerobot_recorder.recording import LastEpisode, RecorderStatus, StreamStatus

_STYLES = {"info": "not dim", "warning": "not dim yellow", "error": "not dim red", "stray": "dim"}
_STATES = {
    "recording": ("● recording", "bold red"),
    "saving": ("saving", "yellow"),
    "resetting": ("reset the scene", "bold green"),
    "waiting": ("waiting", "yellow"),
    "paused": ("paused", "bold yellow"),
    "finished": ("finished", "green"),
    "ended": ("ended", "green"),
}
_LARGE = {"resetting": "RESET", "idle": "READY"}
_AFTER_A_TAKE = ("resetting", "idle", "paused")
_MARKS = {None: "", True: ", a success", False: ", a failure"}
_KEYS = "→ start/save  ← discard  u delete  t task  p pause  ? keys"
_OFFERS = {"rejected": "accept_episode", "discarded": "undo_delete", "deleted": "undo_delete"}
"""What can be done with the last take, by its state."""

_LEAVE = "Ctrl-C leaves the encoding for the next start"
_LEAVE_CONSOLE = "q leaves; the encoder continues"
_GRACE_S = 10.0
"""How long a stream without samples is no problem: nodes start, and the follower approaches the leader."""

_NOTICE_S = 5.0
_BAR_WIDTH = 12
_LONGEST = 140
"""Characters of a sentence: two lines in 80 columns."""

_LONGEST_ALONE = 210

_MOST_FAULTS = 3
_DISPENSABLE = ("streams", "task", "disk", "last", "missing", "wrong")
"""Rows that are left out of a small terminal, in this order."""

_NO_ANSWER = "NO ANSWER"

Row = tuple[str, RenderableType]


class Screen:
    """The operator's view of a recording; prints only lines if the output is not a terminal.

    Attributes:
        shows_keys: whether the view lists the keys
    """

    def __init__(
        self,
        run: RunStatus,
        controls: Controls,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shows_keys = False
        self._run = run
        self._controls = controls
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._clock = clock
        self._grace_until_s = clock() + _GRACE_S
        self._printed: deque[str] = deque(maxlen=20)
        self._notice, self._notice_until_s = "", 0.0
        self._size = self._console.size
        self._state = self._offer = ""
        self._code: PhoneCode | None = None
        self._silent: set[str] = set()
        self._echoed: str | None = None

    def __enter__(self) -> Screen:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self._view, console=self._console, refresh_per_second=4, transient=True
            )
            self._live.start()
        elif self.shows_keys:
            for key, meaning in self._controls.help.items():
                self.print(Remark("keys", f"{key}: {meaning}"))
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def print(self, remark: Remark) -> None:
        """Print a line."""
        self._end_echo()
        self._printed.append(remark.text)
        source = Text(f"{remark.source:<8} ", "dim")
        text = source.append(with_offer(remark.text, remark.offer, self._names), _STYLES[remark.level])
        self._console.print(text, soft_wrap=self._live is None)

    @property
    def _names(self) -> Mapping[str, str]:
        """What an operator uses here in place of services: keys, or buttons of the page."""
        if self.shows_keys:
            return OFFER_KEYS
        return (
            {name: f"{button} on the page" for name, button in OFFER_BUTTONS.items()}
            if self._run.has_page
            else {}
        )

    def notify(self, sentence: str) -> None:
        """Show an answer to a key for a few seconds; without a view, print it as a line."""
        if self._controls.shows_code and not self._shows_code():
            self._controls.shows_code = False
            self._print_code()
        if self._live is None:
            self._notify_with_lines(sentence)
        self._notice, self._notice_until_s = sentence, self._clock() + _NOTICE_S
        if self._live is not None:
            self._live.refresh()

    def _notify_with_lines(self, sentence: str) -> None:
        """Print an answer to a key, or echo the text that is being typed."""
        text = self._controls.typed
        if text is None or self._echoed is None:
            self._end_echo()
            if sentence:
                self.print(Remark("keys", sentence, "warning"))
        if text is not None:
            self._echo(text)

    def _echo(self, text: str) -> None:
        """Write the characters that were added; start again in a new line if some were removed."""
        shown = self._echoed or ""
        if not text.startswith(shown):
            self._end_echo()
            shown = ""
        self._console.print(text[len(shown) :], end="", markup=False, soft_wrap=True)
        self._echoed = text

    def _end_echo(self) -> None:
        if self._echoed:
            self._console.print()
        if self._echoed is not None:
            self._echoed = None if self._controls.typed is None else ""

    def note_silence(self) -> None:
        """Print that a node does not answer, and that it does again, unless a view shows it."""
        for node in ("recorder", "encoder", "hardware"):
            if self._run.ending or node in self._run.gone:  # its end is a line of its own
                continue
            silent_s = self._silent_s(node)
            if (silent_s is not None) == (node in self._silent):
                continue
            self._silent ^= {node}
            if self._live is None:
                text = "reports again" if silent_s is None else _unanswered(silent_s)
                self.print(Remark(node, text, "info" if silent_s is None else "error"))

    def note_status(self) -> None:
        """Print what the nodes do not log, unless a view shows it."""
        self._note_code()
        self.note_silence()
        if (status := self._run.recorder) is None:
            return
        self._note_offer(status)
        if status.state == self._state:
            return
        self._state = status.state
        if status.state == "recording":
            self._controls.shows_code = False
        elif status.state == "resetting" and self._live is None:
            self.print(Remark("recorder", f"reset the scene: {status.remaining_s:.0f} s"))

    def _note_offer(self, status: RecorderStatus) -> None:
        """Print what helps with a problem, which nodes do not log for a screen, unless a view shows it."""
        if status.offer != self._offer and status.offer and self._live is None:
            self.print(Remark("recorder", status.message, "warning", status.offer))
        self._offer = status.offer

    def _note_code(self) -> None:
        """Show a new code for a phone, or print it where there is no view or no room."""
        code = self._run.code
        if code is None or code == self._code:
            return
        self._code = code
        if self._shows_code():
            self._controls.shows_code = True
        else:
            self._print_code()

    def _shows_code(self) -> bool:
        """Return whether a view can show the code."""
        return self._live is not None and self._run.code is not None and self._fits(self._run.code)

    def _print_code(self) -> None:
        if (code := self._run.code) is not None:
            self.print(Remark("dashboard", "\n".join(["", *code.lines, f"{CODE_HINT} {code.link}"])))

    # The view

    def _view(self) -> RenderableType:
        code = self._run.code
        if self._controls.shows_code and code is not None and self._fits(code):
            return Group(*self._cleared(), *_phone_code(code), _table(list(self._state_row())))
        rows = self._fitted()
        parts = [*self._cleared(), Text(), *self._large_type(rows), _table(rows)]
        return Group(*parts)

    def _fitted(self) -> list[Row]:
        """Return the rows that fit: fewer faults leave room for the large type, then for the other rows."""
        height = self._console.size.height
        wide = len(self._headline()[0]) * WIDTH <= self._console.size.width
        for large_lines in (HEIGHT + 3, 1) if wide else (1,):
            for most in range(_MOST_FAULTS, 0, -1):
                rows = list(self.rows(most))
                if self._used(rows) + large_lines <= height:
                    return rows
        for name in _DISPENSABLE:
            if self._used(rows) + 1 <= height:
                break
            rows = [row for row in rows if row[0] != name]
        return rows

    def _used(self, rows: Sequence[Row]) -> int:
        """Return how many lines rows take."""
        return len(self._console.render_lines(_table(rows), self._console.options, pad=False))

    def _fits(self, code: PhoneCode) -> bool:
        """Return whether a code has room with its link, a hint and the state."""
        width, height = self._console.size
        link_lines = -(-len(code.link) // width)
        return max(map(len, code.lines)) <= width and len(code.lines) + link_lines + 2 <= height

    def _cleared(self) -> Iterator[RenderableType]:
        """Clear the terminal when its size has changed: what it showed is broken into other lines then."""
        if (size := self._console.size) != self._size:
            self._size = size
            self._controls.shows_code &= self._shows_code()  # a key must not close what nobody sees
            yield Control(ControlType.HOME, ControlType.CLEAR)

    def _large_type(self, rows: Sequence[Row]) -> Iterator[RenderableType]:
        """Show the state in large type if there is room for it."""
        text, style = self._headline()
        lines, size = large(text), self._console.size
        if len(text) * WIDTH <= size.width and self._used(rows) + len(lines) + 3 <= size.height:
            yield Text("\n".join(lines) + "\n", style, no_wrap=True)

    def _headline(self) -> tuple[str, str]:
        status = self._run.recorder
        if self._run.ending:
            return "ENDING", "bold green"
        if status is None and self._controls.can_leave:
            return "WAITING", "bold yellow"
        if self._silent_s("recorder") is not None:
            return _NO_ANSWER, "bold red"
        if status is None or self._is_starting():
            return "STARTING", "bold yellow"
        style = _STATES.get(status.state, ("", "bold green"))[1]
        if status.state == "idle" and _cannot_start(status):
            return "NOT READY", "bold yellow"
        word = _LARGE.get(status.state, status.state.upper())
        if status.state in _AFTER_A_TAKE and status.last is not None and status.last.state == "rejected":
            word, style = "REJECTED", "bold red"
        seconds = _countdown(status)
        return (word if seconds is None else f"{word} {seconds:.0f}"), style

    def _silent_s(self, node: str) -> float | None:
        return self._run.silent_s(node, self._clock())

    def rows(self, most_faults: int = _MOST_FAULTS) -> Iterator[Row]:
        """Yield the current state as pairs of a name and its content, the most important first.

        Args:
            most_faults: faults of streams to show
        """
        for problem in self._problems():
            yield "problem", Text(problem, "red")
        status = self._run.recorder
        yield from self._state_row()
        is_old = self._silent_s("recorder") is not None
        if status is not None and status.state == "recording" and not (self._run.ending or is_old):
            yield from _of_the_take(status)
        yield from self._answer()
        if self._run.ending:
            yield from _still_encoding(self._run, can_leave=self._controls.can_leave)
        elif status is not None and not self._is_starting() and not self._controls.shows_help:
            yield from () if is_old else self._running(status, most_faults)
            yield from self._encoder_rows()
            if not is_old:
                yield "disk", _disk(status)
        yield from self._keys()

    def _running(self, status: RecorderStatus, most_faults: int) -> Iterator[Row]:
        if status.task or status.next_task:
            yield "task", _task(status)
        if status.last is not None:
            yield "last", self._last(status.last)
        if status.streams:
            streams = [_stream(name, stream) for name, stream in status.streams.items()]
            yield "streams", Columns(streams, padding=(0, 3))
        yield from _faults(status, most_faults)
        reasons = "; ".join(status.last.reasons) if status.last else ""
        is_known = status.message in self._printed or (reasons and status.message.endswith(reasons))
        if status.message and not status.missing and (status.offer or not is_known):
            problem = with_offer(status.message, status.offer, self._names)
            yield "problem", Text(excerpt(problem, _LONGEST_ALONE), "red")

    def _last(self, last: LastEpisode) -> Text:
        """Describe the last episode, and what can still be done with it."""
        line = _last(last)
        if offer := _OFFERS.get(last.state):
            line.append(f"   {self._names.get(offer, offer)} {OFFERS[offer]}")
        return line

    def _encoder_rows(self) -> Iterator[Row]:
        if (silent_s := self._silent_s("encoder")) is None:
            yield from _encoder_rows(self._run.encoder)
        elif "encoder" in self._run.gone:
            yield "encoder", Text("has ended; saved episodes wait for its next start", "red")
        else:
            yield "encoder", Text(_unanswered(silent_s), "red")

    def _state_row(self) -> Iterator[Row]:
        status = self._run.recorder
        if self._run.ending:
            yield "state", Text("ending", "bold green")
        elif status is None and self._controls.can_leave:
            yield "state", Text("waiting for a recorder", "bold")
        elif status is None or self._is_starting():
            yield "state", _starting(status)
        else:
            yield "state" if self._silent_s("recorder") is None else "before", _state(status)

    def _problems(self) -> Iterator[str]:
        yield from (*self._run.problems, *self._run.incidents)
        for node in () if self._run.ending else ("recorder", "hardware"):
            if (silent_s := self._silent_s(node)) is not None:
                yield f"the {node} {'has ended' if node in self._run.gone else _unanswered(silent_s)}"

    def _is_starting(self) -> bool:
        return not self._run.ready and self._clock() < self._grace_until_s

    def _answer(self) -> Iterator[Row]:
        """Show the answer to the last key, and the text that is being typed."""
        if self._controls.typed is not None:
            yield "new task", Text(f"{self._controls.typed}▏", "bold")
        elif self._clock() >= self._notice_until_s:
            return
        if self._notice:
            yield "", Text(self._notice, "bold yellow")

    def _keys(self) -> Iterator[Row]:
        if not self.shows_keys or self._run.ending:
            return
        if not self._controls.shows_help:
            yield "keys", Text(_KEYS, "dim")
            return
        for key, meaning in self._controls.help.items():
            yield key, Text(meaning)


def _phone_code(code: PhoneCode) -> Iterator[RenderableType]:
    yield Text("\n".join(code.lines), "white on black", no_wrap=True)
    yield Text(code.link, overflow="fold")
    yield Text("scan it with the phone or open the link; any key only closes this, w shows it again", "dim")


def _table(rows: Sequence[Row]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, content in rows:
        table.add_row(Text(name, "dim", no_wrap=True), content)
    return table


def _countdown(status: RecorderStatus) -> float | None:
    """Return the seconds that are left, or that have passed if nobody knows how long it takes."""
    if status.state == "recording":
        left_s = status.episode_time_s - status.elapsed_s
        return max(0.0, left_s) if status.episode_time_s else status.elapsed_s
    return status.remaining_s if status.state == "resetting" else None


def _starting(status: RecorderStatus | None) -> Text:
    line = Text("starting", "bold")
    if status is not None:
        silent = [name for name, stream in status.streams.items() if _is_silent(stream)]
        line.append(f"   waiting for {', '.join(silent) or 'the robot'}", "not bold dim")
    return line


def _unanswered(silent_s: float) -> str:
    return f"does not answer, its last report is {duration(silent_s)} old"


def _still_encoding(run: RunStatus, *, can_leave: bool) -> Iterator[Row]:
    """Show what is done after the last episode: only the encoder works."""
    if run.encoder is not None and run.encoder.state != "ended":
        yield from _encoder_rows(run.encoder)
        if run.encoder.waiting or run.encoder.encoding:
            yield "", Text(_LEAVE_CONSOLE if can_leave else _LEAVE, "dim")


def _room(sentences: Sequence[str]) -> int:
    """Return how many characters a sentence may have: one alone is shown with what to do."""
    return _LONGEST if len(sentences) > 1 else _LONGEST_ALONE


def _faults(status: RecorderStatus, most: int) -> Iterator[Row]:
    """Show what is missing, or else what is wrong with a stream."""
    name = "missing" if status.missing else "wrong"
    lines = status.missing or [stream.wrong for stream in status.streams.values() if stream.wrong]
    for number, line in enumerate(lines[:most], 1):
        more = f"; and {len(lines) - most} more" if number == most < len(lines) else ""
        yield name, Text(excerpt(line, _room(lines)) + more, "yellow")


def _of_the_take(status: RecorderStatus) -> Iterator[Row]:
    """Show what is unusual with the take, and what follows it; beside the state there is no room for it."""
    late = f"{counted(status.late, 'row')} late" if status.late else ""
    if unusual := "   ".join(filter(None, (late, "then paused" if status.paused else ""))):
        yield "", Text(unusual, "yellow")


def _cannot_start(status: RecorderStatus) -> bool:
    """Return whether an episode would be refused now; what keeps it is shown as a problem."""
    return bool(status.missing) or status.is_blocked


def _state(status: RecorderStatus) -> Text:
    """Return the state with the number in the dataset, and how much of the run is done."""
    idle = ("not ready", "yellow") if _cannot_start(status) else ("ready", "green")
    line = Text.assemble(_STATES.get(status.state, idle), "   ")
    of = f" of {status.num_episodes}" if status.num_episodes else ""
    done = f"{status.episode - 1}{of} saved"
    place = f"episode {status.episode_index}   " + (f"{status.episode}{of}" if of else done)
    if status.state == "recording":
        _append_bar(line.append(f"{place}   "), status.elapsed_s, status.episode_time_s, "s")
        return line
    if status.state == "resetting":
        return line.append(f"{status.remaining_s:.0f} s, then {place}")
    if status.state in ("idle", "waiting", "paused"):
        return line.append(f"next: {place}")
    return line.append(done)


def _task(status: RecorderStatus) -> Text:
    line = Text(status.task)
    if status.tasks and status.task in status.tasks:
        line.append(f"   ({status.tasks.index(status.task) + 1} of {len(status.tasks)} tasks)", "dim")
    if status.next_task != status.task:
        line.append(f"   then: {status.next_task}")
    return line


def _last(last: LastEpisode) -> Text:
    """Describe the last episode and its verdict, with the reasons."""
    name = "take" if last.episode_index is None else f"episode {last.episode_index}"
    figures = f"{counted(last.frames, 'frame')}, {last.duration_s:.1f} s{_MARKS[last.success]}"
    line = Text(f"{name} ")
    if last.state == "ready":
        line.append("saved: ").append(last.verdict, "green" if last.verdict == "good" else "bold red")
    else:
        line.append(last.state, "bold red" if last.state == "rejected" else "yellow")
    if reasons := first_sentences(facts := (*last.reasons, *last.notes), _room(facts)):
        line.append(f": {reasons}", "yellow")
    return line.append(f"   {figures}", "dim")


def _stream(name: str, stream: StreamStatus) -> Text:
    line = Text.assemble((f"{name} ", "dim"), no_wrap=True)
    if _is_silent(stream):
        age = "" if stream.age_s is None else f" for {duration(stream.age_s)}"
        return line.append(f"nothing{age}", "bold yellow")
    age_s = stream.age_s or 0.0
    return line.append(f"{stream.rate_hz:.0f} Hz").append(f" {age_s * 1000:.0f} ms", "dim")


def _is_silent(stream: StreamStatus) -> bool:
    return stream.age_s is None or stream.age_s > 1


def _encoder_rows(status: EncoderStatus | None) -> Iterator[Row]:
    if status is None:
        return
    yield "encoder", _encoder(status)
    if status.message:
        yield "problem", Text(excerpt(status.message, _LONGEST), "red")
    if status.warning:
        yield "warning", Text(excerpt(status.warning, _LONGEST), "yellow")


def _encoder(status: EncoderStatus) -> Text:
    batch, line = status.encoding, Text(status.state)
    if batch is not None:
        line.append(f" {counted(batch.episodes, 'episode')}   " if batch.episodes else "   ")
    elif status.take is not None:
        line = Text("encoding this take   ")
    if (progress := batch or status.take) is not None:
        _append_bar(line, progress.frames_done, progress.frames, "frames")
    line.append(f"   {_waiting(status)}" if status.waiting else "")
    if status.eta_s is not None and (status.waiting or progress is not None):
        line.append(f"   {duration(status.eta_s)} to clear")
    return line.append(f"   {status.committed} added to the dataset" if status.committed else "")


def _waiting(status: EncoderStatus) -> str:
    return f"{counted(status.waiting, 'episode')} waiting, {duration(status.waiting_s)} of recording"


def _disk(status: RecorderStatus) -> Text:
    if status.free_bytes is None:
        return Text("free space unknown", "dim")
    text = f"{status.free_bytes / 1e9:.1f} GB free"
    if status.seconds_left is not None:
        text += f", enough for {duration(status.seconds_left)}"
    return Text(text)


def _append_bar(line: Text, done: float, total: float, unit: str) -> None:
    """Append how much is done, as a bar that can be read without colour and in figures."""
    digits = 1 if unit == "s" else 0
    if total:
        cells = min(_BAR_WIDTH, int(_BAR_WIDTH * done / total))
        line.append("━" * cells).append("─" * (_BAR_WIDTH - cells) + " ", "dim")
    line.append(f"{done:.{digits}f}").append(f" / {total:.{digits}f}" if total else "").append(f" {unit}")

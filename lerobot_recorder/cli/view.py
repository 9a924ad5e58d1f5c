"""The terminal of one operator: keys, what they mean, the screen, and the signals that end a program."""

from __future__ import annotations

import contextlib
import queue
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lerobot_recorder.cli.controls import Controls, Send
from lerobot_recorder.cli.keyboard import Keyboard, KeyPressed
from lerobot_recorder.cli.processes import NodeOutput
from lerobot_recorder.cli.screen import Screen
from lerobot_recorder.cli.status import Remark, RunStatus, log_remark


@dataclass(frozen=True)
class Interrupted:
    """The program is asked to end: by Ctrl-C, by SIGTERM, or because the terminal was closed."""


class OperatorView:
    """Shows a recording to an operator, and passes on what the keys mean.

    Attributes:
        status: what the nodes have reported
    """

    def __init__(
        self,
        events: queue.SimpleQueue[object],
        send: Send,
        end: Callable[[], None],
        leave: Callable[[], None] | None = None,
        *,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare.

        Args:
            events: where keys and signals are put
            send: sends a call to a node
            end: saves the episode and ends the recording
            leave: leaves the view while the recording continues; None if that is not possible
            aliases: keys that act as other keys
        """
        self.status = RunStatus()
        self._events = events
        self._controls = Controls(self.status, send, end, leave, aliases=aliases)
        self._screen = Screen(self.status, self._controls)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Read keys, turn signals into events and show the screen."""
        with _interruptions(self._events), Keyboard(self._events) as keyboard:
            self._screen.shows_keys = keyboard.listening
            with self._screen:
                yield

    def print(self, remark: Remark) -> None:
        """Print a line."""
        self._screen.print(remark)

    def take_output(self, output: NodeOutput) -> None:
        """Process a line of a node."""
        if output.is_log or not output.line.startswith("{"):
            remark = log_remark(output.node, output.line)
        else:
            remark = self.status.take(output.line)
        if remark is not None:
            self._screen.print(remark)
        self._screen.note_status()

    def note_silence(self) -> None:
        """Print that a node does not answer, unless a view shows it."""
        self._screen.note_silence()

    def take_key(self, pressed: KeyPressed) -> None:
        """Do what a key means, and show the answer."""
        self._screen.notify(self._controls.press(pressed.key))


@contextlib.contextmanager
def _interruptions(events: queue.SimpleQueue[object]) -> Iterator[None]:
    """Turn signals that ask a program to end into events."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: events.put(Interrupted())) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

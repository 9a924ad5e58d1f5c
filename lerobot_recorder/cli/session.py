"""One recording: starts the nodes, passes on the operator's keys, and ends the nodes in the right order."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lerobot_recorder.cli.keyboard import Command, Keyboard, KeyPressed
from lerobot_recorder.cli.processes import HELD, NodeEnded, NodeOutput, NodeProcess
from lerobot_recorder.cli.screen import Screen
from lerobot_recorder.cli.status import Remark, RunStatus, end_reason, log_remark
from lerobot_recorder.launching import END_S
from lerobot_recorder.recording import RecorderState

_ENDED_BY_SIGNAL = (-signal.SIGINT, -signal.SIGTERM)

_SERVICES: Mapping[Command, tuple[str, str]] = {
    "again": ("recorder", "discard_episode"),
    "delete": ("recorder", "delete_last_episode"),
    "undo": ("recorder", "undo_delete"),
    "accept": ("recorder", "accept_episode"),
    "encode": ("encoder", "encode_pending"),
}
_NOTHING_TO_DISCARD = "no episode is being recorded, so ← does nothing; d deletes the last saved episode"
_NOTHING_TO_DELETE = (
    "an episode is being recorded: ← discards it; d deletes a saved episode, but only between episodes"
)
_MAY_DELETE_RESTORED = (
    "u has just brought an episode back, and d may delete that one: press d again to delete the last episode"
)


_IS_ENDING = "the recording is ending: keys do nothing now"


@dataclass(frozen=True)
class Interrupted:
    """The recording is asked to end: by Ctrl-C, by SIGTERM, or because the terminal was closed."""


class Session:
    """The nodes of one recording, from start to end.

    The hardware node may move arms, so it waits until recorder and encoder are ready. When the recorder ends,
    the hardware node is stopped and the encoder encodes the remaining episodes. An interruption ends the
    recorder; the next one, or one after the recorder has ended, leaves unencoded episodes for the next start;
    one more ends everything at once.

    Attributes:
        status: what the nodes have reported
    """

    def __init__(self, arguments: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> None:
        """Prepare a recording without starting it.

        Args:
            arguments: command line arguments by node name
            environment: environment variables of the nodes
        """
        self.status = RunStatus()
        self._arguments = arguments
        self._environment = environment
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._screen = Screen(self.status)
        self._nodes: dict[str, NodeProcess] = {}
        self._running: set[str] = set()
        self._asked_to_end: set[str] = set()
        self._is_held = "hardware" in arguments
        self._is_leaving = False
        self._is_aborted = False
        self._stop_when_saved = False
        self._has_restored = False

    def run(self) -> RunStatus:
        """Record until the recorder has ended and everything is encoded.

        Returns:
            What the nodes have reported; ``problems`` is empty if all went well.
        """
        with _interruptions(self._events), Keyboard(self._events) as keyboard:
            self._screen.shows_keys = keyboard.listening
            try:
                with self._screen:
                    self._start()
                    while self._running and not self._is_aborted:
                        self._take(self._events.get())
            finally:
                self._end()
        return self.status

    # From start to end

    def _start(self) -> None:
        for name, arguments in self._arguments.items():
            held = {HELD: "1"} if name == "hardware" else {}
            self._nodes[name] = NodeProcess(name, arguments, {**self._environment, **held}, self._events)
        self._running = set(self._arguments)

    def _end(self) -> None:
        for node in self._nodes.values():
            node.end(END_S)

    # What happens

    def _take(self, event: object) -> None:
        if isinstance(event, NodeOutput):
            self._take_output(event)
        elif isinstance(event, NodeEnded):
            self._note_end(event)
        elif isinstance(event, KeyPressed):
            self._run_command(event.command)
        elif isinstance(event, Interrupted):
            self._interrupt()

    def _take_output(self, output: NodeOutput) -> None:
        if output.is_log or not output.line.startswith("{"):
            remark = log_remark(output.node, output.line)
        else:
            remark = self.status.take(output.line)
            self._release_hardware()
            self._stop_if_saved()
        if remark is not None:
            self._screen.print(remark)

    def _release_hardware(self) -> None:
        """Let the hardware node begin once the others have read their parameters and opened the dataset."""
        if self._is_held and self.status.recorder and self.status.encoder and not self.status.ending:
            self._is_held = False
            self._nodes["hardware"].send("")

    def _note_end(self, end: NodeEnded) -> None:
        self._running.discard(end.node)
        if self._running == {"dashboard"}:
            self._ask_to_end("dashboard")
        if self._is_failure(end):
            self._fail(end)
        if end.node == "hardware" or (end.node == "encoder" and self.status.encoder is None):
            self._ask_to_end("recorder")
        elif end.node == "recorder":
            self.status.ending = True
            self._ask_to_end("hardware", "encoder")

    def _is_failure(self, end: NodeEnded) -> bool:
        if end.node in self._asked_to_end:
            return end.status not in (0, *_ENDED_BY_SIGNAL)
        return end.status != 0 or end.node != "recorder"

    def _ask_to_end(self, *names: str) -> None:
        for name in names:
            if name == "recorder":
                self.status.ending = True
            if name in self._running:
                self._asked_to_end.add(name)
                self._nodes[name].interrupt()

    def _fail(self, end: NodeEnded) -> None:
        reason = end_reason(list(self._nodes[end.node].last_lines))
        if end.node == "dashboard":  # the recording goes on without it
            self._screen.print(Remark(end.node, f"ended: {reason}", "error"))
            return
        encoder = self.status.encoder
        waits = end.node == "encoder" and encoder is not None and (encoder.waiting or self.status.completed)
        left = "; recorded episodes wait in the spool" if waits else ""
        self.status.problems.append(f"the {end.node} node ended: {reason}{left}")
        if end.node == "encoder" and encoder is not None and self._running:
            self._screen.print(Remark(end.node, f"ended: {reason}{left}", "error"))

    def _interrupt(self) -> None:
        if not self.status.ending:
            take = ": saving the current episode" if self._is_recording() else ""
            self._screen.print(Remark("record", f"ending{take}"))
            self._ask_to_end("recorder")
        elif not self._is_leaving:
            self._is_leaving = True
            self._asked_to_end |= self._running
            for name in self._running:
                self._nodes[name].terminate()
        else:
            self._is_aborted = True

    # The operator's keys

    def _is_recording(self) -> bool:
        return self._recorder_state() == "recording"

    def _recorder_state(self) -> RecorderState | None:
        return self.status.recorder.state if self.status.recorder else None

    def _run_command(self, command: Command) -> None:
        recording, has_restored = self._is_recording(), self._has_restored
        self._has_restored = command == "undo"
        if self.status.ending:
            self._screen.print(Remark("record", _IS_ENDING))
        elif command == "finish":
            self._call("recorder", "save_episode" if recording else "start_episode")
        elif command == "stop":
            self._save_and_stop(recording)
        elif command == "again" and not recording:
            self._screen.print(Remark("record", _NOTHING_TO_DISCARD, "warning"))
        elif command == "delete" and recording:
            self._screen.print(Remark("record", _NOTHING_TO_DELETE, "warning"))
        elif command == "delete" and has_restored:
            self._screen.print(Remark("record", _MAY_DELETE_RESTORED, "warning"))
        else:
            self._call(*_SERVICES[command])

    def _save_and_stop(self, recording: bool) -> None:
        self._stop_when_saved = True
        if recording:
            self._call("recorder", "save_episode")
        self._stop_if_saved()

    def _stop_if_saved(self) -> None:
        if self._stop_when_saved and self._recorder_state() not in ("recording", "saving"):
            self._stop_when_saved = False
            self._ask_to_end("recorder")

    def _call(self, node: str, service: str) -> None:
        if node in self._running:
            self._nodes[node].send(json.dumps({"call": service}))
        else:
            self._screen.print(
                Remark("record", f"{service} is not possible: the {node} node has ended", "warning")
            )


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

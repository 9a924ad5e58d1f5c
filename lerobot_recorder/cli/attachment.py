"""A console on nodes that run already: it shows them and calls their services, and starts none."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Mapping, Sequence
from typing import Any

from lerobot_recorder.cli.keyboard import KeyPressed
from lerobot_recorder.cli.processes import NodeEnded, NodeOutput, NodeProcess
from lerobot_recorder.cli.status import Remark, RunStatus, end_reason
from lerobot_recorder.cli.view import Interrupted, OperatorView

_LOOK_S = 0.5
_IDLE_S = 3.0
"""How long an encoder without work may still begin some after the recorder has ended."""

_QUIET_S = 2.0
"""An encoder that has reported nothing for this time may be dead, which is known after `_LOST_S`."""

_LOST_S = 10.0
_END_S = 5.0
_VANISHED = "the recorder has vanished without ending; its next start recovers a take that was not saved"
_SILENT = (
    "the recorder does not answer, its last report is {silent_s:.0f} s old: it is unknown whether the "
    "recording continues"
)
_CUT_SHORT = (
    "the recorder was ended during a take, which is saved as far as it was recorded: the reason is in the "
    "output of the program that started the nodes"
)
_ENCODER_LOST = (
    "the encoder has stopped unexpectedly, episodes that are not encoded wait in the spool: start it "
    "again, or lerobot-recorder encode {root}"
)


class Attachment:
    """A console on a running recording.

    Attributes:
        status: what the nodes have reported
        has_left: whether the operator left while the recording continued
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare.

        Args:
            arguments: command line of the node that connects to the others
            environment: its environment variables
            aliases: keys that act as other keys
        """
        self.has_left = False
        self._arguments = arguments
        self._environment = environment
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._view = OperatorView(self._events, self._send, self._end_recording, self._leave, aliases=aliases)
        self.status = self._view.status
        self._bridge: NodeProcess | None = None
        self._is_over = False
        self._ended_s = 0.0

    def run(self) -> RunStatus:
        """Show the recording until it has ended and everything is encoded, or the operator leaves.

        Returns:
            What the nodes have reported; ``problems`` has the failures.
        """
        with self._view.open():
            self._bridge = NodeProcess("console", self._arguments, self._environment, self._events)
            try:
                while not self._is_over:
                    self._take_next()
                    self._view.note_silence()
                    self._note_end()
            finally:
                self._bridge.end(_END_S)
        return self.status

    def _take_next(self) -> None:
        try:
            event = self._events.get(timeout=_LOOK_S)
        except queue.Empty:
            return
        if isinstance(event, NodeOutput):
            self._take_output(event)
        elif isinstance(event, KeyPressed):
            self._view.take_key(event)
        elif isinstance(event, NodeEnded):
            self._fail(event)
        elif isinstance(event, Interrupted):
            self._leave()

    def _take_output(self, output: NodeOutput) -> None:
        is_new = self.status.recorder is None
        self._view.take_output(output)
        if is_new and self.status.recorder is not None:
            self._view.print(Remark("console", f"the dataset is {self.status.recorder.root}"))

    def _fail(self, end: NodeEnded) -> None:
        lines = list(self._bridge.last_lines) if self._bridge else []
        self.status.problems.append(end_reason(lines) if end.status else "the console's node has ended")
        self._is_over = True

    def _note_end(self) -> None:
        """Note that the recorder has ended, and then that nothing is encoded any more."""
        status, has_ended = (
            self.status,
            self.status.recorder is not None and self.status.recorder.state == "ended",
        )
        if not status.ending and (has_ended or "recorder" in status.gone):
            status.ending, self._ended_s = True, time.monotonic()
            if not has_ended and not status.problems:
                status.problems.append(_VANISHED)
        if status.ending and not self._is_over and not self._is_encoding():
            self._is_over = True
            self._note_lost()

    def _is_encoding(self) -> bool:
        encoder = self.status.encoder
        if encoder is None or encoder.state == "ended" or "encoder" in self.status.gone:
            return False
        if (silent_s := self._encoder_silent_s()) > _QUIET_S:
            return silent_s < _LOST_S
        works = encoder.state in ("encoding", "committing")
        return works or time.monotonic() < self._ended_s + _IDLE_S

    def _encoder_silent_s(self) -> float:
        return time.monotonic() - self.status.heard_s["encoder"]

    def _note_lost(self) -> None:
        """Note which nodes did not end as planned: another program runs them and knows why."""
        status = self.status
        if status.is_cut_short:
            status.problems.append(_CUT_SHORT)
        if status.encoder is None or status.encoder.state == "ended":
            return
        if "encoder" in status.gone or self._encoder_silent_s() > _QUIET_S:
            root = status.recorder.root if status.recorder else "<root>"
            status.problems.append(_ENCODER_LOST.format(root=root))

    # What the operator's keys ask for

    def _send(self, node: str, content: Mapping[str, Any]) -> None:
        if self._bridge is not None:
            self._bridge.send(json.dumps({"to": node, **content}))

    def _end_recording(self) -> None:
        self._send("recorder", {"call": "end_recording"})

    def _leave(self) -> None:
        self._is_over = True
        self.has_left = not self.status.ending
        silent_s = self.status.silent_s("recorder", time.monotonic())
        if self.has_left and silent_s is not None:
            self.status.problems.append(_SILENT.format(silent_s=silent_s))

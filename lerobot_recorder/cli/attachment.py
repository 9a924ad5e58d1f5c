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

_END_S = 5.0
_VANISHED = "the recorder has vanished without ending; its next start recovers a take that was not saved"


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
        if status.ending and not self._is_encoding():
            self._is_over = True

    def _is_encoding(self) -> bool:
        encoder = self.status.encoder
        if encoder is None or encoder.state == "ended" or "encoder" in self.status.gone:
            return False
        works = encoder.state in ("encoding", "committing")
        return works or time.monotonic() < self._ended_s + _IDLE_S

    # What the operator's keys ask for

    def _send(self, node: str, content: Mapping[str, Any]) -> None:
        if self._bridge is not None:
            self._bridge.send(json.dumps({"to": node, **content}))

    def _end_recording(self) -> None:
        self._send("recorder", {"call": "end_recording"})

    def _leave(self) -> None:
        self._is_over = True
        self.has_left = not self.status.ending

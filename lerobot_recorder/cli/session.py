"""One recording: starts the nodes, passes on the operator's keys, and ends the nodes in the right order."""

from __future__ import annotations

import json
import queue
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from lerobot_recorder.cli.keyboard import KeyPressed
from lerobot_recorder.cli.processes import HELD, NodeEnded, NodeOutput, NodeProcess
from lerobot_recorder.cli.status import Remark, RunStatus, described_end
from lerobot_recorder.cli.view import Interrupted, OperatorView
from lerobot_recorder.launching import END_S

_ENDED_BY_SIGNAL = (-signal.SIGINT, -signal.SIGTERM)


class Session:
    """The nodes of one recording, from start to end.

    The hardware node may move arms, so it waits until recorder and encoder are ready. When the recorder ends,
    the hardware node is stopped and the encoder encodes the remaining episodes. An interruption ends the
    recorder; the next one, or one after the recorder has ended, leaves unencoded episodes for the next start;
    one more ends everything at once.

    Attributes:
        status: what the nodes have reported
    """

    def __init__(
        self,
        arguments: Mapping[str, Sequence[str]],
        environment: Mapping[str, str],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a recording without starting it.

        Args:
            arguments: command line arguments by node name
            environment: environment variables of the nodes
            aliases: keys that act as other keys
        """
        self._arguments = arguments
        self._environment = environment
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._view = OperatorView(self._events, self._send, self._end_recording, aliases=aliases)
        self.status = self._view.status
        self.status.has_page = "dashboard" in arguments
        self._nodes: dict[str, NodeProcess] = {}
        self._running: set[str] = set()
        self._asked_to_end: set[str] = set()
        self._is_held = "hardware" in arguments
        self._is_leaving = False
        self._is_aborted = False

    def run(self) -> RunStatus:
        """Record until the recorder has ended and everything is encoded.

        Returns:
            What the nodes have reported; ``problems`` is empty if all went well.
        """
        with self._view.open():
            try:
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
            self._view.take_key(event)
        elif isinstance(event, Interrupted):
            self._interrupt()

    def _take_output(self, output: NodeOutput) -> None:
        self._view.take_output(output)
        self._release_hardware()

    def _release_hardware(self) -> None:
        """Let the hardware node begin once the others have read their parameters and opened the dataset."""
        if self._is_held and self.status.recorder and self.status.encoder and not self.status.ending:
            self._is_held = False
            self._nodes["hardware"].send("")

    def _note_end(self, end: NodeEnded) -> None:
        self._running.discard(end.node)
        self.status.gone.add(end.node)
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
        sentence = described_end(end.node, end.status, list(self._nodes[end.node].last_lines))
        brief = sentence.removeprefix(f"the {end.node} node ")
        if end.node == "dashboard":
            self.status.incidents.append(sentence.replace("the dashboard node", "the dashboard"))
            self._view.print(Remark(end.node, f"{brief}; the recording goes on without it", "error"))
            return
        left = self._kept(end.node)
        self.status.problems.append(f"{sentence}{left}")
        if end.node == "encoder" and self.status.encoder is not None and self._running:
            self._view.print(Remark(end.node, f"{brief}{left}", "error"))

    def _kept(self, node: str) -> str:
        """Return what is kept although a node has failed, as the end of a sentence."""
        encoder = self.status.encoder
        if node == "encoder" and encoder is not None and (encoder.waiting or self.status.completed):
            return "; recorded episodes wait in the spool"
        if node == "recorder" and self._is_recording():
            return "; the take that was interrupted is kept: the next start recovers it"
        return ""

    def _interrupt(self) -> None:
        if not self.status.ending:
            take = ": saving the current episode" if self._is_recording() else ""
            self._view.print(Remark("record", f"ending{take}"))
            self._ask_to_end("recorder")
        elif not self._is_leaving:
            self._is_leaving = True
            self._asked_to_end |= self._running
            for name in self._running:
                self._nodes[name].terminate()
        else:
            self._is_aborted = True

    def _is_recording(self) -> bool:
        return self.status.recorder is not None and self.status.recorder.state in ("recording", "saving")

    # What the operator's keys ask for

    def _end_recording(self) -> None:
        if self.status.recorder is None:  # still starting: it might not answer
            self._ask_to_end("recorder")
        else:
            self._send("recorder", {"call": "end_recording"})

    def _send(self, node: str, content: Mapping[str, Any]) -> None:
        if node in self._running:
            self._nodes[node].send(json.dumps(content))
        else:
            call = content.get("call", "this")
            self._view.print(
                Remark("record", f"{call} is not possible: the {node} node has ended", "warning")
            )

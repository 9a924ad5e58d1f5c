"""The state of a recording: what its nodes have reported so far."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lerobot_recorder.answers import Answer
from lerobot_recorder.dashboard import ACTIONS
from lerobot_recorder.encoding import CommittedEpisode, EncoderStatus
from lerobot_recorder.excerpt import counted, excerpt
from lerobot_recorder.recording import CompletedEpisode, RecorderStatus
from lerobot_recorder.spool import Spool
from lerobot_recorder.status import SILENT_S, from_json

_LOG = re.compile(r"\[(DEBUG|INFO|WARN|ERROR|FATAL)\] \[[\d.]+\] \[([^\]]*)\]: (.*)")
_LEVELS: Mapping[str, str] = {"INFO": "info", "WARN": "warning"}
_LOGGED_CALLS = {*(name for name, action in ACTIONS.items() if action.node == "recorder"), "set task"}


@dataclass(frozen=True)
class Remark:
    """A line for the operator.

    Attributes:
        source: name of the node, or of the command that is run
        text: one sentence
        level: ``info``, ``warning``, ``error``, or ``stray`` for output that was not meant for the operator
        offer: the service that can be called next, one of `lerobot_recorder.answers.OFFERS`; empty: none
    """

    source: str
    text: str
    level: str = "info"
    offer: str = ""


@dataclass(frozen=True)
class PhoneCode:
    """What opens the dashboard on a phone.

    Attributes:
        link: address of the page, with the token
        lines: the same as a QR code
    """

    link: str
    lines: tuple[str, ...]


@dataclass
class RunStatus:
    """What the nodes have reported.

    Attributes:
        recorder: the recorder's last status; None before the first
        encoder: the encoder's last status; None before the first
        completed: the episodes of this run by ID, as announced when they were saved
        committed: the episodes that were added to the dataset during this run
        problems: the failures that end the recording, one sentence each
        incidents: what failed while the recording goes on, one sentence each
        ready: whether all streams have delivered at some time
        ending: whether no more episodes are recorded
        gone: nodes that are not there any more
        code: what opens the dashboard on a phone; None: it asks for no token, or there is none
        heard_s: time of each node's last report, of `time.monotonic`, by the node's name
        is_cut_short: whether the recorder was ended by a signal during a take
        has_page: whether the dashboard was started, too
    """

    recorder: RecorderStatus | None = None
    encoder: EncoderStatus | None = None
    completed: dict[str, CompletedEpisode] = field(default_factory=dict)
    committed: list[CommittedEpisode] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    ready: bool = False
    ending: bool = False
    gone: set[str] = field(default_factory=set)
    code: PhoneCode | None = None
    heard_s: dict[str, float] = field(default_factory=dict)
    is_cut_short: bool = False
    has_page: bool = False

    def silent_s(self, node: str, now_s: float) -> float | None:
        """Return for how long a node that should report has not; None if it answers, or has ended by plan.

        Args:
            node: ``recorder``, ``encoder`` or, of a console, ``hardware``
            now_s: the time, of `time.monotonic`
        """
        status = {"recorder": self.recorder, "encoder": self.encoder}.get(node)
        if node not in self.heard_s or (status is not None and status.state == "ended"):
            return None
        silent_s = now_s - self.heard_s[node]
        return silent_s if node in self.gone or silent_s > SILENT_S else None

    @property
    def root(self) -> Path | None:
        """The dataset's directory, once an episode was saved."""
        return next((Path(episode.root) for episode in self.completed.values()), None)

    def not_recorded(self) -> list[str]:
        """Return which of the episodes that were asked for were not recorded, one sentence each.

        Of a run with a number of episodes, as many must be saved. If each is started by hand, a take after a
        rejected one repeats it, so the last take must not stay rejected.
        """
        status = self.recorder
        if status is None:
            return []
        if (saved := status.episode - 1) < status.num_episodes:
            return [f"{saved} of {counted(status.num_episodes, 'episode')} were recorded"]
        last = None if status.num_episodes else status.last
        if last is None or last.state != "rejected" or _is_accepted(Path(status.root), last.episode_id):
            return []
        why = f" ({excerpt('; '.join(last.reasons))})" if last.reasons else ""
        return [f"the last take was rejected{why}; to keep it: lerobot-recorder accept {status.root}"]

    def missing(self, waiting: int) -> list[str]:
        """Return what was asked for and is not in the dataset, one sentence each.

        Args:
            waiting: episodes that still wait to be encoded
        """
        found = self.not_recorded()
        if self.encoder is not None and self.encoder.failed and not self.problems:
            found.append(f"{counted(self.encoder.failed, 'episode')} could not be encoded")
        if waiting and not self.problems:
            found.append(f"episodes that are not in the dataset yet: {waiting}")
        return found

    def take(self, line: str) -> Remark | None:
        """Process a line of JSON from a node, and return a line for the operator if there is one."""
        message: dict[str, Any] = json.loads(line)
        source = message["from"]
        if "status" in message and source == "recorder":
            self.recorder = from_json(RecorderStatus, message["status"])
            self.ready = self.ready or not self.recorder.missing
            self._hear(source)
        elif "status" in message and source == "encoder":
            self.encoder = from_json(EncoderStatus, message["status"])
            self._hear(source)
        elif "episode_completed" in message:
            episode = from_json(CompletedEpisode, message["episode_completed"])
            self.completed[episode.episode_id] = episode
            self.is_cut_short |= (episode.state, episode.ended_by) == ("ready", "interrupted")
        elif "committed" in message:
            self.committed += [from_json(CommittedEpisode, each) for each in message["committed"]["episodes"]]
        elif "code" in message:
            self.code = PhoneCode(message["code"]["link"], tuple(message["code"]["lines"]))
        elif "answer" in message:
            return _answer(source, message["answer"]["call"], from_json(Answer, message["answer"]))
        elif "log" in message:
            return self._logged(source, **message["log"])
        elif "attached" in message:
            return Remark(source, f"attached to {message['attached']['recorder']}")
        elif "heard" in message:
            self._hear(source)
        elif "gone" in message:
            self.gone.add(source)
            return Remark(source, "has ended")
        return None

    def _hear(self, node: str) -> None:
        self.heard_s[node] = time.monotonic()
        self.gone.discard(node)

    def _logged(self, node: str, level: str, text: str) -> Remark:
        if level == "FATAL":
            self.problems.append(f"the {node} node ended: {text}")
        return Remark(node, text, _LEVELS.get(level, "error"))


def _answer(node: str, call: str, answer: Answer) -> Remark | None:
    """Return the answer of a service, unless the node's log has it already."""
    if answer.success:
        return None if call in _LOGGED_CALLS else Remark(node, answer.message, offer=answer.offer)
    is_logged = call == "save_episode" and answer.offer == "accept_episode"
    return None if is_logged else Remark(node, answer.message, "warning", answer.offer)


def _is_accepted(root: Path, episode_id: str) -> bool:
    """Return whether a take is not among the rejected ones any more, where the spool can be read here."""
    spool = Spool(root)
    return spool.path.is_dir() and all(path.name != episode_id for path in spool.paths("rejected"))


def log_remark(node: str, line: str) -> Remark | None:
    """Return the operator's line for a line of a node's log or stderr.

    Returns:
        None for lines that do not concern the operator, and for the error that a node ends with
    """
    match = _LOG.match(line)
    if match is None:
        return Remark(node, line, "stray") if line.strip() and not line.startswith("error: ") else None
    if match[1] in ("DEBUG", "FATAL"):
        return None
    return Remark(node, match[3], _LEVELS.get(match[1], "error"))


def end_reason(lines: Sequence[str]) -> str:
    """Return why a node ended: its error message, otherwise the last line that it printed."""
    printed = [line for line in lines if line.strip()]
    return _final_error(lines) or _message(printed[-1] if printed else "it printed nothing")


def described_end(node: str, status: int, lines: Sequence[str]) -> str:
    """Return a sentence that describes how a node ended: its own error, or the exit status or the signal.

    Args:
        node: its name
        status: exit status; a negative one is the signal that ended it
        lines: the last lines that it printed
    """
    if error := _final_error(lines):
        return f"the {node} node ended: {error}"
    how = f"was killed ({_signal_name(-status)})" if status < 0 else f"ended with status {status}"
    last = next((line for line in reversed(lines) if line.strip()), "")
    errors = [match[3] for line in lines if (match := _LOG.match(line)) and match[1] == "ERROR"]
    # Python or a library printed the last line; after SIGKILL it is from another process.
    if last and _LOG.match(last) is None and status != -signal.SIGKILL:
        return f"the {node} node {how}: {last}"
    return f"the {node} node {how}{f'; its last error: {errors[-1]}' if errors else ''}"


def _final_error(lines: Sequence[str]) -> str:
    """Return the error that a node ended with; empty if it reported none."""
    fatal = [match[3] for line in lines if (match := _LOG.match(line)) and match[1] == "FATAL"]
    errors = fatal or [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else ""


def _message(line: str) -> str:
    match = _LOG.match(line)
    return match[3] if match else line


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

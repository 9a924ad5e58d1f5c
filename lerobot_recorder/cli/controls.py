"""What the operator's keys do: they call services of the nodes, and ask before something is taken away."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from lerobot_recorder.cli.keyboard import KEY_NAMES
from lerobot_recorder.cli.status import RunStatus
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording import LastEpisode, RecorderState, RecorderStatus

Send = Callable[[str, Mapping[str, Any]], None]
"""Sends a call to a node: its name and the content of the line, for example ``{"call": "start_episode"}``."""

_ASKS_FOR_S = 5.0
"""How long a key waits for its second press."""

HELP: Mapping[str, str] = {
    "→ space enter": "start an episode, or save it",
    "← r": "discard the take; an unattended run repeats it after the reset",
    "d": "discard the take (asks)",
    "u": "delete the last episode, also from the dataset (asks)",
    "b": "bring back what was deleted or discarded last",
    "a": "accept the last rejected take",
    "y n": "mark the current or last episode as a success, a failure",
    "t T": "next task, another task",
    "p": "pause between episodes, continue",
    "e": "encode now",
    "Esc": "save the episode and end the recording",
    "w": "the code that opens the web page on a phone",
    "?": "these keys",
}
"""What each key does, for the operator. `Controls` adds ``q``."""

OFFER_KEYS: Mapping[str, str] = {"start_episode": "→", "accept_episode": "a", "undo_delete": "b"}
"""The keys that call what a message of a node offers, by the name of the service."""

_IS_ENDING = "the recording is ending: keys do nothing now"
_NOTHING_TO_DELETE = "there is no saved episode to delete"
_DISCARD_INSTEAD = "; d discards the take that is being recorded"
_WITHOUT_RECORDER = ("e", "w", "?", "escape", "q")
_NO_RECORDER = "the recorder has not answered yet: keys do nothing now"
_NO_ANSWER = "the {node} does not answer, its last report is {silent_s:.0f} s old: {key} does nothing now"
_NO_CODE = "there is no code: record shows one with --dashboard --dashboard-address 0.0.0.0"
_TYPING = "task of the next episode: Enter sets it, Esc leaves it as it is"


class _Question(NamedTuple):
    """A key that has to be pressed again.

    Attributes:
        key: the key
        target: what it would take away, so that the second press cannot reach something else
        until_s: when it expires
    """

    key: str
    target: str
    until_s: float


class Controls:
    """The meaning of keys during a recording.

    Attributes:
        help: what each key does
        shows_help: whether the operator wants to see it
        shows_code: whether the operator wants to see the code for a phone; the next key only closes it
        typed: the task that is being typed; None if none is
        can_leave: whether the screen can be left while the recording continues
    """

    def __init__(
        self,
        run: RunStatus,
        send: Send,
        end: Callable[[], None],
        leave: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare.

        Args:
            run: what the nodes have reported
            send: sends a call to a node
            end: saves the episode and ends the recording
            leave: leaves the screen while the recording continues; None if that is not possible
            clock: returns a time in seconds
            aliases: keys that act as other keys, from `key_aliases`
        """
        self.help = {**HELP, "q": "leave: the recording continues"} if leave else _with_q(HELP)
        self.shows_help = self.shows_code = False
        self.typed: str | None = None
        self._run = run
        self._send = send
        self._end = end
        self._leave = leave or end
        self.can_leave = leave is not None
        self._clock = clock
        self._aliases = aliases or {}
        self._question: _Question | None = None
        self._keys: dict[str, Callable[[], str]] = {
            "right": self._finish,
            "space": self._finish,
            "enter": self._finish,
            "left": self._again,
            "r": self._again,
            "d": self._discard,
            "u": self._delete,
            "b": lambda: self._call("recorder", "undo_delete"),
            "a": lambda: self._call("recorder", "accept_episode"),
            "y": lambda: self._call("recorder", "mark_success", True),
            "n": lambda: self._call("recorder", "mark_success", False),
            "t": self._next_task,
            "T": self._type_task,
            "p": self._pause,
            "e": lambda: self._call("encoder", "encode_pending"),
            "w": self._show_code,
            "?": self._show_help,
            "escape": lambda: self._stop(self._end),
            "q": lambda: self._stop(self._leave),
        }

    def press(self, key: str) -> str:
        """Do what a key means.

        Returns:
            A sentence for the operator; empty if the nodes report what happens.
        """
        question, self._question = self._question, None
        shown, self.shows_code = self.shows_code, False
        if shown:
            return ""
        if self.typed is not None:
            return self._type(key)
        if self._run.ending and not (key == "q" and self.can_leave):
            return _IS_ENDING
        key = self._aliases.get(key, key)
        if key not in self._keys:
            return f"{key or 'that key'} has no meaning here: ? shows the keys"
        if self._run.recorder is None and key not in _WITHOUT_RECORDER:
            return _NO_RECORDER
        if question is not None and key == question.key and self._clock() < question.until_s:
            self._question = question
        return self._unanswered(key) or self._keys[key]()

    @property
    def keys(self) -> Collection[str]:
        """The keys that have a meaning."""
        return self._keys.keys()

    def _unanswered(self, key: str) -> str:
        """Return that the node which a key needs does not answer; empty if it does."""
        node = "encoder" if key == "e" else "recorder"
        ends = ("escape",) if self.can_leave else ()  # record itself can end its nodes otherwise
        if node == "recorder" and key in _WITHOUT_RECORDER and key not in ends:
            return ""
        silent_s = self._run.silent_s(node, self._clock())
        if silent_s is not None and node in self._run.gone:
            return f"the {node} has ended: {_name(key)} does nothing now"
        return "" if silent_s is None else _NO_ANSWER.format(node=node, silent_s=silent_s, key=_name(key))

    # The recorder's state

    @property
    def _recorder(self) -> RecorderStatus:
        return self._run.recorder or RecorderStatus()

    @property
    def _state(self) -> RecorderState:
        return self._recorder.state

    # What keys do

    def _call(self, node: str, service: str, data: bool | None = None) -> str:
        self._send(node, {"call": service} if data is None else {"call": service, "data": data})
        return ""

    def _finish(self) -> str:
        return self._call("recorder", "save_episode" if self._state == "recording" else "start_episode")

    def _again(self) -> str:
        if self._state != "recording":
            return self._nothing_to_discard("←")
        return self._call("recorder", "discard_episode")

    def _discard(self) -> str:
        status = self._recorder
        if status.state != "recording":
            return self._nothing_to_discard("d")
        if not self._is_confirmed("d", status.episode_id):
            return f"d again discards this take of episode {status.episode_index} ({status.elapsed_s:.0f} s)"
        return self._call("recorder", "discard_episode")

    def _nothing_to_discard(self, key: str) -> str:
        last = self._recorder.last
        instead = f"; u deletes {_described(last)}" if self._can_delete(last) else ""
        return f"no episode is being recorded, so {key} does nothing{instead}"

    def _delete(self) -> str:
        last = self._recorder.last
        if last is not None and last.state == "deleted":
            return "the last episode is deleted already: b brings it back"
        instead = _DISCARD_INSTEAD if self._state == "recording" else ""
        if not self._can_delete(last):
            return f"{_NOTHING_TO_DELETE}{instead}"
        if not self._is_confirmed("u", f"{last.episode_id} {last.state}" if last else ""):
            return f"u again deletes {_described(last)}{instead}"
        return self._call("recorder", "delete_last_episode")

    def _can_delete(self, last: LastEpisode | None) -> bool:
        """Return whether the recorder has an episode to delete: its last take, or else one that waits."""
        if last is not None and last.state != "discarded":
            return last.state in ("ready", "rejected")
        waits = self._run.encoder is None or self._run.encoder.waiting > 0  # without one, who knows
        return waits or self._recorder.saved > 0

    def _is_confirmed(self, key: str, target: str) -> bool:
        """Return whether a key was pressed for the second time, and otherwise wait for that."""
        question, self._question = self._question, None
        if question is not None and (question.key, question.target) == (key, target):
            return True
        self._question = _Question(key, target, self._clock() + _ASKS_FOR_S)
        return False

    def _next_task(self) -> str:
        return self._call("recorder", "next_task") if self._recorder.tasks else self._type_task()

    def _type_task(self) -> str:
        self.typed = ""
        return _TYPING

    def _type(self, key: str) -> str:
        """Edit the task that is being typed."""
        text, self.typed = self.typed or "", None
        if key == "escape":
            return f"the task stays: {self._recorder.next_task}"
        if key == "enter":
            if not text.strip():
                return f"the task stays: {self._recorder.next_task}"
            self._send("recorder", {"set": "task", "data": text.strip()})
            return ""
        if key == "backspace":
            text = text[:-1]
        elif key == "space" or len(key) == 1:
            text += " " if key == "space" else key
        self.typed = text
        return _TYPING

    def _pause(self) -> str:
        return self._call("recorder", "pause", not self._recorder.paused)

    def _show_code(self) -> str:
        self.shows_code = self._run.code is not None
        return "" if self.shows_code else _NO_CODE

    def _show_help(self) -> str:
        self.shows_help = not self.shows_help
        return ""

    def _stop(self, stop: Callable[[], None]) -> str:
        stop()
        return ""


def key_aliases(texts: Sequence[str]) -> dict[str, str]:
    """Return which keys act as which others.

    Args:
        texts: each as ``KEY=ACTING_AS``, for example ``b=right``: characters or names of keys

    Raises:
        ConfigError: one is not of this form, or the key that it acts as has no meaning
    """
    known = Controls(RunStatus(), lambda _node, _content: None, lambda: None).keys
    aliases = {}
    for text in texts:
        key, _, acting_as = text.rpartition("=")
        if not (len(key) == 1 or key in KEY_NAMES) or acting_as not in known:
            raise ConfigError(
                f"--key: expected KEY=ACTING_AS, for example b=right, with a character or one of "
                f"{', '.join(KEY_NAMES)}, and a key that has a meaning ({', '.join(known)}), found {text!r}"
            )
        aliases[key] = acting_as
    return aliases


def _name(key: str) -> str:
    return {"right": "→", "left": "←", "escape": "Esc"}.get(key, key)


def _with_q(keys: Mapping[str, str]) -> dict[str, str]:
    return {"Esc q" if key == "Esc" else key: text for key, text in keys.items()}


def _described(last: LastEpisode | None) -> str:
    if last is None or last.state == "discarded":
        return "the last saved episode"
    name = "the last take" if last.episode_index is None else f"episode {last.episode_index}"
    state = {"ready": "saved", "recording": "not saved"}.get(last.state, last.state)
    return f"{name}, which is {state} ({last.duration_s:.0f} s)"

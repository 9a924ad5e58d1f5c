"""What an operator can do on the page: each action is a service of a node."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from lerobot_recorder.answers import Answer


@dataclass(frozen=True)
class Action:
    """A service that a button calls.

    Attributes:
        node: the node that has the service.
        service: its name.
        takes_bool: whether it takes true or false (``SetBool``); otherwise it takes nothing (``Trigger``).
    """

    node: str
    service: str
    takes_bool: bool = False


ACTIONS: Mapping[str, Action] = {
    each.service: each
    for each in (
        Action("recorder", "start_episode"),
        Action("recorder", "save_episode"),
        Action("recorder", "discard_episode"),
        Action("recorder", "delete_last_episode"),
        Action("recorder", "undo_delete"),
        Action("recorder", "accept_episode"),
        Action("recorder", "mark_success", takes_bool=True),
        Action("recorder", "pause", takes_bool=True),
        Action("recorder", "next_task"),
        Action("recorder", "end_recording"),
        Action("encoder", "encode_pending"),
        Action("encoder", "retry_failed"),
    )
}
"""All actions by the name of their service."""

CONTROLS: Mapping[str, tuple[str, type]] = {
    "task": ("recorder", str),
    "episode_time_s": ("recorder", float),
    "reset_time_s": ("recorder", float),
    "num_episodes": ("recorder", int),
    "video_encoding_batch_size": ("encoder", int),
    "paused": ("encoder", bool),
}
"""Parameters that the page can set: the node and the type of each."""


OFFER_BUTTONS: Mapping[str, str] = {
    "start_episode": "“Start”",
    "accept_episode": "“Accept”",
    "undo_delete": "“Bring back”",
}
"""The buttons that call what a message of a node offers, by the name of the service."""


class Station(Protocol):
    """The nodes, as far as the page uses them. Both methods return at once."""

    def call(self, action: Action, value: bool) -> Future[Answer]:
        """Call a service."""

    def set_parameter(self, node: str, name: str, value: Any) -> Future[Answer]:
        """Set a parameter of a node."""

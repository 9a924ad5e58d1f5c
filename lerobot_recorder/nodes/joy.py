"""Lets the buttons of a pedal or a gamepad act, which arrive as ``sensor_msgs/msg/Joy``."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from sensor_msgs.msg import Joy

from lerobot_recorder.answers import Answer
from lerobot_recorder.nodes.lifetime import ManagedNode
from lerobot_recorder.recording import Buttons, ButtonSettings


class JoyButtons:
    """Calls the node's own services when buttons are pressed; does nothing without a topic."""

    def __init__(
        self, node: ManagedNode, settings: ButtonSettings, request: Callable[[str], tuple[str, bool]]
    ) -> None:
        """Subscribe.

        Args:
            node: its services act.
            settings: the topic, and which buttons do what.
            request: returns the service behind an action now, and its value.
        """
        self._node = node
        self._request = request
        self._buttons = Buttons(settings)
        if settings.joy_topic:
            node.create_subscription(Joy, settings.joy_topic, self._receive, 10)

    @property
    def settings(self) -> ButtonSettings:
        """Which buttons do what; may change at any time."""
        return self._buttons.settings

    @settings.setter
    def settings(self, settings: ButtonSettings) -> None:
        self._buttons.settings = settings

    def _receive(self, message: Joy) -> None:
        for action in self._buttons.pressed(message.buttons, time.monotonic()):
            self._node.own_services.act(*self._request(action), partial(self._note, action))

    def _note(self, action: str, answer: Answer) -> None:
        """Log why a button did nothing; the node logs what it does, and the end of each take."""
        if not answer.success and answer.offer != "accept_episode":
            self._node.get_logger().warning(f"button for {action}: {answer.message}")

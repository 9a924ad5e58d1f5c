"""What the recorder logs for an operator who has no screen, as under ``ros2 launch``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rclpy.node import Node

from lerobot_recorder.answers import OFFERS
from lerobot_recorder.nodes.events import parent_events

_TRIGGER = "std_srvs/srv/Trigger"


class Guidance:
    """Logs what the recorder waits for, and the next step; nothing for a parent process with a screen."""

    def __init__(self, node: Node, unrecorded_cameras: Callable[[], Sequence[str]]) -> None:
        self._log = node.get_logger()
        self._hints = self._log.get_child("hints")  # not the node's own: a console has keys instead
        self._services = node.get_fully_qualified_name()
        self._unrecorded_cameras = unrecorded_cameras
        self._is_needed = parent_events() is None
        self._missing: frozenset[str] | None = None
        self._offered = ""

    def announce(self, text: str) -> None:
        """Log a sentence."""
        if self._is_needed:
            self._log.info(text)

    def note_streams(self, missing: Sequence[str], *, by_hand: bool) -> None:
        """Log once which streams are missing, and once that none is.

        Args:
            missing: a sentence for each missing stream, which begins with its name
            by_hand: whether the operator starts each episode
        """
        names = frozenset(line.partition(":")[0] for line in missing)
        if not self._is_needed or names == self._missing:
            return
        self._missing = names
        if not names:
            self._log.info("every stream delivers")
            if by_hand:
                self._offer("start_episode", " (then save_episode or discard_episode)")
            for camera in self._unrecorded_cameras():
                self._log.warning(
                    f"the camera {camera} is not recorded: no stream has the topic cameras/{camera}/image_raw"
                )
        elif by_hand:  # an unattended run logs it itself
            self._log.warning("waiting for streams: " + "; ".join(missing))

    def note_offer(self, offer: str) -> None:
        """Log once how to call a service that helps with what is wrong; empty: there is none."""
        if self._is_needed and offer != self._offered:
            self._offered = offer
            if offer:
                self._offer(offer)

    def _offer(self, service: str, then: str = "") -> None:
        self._hints.info(f"ros2 service call {self._services}/{service} {_TRIGGER} {OFFERS[service]}{then}")

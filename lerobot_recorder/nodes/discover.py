"""Observes the ROS graph for a while and prints a `Survey` as one line of JSON.

Usage: python -m lerobot_recorder.nodes.discover SECONDS
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.executors import ExternalShutdownException
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from lerobot_recorder.discovery import (
    ARRAY,
    IMAGES,
    TEXT,
    TRAJECTORY,
    TYPES,
    SeenTopic,
    Survey,
    described,
)
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.nodes.guard import GuardedExecutor, GuardedNode
from lerobot_recorder.nodes.lifetime import Parent
from lerobot_recorder.nodes.losses import LossCounter, counted_subscription, remedy
from lerobot_recorder.nodes.message_types import message_class
from lerobot_recorder.nodes.publishers import matching, offer_of
from lerobot_recorder.topics import ObservedPart, ObservedTopic, facts_of

_FINDING_S = 6.0
"""How long nodes may take to discover each other on a busy computer."""

_LOOK_S = 0.2
_DEPTHS = {True: 10, False: 100}  # of images, and of all else
_ANSWER_S = 1.0


class DiscoverNode(GuardedNode):
    """Subscribes to every topic that could be recorded, with the QoS of its publishers."""

    def __init__(self) -> None:
        super().__init__("discover", enable_rosout=False, start_parameter_services=False)
        self._heard: dict[tuple[str, str], ObservedTopic] = {}
        self._others: dict[str, str] = {}
        self._lost: Counter[tuple[str, str]] = Counter()
        self._descriptions: dict[str, str] = {}
        self.create_timer(_LOOK_S, self._look)

    @property
    def has_messages(self) -> bool:
        """Whether any message has arrived, or was lost on its way."""
        return any(self._heard.values()) or bool(self._lost)

    def survey(self) -> Survey:
        """Return the observations so far."""
        heard = sorted(self._heard.items(), key=lambda item: item[0])
        topics = [self._seen(*topic, part) for topic, observed in heard for part in observed.parts()]
        robot, sliding = described(list(self._descriptions.values()))
        others = tuple(sorted(self._others.items()))
        return Survey(tuple(topics), robot, sliding, remedy() if self._lost else "", others)

    def _look(self) -> None:
        for name, kinds in self.get_topic_names_and_types():
            for kind in kinds:
                if kind in TYPES and (name, kind) not in self._heard and _is_installed(kind):
                    self._listen(name, kind)
                elif kind == TEXT and name.endswith("robot_description"):
                    self._listen_for_description(name)
                elif (name, kind) not in self._heard and not kind.startswith("rcl_interfaces/"):
                    self._others[name] = kind

    def _listen(self, name: str, kind: str) -> None:
        publishers = self.get_publishers_info_by_topic(name)
        if not publishers and not _is_command(name, kind):
            return
        observed = self._heard[name, kind] = ObservedTopic()
        profile = matching(offer_of(publishers), _DEPTHS[kind in IMAGES])
        counter = LossCounter(partial(self._note_lost, (name, kind)))

        def note(message: Any, info: Mapping[str, Any]) -> None:
            counter.note_message(info, len(publishers))
            observed.note(message, time.monotonic())

        counted_subscription(self, message_class(kind), name, note, counter, qos_profile=profile)

    def _note_lost(self, topic: tuple[str, str], number: int) -> None:
        self._lost[topic] += number

    def _listen_for_description(self, name: str) -> None:
        if name not in self._descriptions:
            self._descriptions[name] = ""
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            keep = partial(self._descriptions.__setitem__, name)
            self.create_subscription(String, name, lambda text: keep(text.data), latched)

    def _seen(self, name: str, kind: str, part: ObservedPart) -> SeenTopic:
        publishers = self.get_publishers_info_by_topic(name)
        facts = self._facts(name, kind, part.message)
        if _is_command(name, kind) and not facts.get("joints"):
            facts["joints"] = self._joints_of(name.rsplit("/", 1)[0])
        return SeenTopic(
            name,
            kind,
            offer_of(publishers).reliable,
            part.received,
            part.rate_hz,
            lost=self._lost[name, kind],
            **facts,
        )

    def _facts(self, name: str, kind: str, message: Any) -> dict[str, Any]:
        """Return the properties that a message shows; nothing if it cannot be read."""
        try:
            return facts_of(name, kind, message)
        except Exception as error:
            self.faults.note(name, error)
            return {}

    def _joints_of(self, controller: str) -> tuple[str, ...]:
        """Ask a controller which joints it commands; none if it is not a controller or does not answer."""
        service = f"{controller}/get_parameters"
        client: Client[GetParameters.Request, GetParameters.Response] = self.create_client(
            GetParameters, service
        )
        offered = dict(self.get_service_names_and_types())
        if self.executor is None or service not in offered or not client.wait_for_service(_ANSWER_S):
            return ()
        answer = client.call_async(GetParameters.Request(names=["joints"]))
        deadline = time.monotonic() + _ANSWER_S
        while not answer.done() and (left := deadline - time.monotonic()) > 0:
            self.executor.spin_once(left)
        response = answer.result() if answer.done() else None
        values = response.values if response is not None else ()
        return tuple(joint for value in values for joint in value.string_array_value)


def _is_installed(kind: str) -> bool:
    try:
        message_class(kind)
    except ConfigError:
        return False
    return True


def _is_command(name: str, kind: str) -> bool:
    """Return whether a controller may wait for messages on a topic without publishers."""
    return kind == TRAJECTORY or (kind == ARRAY and name.endswith("/commands"))


def main() -> int:
    """Observe for some seconds after the first message, and print the survey."""
    Parent().watch()
    rclpy.init()
    node = DiscoverNode()
    executor = GuardedExecutor(node)
    seconds = float(sys.argv[1])
    deadline, heard = time.monotonic() + max(seconds, _FINDING_S), False
    try:
        while (left := deadline - time.monotonic()) > 0:
            executor.spin_once(timeout_sec=left)
            if not heard and node.has_messages:
                heard, deadline = True, time.monotonic() + seconds
        print(node.survey().to_json(), flush=True)  # noqa: T201
    except (KeyboardInterrupt, ExternalShutdownException):
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Observes the ROS graph for a while and prints a `Survey` as one line of JSON.

Usage: python -m lerobot_recorder.nodes.discover SECONDS
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    COMPRESSED,
    CONTROLLER_STATE,
    IMAGE,
    JOINT_STATE,
    TRAJECTORY,
    TYPES,
    SeenTopic,
    Survey,
    described,
)
from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.images import EncodedImage
from lerobot_recorder.nodes.guard import GuardedExecutor, GuardedNode
from lerobot_recorder.nodes.lifetime import Parent
from lerobot_recorder.nodes.losses import LossCounter, counted_subscription, remedy
from lerobot_recorder.nodes.message_types import message_class
from lerobot_recorder.nodes.publishers import matching, offer_of
from lerobot_recorder.topics import compressed_to_encoded, joints_in

_FINDING_S = 6.0
"""How long nodes may take to discover each other on a busy computer."""

_LOOK_S = 0.2
_DEPTHS = {True: 10, False: 100}  # of images, and of all else
_ANSWER_S = 1.0
_MOST_PARTS = 50
"""Sets of joints that are distinguished on one topic: each message could name others."""
_DESCRIPTION = "std_msgs/msg/String"


@dataclass
class _Heard:
    """Messages of one topic with one set of joints."""

    received: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    message: Any = None

    def note(self, message: Any) -> None:
        self.last_s = time.monotonic()
        self.first_s = self.first_s or self.last_s
        self.received += 1
        self.message = message

    @property
    def rate_hz(self) -> float:
        return (self.received - 1) / (self.last_s - self.first_s) if self.received > 1 else 0.0


_Parts = dict[frozenset[str], _Heard]
"""Messages of one topic by their joints: an arm and its gripper may share a topic."""


class DiscoverNode(GuardedNode):
    """Subscribes to every topic that could be recorded, with the QoS of its publishers."""

    def __init__(self) -> None:
        super().__init__("discover", enable_rosout=False, start_parameter_services=False)
        self._heard: dict[tuple[str, str], _Parts] = {}
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
        topics = [self._seen(name, kind, part) for (name, kind), parts in heard for part in _whole(parts)]
        robot, sliding = described(list(self._descriptions.values()))
        others = tuple(sorted(self._others.items()))
        return Survey(tuple(topics), robot, sliding, remedy() if self._lost else "", others)

    def _look(self) -> None:
        for name, kinds in self.get_topic_names_and_types():
            for kind in kinds:
                if kind in TYPES and (name, kind) not in self._heard and _is_installed(kind):
                    self._listen(name, kind)
                elif kind == _DESCRIPTION and name.endswith("robot_description"):
                    self._listen_for_description(name)
                elif (name, kind) not in self._heard and not kind.startswith("rcl_interfaces/"):
                    self._others[name] = kind

    def _listen(self, name: str, kind: str) -> None:
        publishers = self.get_publishers_info_by_topic(name)
        if not publishers and not _is_command(name, kind):
            return
        parts = self._heard[name, kind] = {}
        profile = matching(offer_of(publishers), _DEPTHS[kind in (IMAGE, COMPRESSED)])
        counter = LossCounter(partial(self._note_lost, (name, kind)))

        def note(message: Any, info: Mapping[str, Any]) -> None:
            counter.note_message(info, len(publishers))
            _note(parts, message)

        counted_subscription(self, message_class(kind), name, note, counter, qos_profile=profile)

    def _note_lost(self, topic: tuple[str, str], number: int) -> None:
        self._lost[topic] += number

    def _listen_for_description(self, name: str) -> None:
        if name not in self._descriptions:
            self._descriptions[name] = ""
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            keep = partial(self._descriptions.__setitem__, name)
            self.create_subscription(String, name, lambda text: keep(text.data), latched)

    def _seen(self, name: str, kind: str, heard: _Heard) -> SeenTopic:
        publishers = self.get_publishers_info_by_topic(name)
        facts = self._facts(name, kind, heard.message)
        if _is_command(name, kind) and not facts.get("joints"):
            facts["joints"] = self._joints_of(name.rsplit("/", 1)[0])
        if kind == ARRAY:
            facts["field"] = next((each for each in ("velocity", "effort") if each in name), "position")
        return SeenTopic(
            name,
            kind,
            offer_of(publishers).reliable,
            heard.received,
            round(heard.rate_hz, 2),
            lost=self._lost[name, kind],
            **facts,
        )

    def _facts(self, name: str, kind: str, message: Any) -> dict[str, Any]:
        """Return the properties that a message shows; nothing if it cannot be read."""
        try:
            return {} if message is None else facts_of(kind, message)
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


def _note(parts: _Parts, message: Any) -> None:
    joints = frozenset(joints_in(message))
    if joints in parts or len(parts) < _MOST_PARTS:
        parts.setdefault(joints, _Heard()).note(message)


def _whole(parts: _Parts) -> list[_Heard]:
    """Drop messages whose joints are a subset of another message's; return an empty one if none arrived."""
    whole = [part for joints, part in parts.items() if not any(joints < other for other in parts)]
    return whole or [_Heard()]


def _is_installed(kind: str) -> bool:
    try:
        message_class(kind)
    except ConfigError:
        return False
    return True


def _is_command(name: str, kind: str) -> bool:
    """Return whether a controller may wait for messages on a topic without publishers."""
    return kind == TRAJECTORY or (kind == ARRAY and name.endswith("/commands"))


def facts_of(kind: str, message: Any) -> dict[str, Any]:
    """Return the properties of a topic that a message shows, as fields of `SeenTopic`."""
    return dict(_facts(kind, message))


def _facts(kind: str, message: Any) -> Iterator[tuple[str, Any]]:
    if kind == JOINT_STATE:
        yield "joints", tuple(message.name)
        yield "field", _filled(message, "position", "velocity", "effort")
    elif kind == CONTROLLER_STATE:
        yield "joints", tuple(message.joint_names)
    elif kind == TRAJECTORY:
        yield "joints", tuple(message.joint_names)
        if message.points and not message.points[0].positions:
            yield "field", "velocity"
    elif kind == ARRAY:
        yield "values", len(message.data)
    elif kind == IMAGE:
        yield from (("encoding", message.encoding), ("width", message.width), ("height", message.height))
    elif kind == COMPRESSED:
        yield from _compressed_facts(message)


def _filled(message: Any, *fields: str) -> str:
    return next((field for field in fields if len(getattr(message, field))), fields[0])


def _compressed_facts(message: Any) -> Iterator[tuple[str, Any]]:
    if message.format.startswith("16UC1"):
        yield "encoding", "16UC1"
        return
    try:
        image = compressed_to_encoded(message)
    except RecorderError:
        return
    kind = image.format if isinstance(image, EncodedImage) else "png"
    yield from (("encoding", kind), ("width", image.width), ("height", image.height))


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

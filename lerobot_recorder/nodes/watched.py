"""Topics for the dashboard: subscribed while somebody watches, and read a few times a second.

A reader of the newest message costs a fraction of a callback per message: most images of a camera are never
turned into a Python object.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.exceptions import InvalidHandle
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from lerobot_recorder.answers import with_offer
from lerobot_recorder.dashboard import OFFER_BUTTONS, Live, depth_to_jpeg, to_jpeg
from lerobot_recorder.discovery import IMAGES, JOY, TEXT
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.images import decode_depth
from lerobot_recorder.nodes.events import latched
from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.nodes.message_types import InstalledTypes, message_class
from lerobot_recorder.nodes.publishers import offer_of
from lerobot_recorder.nodes.receiver import NotByExecutor
from lerobot_recorder.status import SILENT_S
from lerobot_recorder.topics import Layout, compressed_to_png, image_to_depth, image_to_rgb, values_in

_POLL_S = 0.1
_LOOK_S = 0.5
"""How often it looks for nodes that have stopped reporting."""

_BUSY_SHARE = 9
"""The thread rests this many times as long as it has worked: many cameras make all of them slower."""

_MATCH_S = 1.0
_MOST_VALUES = 64
_NOT_SHOWN = (TEXT, JOY)
_INNER = ("rcl_interfaces/", "rosgraph_msgs/", "tf2_msgs/")
"""What a recorder subscribes to besides streams of values."""

_LOST_S = 3.0
"""A camera without a picture for this long loses parts of all its large images on the way."""

_NODES = ("recorder", "encoder")
_STALE_S = 5.0
"""Diagnostics of other nodes are out of date after this time, as in ``diagnostic_aggregator``."""

_STALE = 3
"""Level of a diagnostic that is out of date, as in ``DiagnosticStatus``."""

_LARGEST_JPEG = 4 << 20
_DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")

Take = Callable[[Any], None]


@dataclass
class Watched:
    """A topic that is read.

    Attributes:
        kind: class of its messages.
        qos: of the subscription.
        take: called with the newest message, or with all if `every`.
        period_s: how often it is read at most.
        every: whether every message counts.
        read_s: when a message was read last, or when it was subscribed.
    """

    kind: Any
    qos: QoSProfile
    take: Take
    period_s: float = _POLL_S
    every: bool = False
    subscription: Any = field(default=None, repr=False)
    read_s: float = field(default_factory=time.monotonic)
    next_s: float = 0.0


class WatchedTopics:
    """Keeps `Live` up to date while somebody watches.

    `match` is called regularly by the executor, which alone creates and destroys subscriptions; a thread of
    its own reads them.
    """

    def __init__(self, node: GuardedNode, live: Live, preview_rate_hz: float, preview_width: int) -> None:
        self._node, self._live = node, live
        self._period_s, self._width = 1 / preview_rate_hz, preview_width
        self._group = NotByExecutor()
        self._topics: Mapping[str, Watched] = {}
        self._next_match_s = 0.0
        self._lossy: set[str] = set()
        self._diagnostics: dict[str, dict[str, Any]] = {}
        self._reported_s: dict[str, float] = {}
        """When each diagnostic came last."""
        self._running: set[str] = set()
        """Nodes whose last status is not that they have ended."""
        self._own = node.resolve_topic_name("~").rpartition("/")[0]
        self._next_look_s = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dashboard-topics", daemon=True)
        self._thread.start()

    def match(self) -> None:
        """Subscribe to what there is if somebody watches, to nothing otherwise."""
        if not self._live.watchers:
            self._next_match_s = 0.0
            self._replace({})
            self._live.forget((*_NODES, "silent", "actions", "diagnostics"))
        elif time.monotonic() >= self._next_match_s:
            self._next_match_s = time.monotonic() + _MATCH_S
            self._lossy |= {name for name, each in self._topics.items() if self._loses_all(name, each)}
            self._replace(self._wanted())

    def _replace(self, wanted: Mapping[str, Watched]) -> None:
        """Subscribe to these topics only. The thread that reads goes through one dictionary or the other."""
        before, after = self._topics, dict(wanted)
        for topic, watched in wanted.items():
            if topic in before and before[topic].qos.reliability == watched.qos.reliability:
                after[topic] = before[topic]
            else:
                watched.subscription = self._node.create_subscription(
                    watched.kind, topic, _nothing, watched.qos, callback_group=self._group
                )
        self._topics = after
        for topic, watched in before.items():
            if after.get(topic) is not watched:
                self._node.destroy_subscription(watched.subscription)

    def _loses_all(self, topic: str, watched: Watched) -> bool:
        """Return whether a best-effort subscription gets nothing although something is sent reliably."""
        is_silent = time.monotonic() - watched.read_s > _LOST_S
        if not is_silent or watched.qos.reliability != ReliabilityPolicy.BEST_EFFORT:
            return False
        publishers = self._node.get_publishers_info_by_topic(topic)
        return bool(publishers) and offer_of(publishers).reliable

    def close(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._live.close()
        self._thread.join()

    # Which topics

    def _wanted(self) -> dict[str, Watched]:
        node, own = self._node, self._own
        status = {f"{own}/{name}/status": Watched(String, latched(1), self._json(name)) for name in _NODES}
        diagnostics = Watched(DiagnosticArray, QoSProfile(depth=50), self._take_diagnostics, every=True)
        wanted = {**status, "/diagnostics": diagnostics}
        for topic in status:
            if not node.count_publishers(topic):
                self._live.put(topic.split("/")[-2], None)
        recorded = self._recorded(own)
        cameras = {
            camera_name(own, topic): (topic, kind) for topic, kind in self._images(own, recorded).items()
        }
        for camera, (topic, kind) in cameras.items():
            wanted[topic] = Watched(
                message_class(kind), self._newest(topic), self._picture_of(camera), self._period_s
            )
        for topic, kind in recorded.items():
            if kind not in (*IMAGES, *_NOT_SHOWN) and not kind.startswith(_INNER):
                wanted[topic] = Watched(
                    message_class(kind),
                    self._newest(topic),
                    self._values_of(topic.removeprefix(f"{own}/"), kind),
                )
        self._live.put("cameras", sorted(cameras))
        self._live.keep_cameras(cameras)
        return wanted

    def _recorded(self, own: str) -> dict[str, str]:
        """Return the topics that the recorder reads, and their types."""
        found = []
        with suppress(RuntimeError):  # there is no recorder
            found = self._node.get_subscriber_names_and_types_by_node("recorder", own or "/")
        published = ((topic, kinds[0]) for topic, kinds in found if self._node.count_publishers(topic))
        return dict(published)

    def _images(self, own: str, recorded: Mapping[str, str]) -> dict[str, str]:
        """Return the topics of all cameras: those that are recorded, and those of the hardware node."""
        images = {topic: kind for topic, kind in recorded.items() if kind in IMAGES}
        known = {_base(topic) for topic in images}
        for topic, kinds in sorted(self._node.get_topic_names_and_types(), reverse=True):  # compressed first
            is_camera = topic.startswith(f"{own}/cameras/") and kinds[0] in IMAGES
            if is_camera and _base(topic) not in known and self._node.count_publishers(topic):
                images[topic] = kinds[0]
                known.add(_base(topic))
        return images

    def _newest(self, topic: str) -> QoSProfile:
        """Return the QoS with which the newest message is read.

        Best effort fits every publisher, and a page that lags makes none of them send an image again.
        """
        is_lossy = topic in self._lossy
        reliability = ReliabilityPolicy.RELIABLE if is_lossy else ReliabilityPolicy.BEST_EFFORT
        return QoSProfile(depth=1, reliability=reliability)

    # What their messages become

    def _json(self, name: str) -> Take:
        def take(message: String) -> None:
            status = json.loads(message.data)
            offer = status.get("offer", "")
            status["message"] = with_offer(status.get("message", ""), offer, OFFER_BUTTONS)
            (self._running.discard if status["state"] == "ended" else self._running.add)(name)
            self._live.put(name, status, always=True)

        return take

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            level = status.level[0] if isinstance(status.level, bytes) else status.level
            values = {each.key: each.value for each in status.values}
            found = {"level": int(level), "message": status.message, "values": values}
            self._diagnostics[status.name] = found
            self._reported_s[status.name] = time.monotonic()

    def _values_of(self, name: str, kind: str) -> Take:
        layout = Layout(kind, InstalledTypes())

        def take(message: Any) -> None:
            values = itertools.islice(values_in(layout, message).items(), _MOST_VALUES)
            self._live.put(f"values {name}", {each: round(value, 5) for each, value in values})

        return take

    def _picture_of(self, camera: str) -> Take:
        def take(message: Any) -> None:
            width = 0 if camera in self._live.closeups else self._width
            self._live.put_picture(camera, preview(message, width))

        return take

    # Reading

    def _run(self) -> None:
        while not self._stopped.is_set():
            if not self._live.wait_for_watchers():
                continue
            began_s, busy_s = time.monotonic(), time.thread_time()
            for topic, watched in self._topics.items():
                if began_s >= watched.next_s:
                    self._read(topic, watched, began_s)
            if began_s >= self._next_look_s:
                self._next_look_s = began_s + _LOOK_S
                self._note_silence(began_s)
            self._live.notify()
            rest_s = _BUSY_SHARE * (time.thread_time() - busy_s)
            self._stopped.wait(max(rest_s, _POLL_S / 2 - (time.monotonic() - began_s)))

    def _note_silence(self, now_s: float) -> None:
        """Note which nodes and which diagnostics have not reported for a while."""
        silent = [
            name
            for name in sorted(self._running)
            if (watched := self._topics.get(f"{self._own}/{name}/status")) is not None
            and now_s - watched.read_s > SILENT_S
        ]
        self._live.put("silent", silent)
        if self._diagnostics:
            found = {name: self._fresh(name, now_s) for name in self._diagnostics}
            self._live.put("diagnostics", found)

    def _fresh(self, name: str, now_s: float) -> dict[str, Any]:
        found = self._diagnostics[name]
        is_of_ours = name.partition(":")[0].rpartition("/")[2] in _NODES
        if now_s - self._reported_s[name] <= (SILENT_S if is_of_ours else _STALE_S):
            return found
        return {**found, "level": _STALE, "message": f"no longer reported; last: {found['message']}"}

    def _read(self, topic: str, watched: Watched, now_s: float) -> None:
        try:
            while (message := _taken(watched.subscription)) is not None:
                watched.read_s, watched.next_s = now_s, now_s + watched.period_s
                watched.take(message)
                if not watched.every:
                    return
        except InvalidHandle:
            return  # it was destroyed
        except Exception as error:  # no message may end the thread
            self._node.faults.note(topic, error)


def preview(message: Any, width: int) -> bytes:
    """Return the picture of an image message, as small as a page needs it.

    Args:
        message: ``Image`` or ``CompressedImage``; a JPEG of the latter is returned as it is.
        width: approximate width of others, in pixels; 0: as they are.

    Raises:
        RecorderError: the message has no image that can be shown.
    """
    if hasattr(message, "encoding"):
        if message.encoding in _DEPTH_ENCODINGS:
            return depth_to_jpeg(image_to_depth(message), width)
        return to_jpeg(image_to_rgb(message), width)
    data = bytes(message.data)
    if data.startswith(b"\xff\xd8") and len(data) <= _LARGEST_JPEG:
        return data
    if "compressedDepth" in message.format:
        return depth_to_jpeg(decode_depth(compressed_to_png(message)), width)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise RecorderError(f"an image of the format {message.format[:40]!r} cannot be shown")
    return to_jpeg(np.ascontiguousarray(pixels[:, :, ::-1], np.uint8), width)


def camera_name(namespace: str, topic: str) -> str:
    """Return what the page calls a camera, for example ``top`` for ``/left/cameras/top/image_raw``."""
    name = _base(topic).removeprefix(f"{namespace}/").removeprefix("cameras/")
    return name.removesuffix("/image_raw") or name


def _base(topic: str) -> str:
    for end in ("/compressed", "/compressedDepth"):
        topic = topic.removesuffix(end)
    return topic


def _taken(subscription: Any) -> Any:
    """Take a message; None if there is none."""
    with subscription.handle:
        taken = subscription.handle.take_message(subscription.msg_type, False)
    return taken and taken[0]


def _nothing(_message: Any) -> None:
    """Never called: the executor does not know the subscription."""

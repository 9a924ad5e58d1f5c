"""Calls the nodes' services, as an operator does, and sends messages that nobody should."""

from __future__ import annotations

import array
import math
import threading
import time
from random import Random
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from chaos.nodes import NodeProcess, StuckError
from lerobot_recorder.answers import Answer

ANSWER_S = 60.0
"""A node that lives answers within this time, on a disk that is slow, too."""
_MATCH_S = 0.25
"""For the service to find its client: an answer that it cannot send is lost."""
_POLL_S = 0.01


class Operator:
    """A separate node; calls come from one thread, messages from any."""

    def __init__(self) -> None:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("chaos")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._clients: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def close(self) -> None:
        self._executor.shutdown()
        rclpy.try_shutdown()
        self._thread.join()

    def forget(self) -> None:
        """Give up the clients of nodes that are gone."""
        for client in self._clients.values():
            self._node.destroy_client(client)
        self._clients.clear()

    def call(self, process: NodeProcess, service: str, data: bool | None = None) -> Answer | None:
        """Call a service of a node; return None where the node died first, or its answer was lost.

        Raises:
            StuckError: the node lives, and does not answer.
        """
        kind = Trigger if data is None else SetBool
        name = f"{process.label}/{service}"
        deadline = time.monotonic() + ANSWER_S
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
            while not self._clients[name].service_is_ready():
                if not process.running:
                    return None
                if time.monotonic() > deadline:
                    raise StuckError(f"{process.label} does not offer {service}: not within {ANSWER_S:g} s")
                time.sleep(_POLL_S)
            time.sleep(_MATCH_S)
        request = kind.Request() if data is None else kind.Request(data=data)
        lost = process.count_lost_answers()
        future = self._clients[name].call_async(request)
        while not future.done():
            if not process.running:
                time.sleep(_MATCH_S)  # the answer may have been sent before
                break
            if time.monotonic() > deadline:
                if process.count_lost_answers() > lost:
                    break
                raise StuckError(f"{process.label} has not answered {service} for {ANSWER_S:g} s")
            time.sleep(_POLL_S)
        if not future.done():
            return None
        return Answer.from_text(future.result().success, future.result().message)

    def hostile(self, random: Random) -> Hostile:
        """Return what sends hostile messages until it is closed."""
        return Hostile(self._node, random)


class Hostile:
    """Sends messages that no publisher should send, to all topics that the nodes subscribe to."""

    def __init__(self, node: Any, random: Random) -> None:
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._node, self._random = node, random
        self._joints = [
            node.create_publisher(JointState, topic, 10)
            for topic in ("follower/joint_commands", "follower/joint_states", "leader/joint_states")
        ]
        self._images = [node.create_publisher(Image, "cameras/top/image_raw", 10)]
        self._compressed = [node.create_publisher(CompressedImage, "cameras/wrist/image_raw/compressed", 10)]
        self._texts = [node.create_publisher(String, "episode_completed", latched)]
        self.sent = 0

    def send(self) -> None:
        """Send one."""
        kind = self._random.choice((self._joint_state, self._image, self._jpeg, self._text))
        publishers, message = kind()
        self._random.choice(publishers).publish(message)
        self.sent += 1

    def close(self) -> None:
        for publisher in (*self._joints, *self._images, *self._compressed, *self._texts):
            self._node.destroy_publisher(publisher)

    def _stamp(self) -> Time:
        seconds = self._random.choice((0, -1, -(2**31), 2**31 - 1, int(time.time()) - 3))
        return Time(sec=seconds, nanosec=self._random.choice((0, 999_999_999, 2**32 - 1)))

    def _joint_state(self) -> tuple[list[Any], JointState]:
        """Joints that no arm has, so that nothing recordable is among them, or values that cannot be."""
        number = self._random.choice((0, 1, 6, 2000))
        names = [self._random.choice(("", "jaw", "x" * 300))] * number
        if self._random.random() < 0.3:
            names = ["shoulder_pan", "gripper"]
        length = self._random.choice((0, 1, len(names), len(names) + 1))
        value = self._random.choice((math.nan, math.inf, -math.inf, 1e308, -1e-308))
        message = JointState(name=names, position=[value] * length, velocity=[value] * (length // 2))
        message.header.stamp = self._stamp()
        return self._joints, message

    def _image(self) -> tuple[list[Any], Image]:
        random = self._random
        message = Image(
            height=random.choice((0, 1, 120, 2**31, 2**32 - 1)),
            width=random.choice((0, 1, 160, 2**31, 2**32 - 1)),
            encoding=random.choice(
                ("rgb8", "", "bayer_rggb8", "32FC1", "16UC1", "no such", "8UC1000000", "mono8")
            ),
            step=random.choice((0, 1, 480, 2**29, 2**32 - 1)),
            is_bigendian=random.choice((0, 1, 255)),
        )
        message.data = array.array("B", random.randbytes(random.choice((0, 1, 100))))
        message.header.stamp = self._stamp()
        return self._images, message

    def _jpeg(self) -> tuple[list[Any], CompressedImage]:
        random = self._random
        heads = (
            b"",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03",
        )
        data = random.choice(heads) + random.randbytes(random.choice((0, 1, 500)))
        message = CompressedImage(
            format=random.choice(("jpeg", "", "compressedDepth")), data=array.array("B", data)
        )
        message.header.stamp = self._stamp()
        return self._compressed, message

    def _text(self) -> tuple[list[Any], String]:
        texts = ("", "{", "null", '{"episode_id": "../../x"}', "[" * 2000, "x" * 100_000)
        return self._texts, String(data=self._random.choice(texts))

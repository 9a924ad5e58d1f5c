from __future__ import annotations

import array
import threading
import time

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState

from lerobot_recorder.cli.processes import node_environment
from lerobot_recorder.nodes.recorder import RecorderNode
from lerobot_recorder.recording import Sample
from lerobot_recorder.spool import Spool

BEGIN_NS = 1_700_000_000 * 10**9
STEP_NS = 10**7  # of the clock; joint states come at every second step, images at every third
STEPS = 260
EPISODE_S = 2.0


def stamp(time_ns: int) -> Time:
    return Time(sec=time_ns // 10**9, nanosec=time_ns % 10**9)


class Bag:
    """Recorded messages, played with their clock at any rate."""

    def __init__(self, graph) -> None:
        self.graph = graph
        self.clock = graph.node.create_publisher(Clock, "/clock", 10)
        self.joints = graph.node.create_publisher(JointState, "robot/joint_states", 100)
        self.camera = graph.node.create_publisher(Image, "robot/camera", 10)

    def step(self, number: int) -> None:
        time_ns = BEGIN_NS + number * STEP_NS
        self.clock.publish(Clock(clock=stamp(time_ns)))
        if number % 2 == 0:
            state = JointState(name=["one", "two"], position=[float(number), -float(number)])
            state.header.stamp = stamp(time_ns)
            self.joints.publish(state)
        if number % 3 == 0:
            pixels = np.random.default_rng(number).integers(0, 255, (32, 48, 3), np.uint8)
            image = Image(height=32, width=48, encoding="rgb8", step=48 * 3)
            image.header.stamp = stamp(time_ns)
            image.data = array.array("B", pixels.tobytes())
            self.camera.publish(image)

    def hold(self, condition) -> None:
        """Stand still at the begin, where the clock jumps back to, until something is so."""

        def holds():
            self.step(0)
            return condition()

        self.graph.wait(holds)

    def play(self, rate: float) -> None:
        began = time.monotonic()
        for number in range(1, STEPS):
            threading.Event().wait(max(0.0, began + number * STEP_NS / 1e9 / rate - time.monotonic()))
            self.step(number)


def record(graph, bag: Bag, rate: float) -> None:
    """Record an episode while the bag is played."""
    episodes = len(graph.completed)
    graph.status.clear()
    bag.hold(lambda: not graph.status["recorder"]["missing"])
    bag.hold(lambda: graph.call("recorder/start_episode")[0])
    bag.play(rate)
    graph.wait(lambda: len(graph.completed) > episodes)


def start_recorder(graph, root, stamps: str) -> None:
    parameters = {
        "root": str(root),
        "use_sim_time": True,
        "episode_time_s": EPISODE_S,
        "streams": ["state", "top"],
        "state.topic": "robot/joint_states",
        "state.names": ["one", "two"],
        "state.stamp": stamps,
        "top.topic": "robot/camera",
        "top.stamp": stamps,
    }
    graph.start("recorder", parameters)


def test_a_bag_played_at_any_rate_gives_the_same_rows(graph, tmp_path):
    root, bag = tmp_path / "data", Bag(graph)
    start_recorder(graph, root, "header")
    record(graph, bag, 1.0)
    record(graph, bag, 4.0)
    slow, fast = Spool(root).ready()
    assert slow.manifest.clock == fast.manifest.clock == "sim"
    assert slow.manifest.started_at_ns == fast.manifest.started_at_ns
    assert slow.length == fast.length == EPISODE_S * 30
    for key, values in slow.rows().items():
        assert np.array_equal(values, fast.rows()[key]), key
    key = "observation.images.top"
    assert np.array_equal(np.stack(list(slow.frames(key))), np.stack(list(fast.frames(key))))
    ticks_ns = slow.manifest.started_at_ns - BEGIN_NS + np.arange(slow.length) * 10**9 // 30
    assert np.array_equal(slow.rows()["observation.state"][:, 0], ticks_ns // STEP_NS // 2 * 2)


def test_by_the_time_of_arrival_the_rows_are_nearly_the_same(graph, tmp_path):
    root, bag = tmp_path / "data", Bag(graph)
    start_recorder(graph, root, "receive")
    record(graph, bag, 1.0)
    record(graph, bag, 4.0)
    slow, fast = (episode.rows()["observation.state"][:, 0] for episode in Spool(root).ready())
    assert len(slow) == len(fast) == EPISODE_S * 30
    assert np.median(np.abs(slow - fast)) <= 4  # two messages


def test_a_bag_that_starts_again_ends_the_take(graph, tmp_path):
    root, bag = tmp_path / "data", Bag(graph)
    start_recorder(graph, root, "header")
    bag.hold(lambda: not graph.status["recorder"]["missing"])
    bag.hold(lambda: graph.call("recorder/start_episode")[0])
    for number in range(1, 100):
        threading.Event().wait(0.005)
        bag.step(number)
    graph.wait(lambda: graph.frames() > 10)
    bag.hold(lambda: graph.completed)
    assert "the clock jumped" in Spool(root).rejected()[0].manifest.reasons[0]


def test_without_a_clock_a_start_is_refused_with_the_reason(graph, make_robot, tmp_path):
    parameters = make_robot().recorder_parameters(tmp_path / "data")
    graph.start("recorder", {**parameters, "use_sim_time": True})
    graph.wait(lambda: "/clock" in str(graph.status["recorder"]["missing"]))
    started, reason = graph.call("recorder/start_episode")
    assert not started
    assert "use_sim_time is set, but no message received on /clock yet" in reason


@pytest.fixture
def node(tmp_path):
    """A recorder within the test's own process, by the system's time."""
    values = {
        "root": tmp_path / "data",
        "streams": ["state"],
        "state.topic": "joints",
        "state.names": ["one"],
    }
    arguments = [each for name, value in values.items() for each in ("-p", f"{name}:={value}")]
    domain = int(node_environment(isolated=True)["ROS_DOMAIN_ID"])
    rclpy.init(args=["--ros-args", *arguments], domain_id=domain)
    node = RecorderNode()
    yield node
    node.close()
    node.destroy_node()
    rclpy.shutdown()


@pytest.mark.parametrize("by_s", [3600.0, -3600.0])
def test_a_system_clock_that_is_set_ends_the_take(node, monkeypatch, by_s):
    def push() -> None:
        stream.push(Sample(time.time_ns(), np.array([1.0])))

    stream = node._topics.streams[0]
    push()
    node._recorder.start().result(10)
    while node._recorder.recording and node._recorder.status().frames < 3:
        push()
        time.sleep(0.005)  # the recorder's threads have to run, too
    node._step()
    assert node._recorder.recording
    now_s, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now_s() + by_s)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + int(by_s * 1e9))
    node._step()
    take = node._recorder._take
    assert take.result.result(10).ended_by == "clock"
    assert "the clock jumped" in Spool(node._recorder.root).rejected()[0].manifest.reasons[0]
    push()
    assert not node._recorder.missing()

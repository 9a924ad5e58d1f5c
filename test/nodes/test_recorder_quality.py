from __future__ import annotations

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import JointState

OK, WARN, ERROR = range(3)


@pytest.fixture
def heard(graph):
    """Collect the recorder's last diagnostics by the name of its part."""
    last = {}

    def note(message: DiagnosticArray) -> None:
        for status in message.status:
            values = {value.key: value.value for value in status.values}
            level = status.level[0] if isinstance(status.level, bytes) else status.level
            last[status.name.removeprefix("recorder: ")] = (level, status.message, values)

    graph.node.create_subscription(DiagnosticArray, "/diagnostics", note, 10)
    return last


@pytest.fixture
def robot(graph, make_robot, heard, tmp_path):
    robot = make_robot()
    graph.start("recorder", robot.recorder_parameters(tmp_path / "data"))
    graph.wait(lambda: not graph.status["recorder"]["missing"] and heard["state"][0] == OK)
    return robot


def stream(graph, name: str) -> dict:
    return graph.status["recorder"]["streams"][name]


def both(graph, heard, name: str, key: str, found) -> None:
    """Wait until a figure of a stream is told as it should be, in the status and in the diagnostics."""
    graph.wait(lambda: found(stream(graph, name)[key]))
    graph.wait(lambda: found(float(heard[name][2][key])))


def test_rates_and_ages_are_always_in_the_status(graph, robot, heard):
    both(graph, heard, "top", "rate_hz", lambda rate: rate > 1)
    both(graph, heard, "state", "age_s", lambda age: age < 0.5)
    assert heard["top"][1].endswith(" Hz")


def test_missing_joints_and_nan_are_reported_before_an_episode(graph, robot, heard):
    robot.playing = False
    state = {"name": ["one_joint"], "position": [1.0]}
    graph.do(lambda: graph.node.create_timer(0.02, lambda: robot.joints.publish(JointState(**state))))
    vanished = "no joint two in the message, it has one_joint"
    graph.wait(lambda: vanished in stream(graph, "state")["faults"])
    graph.wait(lambda: heard["state"][0] == WARN and vanished in heard["state"][1])
    state |= {"name": ["one", "two"], "position": [1.0, float("nan")]}
    graph.wait(lambda: "a value is NaN or infinite" in stream(graph, "state")["wrong"])
    # Such messages are left out, so the stream is silent as well.
    graph.wait(lambda: heard["state"][0] == WARN and "NaN" in heard["state"][1])


def test_a_frozen_camera_and_stale_ticks_are_reported_during_the_take(graph, robot, heard):
    graph.wait(lambda: graph.call("recorder/start_episode")[0])
    robot.pixels = np.zeros((32, 48, 3), np.uint8)
    both(graph, heard, "top", "repeated_images", lambda count: count > 0)
    graph.wait(lambda: "the image did not change for" in stream(graph, "top")["wrong"])
    graph.wait(lambda: heard["top"][0] == WARN and "did not change" in heard["top"][1])
    assert "did not change" not in stream(graph, "state")["wrong"]
    robot.playing = False
    both(graph, heard, "state", "stale_ticks", lambda count: count > 0)
    graph.wait(lambda: heard["state"][0] == ERROR and "nothing for" in heard["state"][1])
    assert not graph.call("recorder/save_episode")[0]


def test_a_camera_that_changes_its_size_ends_the_take_with_the_reason(graph, robot, heard):
    graph.wait(lambda: graph.call("recorder/start_episode")[0])
    graph.wait(lambda: graph.frames() > 5)
    robot.pixels = np.zeros((16, 24, 3), np.uint8)
    reason = "top: the images on robot/camera changed from 48x32 to 24x16"
    graph.wait(lambda: reason in graph.status["recorder"]["message"])
    graph.wait(lambda: heard["recorder"][0] == ERROR and reason in heard["recorder"][1])
    assert graph.wait(lambda: graph.completed)[0]["streams"]["top"]["size_changes"] == 1


def test_a_slow_camera_is_reported_before_and_during_the_take_and_in_the_verdict(graph, robot, heard):
    robot.timer.timer_period_ns = 200_000_000
    robot.timer.reset()
    graph.wait(lambda: "images a second, fps is 30" in stream(graph, "top")["wrong"])
    graph.wait(lambda: heard["top"][0] == WARN and "images a second, fps is 30" in heard["top"][1])
    graph.wait(lambda: graph.call("recorder/start_episode")[0])
    graph.wait(lambda: "rows have a new image" in stream(graph, "top")["wrong"])
    saved, reason = graph.call("recorder/save_episode")
    assert not saved
    assert "top: only" in reason
    assert "set <stream>.min_rate_hz if that is intended" in reason
    notes = graph.wait(lambda: graph.completed)[0]["notes"]
    assert [note.partition(":")[0] for note in notes] == ["state"]

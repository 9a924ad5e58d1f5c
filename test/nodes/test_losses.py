"""Images that are lost on the way from a camera, a process without our Fast DDS profile."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticArray

from lerobot_recorder.discovery import make_plan, parameter_text
from lerobot_recorder.launching import PARENT_VARIABLE, PROFILE_VARIABLES, profile_variables
from lerobot_recorder.nodes import losses
from lerobot_recorder.nodes.losses import LossCounter, remedy

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "test/builders/camera_process.py"
IS_JAZZY = any(each.name == "ros-rclpy" and each.version.startswith("7.") for each in distributions())
(PROFILE,) = profile_variables()
OTHER = Path(os.environ.get("JAZZY_PYTHON", ROOT / ".venv-jazzy/bin/python"))
OF_THIS_PYTHON = ("LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE", "PYTHONPATH")
LOST = "images were lost in transport; start its node with"
TOPIC = "robot/camera/large"
USUAL, HUGE = 20_000, 60_000
"""Bytes of a line: images of 1 MB, as of 640x480, and of 3 MB, of which really none arrives."""


@pytest.fixture
def camera(graph):
    """Start a camera that loses what does not fit into the shared memory; with our profile, nothing."""
    cameras = []

    def start(*arguments: object, python: object = sys.executable, profile: bool = False) -> None:
        left_out = OF_THIS_PYTHON if python != sys.executable else ()
        left_out = left_out if profile else (*left_out, *PROFILE_VARIABLES)
        environment = {key: value for key, value in graph.environment.items() if key not in left_out}
        if profile:
            environment |= dict.fromkeys(PROFILE_VARIABLES, environment[PROFILE])
        words = [str(python), str(SCRIPT), TOPIC, *map(str, arguments)]
        cameras.append(subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL))

    yield start
    for process in cameras:
        process.terminate()
        process.wait()


def test_only_the_variable_that_this_version_reads_is_set():
    assert profile_variables() == (PROFILE_VARIABLES[IS_JAZZY],)


def event(lost: int) -> SimpleNamespace:
    return SimpleNamespace(total_count_change=lost)


def message(number: int | None, publisher: bytes | None = b"a") -> dict:
    gid = {} if publisher is None else {"publisher_gid": {"data": publisher}}
    return {"publication_sequence_number": number, **gid}


def recorder(graph, make_robot, tmp_path, **settings) -> None:
    parameters = {**make_robot().recorder_parameters(tmp_path / "data"), "top.topic": TOPIC, **settings}
    graph.start("recorder", parameters)


def top(graph) -> dict:
    return graph.status["recorder"]["streams"]["top"]


def test_of_events_and_gaps_in_the_sequence_numbers_the_larger_number_counts():
    lost: list[int] = []
    counter = LossCounter(lost.append)
    for number in (7, 8, 11, 10):  # those before the first are unknown, one that was overtaken does not count
        counter.note_message(message(number), 1)
    assert sum(lost) == 2
    counter.note_event(event(1))
    assert sum(lost) == 2
    counter.note_event(event(4))
    assert sum(lost) == 5
    counter.note_event(event(2**31 - 1))  # as Fast DDS reports at times
    counter.note_event(event(1))
    assert sum(lost) == 6


def test_publishers_are_counted_apart_and_not_at_all_if_they_cannot_be_told_apart():
    lost: list[int] = []
    counter = LossCounter(lost.append)
    for number, publisher in ((1, b"a"), (900, b"b"), (2, b"a"), (902, b"b")):
        counter.note_message(message(number, publisher), 2)
    assert sum(lost) == 1
    for number in (5, 500, 6, 501, None):
        counter.note_message(message(number, None), 2)
    assert sum(lost) == 1


@pytest.mark.parametrize(("limit", "named"), [("212992", True), ("4194304", False), ("?", False)])
def test_a_limit_of_the_kernel_is_named_with_its_remedy(monkeypatch, tmp_path, limit, named):
    (tmp_path / "rmem_max").write_text(limit)
    monkeypatch.setattr(losses, "_KERNEL_LIMIT", tmp_path / "rmem_max")
    monkeypatch.setattr(losses, "get_rmw_implementation_identifier", lambda: "rmw_fastrtps_cpp")
    assert ("sudo sysctl -w net.core.rmem_max=4194304 (now 212992)" in remedy()) == named
    assert str(ROOT / "config/fastdds.xml") in remedy()


def test_a_node_of_the_same_parent_has_the_profile_already(monkeypatch, tmp_path):
    monkeypatch.setattr(losses, "get_rmw_implementation_identifier", lambda: "rmw_fastrtps_cpp")
    monkeypatch.setenv(PARENT_VARIABLE, "1")
    monkeypatch.setenv(PROFILE, str(ROOT / "config/fastdds.xml"))
    assert remedy(from_sibling=True).startswith("this computer is overloaded")
    assert "overloaded" not in remedy()
    copy = tmp_path / "copy.xml"
    copy.write_bytes((ROOT / "config/fastdds.xml").read_bytes())
    monkeypatch.setenv(PROFILE, str(copy))
    assert remedy(from_sibling=True).startswith("this computer is overloaded")
    monkeypatch.setenv(PROFILE, str(tmp_path / "other.xml"))
    assert "overloaded" not in remedy(from_sibling=True)


def test_lost_images_are_named_in_status_diagnostics_log_and_verdict(graph, make_robot, camera, tmp_path):
    heard: dict[str, str] = {}

    def note(array: DiagnosticArray) -> None:
        heard.update({each.name: each.message for each in array.status})

    graph.node.create_subscription(DiagnosticArray, "/diagnostics", note, 10)
    camera(24, 4, HUGE)
    recorder(graph, make_robot, tmp_path)
    graph.wait(lambda: LOST in top(graph)["wrong"])
    graph.wait(lambda: LOST in heard.get("recorder: top", ""))
    graph.wait(lambda: any("[WARN]" in line and LOST in line for line in graph.processes[0].last_lines))
    graph.wait(lambda: graph.call("recorder/start_episode")[0])
    graph.wait(lambda: graph.frames() > 60 and top(graph)["lost"] > 10)
    saved, reason = graph.call("recorder/save_episode")
    assert not saved
    assert "top: only" in reason
    assert LOST in reason
    assert "use fewer fps, or set" not in reason
    assert graph.wait(lambda: graph.completed)[0]["streams"]["top"]["lost"] > 10


def test_if_all_images_are_lost_the_camera_is_missing_because_of_that(graph, make_robot, camera, tmp_path):
    camera(24, 1000, HUGE)
    recorder(graph, make_robot, tmp_path)
    graph.wait(lambda: any(LOST in line for line in graph.status["recorder"]["missing"]))


def test_discover_takes_no_rate_from_a_camera_that_loses_images(graph, camera):
    camera(24, 4, HUGE)
    found = graph.wait(lambda: found if (found := graph.survey()).losses else None)
    (seen,) = found.topics
    assert seen.rate_hz < 20
    plan = make_plan(found)
    assert plan.fps == 30
    text = parameter_text(plan)
    assert f"{seen.name} were lost in transport; start its node with {PROFILE}" in text
    assert "min_rate_hz" not in text
    assert "check this rate" in text


def test_with_the_profile_no_image_is_lost(graph, make_robot, camera, tmp_path):
    camera(15, 1000, USUAL, 40, profile=True)
    recorder(graph, make_robot, tmp_path)
    graph.wait(lambda: top(graph)["received"] >= 35 or top(graph)["lost"] > 1)
    assert top(graph)["lost"] <= 1  # the first may be sent before both know each other


@pytest.mark.skipif(IS_JAZZY, reason="this is the other version of ROS")
@pytest.mark.skipif(not OTHER.exists(), reason="there is no other version of ROS: run make test-jazzy first")
@pytest.mark.skipif(losses._kernel_limit() != "", reason="net.core.rmem_max is too low")
def test_with_the_profile_no_image_is_lost_between_two_versions_of_ros(graph, make_robot, camera, tmp_path):
    camera(10, 1000, USUAL, 40, python=OTHER, profile=True)
    recorder(graph, make_robot, tmp_path)
    graph.wait(lambda: top(graph)["received"] >= 35 or top(graph)["lost"] > 1)
    assert top(graph)["lost"] <= 1  # the first may be sent before both know each other

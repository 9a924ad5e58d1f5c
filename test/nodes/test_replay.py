from __future__ import annotations

import json

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")

from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from lerobot_recorder.arms.calibration import JOINTS  # noqa: E402
from lerobot_recorder.cli.processes import NodeEnded  # noqa: E402
from lerobot_recorder.cli.status import end_reason  # noqa: E402
from lerobot_recorder.encoding import BatchEncoder  # noqa: E402

HARDWARE = {"follower.port": "sim", "leader.port": "sim", "cameras": [""]}


def record(graph, root) -> None:
    """Record an episode of the simulated arms, and add it to a dataset."""
    parameters = {
        "root": str(root),
        "num_episodes": 1,
        "episode_time_s": 3.0,
        "reset_time_s": 0.1,
        "task": "Pick",
    }
    for stream, arm in (("state", "follower"), ("action", "leader")):
        parameters |= {f"{stream}.topic": f"{arm}/joint_states", f"{stream}.names": list(JOINTS)}
        parameters |= {f"{stream}.unit": "so100", f"{stream}.calibration": "sim"}
    assert graph.end_of(graph.start("recorder", parameters)) == 0
    encoder = BatchEncoder(root)
    encoder.finish()
    encoder.join()


def follow(graph) -> list[dict]:
    heard = []
    profile = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    graph.node.create_subscription(
        String, "replay/status", lambda message: heard.append(json.loads(message.data)), profile
    )
    return heard


def said_until_its_end(graph, process) -> list[dict]:
    """Return the lines that a node has printed for its parent, once it has ended well."""
    graph.wait(lambda: not process.running)
    said = []
    while not isinstance(event := graph.events.get(timeout=10), NodeEnded):
        if not event.is_log and "status" in (news := json.loads(event.line)) and news["from"] == "replay":
            said.append(news["status"])
    assert (event.node, event.status) == (process.name, 0), process.last_lines
    return said


def test_the_follower_repeats_what_was_recorded(graph, tmp_path):
    root = tmp_path / "data"
    graph.start("hardware", HARDWARE)
    record(graph, root)
    news = follow(graph)
    replay = graph.start("replay", {"root": str(root), "episode": 0, "approach_speed_rad_s": 3.0})
    said = said_until_its_end(graph, replay)
    states = list(dict.fromkeys(each["state"] for each in said))
    assert states == ["waiting", "approaching", "replaying", "finished"]
    assert (said[-1]["frame"], said[-1]["frames"]) == (90, 90)
    lagged = said[-1]["comparison"]["lagged"]
    assert set(lagged["mean"]) == set(JOINTS)
    assert max(lagged["mean"].values()) < 2.0, lagged
    assert np.mean(list(lagged["p95"].values())) < 4.0, lagged
    assert [each for each in news if each in said]


def test_a_replay_that_cannot_start_ends_with_one_sentence(graph, tmp_path):
    replay = graph.start("replay", {"root": str(tmp_path), "episode": 0})
    assert graph.end_of(replay) == 1
    assert end_reason([*replay.last_lines]) == f"{tmp_path}: no dataset, there is no meta/info.json"

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from lerobot_recorder.arms import replay as module
from lerobot_recorder.arms.replay import Movement, Player
from lerobot_recorder.errors import DeviceError

ROWS = np.linspace(0.2, 0.3, 12)[:, None] * np.ones(6)
MOVEMENT = Movement(200, ROWS, ROWS)


class Follower:
    """A follower that is at once where it is sent, as long as it obeys, and tells where it is."""

    def __init__(self, **settings) -> None:
        self.sent: list[np.ndarray] = []
        self.phases: list[str] = []
        self.position = np.zeros(6)
        self.obeys = True
        self.player = Player(MOVEMENT, self.take, approach_speed_rad_s=5, changed=self.note, **settings)
        self.player.note(time.time(), self.position)

    def note(self) -> None:
        self.phases.append(self.player.phase)

    def take(self, pose: np.ndarray) -> None:
        self.sent.append(pose)
        if self.obeys:
            self.position = pose
        self.player.note(time.time(), self.position)


@pytest.fixture
def follower() -> Follower:
    return Follower()


def test_the_first_pose_is_approached_and_then_every_row_sent_once(follower):
    comparison = follower.player.run()
    assert follower.phases == ["waiting", "approaching", "replaying", "finished"]
    assert np.allclose(follower.sent[-len(ROWS) :], ROWS)
    assert follower.player.rows_sent == len(ROWS)
    way = np.array(follower.sent[: -len(ROWS)])
    assert np.allclose(way[0], 0)
    assert np.allclose(way[-1], ROWS[0])
    assert max(comparison.lagged["mean"].values()) < 1.0


def test_a_follower_that_does_not_reach_the_first_pose_is_an_error(follower, monkeypatch):
    monkeypatch.setattr(module, "_ARRIVING_S", 0.1)
    follower.obeys = False
    with pytest.raises(DeviceError, match="shoulder_pan is 11 degrees off; check that its torque is on"):
        follower.player.run()
    assert "replaying" not in follower.phases


def test_a_gripper_that_an_object_holds_open_does_not_prevent_the_start(follower):
    def take(pose):
        follower.sent.append(pose)
        follower.player.note(time.time(), np.append(pose[:5], 0.9))

    follower.player._publish = take
    follower.player.run()
    assert follower.phases[-1] == "finished"


def test_a_follower_without_joint_states_ends_the_replay(follower, monkeypatch):
    monkeypatch.setattr(module, "_SILENT_S", -1.0)
    with pytest.raises(DeviceError, match="no joint states of the follower for -1 s"):
        follower.player.run()


def test_without_a_follower_nothing_is_sent(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_STATE_S", 0.01)
    sent = []
    with pytest.raises(DeviceError, match="no joint states of the follower within"):
        Player(MOVEMENT, sent.append, approach_speed_rad_s=0.6).run()
    assert sent == []


def test_stopping_sends_nothing_more():
    sent = []
    player = Player(MOVEMENT, sent.append, approach_speed_rad_s=0.6)
    results = []
    thread = threading.Thread(target=lambda: results.append(player.run()))
    thread.start()
    player.stop()
    thread.join(20)
    assert (results, player.phase, sent) == ([None], "stopped", [])

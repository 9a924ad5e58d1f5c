from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from foreign_recording import EPISODE_S, EPISODES, FPS, record_foreign_robot

from lerobot_recorder.dataset import RecordedEpisode, check
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.video import probe

JOINTS = ["shoulder_pan.pos", "elbow.pos", "wrist.pos", "finger.pos"]
CAMERAS = {"overhead": [120, 160, 3], "wrist": [120, 160, 3], "wrist_depth": [120, 160, 1]}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    return record_foreign_robot(tmp_path_factory.mktemp("foreign"))


def columns(root: Path) -> dict[str, np.ndarray]:
    table = pq.read_table(next(root.glob("data/*/*.parquet")))
    return {key: np.array(table[key].to_pylist()) for key in ("observation.state", "action")}


def test_the_file_of_discover_is_recorded_without_a_change(recorded):
    assert list(check(recorded, probe)) == []
    info = load_info(recorded)
    assert info.total_episodes == EPISODES
    assert info.total_frames == EPISODES * EPISODE_S * FPS
    assert info.robot_type == "arm7"
    assert info.features["observation.state"]["names"] == info.features["action"]["names"] == JOINTS
    for camera, shape in CAMERAS.items():
        assert list(info.features[f"observation.images.{camera}"]["shape"]) == shape


def test_each_row_is_what_the_robot_sent_in_the_order_of_its_controller(recorded):
    sent, found = np.load(recorded.parent / "sent.npz"), columns(recorded)
    measured = sent["state"].astype(np.float32)[:, [1, 2, 0, 3]]
    for rows, known in (("observation.state", measured), ("action", sent["action"].astype(np.float32))):
        numbers = {tuple(values): number for number, values in enumerate(known)}
        order = [numbers[tuple(values)] for values in found[rows].astype(np.float32)]
        assert order == sorted(order)
    ages = RecordedEpisode(recorded, 0).ages()
    assert sorted(ages) == ["action", "overhead", "state", "wrist", "wrist_depth"]
    assert all(0 <= each.age_s.min() <= each.age_s.max() < 0.5 for each in ages.values())


def test_the_file_keeps_namespaces_and_states_what_it_saw(recorded):
    file = recorded.parent / "robot.yaml"
    recorder = yaml.safe_load(file.read_text())["/**/recorder"]["ros__parameters"]
    assert recorder["state.topic"] == "/lab/arm7/joint_states"
    assert recorder["overhead.topic"] == "/lab/overhead/image_raw/compressed"
    assert recorder["wrist_depth.depth"] is True
    assert "m for finger_joint" in file.read_text()
    assert "best effort, 160x120 16UC1" in file.read_text()

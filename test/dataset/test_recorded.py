from __future__ import annotations

import json

import numpy as np
import pytest
from encoded import FEATURES, FPS, JOINTS, LineFiles, encoded_episode

from lerobot_recorder.dataset import DatasetWriter
from lerobot_recorder.dataset.reader import RecordedEpisode
from lerobot_recorder.errors import DatasetError


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    episodes = [encoded_episode(tmp_path / "videos", number, 4 + number) for number in range(3)]
    writer = DatasetWriter(root, LineFiles())
    writer.commit(episodes, features=FEATURES, fps=FPS, robot_type=None)
    return root


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_rows_of_one_episode_are_read(root, index):
    episode = RecordedEpisode(root, index)
    assert (episode.fps, episode.length, episode.task) == (FPS, 4 + index, "pick")
    state = episode.vectors("observation.state")
    assert state.names == tuple(JOINTS)
    assert state.rows.tolist() == [[index, frame] for frame in range(4 + index)]


def test_older_names_are_one_level_deeper(root):
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"]["action"]["names"] = {"motors": ["one", "two"]}
    path.write_text(json.dumps(info))
    assert RecordedEpisode(root, 0).vectors("action").names == ("one", "two")


def test_single_values_are_vectors_of_one(root):
    assert np.array_equal(RecordedEpisode(root, 0).vectors("next.success").rows, [[0], [0], [0], [1]])


def test_missing_parts_are_named_when_read(root, tmp_path):
    with pytest.raises(DatasetError, match="no episode 3, it has 0 to 2"):
        RecordedEpisode(root, 3)
    with pytest.raises(DatasetError, match=r"no feature speed, there are action, observation\.state"):
        RecordedEpisode(root, 0).vectors("speed")
    with pytest.raises(DatasetError, match=r"no meta/info\.json"):
        RecordedEpisode(tmp_path / "nothing", 0)

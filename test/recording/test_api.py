from __future__ import annotations

import numpy as np
import pytest

from lerobot_recorder.errors import ConfigError, SpoolError
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.spool import Spool

FEATURES = {
    "observation.state": {"dtype": "float32", "shape": [2], "names": ["a", "b"]},
    "observation.images.top": {
        "dtype": "video",
        "shape": [16, 16, 3],
        "names": ["height", "width", "channels"],
    },
}
FRAME = {
    "observation.state": np.zeros(2, np.float32),
    "observation.images.top": np.zeros((16, 16, 3), np.uint8),
}


def test_an_exception_sets_the_episode_aside(tmp_path):
    recorder = EpisodeRecorder(tmp_path / "d", FEATURES, 30)
    with pytest.raises(RuntimeError), recorder, recorder.episode("Pick up") as episode:
        episode.add(FRAME)
        raise RuntimeError("the gripper slipped")
    rejected = Spool(tmp_path / "d").rejected()
    assert [each.length for each in rejected] == [1]
    assert "the gripper slipped" in rejected[0].manifest.reasons[0]


def test_an_episode_without_frames_is_none(tmp_path):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder, recorder.episode("Pick up"):
        pass
    assert not Spool(tmp_path / "d").ready()


def test_a_wrong_frame_is_refused_and_adds_nothing(tmp_path):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder, recorder.episode("Pick up") as episode:
        episode.add(FRAME)
        with pytest.raises(SpoolError, match=r"observation.images.top: expected RGB"):
            episode.add({**FRAME, "observation.images.top": np.zeros((8, 8, 3), np.uint8)})
        with pytest.raises(SpoolError, match=r"observation\.state"):
            episode.add({**FRAME, "observation.state": np.zeros(3, np.float32)})
        assert len(episode) == 1


def test_features_that_cannot_be_recorded_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="has shape"):
        EpisodeRecorder(tmp_path / "d", {"x": {"dtype": "video", "shape": [16, 16], "names": None}}, 30)

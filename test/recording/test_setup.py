"""The set-up that an episode is recorded with."""

from __future__ import annotations

import numpy as np
import pytest
from vectors import wait_for

from lerobot_recorder import EpisodeRecorder
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording import Recorder, RecorderSettings, Sample, Stream, StreamSpec
from lerobot_recorder.spool import Spool, setup_of

FEATURES = {"action": {"dtype": "float32", "shape": (1,), "names": ["a"]}}


def test_what_is_known_at_the_end_counts(tmp_path):
    setup = {"robot.urdf": "<robot/>"}
    stream = Stream(StreamSpec("action", "action", ("a",), max_age_s=60.0))
    recorder = Recorder(
        tmp_path / "data", 30, [stream], RecorderSettings("Pick", episode_time_s=0), setup=lambda: dict(setup)
    )
    stream.push(Sample(recorder._clock.now_ns(), np.zeros(1)))
    recorder.start().result(10)

    def push_until_recorded() -> int:
        stream.push(Sample(recorder._clock.now_ns(), np.zeros(1)))
        return recorder.status().frames

    wait_for(push_until_recorded)
    setup["camera_info/top.yaml"] = "image_width: 640"
    recorder.save().result(10)
    recorder.close()
    (episode,) = Spool(tmp_path / "data").ready()
    assert setup_of(episode) == setup
    assert len(list((tmp_path / "data.spool/setups").iterdir())) == 2


def test_the_python_api_keeps_files_of_the_user(tmp_path):
    files = {"notes/table.txt": "made of wood"}
    with (
        EpisodeRecorder(tmp_path / "data", FEATURES, 30, setup=files) as recorder,
        recorder.episode("Pick") as episode,
    ):
        episode.add({"action": np.zeros(1, np.float32)})
    assert setup_of(Spool(tmp_path / "data").ready()[0]) == files
    with pytest.raises(ConfigError, match="cannot be the name of a file"):
        EpisodeRecorder(tmp_path / "data", FEATURES, 30, setup={"../notes": ""})

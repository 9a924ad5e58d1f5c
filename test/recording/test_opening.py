from __future__ import annotations

import pytest

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording import EpisodeRecorder, Recorder, Stream, StreamSpec
from lerobot_recorder.recording.opening import HIGHEST_FPS, check_videos


def camera(width: int, height: int) -> dict:
    names = ["height", "width", "channels"]
    return {"observation.images.top": {"dtype": "video", "shape": (height, width, 3), "names": names}}


VECTOR = {"observation.state": {"dtype": "float32", "shape": (1,), "names": ["a"]}}


@pytest.mark.parametrize(("width", "height"), [(2, 2), (640, 14), (14, 480), (8194, 480)])
def test_a_size_that_no_video_encoder_takes_is_refused_when_a_recording_starts(tmp_path, width, height):
    with pytest.raises(
        ConfigError, match=f"expected images of 16 to 8192 pixels a side.*found {width}x{height}"
    ):
        EpisodeRecorder(tmp_path / "data", camera(width, height), 30)


def test_a_rate_that_no_video_encoder_takes_is_refused_when_a_recording_starts(tmp_path):
    check_videos(camera(16, 16), HIGHEST_FPS)
    with pytest.raises(ConfigError, match=r"fps: expected at most 240 with cameras.*found 241"):
        EpisodeRecorder(tmp_path / "data", camera(16, 16), HIGHEST_FPS + 1)
    top = Stream(StreamSpec("top", "observation.images.top", is_image=True))
    with pytest.raises(ConfigError, match="fps: expected at most 240"):
        Recorder(tmp_path / "data", 300, [top])


def test_without_cameras_any_rate_can_be_recorded():
    check_videos(VECTOR, 1000)

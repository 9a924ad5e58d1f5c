from __future__ import annotations

import json

import numpy as np
import pytest

from lerobot_recorder import locks
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.images import EncodedImage, encode_png
from lerobot_recorder.recording import EpisodeRecorder, Recorder, Sample, Stream, StreamSpec
from lerobot_recorder.recording.opening import HIGHEST_FPS, check_videos
from lerobot_recorder.spool import EncoderNote, Spool, check_sizes
from lerobot_recorder.video import EncoderSettings

TOP = "observation.images.top"


def camera(width: int, height: int) -> dict:
    names = ["height", "width", "channels"]
    return {TOP: {"dtype": "video", "shape": (height, width, 3), "names": names}}


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


def test_a_size_that_the_running_encoder_refuses_is_refused_before_anything_is_recorded(tmp_path):
    root = tmp_path / "data"
    with EpisodeRecorder(root, camera(33, 26), 30, image_format="png") as recorder:
        encoder = BatchEncoder(root, settings=EncoderSettings(vcodec="h264"))
        try:
            with pytest.raises(ConfigError, match=f"{TOP}: h264 takes only images of even width and height"):
                recorder.start("Pick up")
            with pytest.raises(ConfigError, match="found 33x26: set vcodec to libsvtav1"):
                EpisodeRecorder(root, camera(33, 26), 30, image_format="png", name="other")
            encoder.settings = EncoderSettings()
            recorder.start("Pick up").discard()
        finally:
            encoder.close()


def test_streams_of_a_size_that_the_running_encoder_refuses_cannot_be_recorded(bench):
    odd = EncodedImage.parse(encode_png(np.zeros((26, 33, 3), np.uint8)))
    made = bench()
    made.push(only=("state", "action"))
    made.streams["top"].push(Sample(made.clock.now_ns(), odd))
    note = EncoderNote(Spool(made.root).path)
    note.write(EncoderSettings(vcodec="hevc"))
    with pytest.raises(ConfigError, match=f"{TOP}: hevc takes only images of even width and height"):
        made.recorder.start().result(10)
    note.release()
    assert made.recorder.start().result(10)


def test_the_codec_of_an_encoder_that_was_killed_refuses_nothing(tmp_path):
    spool = Spool(tmp_path / "data")
    spool.create()
    (spool.path / "encoder.json").write_text(json.dumps({"vcodec": "h264", "pix_fmt": "yuv420p"}))
    check_sizes(spool.path, camera(33, 26))
    with locks.held(spool.path / "encoder.lock"):
        with pytest.raises(ConfigError, match="h264"):
            check_sizes(spool.path, camera(33, 26))
        (spool.path / "encoder.json").write_text('["of another version"]')
        check_sizes(spool.path, camera(33, 26))

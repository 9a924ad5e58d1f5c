from __future__ import annotations

from importlib import util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.cameras.network import NetworkCamera
from lerobot_recorder.errors import CameraError

spec = util.spec_from_file_location("rtsp_server", Path(__file__).with_name("rtsp_server.py"))
rtsp_server = util.module_from_spec(spec)
spec.loader.exec_module(rtsp_server)

COUNT = 20


@pytest.fixture(scope="module")
def images(footage) -> list[list[bytes]]:
    return rtsp_server.h264_images(footage, COUNT)


@pytest.fixture
def server(images):
    server = rtsp_server.RtspServer(images)
    yield server
    server.close()


def read_all(server, **settings) -> list:
    camera = NetworkCamera(CameraSettings("top", server.url, **settings))
    delivered = []
    with pytest.raises(CameraError, match="frozen"):
        while True:
            delivered.append(camera.read(want_rgb=True))
    camera.close()
    return delivered


def test_an_rtsp_stream_is_decoded_at_the_asked_size_and_its_silence_noticed(server, footage):
    delivered = read_all(server, width=320, height=240)
    assert len(delivered) >= COUNT - 4
    assert delivered[0].rgb.shape == (240, 320, 3)
    assert not np.array_equal(delivered[0].rgb, delivered[-1].rgb)


def test_stamps_follow_the_cameras_own_clock(server):
    stamps = [image.stamp_ns for image in read_all(server)]
    assert all(earlier <= later for earlier, later in pairwise(stamps))

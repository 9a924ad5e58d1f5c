"""Encodings that go through cv_bridge: the real one where it is installed, otherwise a stand-in."""

from __future__ import annotations

import array
import sys
from importlib.util import find_spec
from types import ModuleType

import pytest

pytest.importorskip("rclpy")

import cv2
import numpy as np
from sensor_msgs.msg import Image

from lerobot_recorder.errors import StreamError
from lerobot_recorder.topics import images

COLOR = (200, 100, 50)
MOSAIC = np.tile(np.array([[200, 100], [100, 50]], np.uint8), (4, 6))  # of that color: rows of RG and GB


class StandIn:
    def imgmsg_to_cv2(self, message: Image, desired_encoding: str) -> np.ndarray:
        if (message.encoding, desired_encoding) != ("bayer_rggb8", "rgb8"):
            raise RuntimeError(f"Unrecognized image encoding [{message.encoding}]")
        mosaic = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        return cv2.cvtColor(mosaic[:, : message.width], cv2.COLOR_BayerBG2RGB)


@pytest.fixture(autouse=True)
def cv_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("cv_bridge") is None:
        module = ModuleType("cv_bridge")
        module.CvBridge = StandIn  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "cv_bridge", module)


def image(encoding: str, padding: int = 0) -> Image:
    padded = np.pad(MOSAIC, ((0, 0), (0, padding)))
    height, width = MOSAIC.shape
    data = array.array("B", padded.tobytes())
    return Image(height=height, width=width, encoding=encoding, step=width + padding, data=data)


@pytest.mark.parametrize("padding", [0, 4])
def test_a_mosaic_of_a_camera_sensor_becomes_rgb(padding):
    rgb = images.image_to_rgb(image("bayer_rggb8", padding))
    assert (rgb.shape, rgb.dtype) == ((*MOSAIC.shape, 3), np.uint8)
    assert (rgb[2:-2, 2:-2] == COLOR).all()


def test_an_encoding_that_cv_bridge_does_not_know_either_is_named():
    with pytest.raises(StreamError, match="cv_bridge cannot convert 'infrared' to rgb8: "):
        images.image_to_rgb(image("infrared"))
    with pytest.raises(StreamError) as refusal:
        images.image_to_rgb(image("x" * 100_000))
    assert len(str(refusal.value)) < 500


def test_too_little_data_is_an_error_of_the_stream():
    cut = image("bayer_rggb8")
    cut.data = cut.data[:-1]
    with pytest.raises(StreamError, match="cv_bridge cannot convert 'bayer_rggb8' to rgb8: "):
        images.image_to_rgb(cut)


def test_without_cv_bridge_the_error_names_the_encoding_and_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)  # an import of it fails
    with pytest.raises(StreamError, match=r"'bayer_rggb8' are not supported: expected rgb8, .*nv21; others"):
        images.image_to_rgb(image("bayer_rggb8"))

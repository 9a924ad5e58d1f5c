"""Encodings that go through cv_bridge, and those that must give what it gives, where it is installed."""

from __future__ import annotations

import array
import sys
from importlib.util import find_spec
from types import ModuleType

import pytest

pytest.importorskip("rclpy")

import numpy as np
from sensor_msgs.msg import Image

from lerobot_recorder.errors import StreamError
from lerobot_recorder.topics import images

SHAPE = (8, 12)


class StandIn:
    def imgmsg_to_cv2(self, message: Image, desired_encoding: str) -> np.ndarray:
        if (message.encoding, desired_encoding) != ("of_the_future", "rgb8"):
            raise RuntimeError(f"Unrecognized image encoding [{message.encoding}]")
        return np.frombuffer(message.data, np.uint8).reshape(*SHAPE, 3)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("cv_bridge")
    module.CvBridge = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv_bridge", module)


def image(encoding: str, value_bytes: int) -> Image:
    data = np.random.default_rng(0).integers(0, 256, SHAPE[0] * SHAPE[1] * value_bytes, np.uint8)
    return Image(
        height=SHAPE[0],
        width=SHAPE[1],
        encoding=encoding,
        step=SHAPE[1] * value_bytes,
        data=array.array("B", data.tobytes()),
    )


@pytest.mark.skipif(find_spec("cv_bridge") is None, reason="needs the real cv_bridge")
@pytest.mark.parametrize(
    ("encoding", "value_bytes", "tolerance"),
    [
        ("bgra8", 4, 0),
        ("bayer_rggb8", 1, 0),
        ("bayer_bggr8", 1, 0),
        ("bayer_gbrg8", 1, 0),
        ("bayer_grbg8", 1, 0),
        ("mono16", 2, 1),
        ("bgr16", 6, 1),
        ("bayer_rggb16", 2, 1),
        ("yuv422_yuy2", 2, 0),
    ],
)
def test_images_become_what_cv_bridge_makes_of_them(encoding, value_bytes, tolerance):
    from cv_bridge import CvBridge

    message = image(encoding, value_bytes)
    ours, theirs = images.image_to_rgb(message), CvBridge().imgmsg_to_cv2(message, "rgb8")
    assert np.abs(ours.astype(int) - theirs)[2:-2, 2:-2].max() <= tolerance


@pytest.mark.usefixtures("stand_in")
def test_other_encodings_go_through_cv_bridge():
    message = image("of_the_future", 3)
    assert images.image_to_rgb(message).tobytes() == bytes(message.data)


@pytest.mark.usefixtures("stand_in")
def test_an_encoding_that_cv_bridge_does_not_know_either_is_named():
    with pytest.raises(StreamError, match="cv_bridge cannot convert 'infrared' to rgb8: "):
        images.image_to_rgb(image("infrared", 1))
    with pytest.raises(StreamError) as refusal:
        images.image_to_rgb(image("x" * 100_000, 1))
    assert len(str(refusal.value)) < 500


def test_without_cv_bridge_the_error_names_the_encoding_and_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)  # an import of it fails
    with pytest.raises(StreamError, match=r"'infrared' are not supported: expected rgb, .*nv24; others"):
        images.image_to_rgb(image("infrared", 1))

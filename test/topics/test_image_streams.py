"""Streams of images from their parameters to the spool: what is decoded, what is kept, what is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from lerobot_recorder.discovery import COMPRESSED, IMAGE
from lerobot_recorder.errors import ConfigError, ImageError
from lerobot_recorder.images import EncodedImage
from lerobot_recorder.recording import QualityRules, Recorder, RecorderSettings, Sample, SystemClock
from lerobot_recorder.spool import Spool, SpooledEpisode
from lerobot_recorder.topics import StreamBinding, StreamSettings, binding_of
from lerobot_recorder.video import rgb_to_i420

PICTURE = np.ascontiguousarray(
    cv2.imread(str(Path(__file__).parents[2] / "docs" / "demo.jpg"))[100:219, 40:201, ::-1]
)
"""RGB, 161x119."""

TOP = "observation.images.top"


class AnyType:
    def fields(self, message_type: str) -> dict[str, str]:
        return {}


def binding(message_type: str = IMAGE, **settings: Any) -> StreamBinding:
    given = StreamSettings(topic="/top", type=message_type, **settings)
    return binding_of("top", given, "raw", AnyType())


def image(pixels: np.ndarray, encoding: str = "rgb8") -> SimpleNamespace:
    height, width = pixels.shape[:2]
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=pixels.nbytes // height,
        data=pixels.tobytes(),
    )


def compressed(pixels: np.ndarray, form: str = ".jpg", name: str = "jpeg") -> SimpleNamespace:
    swapped = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    return SimpleNamespace(format=name, data=cv2.imencode(form, swapped)[1].tobytes())


def recorded(root: Path, bound: StreamBinding, message: Any) -> SpooledEpisode:
    """Record three rows of a message."""
    clock, ended = SystemClock(), threading.Event()
    settings = RecorderSettings(task="Look", episode_time_s=0.1, rules=QualityRules(on_bad_episode="keep"))
    recorder = Recorder(root, 30, [bound.stream], settings, clock=clock, on_end=lambda _outcome: ended.set())
    bound.stream.push(Sample(clock.now_ns(), bound.take(message)))
    try:
        recorder.start().result(10)
        assert ended.wait(10)
        return Spool(root).ready()[0]
    finally:
        recorder.close()


def frames(episode: SpooledEpisode) -> Iterator[np.ndarray]:
    return episode.frames(TOP)


@pytest.mark.parametrize(("odd_size", "size", "edge"), [("crop", (160, 118), 0), ("pad", (162, 120), 1)])
def test_odd_images_are_recorded_with_even_sides(tmp_path, odd_size, size, edge):
    episode = recorded(tmp_path / "data", binding(odd_size=odd_size), image(PICTURE))
    expected = np.pad(PICTURE, ((0, edge), (0, edge), (0, 0)), mode="edge")[: size[1], : size[0]]
    assert episode.manifest.features[TOP]["shape"] == [size[1], size[0], 3]
    assert all(np.array_equal(found, rgb_to_i420(expected)) for found in frames(episode))


def test_odd_images_can_be_kept_as_png(tmp_path):
    episode = recorded(tmp_path / "data", binding(odd_size="keep", image_format="png"), image(PICTURE))
    assert episode.manifest.features[TOP]["shape"] == [119, 161, 3]
    assert all(np.array_equal(found, PICTURE) for found in frames(episode))


def test_a_mosaic_is_converted_cropped_rotated_and_resized_before_it_is_kept(tmp_path):
    bound = binding(crop=(10, 6, 96, 64), rotate=270, resize=(32, 48), image_format="png")
    episode = recorded(tmp_path / "data", bound, image(np.ascontiguousarray(PICTURE[..., 1]), "bayer_rggb8"))
    bayer = cv2.cvtColor(PICTURE[..., 1], cv2.COLOR_BayerBG2RGB)[6:70, 10:106]
    expected = cv2.resize(np.rot90(bayer), (32, 48), interpolation=cv2.INTER_AREA)
    assert all(np.array_equal(found, expected) for found in frames(episode))


def test_jpegs_that_need_no_work_are_kept_undecoded(tmp_path):
    message = compressed(PICTURE[:118, :160])
    bound = binding(COMPRESSED)
    kept = bound.stream.decode(bound.take(message))
    assert isinstance(kept, EncodedImage)
    assert kept.data == message.data
    episode = recorded(tmp_path / "data", bound, message)
    assert episode.manifest.cameras[TOP].format == "jpeg"


@pytest.mark.parametrize("image_format", ["", "png"])
def test_jpegs_that_are_resized_are_kept_as_pixels(tmp_path, image_format):
    message = compressed(PICTURE)
    episode = recorded(
        tmp_path / "data", binding(COMPRESSED, resize=(64, 48), image_format=image_format), message
    )
    decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    expected = cv2.resize(decoded, (64, 48), interpolation=cv2.INTER_AREA)
    assert episode.manifest.cameras[TOP].format == (image_format or "raw")
    for found in frames(episode):
        assert np.array_equal(found, expected if image_format else rgb_to_i420(expected))


def test_16_bits_of_compressed_grey_become_a_picture(tmp_path):
    grey = np.ascontiguousarray(PICTURE[:118, :160, 1])
    message = compressed(grey.astype(np.uint16) * 16, ".png", "16UC1; png compressed ")
    bound = binding(COMPRESSED, levels=(0, 4080), image_format="png")
    episode = recorded(tmp_path / "data", bound, message)
    assert all(np.array_equal(found, np.repeat(grey[..., None], 3, axis=2)) for found in frames(episode))


@pytest.mark.parametrize("message_type", [IMAGE, COMPRESSED])
def test_depth_is_resized_without_mixing_it(tmp_path, message_type):
    depth = np.where(PICTURE[..., 0] > 100, 800, 3000).astype(np.uint16)
    depth[::3] = 0
    message = image(depth, "16UC1") if message_type == IMAGE else compressed(depth, ".png", "16UC1; png")
    bound = binding(message_type, depth=True, rotate=90, resize=(64, 48))
    for found in frames(recorded(tmp_path / "data", bound, message)):
        assert found.shape == (48, 64)
        assert set(np.unique(found)) == {0, 800, 3000}


def test_a_crop_that_does_not_fit_is_a_fault_of_the_message():
    bound = binding(crop=(100, 100, 64, 32))
    with pytest.raises(
        ImageError, match=r"crop \[100, 100, 64, 32\] needs images of at least 164x132, found"
    ):
        bound.take(image(PICTURE))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"rotate": 45}, "top.rotate: expected 0, 90, 180 or 270 degrees, found 45"),
        ({"levels": (9, 3)}, r"top.levels: expected black below white, found \[9, 3\]"),
        ({"levels": (0, 9), "depth": True}, "top.levels: has no meaning for depth maps"),
        ({"crop": (0, 0, 64, 64), "width": 32, "height": 32}, "stream top: crop .* found 32x32"),
        ({"type": COMPRESSED, "image_format": "png"}, "top.image_format: has no meaning"),
        (
            {"type": "sensor_msgs/msg/JointState", "names": ("a",), "resize": (9, 9)},
            "top.resize: has no meaning",
        ),
    ],
)
def test_parameters_without_a_meaning_are_refused(settings, reason):
    with pytest.raises(ConfigError, match=reason):
        binding_of("top", StreamSettings(**{"topic": "/top", "type": IMAGE, **settings}), "raw", AnyType())


def test_the_declared_size_is_that_of_the_images_that_arrive():
    bound = binding(width=161, height=119, rotate=90)
    assert bound.stream.spec.size == (118, 160)
    assert bound.stream.decode(bound.take(image(PICTURE))).shape == (160, 118, 3)
    assert binding(resize=(65, 48)).stream.spec.size == (64, 48)

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.cameras.container import encode_jpeg, jpeg_image
from lerobot_recorder.images import decode_rgb


@pytest.fixture(scope="module")
def gradient() -> np.ndarray:
    rows, columns = np.mgrid[0:48, 0:64]
    return np.dstack([rows * 5, columns * 3, np.full_like(rows, 90)]).astype(np.uint8)


def test_pixels_survive_in_rgb_order(gradient):
    decoded = decode_rgb(encode_jpeg(gradient, 95))
    assert decoded.flags.c_contiguous
    assert np.abs(decoded.astype(int) - gradient).mean() < 3


def test_an_image_is_decoded_only_if_wanted(gradient):
    jpeg = encode_jpeg(gradient)
    assert jpeg_image(jpeg, 7, want_rgb=False).rgb is None
    assert jpeg_image(jpeg, 7, want_rgb=True).rgb.shape == (48, 64, 3)


def test_a_truncated_image_is_none(gradient):
    jpeg = encode_jpeg(gradient)
    assert jpeg_image(jpeg[: len(jpeg) // 2], 7, want_rgb=False) is None


def test_bytes_after_the_end_are_removed(gradient):
    jpeg = encode_jpeg(gradient)
    image = jpeg_image(jpeg + b"statistics of an OpenMV", 7, want_rgb=True)
    assert (image.width, image.height) == (64, 48)
    assert image.jpeg == jpeg


def test_a_png_is_none(gradient):
    assert jpeg_image(cv2.imencode(".png", gradient)[1].tobytes(), 7, want_rgb=True) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_image_or_none(data):
    image = jpeg_image(b"\xff\xd8" + data + b"\xff\xd9", 7, want_rgb=False)
    assert image is None or min(image.width, image.height) > 0

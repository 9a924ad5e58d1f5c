from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.robot.cameras.jpeg import decode_jpeg, encode_jpeg, jpeg_picture, jpeg_size


@pytest.fixture(scope="module")
def gradient() -> np.ndarray:
    rows, columns = np.mgrid[0:48, 0:64]
    return np.dstack([rows * 5, columns * 3, np.full_like(rows, 90)]).astype(np.uint8)


def test_pixels_survive_in_rgb_order(gradient):
    decoded = decode_jpeg(encode_jpeg(gradient, 95))
    assert decoded.flags.c_contiguous
    assert np.abs(decoded.astype(int) - gradient).mean() < 3


@pytest.mark.parametrize("progressive", [0, 1])
def test_the_size_is_read_without_decoding(gradient, progressive):
    jpeg = cv2.imencode(".jpg", gradient, (cv2.IMWRITE_JPEG_PROGRESSIVE, progressive))[1].tobytes()
    assert jpeg_size(jpeg) == (64, 48)


def test_a_picture_is_decoded_only_if_wanted(gradient):
    jpeg = encode_jpeg(gradient)
    assert jpeg_picture(jpeg, 7, want_rgb=False).rgb is None
    assert jpeg_picture(jpeg, 7, want_rgb=True).rgb.shape == (48, 64, 3)


def test_a_picture_cut_short_is_none(gradient):
    jpeg = encode_jpeg(gradient)
    assert jpeg_picture(jpeg[: len(jpeg) // 2], 7, want_rgb=False) is None


@pytest.mark.parametrize("padding", [13, 1000])
def test_zeros_after_the_end_do_no_harm(gradient, padding):
    assert jpeg_size(encode_jpeg(gradient) + bytes(padding)) == (64, 48)


@given(st.binary(max_size=200))
def test_any_bytes_have_a_size_or_none(data):
    size = jpeg_size(b"\xff\xd8" + data + b"\xff\xd9")
    assert size is None or min(size) > 0

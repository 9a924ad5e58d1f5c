from __future__ import annotations

import av
import numpy as np
import pytest

from lerobot_recorder.errors import ImageError
from lerobot_recorder.video.colour import frame_to_rgb, yuv_to_rgb

WIDTH, HEIGHT = 70, 48  # lines that FFmpeg pads
LEVELS = {16: 0, 126: 128, 235: 255}
FORMATS = ("yuyv422", "uyvy422", "yvyu422", "nv12", "nv21", "yuv420p", "yuv422p", "yuv411p", "yuv444p")


def grey_frame(form: str, level: int) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH, HEIGHT, form)
    for number, plane in enumerate(frame.planes):
        content = np.full(plane.buffer_size, 128 if number else level, np.uint8)
        if len(frame.planes) == 1:
            content[(1 if form.startswith("u") else 0) :: 2] = level
            content[(0 if form.startswith("u") else 1) :: 2] = 128
        plane.update(content.tobytes())
    return frame


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_format_that_cameras_send_has_the_same_levels(form, level):
    rgb = frame_to_rgb(grey_frame(form, level), WIDTH, HEIGHT)
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    assert (rgb == LEVELS[level]).all()


@pytest.mark.parametrize("form", FORMATS)
def test_a_frame_is_scaled(form):
    rgb = frame_to_rgb(grey_frame(form, 126), 32, 24)
    assert rgb.shape == (24, 32, 3)
    assert (rgb == 128).all()


def test_packed_formats_differ_in_their_order_only():
    yuyv = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 2), np.uint8)
    uyvy = np.ascontiguousarray(yuyv[:, :, ::-1])
    yvyu = yuyv.reshape(HEIGHT, WIDTH // 2, 4)[:, :, [0, 3, 2, 1]].reshape(yuyv.shape)
    assert np.array_equal(yuv_to_rgb(yuyv, "yuyv"), yuv_to_rgb(uyvy, "uyvy"))
    assert np.array_equal(yuv_to_rgb(yuyv, "yuyv"), yuv_to_rgb(yvyu, "yvyu"))


@pytest.mark.parametrize(
    ("layout", "shape", "size"),
    [
        ("nv12", (72, 71), "71x48"),
        ("nv21", (70, 64), "64x47"),
    ],
)
def test_a_size_that_the_layout_cannot_have_is_refused(layout, shape, size):
    with pytest.raises(ImageError, match=f"an image of {size} {layout} .* needs an even width"):
        yuv_to_rgb(np.zeros(shape, np.uint8), layout)


def test_packed_formats_may_have_odd_sides():
    assert yuv_to_rgb(np.zeros((47, 64, 2), np.uint8), "yuyv").shape == (47, 64, 3)
    color = np.tile(np.array([[120, 90], [120, 200]], np.uint8), (48, 36, 1))
    assert np.array_equal(yuv_to_rgb(color[:, :71], "yuyv"), yuv_to_rgb(color, "yuyv")[:, :71])

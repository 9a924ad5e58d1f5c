"""Colours of all encodings, made from one real picture; messages of any origin, so plain objects here."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.discovery import cameras as discovery_of_cameras
from lerobot_recorder.errors import ImageError, RecorderError, StreamError
from lerobot_recorder.images import EncodedImage, Png
from lerobot_recorder.topics import images

PICTURE = cv2.imread(str(Path(__file__).parents[2] / "docs" / "demo.jpg"))[100:340, 40:360, ::-1]
SMOOTH = cv2.GaussianBlur(np.ascontiguousarray(PICTURE), (0, 0), 3)
"""Without detail, so that what an encoding leaves out can be guessed."""

PATTERNS = {"rggb": (0, 1, 1, 2), "bggr": (2, 1, 1, 0), "gbrg": (1, 2, 0, 1), "grbg": (1, 0, 2, 1)}


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big: bool = False, **facts: int):
    """Return an image whose lines end with bytes that mean nothing."""
    if pixels.dtype.itemsize > 1:
        pixels = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    lines = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1).view(np.uint8)
    padded = np.pad(lines, ((0, 0), (0, padding)), constant_values=77)
    fields = {"height": pixels.shape[0], "width": pixels.shape[1], **facts}
    return SimpleNamespace(
        **fields, encoding=encoding, step=padded.shape[1], is_bigendian=int(big), data=padded.tobytes()
    )


def deep(pixels: np.ndarray) -> np.ndarray:
    """Return 16-bit values that mean the same."""
    return pixels.astype(np.uint16) * 257


def mosaic(rgb: np.ndarray, pattern: str) -> np.ndarray:
    """Keep one colour of each pixel, as a sensor does."""
    kept = np.empty(rgb.shape[:2], rgb.dtype)
    for place, channel in enumerate(PATTERNS[pattern]):
        kept[place // 2 :: 2, place % 2 :: 2] = rgb[place // 2 :: 2, place % 2 :: 2, channel]
    return kept


def error(found: np.ndarray, expected: np.ndarray) -> float:
    assert (found.shape, found.dtype) == (expected.shape, np.uint8)
    return float(np.abs(found.astype(int) - expected)[2:-2, 2:-2].mean())


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("padding", [0, 3])
def test_the_mosaic_of_a_sensor_becomes_the_picture(pattern, padding):
    expected = mosaic(SMOOTH, pattern)
    plain = images.image_to_rgb(message(expected, f"bayer_{pattern}8", padding))
    assert error(plain, SMOOTH) < 1
    for big in (False, True):
        found = images.image_to_rgb(message(deep(expected), f"bayer_{pattern}16", padding, big))
        assert np.array_equal(found, plain)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 6, 7])
@pytest.mark.parametrize(
    ("encoding", "channels"),
    [("rgb16", "012"), ("bgr16", "210"), ("16UC3", "210"), ("rgba16", "0120"), ("bgra16", "2100")],
)
def test_16_bits_per_value_become_8(encoding, channels, padding, big):
    pixels = deep(PICTURE)[..., [int(channel) for channel in channels]]
    assert np.array_equal(images.image_to_rgb(message(pixels, encoding, padding, big)), PICTURE)


def test_16_bits_of_grey_are_a_picture_if_the_encoding_or_levels_say_so():
    grey = PICTURE[..., 1]
    expected = np.repeat(grey[..., None], 3, axis=2)
    assert np.array_equal(images.image_to_rgb(message(deep(grey), "mono16")), expected)
    with pytest.raises(StreamError, match=r"16UC1 may be depth maps: set depth to true .* or levels"):
        images.image_to_rgb(message(deep(grey), "16UC1"))
    thermal = 21000 + grey.astype(np.uint16) * 10  # as a sensor that uses few of its values
    found = images.image_to_rgb(message(thermal, "16UC1", big=True), (21000, 21000 + 2550))
    assert np.array_equal(found, expected)
    darker = images.image_to_rgb(message(thermal, "mono16"), (22000, 60000))
    assert darker[thermal <= 22000].max() == 0


def test_compressed_grey_becomes_a_picture():
    grey = np.ascontiguousarray(PICTURE[..., 1])
    for form in (".png", ".jpg"):
        encoded = images.compressed_to_encoded(compressed(grey, form, "mono8; compressed"))
        assert isinstance(encoded, EncodedImage)
        assert np.array_equal(*(encoded.decode()[..., k] for k in (0, 2)))
    encoded = images.compressed_to_encoded(compressed(deep(grey), ".png", "mono16; png compressed "))
    assert isinstance(encoded, Png)
    assert np.array_equal(images.png_to_rgb(encoded), np.repeat(grey[..., None], 3, axis=2))
    encoded = images.compressed_to_encoded(
        compressed(deep(PICTURE[..., ::-1]), ".png", "bgr16; png compressed")
    )
    assert np.array_equal(images.png_to_rgb(encoded), PICTURE)


def test_16_bits_of_compressed_grey_without_a_name_need_levels():
    unnamed = compressed(deep(PICTURE[..., 1]), ".png", "png")
    with pytest.raises(StreamError, match="16-bit grey may be depth maps"):
        images.compressed_to_encoded(unnamed)
    png = images.compressed_to_encoded(unnamed, (0, 32768))
    assert images.png_to_rgb(png, (0, 32768)).max() == 255


def compressed(pixels: np.ndarray, form: str, name: str) -> SimpleNamespace:
    return SimpleNamespace(format=name, data=cv2.imencode(form, pixels)[1].tobytes())


def yuv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Y of BT.601 with limited range, and U and V of every second pixel, odd ends included."""
    high, wide = rgb.shape[:2]
    even = cv2.copyMakeBorder(rgb, 0, high % 2, 0, wide % 2, cv2.BORDER_REPLICATE)
    red, green, blue = np.moveaxis(even.astype(float), 2, 0)
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    chroma = np.stack(
        [128 - 0.148 * red - 0.291 * green + 0.439 * blue, 128 + 0.439 * red - 0.368 * green - 0.071 * blue],
        axis=2,
    )
    return np.rint(luma[:high, :wide]).astype(np.uint8), np.rint(chroma[::2, ::2]).astype(np.uint8)


@pytest.mark.parametrize("size", [(240, 320), (239, 320), (240, 319), (239, 319)])
@pytest.mark.parametrize(("encoding", "order"), [("nv12", (0, 1)), ("nv21", (1, 0))])
def test_planes_of_any_size_become_the_picture(encoding, order, size):
    rgb = SMOOTH[: size[0], : size[1]]
    luma, chroma = yuv(rgb)
    chroma = chroma[..., list(order)].reshape(chroma.shape[0], -1)
    luma = np.pad(luma, ((0, 0), (0, chroma.shape[1] - luma.shape[1])))
    planes = np.concatenate([luma, chroma])
    found = images.image_to_rgb(message(planes, encoding, 5, height=size[0], width=size[1]))
    assert error(found, rgb) < 2


@pytest.mark.parametrize("size", [(240, 320), (239, 319)])
@pytest.mark.parametrize(("padding", "lines"), [(0, 1), (6, 1), (0, 2), (0, 3)])
def test_planes_with_chroma_for_each_pixel_become_the_picture(size, padding, lines):
    rgb = SMOOTH[: size[0], : size[1]]
    red, green, blue = np.moveaxis(rgb.astype(float), 2, 0)
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    chroma = np.rint(np.stack([u, v], axis=2)).astype(np.uint8)
    luma = np.pad(yuv(rgb)[0], ((0, 0), (0, padding)))
    chroma = np.pad(chroma, ((0, 0), (0, padding), (0, 0)))
    data = np.concatenate([luma.ravel(), chroma.ravel()])
    fields = {"encoding": "nv24", "height": size[0], "width": size[1], "is_bigendian": 0}
    made = SimpleNamespace(**fields, step=lines * luma.shape[1], data=data.tobytes())
    assert error(images.image_to_rgb(made), rgb) < 1.5


TABLE = (Path(__file__).parents[2] / "docs" / "any_robot.md").read_text().partition("### Encodings")[2]
LISTED = [
    (name, *(cell.strip().startswith("yes") for cell in cells))
    for names, *cells in (line.split("|")[1:4] for line in TABLE.splitlines() if line.startswith("| `"))
    for name in re.findall("`([^`]+)`", names)
]


@pytest.mark.parametrize(("encoding", "is_colour", "is_depth"), LISTED)
def test_encodings_are_supported_as_the_documentation_lists_them(encoding, is_colour, is_depth):
    assert (encoding in discovery_of_cameras._COLOURS) == (is_colour and encoding != "16UC1")
    shown = SimpleNamespace(
        encoding=encoding, width=8, height=4, step=0, is_bigendian=0, data=bytes(8 * 4 * 4 * 8)
    )
    for convert, is_supported in ((images.image_to_rgb, is_colour), (images.image_to_depth, is_depth)):
        if is_supported:
            levels = [(0, 65535)] if convert is images.image_to_rgb else []
            assert convert(shown, *levels).shape[:2] == (4, 8)
        else:
            with pytest.raises(StreamError):
                convert(shown)


def test_all_encodings_of_ros_are_listed():
    found = [
        name
        for header in sys.path
        for file in Path(header).glob("../../../include/sensor_msgs/sensor_msgs/image_encodings.hpp")
        for name in re.findall(r'^const char [A-Z0-9_]+\[\] = "(\w+)";', file.read_text(), re.MULTILINE)
    ]
    assert len(LISTED) >= 60
    assert not set(found) - {encoding for encoding, *_ in LISTED}


@pytest.mark.parametrize("size", [(240, 320), (239, 319)])
@pytest.mark.parametrize(
    ("encoding", "luma_at"), [("yuv422_yuy2", 0), ("yuyv", 0), ("yuv422", 1), ("uyvy", 1)]
)
def test_packed_pairs_of_any_size_become_the_picture(encoding, luma_at, size):
    rgb = SMOOTH[: size[0], : size[1]]
    luma, chroma = yuv(rgb)
    pairs = np.repeat(chroma, 2, axis=0)[: size[0]].reshape(size[0], -1)[:, : size[1]]
    pixels = np.stack([luma, pairs] if luma_at == 0 else [pairs, luma], axis=2)
    assert error(images.image_to_rgb(message(pixels, encoding, 3)), rgb) < 2


def test_a_line_that_is_too_short_for_its_last_pair_is_refused():
    with pytest.raises(StreamError, match="an image of 5x4 nv12 with step 5"):
        images.image_to_rgb(message(np.zeros((6, 5), np.uint8), "nv12", height=4))
    damaged = Png(b"\x89PNG\r\n\x1a\n", 4, 4, 16, 1)
    with pytest.raises(ImageError, match="cannot be decoded"):
        images.png_to_rgb(damaged)


SIDES = st.sampled_from([0, 1, 2, 3, 8])
ENCODINGS = [
    "rgb8",
    "bgra8",
    "8UC1",
    "bayer_gbrg8",
    "bayer_rggb16",
    "rgba16",
    "mono16",
    "yuyv",
    "nv12",
    "nv21",
    "nv24",
]


@given(st.sampled_from(ENCODINGS), SIDES, SIDES, st.integers(0, 70), st.binary(max_size=600), st.booleans())
def test_messages_of_any_shape_give_an_image_or_a_reason(encoding, width, height, step, data, big):
    any_message = SimpleNamespace(
        encoding=encoding, width=width, height=height, step=step, data=data, is_bigendian=int(big)
    )
    try:
        found = images.image_to_rgb(any_message)
    except RecorderError:
        return
    assert (found.shape, found.dtype) == ((height, width, 3), np.uint8)

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory import peak_mb

from lerobot_recorder.errors import ImageError
from lerobot_recorder.images import EncodedImage, decode_depth, parse_png

rows, columns = np.mgrid[0:48, 0:64]
GRADIENT = np.dstack([rows * 5, columns * 3, (rows * columns) % 251]).astype(np.uint8)
JPEG = cv2.imencode(".jpg", GRADIENT)[1].tobytes()
KINDS = {
    "baseline": JPEG,
    "progressive": cv2.imencode(".jpg", GRADIENT, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))[1].tobytes(),
    "with restarts": cv2.imencode(".jpg", GRADIENT, (cv2.IMWRITE_JPEG_RST_INTERVAL, 1))[1].tobytes(),
    "grey": cv2.imencode(".jpg", GRADIENT[:, :, 0])[1].tobytes(),
    "png": cv2.imencode(".png", GRADIENT)[1].tobytes(),
}
TAILS = {
    "zeros": bytes(2000),
    "text": b"\r\n\r\nstatistics: 17",
    "another end": b"\xff\xd9",
    "a second image": JPEG,
    "ones": b"\xff" * 70,
}


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, content: bytes = b"", *, bits: int = 8, colour: int = 0) -> bytes:
    """Make a PNG with a declared size and any content."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", content), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def declaring(jpeg: bytes, width: int, height: int) -> bytes:
    """Return a JPEG that declares a wrong size."""
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", height, width) + jpeg[place + 4 :]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tail", TAILS)
def test_bytes_after_an_image_are_cut_off(kind, tail):
    image = EncodedImage.parse(KINDS[kind] + TAILS[tail])
    assert image.data == KINDS[kind]
    assert (image.width, image.height) == (64, 48)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_was_cut_short_anywhere_is_refused(kind):
    for cut in range(30, len(KINDS[kind])):
        with pytest.raises(ImageError, match="cut short"):
            EncodedImage.parse(KINDS[kind][:cut])


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image():
    exif = b"Exif\0\0" + JPEG
    with_thumbnail = JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + JPEG[2:]
    assert EncodedImage.parse(with_thumbnail + b"more").data == with_thumbnail
    with pytest.raises(ImageError, match="cut short"):
        EncodedImage.parse(with_thumbnail[: len(exif) + 30])


def test_the_exif_orientation_is_ignored():
    orientation = b"\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # rotated by 90 degrees
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + orientation
    turned = JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + JPEG[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[0] == 64
    np.testing.assert_array_equal(EncodedImage.parse(turned).decode(), EncodedImage.parse(JPEG).decode())


def test_a_png_of_16_bits_per_value_is_refused_for_a_color_image():
    deep = cv2.imencode(".png", GRADIENT.astype(np.uint16) * 257)[1].tobytes()
    with pytest.raises(ImageError, match="16 bits per value"):
        EncodedImage.parse(deep)


def test_depth_is_a_png_of_16_bits_of_grey():
    depth = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20
    data = cv2.imencode(".png", depth)[1].tobytes()
    np.testing.assert_array_equal(decode_depth(parse_png(data + b"tail")), depth)
    with pytest.raises(ImageError, match="expected a PNG with 16 bits of grey, found 3 values of 8 bits"):
        decode_depth(parse_png(KINDS["png"]))
    damaged = bytearray(data)
    damaged[60:90] = bytes(30)
    with pytest.raises(ImageError):
        decode_depth(parse_png(bytes(damaged[:20]) + struct.pack(">I", 40) + bytes(damaged[24:])))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(0, 8), "a PNG of 0x8 has no pixels"),
        (png(2**31 - 1, 2**31 - 1), "too large"),
        (png(16384, 8, zlib.compress(bytes(16385 * 8))), "too large"),
        (png(8000, 8000, zlib.compress(b"\0" * 100)), "cannot hold the 8000x8000 pixels"),
        (png(8, 8, bits=7), "damaged"),
        (png(8, 8, colour=1), "damaged"),
        (declaring(JPEG, 0, 48), "a JPEG of 0x48 has no pixels"),
        (declaring(JPEG, 65535, 65535), "too large"),
        (declaring(JPEG, 8192, 8192), "cannot hold the 8192x8192 pixels"),
        (b"\xff\xd8\xff\xd9", "without a readable size"),
        (JPEG[:2] + b"rubbish" * 20 + JPEG[2:], "damaged"),
        (JPEG.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"), "12 bits per value"),
        (b"GIF89a", "neither a JPEG nor a PNG image"),
        (b"", "starts with nothing"),
    ],
)
def test_an_impossible_image_is_refused_before_it_is_decoded(data, reason):
    with pytest.raises(ImageError, match=reason):
        EncodedImage.parse(data)


def test_a_black_image_is_small_but_valid():
    black = np.zeros((2160, 3840, 3), np.uint8)
    for kind in (".jpg", ".png"):
        options = (cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_PROGRESSIVE, 1) if kind == ".jpg" else ()
        data = cv2.imencode(kind, black, options)[1].tobytes()
        assert EncodedImage.parse(data).decode().shape == black.shape


def test_a_small_depth_map_that_declares_gigabytes_uses_no_memory():
    rows = zlib.compress(bytes((2 * 16384 + 1) * 1024))
    bomb = png(16384, 16384, rows, bits=16)
    assert peak_mb("from lerobot_recorder.images import parse_png; parse_png(data)", bomb) < 20


@given(
    data=st.binary(max_size=200),
    start=st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", JPEG[:-9]]),
)
def test_any_bytes_are_parsed_or_refused(data, start):
    try:
        image = EncodedImage.parse(start + data)
    except ImageError:
        return
    assert image.format in ("jpeg", "png")


@given(flips=st.lists(st.tuples(st.integers(2, len(JPEG) - 1), st.integers(0, 255)), max_size=5))
def test_a_damaged_image_is_decoded_to_its_size_or_refused(flips):
    data = bytearray(JPEG)
    for place, value in flips:
        data[place] = value
    try:
        image = EncodedImage.parse(bytes(data))
        assert image.decode().shape == (image.height, image.width, 3)
    except ImageError:
        return

from __future__ import annotations

import array

import av
import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from memory import peak_mb
from sensor_msgs.msg import CompressedImage, Image

from lerobot_recorder.errors import ImageError, StreamError
from lerobot_recorder.images import decode_depth
from lerobot_recorder.nodes import conversion
from lerobot_recorder.topics import images
from lerobot_recorder.video.colour import frame_to_rgb

RGB = np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8)


def message(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    lines = pixels.reshape(pixels.shape[0], -1).view(np.uint8)
    padded = np.pad(lines, ((0, 0), (0, padding)), constant_values=77)
    return Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=padded.shape[1],
        data=array.array("B", padded.tobytes()),
    )


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", np.ascontiguousarray(RGB[..., ::-1])),
        ("rgba8", np.dstack([RGB, np.full((4, 6), 9, np.uint8)])),
        ("bgra8", np.dstack([RGB[..., ::-1], np.full((4, 6), 9, np.uint8)])),
    ],
)
def test_color_encodings_give_the_same_pixels_with_any_step(encoding, pixels, padding):
    assert np.array_equal(images.image_to_rgb(message(np.ascontiguousarray(pixels), encoding, padding)), RGB)


def test_grey_becomes_rgb():
    grey = images.image_to_rgb(message(np.ascontiguousarray(RGB[..., 0]), "mono8"))
    assert np.array_equal(grey, np.repeat(RGB[..., :1], 3, axis=2))


def test_depth_keeps_its_values_and_byte_order():
    depth = np.arange(24, dtype=np.uint16).reshape(4, 6) * 100
    assert np.array_equal(images.image_to_depth(message(depth, "16UC1", 4)), depth)
    swapped = message(depth.byteswap(), "16UC1")
    swapped.is_bigendian = 1
    assert np.array_equal(images.image_to_depth(swapped), depth)
    metres = depth.astype(np.float32) / 1000
    assert np.array_equal(images.image_to_depth(message(metres, "32FC1")), metres)


@pytest.mark.parametrize(("encoding", "order"), [("yuv422_yuy2", [1, 0]), ("uyvy", [0, 1])])
def test_what_usb_cameras_send_uncompressed_becomes_rgb(encoding, order):
    grey = np.full((4, 6, 2), 128, np.uint8)  # luma and chroma, in the order of the encoding
    grey[..., order.index(1)] = 235
    assert np.array_equal(images.image_to_rgb(message(grey, encoding)), np.full((4, 6, 3), 255, np.uint8))


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize(("encoding", "code"), [("nv12", (60, 200)), ("nv21", (200, 60))])
def test_nv12_and_nv21_become_rgb(encoding, code, padding):
    planes = np.full((6, 6), 128, np.uint8)
    planes[4:] = np.tile(code, 3)
    image = message(planes, encoding, padding)
    image.height = 4
    rgb = images.image_to_rgb(image)
    expected = cv2.cvtColor(np.full((4, 6, 3), (128, 200, 60), np.uint8), cv2.COLOR_YCrCb2RGB).astype(int)
    assert rgb.shape == (4, 6, 3)
    assert np.array_equal(rgb.argmax(axis=2), expected.argmax(axis=2))
    assert rgb[0, 0, 0] > 200 > 100 > rgb[0, 0, 2]
    image.data = image.data[: -padding - 1]
    with pytest.raises(StreamError, match="bytes"):
        images.image_to_rgb(image)


def test_a_topic_and_a_device_give_the_same_pixels_of_the_same_yuyv():
    yuyv = np.random.default_rng(1).integers(16, 236, (48, 64, 2), np.uint8)
    yuyv[0, :, 0], yuyv[0, :, 1] = 235, 128
    frame = av.VideoFrame.from_ndarray(yuyv, format="yuyv422")
    from_device = frame_to_rgb(frame, 64, 48)
    assert np.array_equal(images.image_to_rgb(message(yuyv, "yuyv")), from_device)
    assert (from_device[0] == 255).all()


def test_a_line_that_is_declared_to_be_long_takes_no_memory():
    prepare = """
import array
from lerobot_recorder.topics import image_to_depth, image_to_rgb
from sensor_msgs.msg import Image
image = Image(width=1, height=1, encoding="rgb8", step=2**29, data=array.array("B", bytes(3)))
"""
    assert peak_mb("image_to_rgb(image)", prepare=prepare) < 20


def test_no_more_pixels_than_a_camera_has_are_converted():
    with pytest.raises(ImageError, match="too large"):
        images.image_to_rgb(Image(width=2**31, height=1, encoding="rgb8"))


@pytest.mark.parametrize(
    ("form", "header"), [("16UC1; compressedDepth", b"\0" * 12), ("16UC1; png compressed ", b"")]
)
def test_compressed_depth_keeps_its_values(form, header):
    depth = np.arange(24, dtype=np.uint16).reshape(4, 6) * 1000
    png = cv2.imencode(".png", depth)[1].tobytes()
    compressed = CompressedImage(format=form, data=array.array("B", header + png))
    assert np.array_equal(decode_depth(images.compressed_to_png(compressed)), depth)


def test_depth_that_compression_has_rounded_is_refused():
    png = cv2.imencode(".png", np.zeros((4, 6), np.uint16))[1].tobytes()
    quantised = CompressedImage(format="32FC1; compressedDepth", data=array.array("B", b"\0" * 12 + png))
    with pytest.raises(StreamError, match="record the topic without compression"):
        images.compressed_to_png(quantised)
    with pytest.raises(StreamError, match="found 'jpeg'"):
        images.compressed_to_png(CompressedImage(format="jpeg", data=array.array("B", b"\xff\xd8")))


def test_the_error_of_an_unreadable_image_names_the_reason():
    with pytest.raises(StreamError) as refusal:
        images.image_to_rgb(message(RGB, "x" * 100_000))
    assert len(str(refusal.value)) < 500
    short = message(RGB, "rgb8")
    short.data = short.data[:10]
    with pytest.raises(StreamError, match="only 10 bytes"):
        images.image_to_rgb(short)
    with pytest.raises(StreamError, match="expected a depth image"):
        images.image_to_depth(message(RGB, "rgb8"))
    with pytest.raises(ImageError, match="neither a JPEG nor a PNG"):
        images.compressed_to_encoded(CompressedImage(format="h264", data=array.array("B", b"\0\0\0\1")))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8", "yuyv", "16UC1"])
def test_images_without_pixels_are_refused(encoding):
    to_array = images.image_to_depth if encoding == "16UC1" else images.image_to_rgb
    for width, height in ((0, 0), (0, 4), (6, 0)):
        with pytest.raises(ImageError, match=f"an image of {width}x{height} has no pixels"):
            to_array(Image(width=width, height=height, encoding=encoding))


def test_images_survive_the_way_through_a_message():
    assert np.array_equal(images.image_to_rgb(conversion.rgb_to_image(RGB)), RGB)

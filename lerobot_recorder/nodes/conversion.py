"""Makes messages of images."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image


def rgb_to_image(rgb: np.ndarray, frame_id: str = "") -> Image:
    """Make an image message of RGB pixels, uint8, (height, width, 3); its stamp is left to the caller."""
    height, width = rgb.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", step=width * 3)
    message.header.frame_id = frame_id
    message.data = filled(rgb)
    return message


def jpeg_to_compressed(jpeg: bytes, frame_id: str = "") -> CompressedImage:
    """Make a compressed image message of a JPEG file."""
    message = CompressedImage(format="jpeg", data=filled(jpeg))
    message.header.frame_id = frame_id
    return message


def filled(content: Any) -> array.array[int]:
    """Copy bytes into the only type that messages accept without checking each element."""
    data = array.array("B")
    data.frombytes(content)
    return data

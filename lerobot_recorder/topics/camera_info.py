"""What a ``sensor_msgs/CameraInfo`` becomes when its images are cropped, rotated and resized."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.recording import ImageGeometry

Matrix = npt.NDArray[np.float64]

_TURNS = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}  # cosine and sine
_TANGENTIAL = ("plumb_bob", "rational_polynomial")


def adjusted_camera_info(info: Mapping[str, Any], geometry: ImageGeometry) -> dict[str, Any]:
    """Return the calibration of images that a geometry was applied to.

    A rotation turns the camera's optical frame too: x of the result still points to the right of the image.
    The center of a pixel has whole coordinates, as in ROS and OpenCV.

    Args:
        info: the fields of the message: ``width``, ``height``, ``distortion_model``, ``d``, ``k`` (9 numbers,
            by rows), ``r`` (9), ``p`` (12), and if they are there ``binning_x``, ``binning_y`` and ``roi``
            (a mapping); others stay as they are
        geometry: applied to the images; with a region of interest or binning, to those of reduced size

    Raises:
        ImageError: the crop does not fit into the images.
    """
    delivered, width, height = _delivered(info)
    x, y, wide, high = geometry.cropped(width, height)
    to_turned, turn = _rotation(geometry.rotate, wide, high)
    turned = (high, wide) if geometry.rotate in (90, 270) else (wide, high)
    final = geometry.resize if any(geometry.resize) else turned
    scaled = _scaled(final[0] / turned[0], final[1] / turned[1])
    pixels = scaled @ to_turned @ _moved(-x, -y) @ delivered
    k, r, p = (np.array(info[name], np.float64).reshape(3, -1) for name in "krp")
    made = copy.deepcopy(dict(info))
    made["width"], made["height"] = geometry.size_of(width, height)
    made["k"] = _numbers(pixels @ k @ turn.T)
    made["r"] = _numbers(turn @ r @ turn.T)
    made["p"] = _numbers(pixels @ p @ np.block([[turn.T, np.zeros((3, 1))], [np.zeros((1, 3)), np.eye(1)]]))
    made["d"] = _turned_distortion(info["distortion_model"], info["d"], geometry.rotate)
    if "roi" in made:
        made["roi"] = {**made["roi"], "x_offset": 0, "y_offset": 0, "width": 0, "height": 0}
    made.update({name: 0 for name in ("binning_x", "binning_y") if name in made})
    return made


def _delivered(info: Mapping[str, Any]) -> tuple[Matrix, int, int]:
    """Return how pixels of the calibrated image map to the image that is published, and its size."""
    roi = info.get("roi") or {}
    bins = [max(1, int(info.get(name) or 0)) for name in ("binning_x", "binning_y")]
    x, y = int(roi.get("x_offset", 0)), int(roi.get("y_offset", 0))
    width, height = (int(roi.get(side, 0)) or int(info[side]) for side in ("width", "height"))
    return _scaled(1 / bins[0], 1 / bins[1]) @ _moved(-x, -y), width // bins[0], height // bins[1]


def _moved(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _scaled(x: float, y: float) -> Matrix:
    """Scale around the corner of the image, which is half a pixel from the center of the first pixel."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], np.float64)


def _rotation(degrees: int, width: int, height: int) -> tuple[Matrix, Matrix]:
    """Return how a clockwise rotation of the image maps pixels, and how it maps directions."""
    cosine, sine = _TURNS[degrees]
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], np.float64)
    corner = turn @ (width - 1, height - 1, 0)
    return _moved(*-np.minimum(corner[:2], 0)) @ turn, turn


def _turned_distortion(model: str, coefficients: Sequence[float], degrees: int) -> list[float]:
    """Turn the tangential part, the only one with a direction."""
    numbers = [float(each) for each in coefficients]
    if model in _TANGENTIAL and len(numbers) >= 4:
        (cosine, sine), (p1, p2) = _TURNS[degrees], numbers[2:4]
        numbers[2:4] = [cosine * p1 + sine * p2, cosine * p2 - sine * p1]
    return numbers


def _numbers(matrix: Matrix) -> list[float]:
    return [float(each) + 0.0 for each in matrix.ravel()]  # -0.0 becomes 0.0

"""Camera calibrations in the YAML format of ROS: how pixels map to directions.

The format is that of ``camera_calibration`` and ``camera_info_manager``: ``image_width``, ``image_height``,
``distortion_model``, and ``camera_matrix``, ``distortion_coefficients``, ``rectification_matrix`` and
``projection_matrix``, each with ``rows``, ``cols`` and ``data``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lerobot_recorder.durable import replace_file
from lerobot_recorder.errors import CalibrationError

_LARGEST_FILE = 1 << 20
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class CameraCalibration:
    """The content of ``sensor_msgs/CameraInfo``, matrices in row-major order.

    Attributes:
        width: width of the calibrated images, in pixels
        height: their height, in pixels
        distortion_model: such as ``plumb_bob``
        distortion: its coefficients
        intrinsics: 3x3, from directions to distorted pixels
        rectification: 3x3
        projection: 3x4, from points to rectified pixels
    """

    width: int
    height: int
    distortion_model: str
    distortion: tuple[float, ...]
    intrinsics: tuple[float, ...]
    rectification: tuple[float, ...]
    projection: tuple[float, ...]


def load_camera_calibration(path: Path) -> CameraCalibration:
    """Read a calibration.

    Raises:
        CalibrationError: the file is missing or is not a calibration.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise CalibrationError(f"{path} is no calibration: it is larger than {_LARGEST_FILE} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CalibrationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CalibrationError(f"{path} is no calibration: {error}") from error
    return read_camera_calibration(text, str(path))


def read_camera_calibration(text: str, name: str) -> CameraCalibration:
    """Read a calibration from the content of its file.

    Args:
        text: the content
        name: what it is called in messages

    Raises:
        CalibrationError: it is not a calibration.
    """
    try:
        document = yaml.safe_load(text)
        width, height = int(document["image_width"]), int(document["image_height"])
        intrinsics = _numbers(document, "camera_matrix", 9)
        return CameraCalibration(
            width,
            height,
            str(document.get("distortion_model", "plumb_bob")),
            _numbers(document, "distortion_coefficients"),
            intrinsics,
            _numbers(document, "rectification_matrix", 9)
            if "rectification_matrix" in document
            else _IDENTITY,
            _numbers(document, "projection_matrix", 12)
            if "projection_matrix" in document
            else _projection(intrinsics),
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationError(
            f"{name} is not a camera calibration as written by ROS's camera_calibration: {error!r}"
        ) from error


def save_camera_calibration(path: Path, name: str, calibration: CameraCalibration) -> None:
    """Write a calibration, in place of the file at `path` if there is one.

    Args:
        path: file to write
        name: name of the camera
        calibration: its calibration

    Raises:
        CalibrationError: the file cannot be written, or it is no calibration
    """
    text = camera_calibration_text(name, calibration)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise CalibrationError(f"cannot write {path}: {error.strerror}") from error


def camera_calibration_text(name: str, calibration: CameraCalibration) -> str:
    """Return the content of a calibration's file.

    Raises:
        CalibrationError: it is no calibration
    """
    if not calibration.width or not calibration.height or not any(calibration.intrinsics):
        raise CalibrationError(f"camera {name}: expected a calibration with a size and a camera matrix")
    numbers = (*calibration.intrinsics, *calibration.distortion, *calibration.projection)
    if not all(map(math.isfinite, (*numbers, *calibration.rectification))):
        raise CalibrationError(f"camera {name}: expected finite numbers in the calibration")
    document = {
        "image_width": calibration.width,
        "image_height": calibration.height,
        "camera_name": name,
        "camera_matrix": _matrix(3, calibration.intrinsics),
        "distortion_model": calibration.distortion_model,
        "distortion_coefficients": _matrix(1, calibration.distortion),
        "rectification_matrix": _matrix(3, calibration.rectification),
        "projection_matrix": _matrix(3, calibration.projection),
    }
    return str(yaml.safe_dump(document, sort_keys=False, default_flow_style=None))


def ideal_calibration(width: int, height: int, view_deg: float) -> CameraCalibration:
    """Return the calibration of a camera without distortion.

    Args:
        width: width of the images, in pixels
        height: their height, in pixels
        view_deg: horizontal field of view, in degrees
    """
    focal = width / 2 / math.tan(math.radians(view_deg) / 2)
    intrinsics = (focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0)
    return CameraCalibration(
        width, height, "plumb_bob", (0.0,) * 5, intrinsics, _IDENTITY, _projection(intrinsics)
    )


def _matrix(rows: int, numbers: tuple[float, ...]) -> dict[str, Any]:
    return {"rows": rows, "cols": len(numbers) // rows, "data": list(numbers)}


def _projection(intrinsics: tuple[float, ...]) -> tuple[float, ...]:
    rows = (intrinsics[row : row + 3] for row in (0, 3, 6))
    return tuple(value for row in rows for value in (*row, 0.0))


def _numbers(document: Mapping[str, Any], name: str, count: int | None = None) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in document[name]["data"])
    if count is not None and len(numbers) != count:
        raise ValueError(f"{name} has {len(numbers)} numbers, expected {count}")
    return numbers

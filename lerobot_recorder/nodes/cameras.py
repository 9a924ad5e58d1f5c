"""Publishes a camera's images: raw, compressed or both, while there are subscribers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time as Stamp
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lerobot_recorder.cameras import (
    Camera,
    CameraCalibration,
    CameraImage,
    CameraSettings,
    OpenSource,
    camera_settings,
    encode_jpeg,
    load_camera_calibration,
    save_camera_calibration,
)
from lerobot_recorder.errors import CalibrationError
from lerobot_recorder.nodes.conversion import jpeg_to_compressed, rgb_to_image
from lerobot_recorder.nodes.events import Diagnostic


def camera_info(
    settings: CameraSettings, url: str, frame_id: str, calibration: CameraCalibration | None = None
) -> CameraInfo:
    """Return the CameraInfo that is published with each image; without sizes if nothing is known.

    Args:
        settings: settings of the camera.
        url: calibration file; empty for none.
        frame_id: frame of the images.
        calibration: calibration that is known without a file.

    Raises:
        CalibrationError: the file cannot be used, or is for images of another size.
    """
    info = CameraInfo()
    info.header.frame_id = frame_id
    if url:
        path = _file_of(url)
        _fill(info, load_camera_calibration(path))
        _check_size(settings, info, path)
    elif calibration is not None:
        _fill(info, calibration)
    return info


def default_calibration(namespace: str, name: str) -> Path:
    """Return where a camera's calibration is kept if no file is given: ``camera_info`` in ROS's directory.

    Args:
        namespace: of the node
        name: name of the camera
    """
    home = Path(os.environ.get("ROS_HOME") or "~/.ros").expanduser()
    return home / "camera_info" / f"{'_'.join([*filter(None, namespace.split('/')), name])}.yaml"


def _file_of(url: str) -> Path:
    return Path(url.removeprefix("file://")).expanduser()


def _fill(info: CameraInfo, calibration: CameraCalibration) -> None:
    info.width, info.height = calibration.width, calibration.height
    info.distortion_model, info.d = calibration.distortion_model, list(calibration.distortion)
    info.k, info.r, info.p = calibration.intrinsics, calibration.rectification, calibration.projection


def _check_size(settings: CameraSettings, info: CameraInfo, path: Path) -> None:
    if settings.size not in (None, (info.width, info.height)):
        raise CalibrationError(
            f"camera {settings.name}: {path} is for images of {info.width}x{info.height}, these are "
            f"{settings.width}x{settings.height}: request that size, or calibrate at this one"
        )


class CameraTopics:
    """Publishes one camera's images.

    Attributes:
        name: name of the camera.
        part: its name on ``/diagnostics``.
        device: its device, stream or file.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        values: Mapping[str, Any],
        opener: OpenSource | None = None,
        calibration_of: Callable[[CameraSettings], CameraCalibration] | None = None,
    ) -> None:
        """Create the publishers.

        Args:
            node: the node.
            name: name of the camera.
            values: parameters of the camera.
            opener: opens the image source; by default a device, stream or file.
            calibration_of: returns a calibration that is known without a file.

        Raises:
            ConfigError: the parameters cannot be used.
            CalibrationError: the calibration cannot be used.
        """
        settings, transport = camera_settings(name, values), values["transport"]
        self.name, self.part, self.device = name, f"camera {name}", settings.place
        self._log = node.get_logger()
        namespace = node.get_namespace().strip("/")
        self._frame_id = values["frame_id"] or "/".join(filter(None, [namespace, f"{name}_optical_frame"]))
        topic = f"cameras/{name}"
        self._raw = (
            node.create_publisher(Image, f"{topic}/image_raw", 10) if transport != "compressed" else None
        )
        self._compressed = (
            node.create_publisher(CompressedImage, f"{topic}/image_raw/compressed", 10)
            if transport != "raw"
            else None
        )
        known = calibration_of(settings) if calibration_of else None
        url = values["camera_info_url"]
        self._calibration_file = _file_of(url) if url else default_calibration(node.get_namespace(), name)
        if not url and known is None and self._calibration_file.is_file():
            known = load_camera_calibration(self._calibration_file)
        self._calibrated = camera_info(settings, url, self._frame_id, known)
        self._info = node.create_publisher(CameraInfo, f"{topic}/camera_info", 10)
        self._camera = Camera(settings, self._publish, self._want_rgb, opener)

    def start(self) -> None:
        """Open the camera and start to publish.

        Raises:
            CameraError: the camera cannot be opened.
        """
        self._camera.start()

    def stop(self) -> None:
        """Stop publishing."""
        self._camera.stop()

    def save_calibration(self, info: CameraInfo) -> Path:
        """Save a calibration where it is loaded from, and publish it from now on.

        Returns:
            The file.

        Raises:
            CalibrationError: it is not a calibration, or the file cannot be written.
        """
        calibration = CameraCalibration(
            info.width,
            info.height,
            info.distortion_model,
            tuple(map(float, info.d)),
            tuple(map(float, info.k)),
            tuple(map(float, info.r)),
            tuple(map(float, info.p)),
        )
        save_camera_calibration(self._calibration_file, self.name, calibration)
        calibrated = CameraInfo()
        calibrated.header.frame_id = self._frame_id
        _fill(calibrated, calibration)
        self._calibrated = calibrated
        return self._calibration_file

    def diagnostic(self) -> Diagnostic:
        """Return the state of the camera."""
        status = self._camera.status()
        return self.part, status.level, status.message, status.values

    def _want_rgb(self) -> bool:
        return _has_subscriber(self._raw) or (
            _has_subscriber(self._compressed) and not self._camera.sends_jpeg
        )

    def _publish(self, image: CameraImage) -> None:
        stamp = Time(nanoseconds=image.stamp_ns).to_msg()
        if image.rgb is not None and _has_subscriber(self._raw):
            self._send(self._raw, rgb_to_image(image.rgb, self._frame_id), stamp)
        if _has_subscriber(self._compressed) and (jpeg := _jpeg(image)) is not None:
            self._send(self._compressed, jpeg_to_compressed(jpeg, self._frame_id), stamp)
        self._send(self._info, self._info_of(image), stamp)

    def _info_of(self, image: CameraImage) -> CameraInfo:
        """Return the calibration; only the size if the image size differs from the calibrated size."""
        if (image.width, image.height) == (self._calibrated.width, self._calibrated.height):
            return self._calibrated
        if self._calibrated.width:
            self._log.warning(
                f"camera {self.name}: its calibration is for images of {self._calibrated.width}x"
                f"{self._calibrated.height}, these are {image.width}x{image.height}: it is not published",
                once=True,
            )
        info = CameraInfo(width=image.width, height=image.height)
        info.header.frame_id = self._frame_id
        return info

    @staticmethod
    def _send(publisher: Any, message: Any, stamp: Stamp) -> None:
        message.header.stamp = stamp
        publisher.publish(message)


def _has_subscriber(publisher: Publisher[Any] | None) -> bool:
    return publisher is not None and publisher.get_subscription_count() > 0


def _jpeg(image: CameraImage) -> bytes | None:
    """Return the image as JPEG; None if its pixels were not needed when it was taken."""
    if image.jpeg is not None or image.rgb is None:
        return image.jpeg
    return encode_jpeg(image.rgb)

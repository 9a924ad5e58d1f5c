"""A camera on topics: raw, compressed or both, whichever someone listens to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from builtin_interfaces.msg import Time as Stamp
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from lerobot_recorder.nodes.conversion import jpeg_to_compressed, rgb_to_image
from lerobot_recorder.nodes.parameters import Parameter
from lerobot_recorder.robot.cameras import Camera, CameraSettings, Picture, encode_jpeg

CAMERA_PARAMETERS = (
    Parameter("source", "sim", "sim, a video file, a device (0 or /dev/video0), or a stream (http, rtsp)"),
    Parameter("width", 640, "Width; 0: the source's own", "pixels", 0, 8192),
    Parameter("height", 480, "Height; 0: the source's own", "pixels", 0, 8192),
    Parameter("fps", 30.0, "Rate; a video file keeps its own", "Hz", 0.1, 1000),
    Parameter("pixel_format", "auto", "What is asked of a device", choices=("auto", "mjpeg", "raw")),
    Parameter("controls", [""], "V4L2 controls of a device, as exposure_time_absolute=150"),
    Parameter("transport", "raw", "What is published", choices=("raw", "compressed", "both")),
    Parameter("frame_id", "", "Of the images; empty: <name>_optical_frame"),
)


def camera_settings(name: str, values: Mapping[str, Any]) -> CameraSettings:
    """Return the settings that a camera's parameters describe.

    Raises:
        ConfigError: they cannot be used.
    """
    pairs = [control.partition("=") for control in values["controls"] if control]
    return CameraSettings(
        name=name,
        source=values["source"],
        width=values["width"],
        height=values["height"],
        fps=values["fps"],
        pixel_format=values["pixel_format"],
        controls={key.strip(): int(value) for key, _, value in pairs},
    )


class CameraTopics:
    """Publishes one camera's pictures.

    Attributes:
        name: of the camera.
    """

    def __init__(
        self, node: Node, name: str, values: Mapping[str, Any], pose: Callable[[], Mapping[str, float]]
    ) -> None:
        """Make the publishers.

        Args:
            node: whose.
            name: of the camera.
            values: its parameters.
            pose: of the simulated arm, for a simulated camera.

        Raises:
            ConfigError: the parameters cannot be used.
        """
        settings, transport = camera_settings(name, values), values["transport"]
        self.name = name
        self._frame_id = values["frame_id"] or f"{name}_optical_frame"
        topic = f"cameras/{name}"
        self._raw = (
            node.create_publisher(Image, f"{topic}/image_raw", 10) if transport != "compressed" else None
        )
        self._compressed = (
            node.create_publisher(CompressedImage, f"{topic}/image_raw/compressed", 10)
            if transport != "raw"
            else None
        )
        self._info = node.create_publisher(CameraInfo, f"{topic}/camera_info", 10)
        self._camera = Camera(settings, self._publish, pose, want_rgb=self._want_rgb)

    def start(self) -> None:
        """Open the camera and begin to publish.

        Raises:
            CameraError: it cannot be opened.
        """
        self._camera.start()

    def stop(self) -> None:
        """Publish no more."""
        self._camera.stop()

    def report(self) -> tuple[int, str, Mapping[str, Any]]:
        """Return level, message and values for the diagnostics."""
        status = self._camera.status()
        return status.level, status.message, status.values

    def _want_rgb(self) -> bool:
        return self._raw is not None and self._raw.get_subscription_count() > 0

    def _publish(self, picture: Picture) -> None:
        stamp = Time(nanoseconds=picture.stamp_ns).to_msg()
        if self._raw is not None and picture.rgb is not None and self._want_rgb():
            self._send(self._raw, rgb_to_image(picture.rgb, self._frame_id), stamp)
        if self._compressed is not None and self._compressed.get_subscription_count() > 0:
            jpeg = picture.jpeg if picture.jpeg is not None else encode_jpeg(picture.rgb)
            self._send(self._compressed, jpeg_to_compressed(jpeg, self._frame_id), stamp)
        info = CameraInfo(width=picture.width, height=picture.height)
        info.header.frame_id = self._frame_id
        self._send(self._info, info, stamp)

    @staticmethod
    def _send(publisher: Any, message: Any, stamp: Stamp) -> None:
        message.header.stamp = stamp
        publisher.publish(message)

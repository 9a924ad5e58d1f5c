"""Cameras: one thread each, whatever the pictures come from.

==========  ==========================================================================================
settings    what crosses the interface: settings, pictures, status
camera      the thread, the watchdog, opening again
opening     from a source's name to an open source
live        V4L2 devices, MJPEG and RTSP streams
film        video files
simulated   the simulated arm over its table
container   pictures from whatever PyAV opened
jpeg, pace  JPEG to pixels and back; the instants of sources without a pace of their own
==========  ==========================================================================================
"""

from lerobot_recorder.robot.cameras.camera import Camera
from lerobot_recorder.robot.cameras.jpeg import encode_jpeg
from lerobot_recorder.robot.cameras.settings import CameraSettings, CameraStatus, Picture

__all__ = ["Camera", "CameraSettings", "CameraStatus", "Picture", "encode_jpeg"]

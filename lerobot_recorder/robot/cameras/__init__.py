"""Cameras: one thread each, whatever the pictures come from.

===========  =========================================================================================
settings     what crosses the interface: settings, pictures, status
camera       the thread, and opening again what was lost
watch        whether a camera gives what it should
opening      from a source's name to an open source
device       V4L2 cameras
snapshot     one picture
calibration  the calibration files of ROS, and that of simulated cameras
v4l2         which cameras there are, what they offer, their controls
multipart    MJPEG over HTTP
network      RTSP, and whatever else FFmpeg opens by URL
film         video files
simulated/   the simulated arm over its table
source       what all kinds of sources have in common
container    pictures from what PyAV opened
jpeg         JPEG pictures: whole or broken, their size, to pixels and back
clock, pace  when a picture was taken; when one is due
===========  =========================================================================================
"""

from lerobot_recorder.robot.cameras.camera import Camera
from lerobot_recorder.robot.cameras.jpeg import encode_jpeg
from lerobot_recorder.robot.cameras.settings import CameraSettings, CameraStatus, Picture
from lerobot_recorder.robot.cameras.snapshot import take_snapshot
from lerobot_recorder.robot.cameras.v4l2 import WAY_IN, CameraInfo, list_cameras, list_forbidden

__all__ = [
    "WAY_IN",
    "Camera",
    "CameraInfo",
    "CameraSettings",
    "CameraStatus",
    "Picture",
    "encode_jpeg",
    "list_cameras",
    "list_forbidden",
    "take_snapshot",
]

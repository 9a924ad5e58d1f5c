"""Cameras: V4L2 devices, network streams and video files, each read in its own thread.

=============  =============================================================================
camera         ``Camera``: reads one camera, and reopens it after a failure
monitor        measures its rate and detects frozen images
settings       settings and status of a camera, and its images
source         interface of all sources; clocks and pacing
device, v4l2   V4L2 devices: images by FFmpeg, controls and formats by ioctl
container      everything that FFmpeg can open, and JPEG
multipart      MJPEG over HTTP
network        RTSP and other streams
video_file     a video file in place of a camera
calibration    camera calibration files of ROS
snapshot       one picture
=============  =============================================================================
"""

from lerobot_recorder.cameras.calibration import (
    CameraCalibration,
    ideal_calibration,
    load_camera_calibration,
)
from lerobot_recorder.cameras.camera import Camera, OpenSource, open_source
from lerobot_recorder.cameras.container import encode_jpeg
from lerobot_recorder.cameras.settings import CameraSettings, CameraStatus, Picture
from lerobot_recorder.cameras.snapshot import take_snapshot
from lerobot_recorder.cameras.source import Pace
from lerobot_recorder.cameras.v4l2 import PERMISSION_HINT, CameraInfo, list_cameras, list_forbidden

__all__ = [
    "PERMISSION_HINT",
    "Camera",
    "CameraCalibration",
    "CameraInfo",
    "CameraSettings",
    "CameraStatus",
    "OpenSource",
    "Pace",
    "Picture",
    "encode_jpeg",
    "ideal_calibration",
    "list_cameras",
    "list_forbidden",
    "load_camera_calibration",
    "open_source",
    "take_snapshot",
]

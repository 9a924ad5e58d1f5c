"""Cameras: V4L2 devices, network streams and video files, each read in its own thread.

=============  =============================================================================
camera         ``Camera``: reads one camera, monitors it, and reopens it after a failure; snapshots
settings       settings of a camera, and its images
source         interface of all sources; clocks and pacing
device, v4l2   V4L2 devices: images by FFmpeg, controls and formats by ioctl
container      everything that FFmpeg can open, and JPEG
multipart      MJPEG over HTTP
network        RTSP and other streams
video_file     a video file in place of a camera
identity       which device a camera is
calibration    camera calibration files of ROS
=============  =============================================================================
"""

from lerobot_recorder.cameras.calibration import (
    CameraCalibration,
    camera_calibration_text,
    ideal_calibration,
    load_camera_calibration,
    read_camera_calibration,
    save_camera_calibration,
)
from lerobot_recorder.cameras.camera import Camera, OpenSource, take_snapshot
from lerobot_recorder.cameras.container import encode_jpeg
from lerobot_recorder.cameras.identity import DeviceIdentity, identity_of
from lerobot_recorder.cameras.settings import CameraImage, CameraSettings, PixelFormat, camera_settings
from lerobot_recorder.cameras.source import Pace
from lerobot_recorder.cameras.v4l2 import PERMISSION_HINT, CameraInfo, list_cameras, list_forbidden

__all__ = [
    "PERMISSION_HINT",
    "Camera",
    "CameraCalibration",
    "CameraImage",
    "CameraInfo",
    "CameraSettings",
    "DeviceIdentity",
    "OpenSource",
    "Pace",
    "PixelFormat",
    "camera_calibration_text",
    "camera_settings",
    "encode_jpeg",
    "ideal_calibration",
    "identity_of",
    "list_cameras",
    "list_forbidden",
    "load_camera_calibration",
    "read_camera_calibration",
    "save_camera_calibration",
    "take_snapshot",
]

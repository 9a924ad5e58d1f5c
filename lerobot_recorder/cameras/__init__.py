"""Cameras: V4L2 devices, network streams and video files, each read in a thread of its own.

=============  =============================================================================
camera         `Camera`: reads one camera, opens it again when it has been away
monitor        watches its rate and notices frozen pictures
settings       what a camera is, how it is doing, and a picture
source         what every source offers; clocks and pace
device, v4l2   devices: images through FFmpeg, controls and formats by V4L2 requests
container      what FFmpeg can open, and JPEG
multipart      MJPEG over HTTP
network        RTSP and other streams
video_file     a video file instead of a camera
calibration    ROS's camera calibration files
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

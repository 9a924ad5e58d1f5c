"""All that imports PyAV for encoding, joining, probing and colour conversion.

=============  =============================================================================
settings       `EncoderSettings`: codec and quality, LeRobot's names and defaults
svt            which SVT-AV1 is loaded, and which of its presets codes every block
colour         RGB to the planar I420 that encoders take
depth          depth maps to the 12-bit codes that LeRobot stores
encode         images to a video file
files          joins and probes video files, on the frame grid
sketches       `Sketches`: compares the frames of a video with its images, much reduced
decode         `VideoDecoder`: decodes whole videos and frames in random order, to compare pictures
=============  =============================================================================
"""

import os

from lerobot_recorder.video.colour import rgb_to_i420
from lerobot_recorder.video.decode import VideoDecoder
from lerobot_recorder.video.depth import DepthSettings, depth_settings, quantize_depth
from lerobot_recorder.video.encode import encode
from lerobot_recorder.video.files import Mp4Files, VideoProbe, probe, read_frames
from lerobot_recorder.video.settings import EncoderSettings, available_encoders, depth_encoder
from lerobot_recorder.video.sketches import Damage, Sketches

os.environ.setdefault("SVT_LOG", "1")  # the codec prints a page at every start; keep to errors

from lerobot_recorder.video.depth import depth_unit
from lerobot_recorder.video.priority import forbid_real_time, yield_to_others
from lerobot_recorder.video.settings import ENCODERS, PICTURE_CHECKS, SVT_DEFAULT_PRESET
from lerobot_recorder.video.yuv import frame_to_rgb, yuv_to_rgb

__all__ = [
    "ENCODERS",
    "PICTURE_CHECKS",
    "SVT_DEFAULT_PRESET",
    "Damage",
    "DepthSettings",
    "EncoderSettings",
    "Mp4Files",
    "Sketches",
    "VideoDecoder",
    "VideoProbe",
    "available_encoders",
    "depth_encoder",
    "depth_settings",
    "depth_unit",
    "encode",
    "forbid_real_time",
    "frame_to_rgb",
    "probe",
    "quantize_depth",
    "read_frames",
    "rgb_to_i420",
    "yield_to_others",
    "yuv_to_rgb",
]

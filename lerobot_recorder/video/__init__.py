"""Encoding, joining, comparing and reading videos, and conversion of colors, with PyAV and OpenCV.

=============  =============================================================================
settings       `EncoderSettings`: codec and quality, LeRobot's names and defaults
svt            the version of SVT-AV1, and which of its presets encode every block
planar         RGB to the planar I420 that encoders take
colour         the formats of cameras to RGB
depth          depth maps to the 12-bit codes that LeRobot stores
priority       keeps codecs from raising their own priority
memory         gives memory back that codecs have freed
writer         images to a video file
files          joins and probes video files, on the frame grid
cut            `VideoCutter`: joins ranges of frames of video files
packets        packets that are sent by themselves, in messages, and pictures of them
damaged        looks at damaged videos, and puts their frames on the frame grid
sketches       `Sketches`: compares the frames of a video with reduced copies of its images
decode         `VideoDecoder`: decodes whole videos and frames in random order, to compare pictures
=============  =============================================================================
"""

import os
from typing import TYPE_CHECKING

from lerobot_recorder.lazy import lazy_names

if TYPE_CHECKING:
    from lerobot_recorder.video.colour import frame_to_rgb, yuv_to_rgb
    from lerobot_recorder.video.cut import VideoCutter
    from lerobot_recorder.video.damaged import SeenVideo, look, retime
    from lerobot_recorder.video.decode import VideoDecoder
    from lerobot_recorder.video.depth import (
        DepthSettings,
        depth_settings,
        depth_unit,
        quantize_depth,
        restore_depth,
    )
    from lerobot_recorder.video.files import Mp4Files, VideoProbe, join, probe, read_frames
    from lerobot_recorder.video.memory import return_memory
    from lerobot_recorder.video.packets import PacketDecoder, packet_codec, read_packets
    from lerobot_recorder.video.planar import rgb_to_i420
    from lerobot_recorder.video.priority import forbid_real_time, yield_to_others
    from lerobot_recorder.video.settings import (
        ENCODERS,
        SVT_DEFAULT_PRESET,
        EncoderSettings,
        available_encoders,
        depth_encoder,
    )
    from lerobot_recorder.video.sketches import Damage, Sketches
    from lerobot_recorder.video.svt import loaded_version as svt_version
    from lerobot_recorder.video.writer import encode
else:
    __getattr__ = lazy_names(__name__, __file__)

os.environ.setdefault("SVT_LOG", "1")  # the codec prints a page at every start; keep to errors

__all__ = [
    "ENCODERS",
    "SVT_DEFAULT_PRESET",
    "Damage",
    "DepthSettings",
    "EncoderSettings",
    "Mp4Files",
    "PacketDecoder",
    "SeenVideo",
    "Sketches",
    "VideoCutter",
    "VideoDecoder",
    "VideoProbe",
    "available_encoders",
    "depth_encoder",
    "depth_settings",
    "depth_unit",
    "encode",
    "forbid_real_time",
    "frame_to_rgb",
    "join",
    "look",
    "packet_codec",
    "probe",
    "quantize_depth",
    "read_frames",
    "read_packets",
    "restore_depth",
    "retime",
    "return_memory",
    "rgb_to_i420",
    "svt_version",
    "yield_to_others",
    "yuv_to_rgb",
]

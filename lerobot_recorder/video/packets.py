"""Reads the packets of a video so that each one can be sent by itself, in a message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from lerobot_recorder.errors import VideoError
from lerobot_recorder.video.files import opened, packets_on_grid

_NAMES = {"av1": "av1", "h264": "h264", "hevc": "h265", "vp9": "vp9"}
"""Names of codecs in messages, by FFmpeg's."""

_FILTERS = {"h264": "h264_mp4toannexb", "h265": "hevc_mp4toannexb"}
_AV1_HEADER_BYTES = 4  # of an AV1CodecConfigurationRecord, before its OBUs
_SEQUENCE_HEADER = 1


def packet_codec(path: Path) -> str:
    """Return how messages call the codec of a video: ``h264``, ``h265``, ``vp9`` or ``av1``.

    Raises:
        VideoError: the file is not a video, or messages cannot have its codec.
    """
    with opened(path) as container:
        codec = container.streams.video[0].codec.canonical_name
    if codec not in _NAMES:
        raise VideoError(
            f"{path}: packets of {codec} cannot be sent as messages; those of {', '.join(_NAMES)} can"
        )
    return _NAMES[codec]


def read_packets(path: Path, fps: int) -> Iterator[bytes]:
    """Read the packets of a video in the order in which its frames are displayed, one for each frame.

    Key frames carry all that a decoder must know. Packets of H.264 and H.265 are in Annex B format, those of
    AV1 in its low-overhead format.

    Raises:
        VideoError: the file is not a video on the grid of ``1 / fps``, or its frames are stored in another
            order than they are displayed.
    """
    codec = packet_codec(path)
    with opened(path) as container:
        convert = _converter(codec, container.streams.video[0])
        try:
            for number, packet in enumerate(packets_on_grid(container, fps)):
                if packet.pts != number:
                    raise VideoError(
                        f"{path}: its frames are stored in another order than they are displayed, which "
                        "messages cannot have; send decoded images instead"
                    )
                yield convert(packet)
        except av.error.FFmpegError as error:
            raise VideoError(f"{path}: {error}") from error


def _converter(codec: str, stream: Any) -> Callable[[Any], bytes]:
    if codec in _FILTERS:
        annex_b = av.BitStreamFilterContext(_FILTERS[codec], stream)
        return lambda packet: b"".join(map(bytes, annex_b.filter(packet)))
    if codec == "av1":
        header = bytes(stream.codec_context.extradata or b"")[_AV1_HEADER_BYTES:]
        return lambda packet: _with_header(bytes(packet), header if packet.is_keyframe else b"")
    return bytes


def _with_header(unit: bytes, header: bytes) -> bytes:
    """Return a temporal unit of AV1 that begins with the sequence header."""
    return unit if not header or unit[0] >> 3 & 0xF == _SEQUENCE_HEADER else header + unit

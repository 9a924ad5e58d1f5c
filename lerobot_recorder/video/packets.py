"""Packets of a video that are sent one by one, in messages: reads them, and makes pictures of them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import VideoError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.video.files import opened, packets_on_grid

_NAMES = {"av1": "av1", "h264": "h264", "hevc": "h265", "vp9": "vp9"}
"""Names of codecs in messages, by FFmpeg's."""

_DECODERS = {"av1": ("libdav1d", "av1"), "h264": ("h264",), "h265": ("hevc",), "vp9": ("vp9",)}
"""FFmpeg's decoders by the names in messages, the preferred one first."""

_AT_ONCE = {"flags": "low_delay", "threads": "1", "err_detect": "explode"}
"""Each packet gives its frame at once, and a damaged one an error."""

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
    return unit if not header or begins_with_header(unit) else header + unit


def begins_with_header(unit: bytes) -> bool:
    """Return whether a temporal unit of AV1 begins with a sequence header."""
    return bool(unit) and unit[0] >> 3 & 0xF == _SEQUENCE_HEADER


class PacketDecoder:
    """Decodes packets that arrive one by one, in their order, from the first key frame on."""

    def __init__(self) -> None:
        self._codec = ""
        self._context: Any = None
        self._has_begun = False

    def reset(self) -> None:
        """Start again at the next key frame, for example because packets are left out."""
        self._codec, self._has_begun = "", False

    def decode(self, packet: bytes, codec: str) -> npt.NDArray[np.uint8]:
        """Return the picture of a packet: RGB, uint8, (height, width, 3).

        Args:
            packet: as `read_packets` yields them
            codec: as `packet_codec` names it

        Raises:
            VideoError: it has another codec, is damaged, or needs a frame that did not arrive.
        """
        if codec != self._codec:
            self._context, self._codec, self._has_begun = _decoder(codec), codec, False
        try:
            frames = self._context.decode(av.Packet(packet))
        except av.error.FFmpegError as error:
            frames = self._refuse(f"a packet of {codec} cannot be decoded: {error.strerror or error}")
        if len(frames) != 1:
            self._refuse(f"a packet of {codec} gives {len(frames)} images instead of one")
        if not self._has_begun and not frames[0].key_frame:
            raise VideoError(_BEFORE_KEY)
        self._has_begun = True
        picture: npt.NDArray[np.uint8] = frames[0].to_ndarray(format="rgb24")
        return picture

    def _refuse(self, why: str) -> Any:
        """Raise an error; what follows needs this frame, up to the next key frame."""
        has_begun = self._has_begun
        self.reset()
        raise VideoError(why if has_begun else f"{_BEFORE_KEY}, or it is damaged")


_BEFORE_KEY = "a packet comes before the first key frame"


def _decoder(codec: str) -> Any:
    for name in _DECODERS.get(codec, ()):
        try:
            context = av.CodecContext.create(name, "r")
        except ValueError:  # this FFmpeg lacks it
            continue
        context.options = dict(_AT_ONCE)
        return context
    raise VideoError(f"the codec {excerpt(repr(codec), 40)} is unknown: expected {', '.join(_DECODERS)}")

"""Reads images from everything that FFmpeg can open: files, devices and network streams."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.cameras.settings import CameraImage
from lerobot_recorder.errors import CameraError, ImageError
from lerobot_recorder.images import LONGEST_SIDE, EncodedImage
from lerobot_recorder.video import frame_to_rgb


def jpeg_image(data: bytes, stamp_ns: int, want_rgb: bool) -> CameraImage | None:
    """Return the image of JPEG data, decoded only if wanted; None if the data is corrupt.

    An overloaded USB camera truncates images, and some cameras append bytes, which are removed.
    """
    try:
        parsed = EncodedImage.parse(data)
        if parsed.format != "jpeg":
            return None
        rgb = parsed.decode() if want_rgb else None
    except ImageError:
        return None
    return CameraImage(stamp_ns, parsed.width, parsed.height, rgb, parsed.data)


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Compress an image: RGB, uint8, (height, width, 3)."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1])


@dataclass(frozen=True)
class Shot:
    """One image as it arrived: a JPEG, or a frame that FFmpeg decoded.

    Attributes:
        time_s: its time on the source's own clock; None if unknown
        jpeg: the packet, undecoded
        frame: an ``av.VideoFrame``, for sources that are not JPEG
    """

    time_s: float | None
    jpeg: bytes | None
    frame: Any


class Container:
    """An open PyAV container, read image by image.

    JPEG images are passed on unchanged; everything else is decoded.

    Args:
        source: name of the source, for messages
        container: the ``av.container.InputContainer``; it is closed with this object
        size: width and height to scale decoded frames to; JPEG images keep their size
        live: whether each image is needed as soon as it arrives

    Raises:
        CameraError: the source contains no video.
    """

    def __init__(self, source: str, container: Any, size: tuple[int, int] | None, *, live: bool) -> None:
        self.source = source
        self.container = container
        self.size = size
        if not container.streams.video:
            raise CameraError(f"{source} contains no video")
        self.stream = container.streams.video[0]
        # With frame threading the decoder delays as many frames as it has threads.
        self.stream.thread_type = "SLICE" if live else "AUTO"
        self.stream.codec_context.options = {"max_pixels": str(LONGEST_SIDE**2)}
        self.is_jpeg = self.stream.codec_context.name == "mjpeg"
        self._decoded: deque[Any] = deque()
        self._ended = False

    def next_shot(self) -> Shot | None:
        """Return the next image, or None at the end.

        Raises:
            av.FFmpegError: PyAV cannot read the source.
        """
        while not self._decoded:
            if self._ended:
                return None
            packet = next(self.container.demux(self.stream))
            self._ended = packet.size == 0
            if self.is_jpeg:
                if not self._ended:
                    return Shot(_seconds(packet.pts, packet.time_base), bytes(packet), None)
            else:
                # Frames that a bad connection damaged are skipped; the next key frame restores the rest.
                with contextlib.suppress(av.error.InvalidDataError):
                    self._decoded.extend(packet.decode())
        frame = self._decoded.popleft()
        return Shot(_seconds(frame.pts, frame.time_base), None, frame)

    def rewind(self) -> None:
        """Go back to the start."""
        self.container.seek(0)
        self._ended = False

    def to_image(self, shot: Shot, stamp_ns: int, want_rgb: bool) -> CameraImage | None:
        """Convert a shot to an image; None if the data is corrupt."""
        if shot.jpeg is not None:
            return jpeg_image(shot.jpeg, stamp_ns, want_rgb)
        width, height = self.size or (shot.frame.width, shot.frame.height)
        rgb = frame_to_rgb(shot.frame, width, height) if want_rgb else None
        return CameraImage(stamp_ns, width, height, rgb, None)

    def close(self) -> None:
        """Close the container."""
        self._decoded.clear()
        self.container.close()


def reason(error: BaseException) -> str:
    """Return the message of an error of the system or of PyAV."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _seconds(pts: int | None, time_base: Any) -> float | None:
    return None if pts is None else float(pts * time_base)


def open_container(source: str, url: str, **arguments: Any) -> Any:
    """Open with PyAV.

    Raises:
        CameraError: the source cannot be opened.
    """
    try:
        return av.open(url, **arguments)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise CameraError(f"cannot open {source}: {reason(error)}") from error

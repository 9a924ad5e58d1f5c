"""Read pictures from what FFmpeg can open: files, devices and network streams, through PyAV."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.cameras.settings import Picture
from lerobot_recorder.errors import CameraError, ImageError
from lerobot_recorder.images import LONGEST_SIDE, EncodedImage
from lerobot_recorder.video import frame_to_rgb


def jpeg_picture(data: bytes, stamp_ns: int, want_rgb: bool) -> Picture | None:
    """Make a picture of JPEG data, decoded only if wanted; nothing when the data is broken.

    A USB camera at its limits cuts pictures short, and some cameras append bytes to them, which are cut off.
    """
    try:
        image = EncodedImage.parse(data)
        if image.format != "jpeg":
            return None
        rgb = image.decode() if want_rgb else None
    except ImageError:
        return None
    return Picture(stamp_ns, image.width, image.height, rgb, image.data)


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Compress a picture: RGB, uint8, (height, width, 3)."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1])


@dataclass(frozen=True)
class Shot:
    """One picture as it came: a JPEG, or a frame that FFmpeg decoded.

    Attributes:
        time_s: Its place on the source's own clock, where that is known.
        jpeg: The packet, undecoded.
        frame: An ``av.VideoFrame``, of sources that are not JPEG.
    """

    time_s: float | None
    jpeg: bytes | None
    frame: Any


class Container:
    """An open PyAV container, read picture by picture.

    JPEG pictures are passed on as they are, byte for byte; everything else is decoded.

    Args:
        source: What was opened, for messages.
        container: The ``av.container.InputContainer``; it is closed with this object.
        size: Width and height to scale decoded frames to; JPEG pictures keep their size.
        live: Whether each picture is wanted as soon as it comes.

    Raises:
        CameraError: There is no video in it.
    """

    def __init__(self, source: str, container: Any, size: tuple[int, int] | None, *, live: bool) -> None:
        self.source = source
        self.container = container
        self.size = size
        if not container.streams.video:
            raise CameraError(f"{source} has no video in it")
        self.stream = container.streams.video[0]
        # Threads that decode a frame each hold as many frames back.
        self.stream.thread_type = "SLICE" if live else "AUTO"
        self.stream.codec_context.options = {"max_pixels": str(LONGEST_SIDE**2)}
        self.is_jpeg = self.stream.codec_context.name == "mjpeg"
        self._decoded: deque[Any] = deque()
        self._ended = False

    def next_shot(self) -> Shot | None:
        """Return the next picture, or nothing at the end.

        Raises:
            av.FFmpegError: As PyAV raises it.
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
                # What a bad connection damaged is left out; the next key frame mends the rest.
                with contextlib.suppress(av.error.InvalidDataError):
                    self._decoded.extend(packet.decode())
        frame = self._decoded.popleft()
        return Shot(_seconds(frame.pts, frame.time_base), None, frame)

    def rewind(self) -> None:
        """Go back to the start."""
        self.container.seek(0)
        self._ended = False

    def to_picture(self, shot: Shot, stamp_ns: int, want_rgb: bool) -> Picture | None:
        """Make a picture of a shot; nothing when the data is broken."""
        if shot.jpeg is not None:
            return jpeg_picture(shot.jpeg, stamp_ns, want_rgb)
        width, height = self.size or (shot.frame.width, shot.frame.height)
        rgb = frame_to_rgb(shot.frame, width, height) if want_rgb else None
        return Picture(stamp_ns, width, height, rgb, None)

    def close(self) -> None:
        """Close the container."""
        self._decoded.clear()
        self.container.close()


def reason(error: BaseException) -> str:
    """Put an error of the system or of PyAV into words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _seconds(pts: int | None, time_base: Any) -> float | None:
    return None if pts is None else float(pts * time_base)


def open_container(source: str, url: str, **arguments: Any) -> Any:
    """Open with PyAV.

    Raises:
        CameraError: It cannot be opened.
    """
    try:
        return av.open(url, **arguments)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise CameraError(f"{source} cannot be opened: {reason(error)}") from error

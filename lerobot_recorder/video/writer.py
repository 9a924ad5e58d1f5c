"""Images to a video file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import VideoError
from lerobot_recorder.video.depth import DepthSettings, quantize_depth
from lerobot_recorder.video.planar import rgb_to_i420
from lerobot_recorder.video.priority import unchanged_priority
from lerobot_recorder.video.settings import SETTINGS_TAG, EncoderSettings

Array = npt.NDArray[Any]


def encode(
    images: Iterable[Array],
    output: Path,
    *,
    fps: int,
    width: int,
    height: int,
    settings: EncoderSettings,
    depth: DepthSettings | None = None,
    progress: Callable[[int], None] = lambda _frames: None,
    observe: Callable[[av.VideoFrame], None] = lambda _frame: None,
) -> int:
    """Encode images into an MP4 file, one frame each, on the grid of `1 / fps`.

    Args:
        images: I420 uint8 (height * 3 / 2, width), RGB uint8 (height, width, 3), or, with `depth`,
            depth maps (height, width). Each is used before the next one is requested.
        output: the file; an existing one is replaced.
        fps: frames per second.
        width: pixels.
        height: pixels.
        settings: resolved settings.
        depth: how depth maps become codes.
        progress: called with the number of frames so far.
        observe: called with each frame before it is encoded.

    Returns:
        The number of frames.

    Raises:
        VideoError: the codec refuses the settings or the images, or the file cannot be written.
    """
    count = 0
    try:
        with av.open(str(output), "w", format="mp4") as container:
            container.metadata[SETTINGS_TAG] = settings.tag()
            stream: Any = container.add_stream(settings.vcodec, fps, options=_quiet(settings))
            stream.width, stream.height, stream.pix_fmt = width, height, settings.pix_fmt
            with unchanged_priority():
                stream.codec_context.open(strict=False)
            with _flushed(stream):
                for image in images:
                    frame = _frame(image, (height, width), depth, settings.pix_fmt)
                    observe(frame)
                    container.mux(stream.encode(frame))
                    count += 1
                    progress(count)
                container.mux(stream.encode())
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise VideoError(f"{output} cannot be encoded with {settings.vcodec}: {error}") from error
    if count == 0:
        raise VideoError(f"{output}: no images to encode")
    return count


@contextlib.contextmanager
def _flushed(stream: Any) -> Iterator[None]:
    """Flush the codec also after an error, or it complains; what comes out is not written then.

    To write to a container whose header could not be written ends the process by SIGSEGV.
    """
    try:
        yield
    except BaseException:
        with contextlib.suppress(av.error.FFmpegError):
            stream.encode()
        raise


def _quiet(settings: EncoderSettings) -> dict[str, str]:
    """Return the codec's options, and for x265 one that makes it print errors only."""
    options = settings.options()
    if settings.vcodec == "hevc":
        given = options.get("x265-params")
        options["x265-params"] = ":".join([*([given] if given else []), "log-level=error"])
    return options


def _frame(image: Array, size: tuple[int, int], depth: DepthSettings | None, pix_fmt: str) -> av.VideoFrame:
    if depth is not None:
        return _gray12(quantize_depth(image.reshape(size), depth))
    height, width = size
    if image.shape == (height * 3 // 2, width):
        return _i420(image)
    if image.shape == (height, width, 3):
        if pix_fmt == "yuv420p" and height % 2 == width % 2 == 0:
            return _i420(rgb_to_i420(image))
        return av.VideoFrame.from_ndarray(image, format="rgb24")
    raise ValueError(f"expected an image of {width}x{height}, found shape {image.shape}")


def _i420(planes: npt.NDArray[np.uint8]) -> av.VideoFrame:
    """Make a frame of planes below each other, (height * 3 / 2, width).

    PyAV 15 to 19 rounds the height of a view down to a multiple of 4, so other heights are copied.
    """
    view_is_whole = len(planes) % 6 == 0
    make = av.VideoFrame.from_numpy_buffer if view_is_whole else av.VideoFrame.from_ndarray
    return make(planes, format="yuv420p")


def _gray12(codes: npt.NDArray[np.uint16]) -> av.VideoFrame:
    height, width = codes.shape
    frame = av.VideoFrame(width, height, "gray12le")
    plane: Any = frame.planes[0]
    rows = np.frombuffer(plane, np.uint16).reshape(height, plane.line_size // 2)
    rows[:, :width] = codes
    return frame

"""Joins ranges of frames of video files, copying packets wherever the stream allows it."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error
import numpy.typing as npt

from lerobot_recorder.durable import sync
from lerobot_recorder.errors import VideoError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.video import svt
from lerobot_recorder.video.files import (
    MUXER_OPTIONS,
    count_frames,
    fraction,
    opened,
    packets_on_grid,
    stream_identity,
)
from lerobot_recorder.video.packets import begins_with_header
from lerobot_recorder.video.priority import unchanged_priority
from lerobot_recorder.video.settings import SETTINGS_TAG

_ENCODERS = {"av1": "libsvtav1", "h264": "h264", "hevc": "hevc"}
"""Encoders by the codec's name in ``info.json``."""

_REORDERED = 32
"""Frames that the times of decoding and of displaying can be apart."""

_ENCODER_ENTRIES = ("g", "crf", "preset")
_UNSPECIFIED = {"colorspace": (2,), "color_primaries": (0, 2), "color_trc": (0, 2), "color_range": (0,)}
"""Values of FFmpeg's color options that mean nothing."""


_AV1 = ("av1", "libdav1d", "libaom-av1")
"""Names that PyAV gives to decoders of AV1."""

_CRA, _BLA = 21, 18
"""Types of HEVC key frames: the first goes on with the order of display, the second begins it anew."""
_HEVC_REMARKS = (39, 40)
"""Types of units that carry supplemental information, in which x265 names itself."""


class VideoPart(NamedTuple):
    """A range of frames of a video file.

    Attributes:
        path: the file.
        start: number of the first frame.
        stop: number of the frame after the last one.
    """

    path: Path
    start: int
    stop: int

    @property
    def length(self) -> int:
        """Number of frames."""
        return self.stop - self.start


class VideoCutter:
    """Writes ranges of frames of video files into new files.

    Args:
        fps: frames per second of all files.
    """

    def __init__(self, fps: int) -> None:
        self._fps = fps

    def frames(self, path: Path) -> int:
        """Count the frames of a video.

        Raises:
            VideoError: the file is missing, or not a video.
        """
        return count_frames(path)

    def key_frames(self, path: Path, start: int, stop: int) -> list[int]:
        """List the key frames in a range of frames.

        Raises:
            VideoError: the file is missing, or not a video.
        """
        with opened(path) as container:
            return list(self._key_frames(container, VideoPart(path, start, stop)))

    def write(self, parts: Sequence[tuple[Path, int, int]], output: Path, info: Mapping[str, Any]) -> None:
        """Write the frames of all parts into one file and sync it; frame k is at ``k / fps``.

        Packets are copied. Frames that need others which are left out are encoded again, with the settings
        in the file's metadata, or else in ``info``: those before the first key frame of a part, and at its
        end those that are stored after a frame which is left out.

        Args:
            parts: file, first frame and the frame after the last one; at least one part, all with the same
                stream parameters.
            output: the file to write.
            info: the ``info`` of the feature, with LeRobot's entries.

        Raises:
            VideoError: a part is not a video on the grid, or frames cannot be encoded so that they fit.
        """
        try:
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=output.parent)))
                ranges = [VideoPart(*part) for part in parts]
                split = [list(self._decodable(part, folder, info)) for part in ranges]
                whole = [each for parts_of_range in split for each in parts_of_range]
                self._check_equal(whole, output, _moves(ranges, split))
                self._copy(whole, output)
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise VideoError(f"{output} cannot be written: {error}") from error
        sync(output)

    def images(self, path: Path, start: int, numbers: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
        """Decode some frames of a range.

        Args:
            path: the video.
            start: first frame of the range.
            numbers: frame numbers in the range, rising.

        Yields:
            RGB, uint8, (height, width, 3); of 12-bit videos the codes, uint16, (height, width).

        Raises:
            VideoError: a frame is missing.
        """
        wanted = iter(sorted({start + number for number in numbers}))
        number = next(wanted, None)
        part = VideoPart(path, start, start + max(numbers) + 1)
        for shown, frame in self._decoded(part):
            if shown == number:
                depth = frame.format.components[0].bits > 8
                yield frame.to_ndarray(format="gray12le" if depth else "rgb24")
                number = next(wanted, None)
                if number is None:
                    return
        if number is not None:
            raise VideoError(f"{part.path} has no frame {number}")

    # Parts that need no other frames

    def _decodable(self, part: VideoPart, folder: Path, info: Mapping[str, Any]) -> Iterator[VideoPart]:
        """Split a part into ranges that start at a key frame and end where no later frame is needed."""
        with opened(part.path) as container:
            first = next(self._key_frames(container, part), part.stop)
            last = self._last_complete(container, part)
        yield from self._encoded(VideoPart(part.path, part.start, first), folder, info)
        if last > first:
            yield VideoPart(part.path, first, last)
        yield from self._encoded(VideoPart(part.path, max(first, last), part.stop), folder, info)

    def _last_complete(self, container: Any, part: VideoPart) -> int:
        """Return the number of a frame: no frame of the part before it needs one from there on.

        A frame needs only those that are stored before it.
        """
        shown = []
        for packet in self._packets(container, max(part.start, part.stop - 1)):
            if packet.dts >= part.stop:
                break
            shown.append(packet.pts)
        last = part.stop
        while (earlier := _shown_before(last, shown)) is not None:
            last = earlier
        return last

    def _encoded(self, part: VideoPart, folder: Path, info: Mapping[str, Any]) -> Iterator[VideoPart]:
        if part.length <= 0:
            return
        output = folder / f"{len(list(folder.iterdir()))}.mp4"
        options, tag = _encoder(part.path, info)
        with av.open(str(output), "w", format="mp4") as target:
            target.metadata[SETTINGS_TAG] = tag
            stream: Any = None
            for number, (_, frame) in enumerate(self._decoded(part)):
                if stream is None:
                    stream = target.add_stream(options.pop("vcodec"), self._fps, options=options)
                    stream.width, stream.height = frame.width, frame.height
                    stream.pix_fmt = frame.format.name
                    with unchanged_priority():
                        stream.codec_context.open(strict=False)
                plain = av.VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
                plain.pts, plain.time_base = number, Fraction(1, self._fps)
                target.mux(stream.encode(plain))
            if stream is not None:
                target.mux(stream.encode())
        yield VideoPart(output, 0, part.length)

    # Reading

    def _packets(self, container: Any, start: int) -> Iterator[Any]:
        """Read packets from a key frame that is not after ``start``, with times in frames."""
        self._seek(container, start)
        yield from packets_on_grid(container, self._fps)

    def _key_frames(self, container: Any, part: VideoPart) -> Iterator[int]:
        for packet in self._packets(container, part.start):
            if packet.pts >= part.stop and packet.dts >= part.stop:
                return
            if packet.is_keyframe and part.start <= packet.pts < part.stop:
                yield packet.pts

    def _decoded(self, part: VideoPart) -> Iterator[tuple[int, Any]]:
        """Decode the frames of a part, with their numbers in the file."""
        with opened(part.path) as container:
            stream: Any = container.streams.video[0]
            ticks = Fraction(1, self._fps) / fraction(stream.time_base)
            self._seek(container, part.start)
            for frame in container.decode(stream):
                number = round(frame.pts / ticks)
                if number >= part.stop:
                    return
                if number >= part.start:
                    yield number, frame

    def _seek(self, container: Any, start: int) -> None:
        """Go to a key frame that is not after ``start``.

        FFmpeg compares with the times of decoding. With frames that are stored in another order than they are
        displayed, those are earlier, so that it would find a key frame that is displayed later.
        """
        stream = container.streams.video[0]
        ticks = Fraction(1, self._fps) / fraction(stream.time_base)
        is_reordered = stream.codec_context.has_b_frames
        container.seek(int(max(0, start - is_reordered * _REORDERED) * ticks), stream=stream)

    # Writing

    def _copy(self, parts: Sequence[VideoPart], output: Path) -> None:
        delay = max(self._delay(part) for part in parts)
        with av.open(str(output), "w", format="mp4", options=MUXER_OPTIONS) as target:
            stream: Any = None
            frames = 0
            for part in parts:
                with opened(part.path) as source:
                    if stream is None:
                        target.metadata.update(source.metadata)
                        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
                        stream.time_base = Fraction(1, self._fps)
                    first = frames
                    is_hevc = source.streams.video[0].codec_context.name == "hevc"
                    for original in self._within(source, part):
                        starts_anew = is_hevc and frames == first
                        packet = _broken_link(original) if starts_anew else original
                        packet.stream = stream
                        packet.pts, packet.dts = first + original.pts - part.start, frames - delay
                        target.mux_one(packet)
                        frames += 1
                    if frames - first != part.length:
                        raise VideoError(
                            f"{part.path}: expected frames {part.start} to {part.stop - 1}, "
                            f"found {frames - first} of them"
                        )

    def _within(self, source: Any, part: VideoPart) -> Iterator[Any]:
        left = part.length
        for packet in self._packets(source, part.start):
            if part.start <= packet.pts < part.stop:
                yield packet
                left -= 1
                if not left:
                    return

    def _delay(self, part: VideoPart) -> int:
        """Return the number of frames between decoding and displaying the first frame."""
        with opened(part.path) as source:
            first = next(self._within(source, part), None)
            return 0 if first is None else int(first.pts - first.dts)

    def _check_equal(self, parts: Sequence[VideoPart], output: Path, moves: str) -> None:
        """Check that one decoder can read all parts; ``moves``: where cuts would need no encoding.

        Raises:
            VideoError: they have other stream parameters, and do not carry them.
        """
        found = {_decoder_parameters(part.path) for part in parts}
        if len(found) > 1 and all(map(self._carries_header, parts)):
            found = {each[:-1] for each in found}
        if len(found) > 1:
            raise VideoError(
                f"{output.name}: the frames at the cut need encoding, but the rest was encoded by another "
                f"version or program, so that they do not fit; {moves}, or use the version that encoded it"
            )

    def _carries_header(self, part: VideoPart) -> bool:
        """Return whether a part has all that its decoder must know in its first packet.

        Key frames of AV1 do so: each can follow frames of another encoder, as in a broadcast.
        """
        with opened(part.path) as source:
            first = next(self._within(source, part), None)
            name = source.streams.video[0].codec_context.name
            return name in _AV1 and first is not None and begins_with_header(bytes(first))


def _encoder(path: Path, info: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """Return the options to encode frames as the rest of a file, the codec included, and the file's tag."""
    with opened(path) as container:
        tag = container.metadata.get(SETTINGS_TAG, "")
        context: Any = container.streams.video[0].codec_context
        colour = {
            name: value
            for name in _UNSPECIFIED
            if (value := int(getattr(context, name))) not in _UNSPECIFIED[name]
        }
    known = _parsed(tag)
    if known:
        known.pop("pix_fmt", None)
        if known["vcodec"] == "libsvtav1":
            known |= _svt_options(known, str(known.get("svtav1-params", "")).split(":", 1)[0])
        return {name: str(value) for name, value in known.items()}, tag
    codec = _ENCODERS.get(str(info.get("video.codec")), "")
    if not codec:
        raise VideoError(f"{path}: encoded by another program in an unknown way; cut at a key frame instead")
    values = {name: info.get(f"video.{name}") for name in _ENCODER_ENTRIES}
    extra = info.get("video.extra_options")
    options = {"vcodec": codec, **{n: v for n, v in values.items() if v}, **(extra or {}), **colour}
    if codec == "libsvtav1":
        options |= _svt_options(options, f"fast-decode={info.get('video.fast_decode') or 0}")
    elif info.get("video.fast_decode"):
        options["tune"] = "fastdecode"
    return {name: str(value) for name, value in options.items()}, tag


def _svt_options(known: Mapping[str, Any], decoding: str) -> dict[str, Any]:
    """Return the options with which the loaded SVT-AV1 loses no block; another version needs other ones.

    Args:
        known: options with which a video was encoded.
        decoding: the parameter of how fast the video can be decoded.
    """
    version, g = svt.loaded_version(), int(known.get("g") or 0) or None
    preset = min(int(known.get("preset") or 0), svt.fastest_right_preset(version, g))
    return {"preset": preset, "svtav1-params": f"{svt.parameters(decoding, g, preset)}:{svt.ONE_THREAD}"}


def _parsed(tag: str) -> dict[str, Any]:
    try:
        found = json.loads(tag)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "vcodec" in found else {}


def _moves(ranges: Sequence[VideoPart], split: Sequence[Sequence[VideoPart]]) -> str:
    """Return in words how far cuts must move so that nothing is encoded again."""
    pairs = [(part, each) for part, each in zip(ranges, split, strict=True) if len(each) > 1]
    starts = [each[0].length for part, each in pairs if each[0].path != part.path]
    ends = [each[-1].length for part, each in pairs if each[-1].path != part.path]
    words = [f"move its start {counted(max(starts), 'frame')} later (--at-key-frames does)"] if starts else []
    words += [f"move its end {counted(max(ends), 'frame')} earlier"] if ends else []
    return " and ".join(words) or "choose a part with a key frame in it"


def _broken_link(packet: Any) -> Any:
    """Return a key frame of HEVC that can follow any other frame.

    In an open group of pictures the order of display goes on across key frames (CRA pictures), so after a cut
    the decoder would put the frames in a wrong order. The type BLA says that the order begins anew.
    """
    data, place = bytearray(bytes(packet)), 0
    while place + 5 <= len(data):
        if data[place + 4] >> 1 & 0x3F == _CRA:
            data[place + 4] = data[place + 4] & 0x81 | _BLA << 1
        place += 4 + int.from_bytes(data[place : place + 4], "big")
    if data == bytes(packet):
        return packet
    changed = av.Packet(bytes(data))
    changed.time_base, changed.duration, changed.is_keyframe = packet.time_base, packet.duration, True
    return changed


def _shown_before(frame: int, stored: Sequence[int]) -> int | None:
    """Return the first frame before ``frame`` that is stored after that or a later one; None without any."""
    later = itertools.dropwhile(lambda number: number < frame, stored)
    return min((number for number in later if number < frame), default=None)


def _decoder_parameters(path: Path) -> tuple[Any, ...]:
    """Return what a decoder must know of a video before its first packet."""
    _, name, *size, extra = stream_identity(path)
    return name, *size, _without_remarks(extra) if name == "hevc" else extra


def _without_remarks(hvcc: bytes) -> bytes:
    """Return the decoder configuration of an HEVC stream without the version and options of its encoder.

    It is an ``HEVCDecoderConfigurationRecord`` of ISO/IEC 14496-15: 22 bytes, then lists of units by type.
    """
    kept, place = hvcc[:22], 23
    while place + 3 <= len(hvcc):
        kind, count = hvcc[place] & 0x3F, int.from_bytes(hvcc[place + 1 : place + 3], "big")
        end = place + 3
        for _ in range(count):
            end += 2 + int.from_bytes(hvcc[end : end + 2], "big")
        if kind not in _HEVC_REMARKS:
            kept += hvcc[place:end]
        place = end
    return kept

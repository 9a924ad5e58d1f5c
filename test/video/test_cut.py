"""Cuts of videos of other programs, in which frames need others that are stored before them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from numbered import number_in, picture, spread

from lerobot_recorder.errors import VideoError
from lerobot_recorder.video import VideoCutter, read_frames

FPS, FRAMES = 30, 40
CODECS = {
    "h264": ("h264", {"g": "12"}),
    "AV1 of another version": ("libsvtav1", {"g": "12", "preset": "8", "svtav1-params": "lp=1"}),
}
RANGES = ((0, 7), (1, 29), (5, 20), (13, 14), (3, 11), (23, 40), (12, 24), (11, 13))


def encode(path: Path, codec: str, options: dict[str, str]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, FPS, options={**options, "crf": "30"})
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(spread(number + 1)))
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def make_other_version(path: Path) -> None:
    """Give an AV1 file another header than the encoder at hand; its key frames bring their own."""
    with av.open(str(path)) as container:
        described = bytes(container.streams.video[0].codec_context.extradata or b"")
        own = bytes(next(container.demux(video=0)))[: len(described) - 4]
    assert own != described[4:]
    path.write_bytes(path.read_bytes().replace(described, described[:4] + own))


@pytest.mark.parametrize("name", CODECS)
def test_every_range_shows_its_frames(tmp_path: Path, name: str) -> None:
    codec, options = CODECS[name]
    video, output = tmp_path / "video.mp4", tmp_path / "cut.mp4"
    encode(video, codec, options)
    if "version" in name:
        make_other_version(video)
    info = {"video.codec": "av1" if "av1" in codec else codec, "video.crf": 30, "video.g": int(options["g"])}
    info["video.preset"] = int(options.get("preset", 0)) or None
    cutter = VideoCutter(FPS)
    for start, stop in RANGES[:: 1 if codec == "h264" else 3]:
        cutter.write([(video, start, stop), (video, 30, 35)], output, info)
        shown = [*range(start, stop), *range(30, 35)]
        assert cutter.frames(output) == len(shown)
        found = [number_in(image) for image in read_frames(output, range(len(shown)))]
        assert found == [spread(number + 1) for number in shown], (start, stop)
        images = list(cutter.images(video, start, range(stop - start)))
        assert [number_in(image) for image in images] == found[: stop - start], (start, stop)
        output.unlink()


def test_a_cut_that_cannot_be_encoded_to_fit_names_where_it_can_be(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    encode(video, "h264", {"g": "12", "preset": "ultrafast"})
    info = {"video.codec": "h264", "video.crf": 30, "video.g": 12}
    with pytest.raises(
        VideoError, match=r"start 7 frames later \(--at-key-frames does\), or use the version"
    ):
        VideoCutter(FPS).write([(video, 5, 30)], tmp_path / "cut.mp4", info)

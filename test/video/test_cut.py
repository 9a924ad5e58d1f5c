"""Cuts of videos of other programs, in which frames need others that are stored before them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from numbered import number_in, picture, spread

from lerobot_recorder.video import VideoCutter, read_frames

FPS, FRAMES = 30, 40
CODECS = {
    "h264": ("h264", {"g": "12"}),
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


@pytest.mark.parametrize("name", CODECS)
def test_every_range_shows_its_frames(tmp_path: Path, name: str) -> None:
    codec, options = CODECS[name]
    video, output = tmp_path / "video.mp4", tmp_path / "cut.mp4"
    encode(video, codec, options)
    info = {"video.codec": codec, "video.crf": 30, "video.g": int(options["g"])}
    info["video.extra_options"] = {key: value for key, value in options.items() if key != "g"}
    cutter = VideoCutter(FPS)
    for start, stop in RANGES:
        cutter.write([(video, start, stop), (video, 30, 35)], output, info)
        shown = [*range(start, stop), *range(30, 35)]
        assert cutter.frames(output) == len(shown)
        found = [number_in(image) for image in read_frames(output, range(len(shown)))]
        assert found == [spread(number + 1) for number in shown], (start, stop)
        images = list(cutter.images(video, start, range(stop - start)))
        assert [number_in(image) for image in images] == found[: stop - start], (start, stop)
        output.unlink()

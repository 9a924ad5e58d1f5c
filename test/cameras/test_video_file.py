from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.cameras.video_file import VideoFileSource
from lerobot_recorder.errors import CameraError


class NoPace:
    """Takes every image for due at once, and remembers when it was due."""

    def __init__(self) -> None:
        self.due_ns: list[int] = []

    def wait_until(self, due_ns: int) -> None:
        self.due_ns.append(due_ns)


@pytest.fixture
def pace(monkeypatch) -> NoPace:
    pace = NoPace()
    monkeypatch.setattr("lerobot_recorder.cameras.video_file.Pace", lambda: pace)
    return pace


@pytest.fixture
def mjpeg_file(tmp_path, jpegs):
    path = tmp_path / "camera.mjpeg"
    path.write_bytes(b"".join(jpegs))
    return path


def settings(source, **values) -> CameraSettings:
    return CameraSettings("top", str(source), **values)


def test_a_video_plays_at_its_own_rate_over_and_over(pace, footage):
    film = VideoFileSource(settings(footage, fps=10))
    images = [film.read(want_rgb=True) for _ in range(125)]
    assert film.rate_hz == pytest.approx(29.97, abs=0.01)
    assert np.diff(pace.due_ns) == pytest.approx(1e9 / film.rate_hz, rel=0.01)
    assert np.array_equal(images[120].rgb, images[0].rgb)
    assert not np.array_equal(images[119].rgb, images[0].rgb)
    film.close()


def test_it_is_scaled_to_the_asked_size(pace, footage):
    image = VideoFileSource(settings(footage, width=320, height=240)).read(want_rgb=True)
    assert image.rgb.shape == (240, 320, 3)
    assert image.rgb.flags.c_contiguous
    assert (image.width, image.height, image.jpeg) == (320, 240, None)


def test_an_mjpeg_track_in_a_container_passes_undecoded_too(pace, tmp_path, jpegs):
    path = tmp_path / "webcam.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=25, options={"strict": "-1"})
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuvj420p"
        for number, jpeg in enumerate(jpegs):
            packet = av.Packet(jpeg)
            packet.stream, packet.pts, packet.dts = stream, number * 40, number * 40
            packet.time_base = Fraction(1, 1000)
            output.mux(packet)
    film = VideoFileSource(settings(path))
    assert [film.read(want_rgb=False).jpeg for _ in jpegs] == jpegs
    assert film.rate_hz == pytest.approx(25)


def test_it_keeps_its_own_size_when_none_is_requested(pace, footage):
    assert VideoFileSource(settings(footage, width=0, height=0)).read(want_rgb=True).rgb.shape == (
        144,
        176,
        3,
    )


def test_colors_are_in_rgb_order(pace, tmp_path):
    path = tmp_path / "red.mjpeg"
    path.write_bytes(cv2.imencode(".jpg", np.full((32, 32, 3), (0, 0, 250), np.uint8))[1].tobytes())
    red, green, blue = VideoFileSource(settings(path)).read(want_rgb=True).rgb.mean(axis=(0, 1))
    assert red > 200 > 60 > max(green, blue)


def test_unwanted_pixels_are_not_converted(pace, footage):
    assert VideoFileSource(settings(footage)).read(want_rgb=False).rgb is None


def test_jpeg_images_pass_byte_for_byte_at_the_asked_rate(pace, mjpeg_file, jpegs):
    film = VideoFileSource(settings(mjpeg_file, fps=15))
    images = [film.read(want_rgb=False) for _ in range(2 * len(jpegs))]
    assert [image.jpeg for image in images] == 2 * jpegs
    assert {(image.width, image.height) for image in images} == {(176, 144)}
    assert film.sends_jpeg
    assert np.diff(pace.due_ns) == pytest.approx(1e9 / 15, rel=0.01)


def test_a_broken_jpeg_is_skipped(pace, tmp_path, jpegs):
    path = tmp_path / "camera.mjpeg"
    path.write_bytes(jpegs[0] + jpegs[1][:-40] + jpegs[2])
    film = VideoFileSource(settings(path))
    delivered = [film.read(want_rgb=True) for _ in range(3)]
    assert {image.jpeg for image in delivered if image} <= {jpegs[0], jpegs[2]}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CameraError, match=r"file .*gone\.mp4 does not exist"):
        VideoFileSource(settings(tmp_path / "gone.mp4"))


@pytest.mark.parametrize("content", [b"", b"not a video"])
def test_a_file_without_video_is_named(tmp_path, content):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(CameraError, match=r"notes\.mp4"):
        VideoFileSource(settings(path))


def test_a_video_whose_time_starts_late_is_played_at_once(pace, footage, tmp_path):
    path = tmp_path / "clip.ts"
    with av.open(str(footage)) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    film = VideoFileSource(settings(path))
    assert film._container.stream.start_time > 0
    film.read(want_rgb=False)
    assert abs(pace.due_ns[0]) < 1e8


def test_damaged_images_of_a_video_are_skipped(pace, footage, tmp_path):
    data = bytearray(footage.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    film = VideoFileSource(settings(path))
    assert all(film.read(want_rgb=True).rgb is not None for _ in range(130))

from __future__ import annotations

from pathlib import Path

import av
import numbered
import numpy as np
import pytest
from numbered import number_in, spread

from lerobot_recorder.errors import VideoError
from lerobot_recorder.video import (
    DepthSettings,
    EncoderSettings,
    Mp4Files,
    available_encoders,
    depth_encoder,
    encode,
    probe,
    read_frames,
    rgb_to_i420,
)
from lerobot_recorder.video.priority import unchanged_priority

WIDTH, HEIGHT, FPS = 64, 48, 30
SETTINGS = EncoderSettings()


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    """Draw smooth pictures whose brightness encodes their number."""
    ramp = np.linspace(0, 40, WIDTH, dtype=np.float32)[None, :, None]
    return [
        np.broadcast_to(ramp + 3 * (number % 50) + seed, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        for number in range(count)
    ]


def write(path: Path, images: list[np.ndarray], settings: EncoderSettings = SETTINGS) -> Path:
    planes = [rgb_to_i420(image) for image in images]
    encode(planes, path, fps=FPS, width=WIDTH, height=HEIGHT, settings=settings)
    return path


def write_any(path: Path, length: int, settings: EncoderSettings) -> Path:
    """Write a video of color images, or of depth maps if the settings are for depth."""
    if settings.pix_fmt == "yuv420p":
        return write(path, pictures(length), settings)
    maps = [np.full((HEIGHT, WIDTH), 500 + 10 * number, np.uint16) for number in range(length)]
    size = {"fps": FPS, "width": WIDTH, "height": HEIGHT}
    encode(maps, path, **size, settings=settings, depth=DepthSettings())
    return path


def packets(path: Path) -> list[tuple[bytes, int]]:
    with av.open(str(path)) as container:
        return [(bytes(packet), packet.pts) for packet in container.demux(video=0) if packet.pts is not None]


def test_a_video_has_a_frame_per_image_on_the_grid(tmp_path):
    found = probe(write(tmp_path / "a.mp4", pictures(20)))
    assert (found.frames, found.width, found.height, found.fps) == (20, WIDTH, HEIGHT, FPS)
    assert found.on_grid
    assert found.info()["video.codec"] == "av1"


@pytest.mark.parametrize("planar", [True, False])
@pytest.mark.parametrize(("width", "height"), [(64, 50), (66, 54), (64, 46)])
def test_every_even_height_keeps_all_lines_and_their_colors(tmp_path, width, height, planar):
    image = np.zeros((height, width, 3), np.uint8)
    image[:20], image[20:36], image[36:] = (200, 40, 40), (40, 200, 40), (40, 40, 200)
    given = [rgb_to_i420(image) if planar else image] * 3
    encode(given, tmp_path / "a.mp4", fps=FPS, width=width, height=height, settings=SETTINGS)
    (frame, *_) = read_frames(tmp_path / "a.mp4", [0])
    assert frame.shape == (height, width, 3)
    for line in (2, 26, height - 2):
        np.testing.assert_allclose(frame[line].mean(0), image[line, 0], atol=12)


@pytest.mark.parametrize("vcodec", ["libsvtav1", "h264"])
def test_packets_equal_those_that_pyav_makes_of_the_rgb_images(tmp_path, vcodec):
    images, settings = pictures(30), EncoderSettings(vcodec=vcodec, threads=1)
    ours = write(tmp_path / "ours.mp4", images, settings)
    with av.open(str(tmp_path / "pyav.mp4"), "w") as container:
        stream = container.add_stream(vcodec, FPS, options=settings.options())
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        with unchanged_priority():
            stream.codec_context.open(strict=False)
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    assert packets(ours) == packets(tmp_path / "pyav.mp4")


def test_joining_keeps_every_packet_and_puts_it_on_the_grid(tmp_path):
    parts = [write(tmp_path / f"{n}.mp4", pictures(n, n)) for n in (7, 12, 3)]
    Mp4Files().join(parts, tmp_path / "all.mp4", FPS)
    joined = packets(tmp_path / "all.mp4")
    assert [data for data, _ in joined] == [data for part in parts for data, _ in packets(part)]
    assert probe(tmp_path / "all.mp4").on_grid
    assert probe(tmp_path / "all.mp4").tag == SETTINGS.tag()


def test_reordered_frames_stay_on_the_grid(tmp_path):
    settings = EncoderSettings(vcodec="h264", g=12, threads=1)
    parts = [write(tmp_path / f"{n}.mp4", pictures(20, n), settings) for n in range(3)]
    Mp4Files().join(parts, tmp_path / "all.mp4", FPS)
    assert probe(tmp_path / "all.mp4").on_grid
    shown = read_frames(tmp_path / "all.mp4", [0, 25, 59])
    for image, expected in zip(
        shown, (pictures(20)[0], pictures(20, 1)[5], pictures(20, 2)[19]), strict=True
    ):
        assert abs(image.astype(float) - expected).mean() < 4


def test_the_bytes_do_not_depend_on_the_steps_of_joining(tmp_path):
    parts = [write(tmp_path / f"{n}.mp4", pictures(5 + n, n)) for n in range(4)]
    files = Mp4Files()
    files.join(parts, tmp_path / "at-once.mp4", FPS)
    files.join(parts[:1], tmp_path / "0-0.mp4", FPS)
    for n in range(1, 4):
        files.join([tmp_path / f"0-{n - 1}.mp4", parts[n]], tmp_path / f"0-{n}.mp4", FPS)
    assert (tmp_path / "0-3.mp4").read_bytes() == (tmp_path / "at-once.mp4").read_bytes()


def test_the_shortest_depth_videos_are_the_same_every_time(tmp_path):
    for length in (1, 2, 3):
        found = {write_any(tmp_path / "a.mp4", length, depth_encoder()).read_bytes() for _ in range(12)}
        assert len(found) == 1
        assert probe(tmp_path / "a.mp4").on_grid


@pytest.mark.parametrize("settings", [EncoderSettings(vcodec="h264", g=12, threads=1), depth_encoder()])
def test_parts_too_short_to_be_reordered_join_with_longer_ones(tmp_path, settings):
    lengths = (1, 7, 1, 2, 1, 9)
    parts = [write_any(tmp_path / f"{n}.mp4", length, settings) for n, length in enumerate(lengths)]
    files = Mp4Files()
    files.join(parts, tmp_path / "at-once.mp4", FPS)
    files.join(parts[:1], tmp_path / "0-0.mp4", FPS)
    for n in range(1, len(parts)):
        files.join([tmp_path / f"0-{n - 1}.mp4", parts[n]], tmp_path / f"0-{n}.mp4", FPS)
    found = probe(tmp_path / "at-once.mp4")
    assert (found.frames, found.on_grid) == (sum(lengths), True)
    assert (tmp_path / f"0-{n}.mp4").read_bytes() == (tmp_path / "at-once.mp4").read_bytes()
    assert len(read_frames(tmp_path / "at-once.mp4", range(found.frames))) == found.frames


def test_a_thousand_joins_do_not_drift(tmp_path):
    part = write(tmp_path / "part.mp4", pictures(3))
    Mp4Files().join([part] * 1000, tmp_path / "all.mp4", FPS)
    found = probe(tmp_path / "all.mp4")
    assert found.frames == 3000
    assert found.off_grid_s < 1e-6


def test_videos_with_different_or_unknown_settings_are_never_joined(tmp_path):
    ours = write(tmp_path / "ours.mp4", pictures(4))
    better = write(tmp_path / "better.mp4", pictures(4), EncoderSettings(crf=20))
    assert Mp4Files().joinable(ours, ours)
    assert not Mp4Files().joinable(ours, better)
    with av.open(str(ours)) as source, av.open(str(tmp_path / "theirs.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.pts is not None:
                packet.stream = stream
                target.mux(packet)
    assert not Mp4Files().joinable(tmp_path / "theirs.mp4", ours)


def test_frames_are_found_by_number(tmp_path):
    path = write(tmp_path / "a.mp4", pictures(40))
    for number, image in zip((39, 0, 17), read_frames(path, [39, 0, 17]), strict=True):
        assert abs(image.astype(float) - pictures(40)[number]).mean() < 4


NUMBERS = [spread(number) for number in range(41)]


@pytest.mark.parametrize("g", [1, 2, 12])
@pytest.mark.parametrize("vcodec", ["libsvtav1", "h264", "hevc", "libaom-av1"])
def test_every_frame_of_every_codec_is_found_by_its_number(tmp_path, vcodec, g):
    if vcodec not in available_encoders():
        pytest.skip("this PyAV lacks the codec")
    settings = EncoderSettings(vcodec=vcodec, g=g).resolved()
    size = {"fps": FPS, "width": numbered.WIDTH, "height": numbered.HEIGHT}
    for part in ("a", "b"):
        encode(map(numbered.picture, NUMBERS), tmp_path / f"{part}.mp4", **size, settings=settings)
    path = tmp_path / "all.mp4"
    Mp4Files().join([tmp_path / "a.mp4", tmp_path / "b.mp4"], path, FPS)
    found = [number_in(image) for index in range(82) for image in read_frames(path, [index])]
    assert found == NUMBERS * 2
    assert [number_in(image) for image in read_frames(path, range(81, -1, -1))] == (NUMBERS * 2)[::-1]


@pytest.mark.parametrize("g", [2, 12])
@pytest.mark.parametrize("vcodec", ["h264", "hevc"])
def test_every_frame_is_found_among_reordered_frames(tmp_path, vcodec, g):
    path, quiet = tmp_path / "a.mp4", {"x265-params": "log-level=none"} if vcodec == "hevc" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(vcodec, FPS, options={"g": str(g), "bf": "3", **quiet})
        stream.width, stream.height, stream.pix_fmt = numbered.WIDTH, numbered.HEIGHT, "yuv420p"
        for number in NUMBERS:
            frame = av.VideoFrame.from_ndarray(numbered.picture(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = [number_in(image) for index in range(41) for image in read_frames(path, [index])]
    assert found == NUMBERS


@pytest.mark.parametrize("vcodec", ["h264", "hevc"])
def test_a_video_names_its_color_space(tmp_path, vcodec):
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8) + np.array([220, 30, 40], np.uint8)
    path = write(tmp_path / "a.mp4", [red] * 3, EncoderSettings(vcodec=vcodec, crf=10))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        smpte170m, limited = 6, 1
        assert {context.colorspace, context.color_primaries, context.color_trc} == {smpte170m}
        assert context.color_range == limited
    assert np.abs(read_frames(path, [1])[0].astype(int) - red).max() < 5


def test_errors_name_the_file(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    for path in (tmp_path / "missing.mp4", tmp_path / "text.mp4"):
        with pytest.raises(VideoError, match=path.name):
            probe(path)
    with pytest.raises(VideoError, match="no frame 99"):
        read_frames(write(tmp_path / "a.mp4", pictures(4)), [99])
    with pytest.raises(VideoError, match="no images"):
        encode([], tmp_path / "none.mp4", fps=FPS, width=WIDTH, height=HEIGHT, settings=SETTINGS)

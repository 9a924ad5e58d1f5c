"""Packets of videos that are sent one by one, and their pictures."""

from __future__ import annotations

import av
import av.codec
import numpy as np
import pytest

from lerobot_recorder.errors import VideoError
from lerobot_recorder.video import PacketDecoder, packet_codec, read_frames, read_packets

CODECS = {
    "libx264": {"bf": "0", "sc_threshold": "0"},
    "libsvtav1": {},
    "libvpx-vp9": {},
    "libx265": {"x265-params": "bframes=0"},
}
GROUP, LENGTH = 5, 12


def video(path, codec):
    if codec not in av.codec.codecs_available:
        pytest.skip(f"{codec} is not installed")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": str(GROUP), **CODECS[codec]}
        for number in range(LENGTH):
            pixels = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(np.kron(pixels, np.ones((8, 8, 1), np.uint8)), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("codec", CODECS)
def test_each_packet_gives_its_picture_at_once_from_a_key_frame_on(tmp_path, codec):
    path = video(tmp_path / "video.mp4", codec)
    name, packets = packet_codec(path), list(read_packets(path, 30))
    expected, decoder = read_frames(path, range(LENGTH)), PacketDecoder()
    found = [decoder.decode(packet, name) for packet in packets]
    assert all(np.array_equal(*each) for each in zip(found, expected, strict=True))
    if codec == "libx265":  # here each frame is a key frame
        return
    decoder.reset()
    for packet in packets[1:GROUP]:
        with pytest.raises(VideoError, match="comes before the first key frame"):
            decoder.decode(packet, name)
    assert np.array_equal(decoder.decode(packets[GROUP], name), expected[GROUP])


@pytest.mark.parametrize("codec", ["libx264", "libsvtav1"])
def test_after_a_damaged_packet_the_next_key_frame_counts(tmp_path, codec):
    path = video(tmp_path / "video.mp4", codec)
    name, packets = packet_codec(path), list(read_packets(path, 30))
    expected, decoder, found = read_frames(path, range(LENGTH)), PacketDecoder(), []
    packets[2] = packets[2][: len(packets[2]) // 2]
    for number, packet in enumerate(packets):
        try:
            assert np.array_equal(decoder.decode(packet, name), expected[number])
            found.append(number)
        except VideoError:
            continue
    assert found == [0, 1, *range(GROUP, LENGTH)]


def test_an_unknown_codec_is_named_with_those_that_are_known():
    with pytest.raises(VideoError, match="the codec 'mjpeg' is unknown: expected av1, h264, h265, vp9"):
        PacketDecoder().decode(b"", "mjpeg")

"""Videos that are encoded in segments."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from lerobot_recorder.video import EncoderSettings, encode, join, probe, svt

FRAMES = 300
KNOWN = ((3, 1, 2), (4, 1, 0), (4, 2, 0))
"""Versions of SVT-AV1 that encode segments as they encode whole videos, in pictures of at least 96x64."""


def footage(width: int, height: int) -> list[np.ndarray]:
    """Draw moving waves with the noise of a camera, and cuts."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    noise = rng.normal(0, 3, (height, width, 3))
    images = []
    for number in range(FRAMES):
        waves = np.stack([np.sin((x * (c + 1) + y) / 12 + number / 3 + number // 90) for c in range(3)], -1)
        images.append((127 + 90 * waves + np.roll(noise, number * 7, (0, 1))).clip(0, 255).astype(np.uint8))
    return images


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def encode_parts(folder: Path, images: list[np.ndarray], settings: EncoderSettings, frames: int) -> Path:
    height, width = images[0].shape[:2]
    parts = []
    for first in range(0, len(images), frames):
        parts.append(folder / f"{first}.mp4")
        part = images[first : first + frames]
        encode(part, parts[-1], fps=30, width=width, height=height, settings=settings)
    join(parts, folder / "joined.mp4", 30)
    return folder / "joined.mp4"


@pytest.mark.skipif(svt.loaded_version() not in KNOWN, reason="not measured with this SVT-AV1")
@pytest.mark.parametrize("size", [(160, 120), (96, 64)])
def test_libsvtav1_makes_the_same_packets_in_segments_as_in_one_piece(tmp_path, size):
    images, settings = footage(*size), EncoderSettings().resolved()
    whole = tmp_path / "whole.mp4"
    encode(images, whole, fps=30, width=size[0], height=size[1], settings=settings)
    joined = encode_parts(tmp_path, images, settings, settings.segment_frames())
    assert packets(joined) == packets(whole)


@pytest.mark.parametrize("vcodec", ["h264", "hevc"])
def test_segments_of_other_codecs_are_joined_on_the_grid(tmp_path, vcodec):
    images, settings = footage(64, 48), EncoderSettings(vcodec).resolved()
    joined = probe(encode_parts(tmp_path, images, settings, settings.segment_frames()))
    assert (joined.frames, joined.on_grid) == (FRAMES, True)


@pytest.mark.parametrize(
    ("vcodec", "g", "frames"),
    [
        ("libsvtav1", 2, 128),
        ("libsvtav1", 1, 128),
        ("libsvtav1", 30, 1920),
        ("h264", 2, 128),
        ("h264", 30, 150),
        ("hevc", 250, 250),
        ("libsvtav1", None, None),
        ("h264_nvenc", 2, None),
    ],
)
def test_segments_begin_with_a_key_frame(vcodec, g, frames):
    assert EncoderSettings(vcodec, g=g).segment_frames() == frames

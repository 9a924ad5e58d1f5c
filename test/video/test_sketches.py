"""Damaged pictures are found; normal compression does not count as damage."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numbered import picture, spread

from lerobot_recorder.errors import VideoError
from lerobot_recorder.video import (
    Damage,
    DepthSettings,
    EncoderSettings,
    Sketches,
    available_encoders,
    depth_encoder,
    encode,
    rgb_to_i420,
)
from lerobot_recorder.video.settings import LARGEST_CRF

WIDTH, HEIGHT = 160, 120
CODECS = [codec for codec in ("libsvtav1", "h264", "hevc", "libaom-av1") if codec in available_encoders()]


def encoded_damage(
    images: Sequence[np.ndarray],
    how: EncoderSettings,
    *,
    instead: Sequence[np.ndarray] | None = None,
    depth: DepthSettings | None = None,
) -> Damage | None:
    """Encode the images, or those in `instead`, and return the damage."""
    with tempfile.TemporaryDirectory() as folder, Sketches(Path(folder)) as sketches:
        height, width = images[0].shape[:2]
        video, size = Path(folder) / "a.mp4", {"fps": 30, "width": width, "height": height}
        encode(images, video, **size, settings=how, depth=depth, observe=sketches.add)
        if instead is not None:
            encode(instead, video, **size, settings=how, depth=depth)
        return sketches.damage(video, how)


def tiles(rng: np.random.Generator, side: int, levels: Sequence[int], coloured: bool) -> np.ndarray:
    shape = (-(-HEIGHT // side), -(-WIDTH // side), 3 if coloured else 1)
    drawn = np.broadcast_to(rng.choice(np.array(levels, np.uint8), shape), (*shape[:2], 3))
    return drawn.repeat(side, 0).repeat(side, 1)[:HEIGHT, :WIDTH]


def noise(rng: np.random.Generator, deviation: float) -> np.ndarray:
    return np.clip(rng.normal(128, deviation, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)


@st.composite
def films(draw: st.DrawFn) -> list[np.ndarray]:
    """Draw films of noise, of tiles of any size, and of fades and jumps between them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        scenes = [noise(rng, draw(st.sampled_from([2.0, 20.0, 80.0]))) for _ in range(2)]
    else:
        side = draw(st.sampled_from([2, 4, 7, 8, 16, 20, 32, 40]))
        levels = draw(st.lists(st.sampled_from([16, 60, 128, 200, 235]), min_size=2, max_size=5, unique=True))
        coloured = draw(st.booleans())
        scenes = [tiles(rng, side, levels, coloured) for _ in range(2)]
    if draw(st.booleans()):
        return [scenes[number % 2] for number in range(6)]
    shares = np.linspace(0, 1, 6)
    return [(scenes[0] * (1 - share) + scenes[1] * share).astype(np.uint8) for share in shares]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("crf", [30, 63])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(film=films())
def test_normal_compression_is_no_damage(codec, crf, film):
    preset = 8 if codec == "libsvtav1" else None  # faster ones lose blocks now and then
    how = EncoderSettings(vcodec=codec, preset=preset, crf=min(crf, LARGEST_CRF.get(codec, crf)))
    assert encoded_damage(film, how) is None


@pytest.mark.parametrize("codec", CODECS)
def test_a_block_lost_in_one_frame_is_found(codec):
    how = EncoderSettings(vcodec=codec).resolved()
    film = [noise(np.random.default_rng(number), 8.0) for number in range(9)]
    lost = [image.copy() for image in film]
    lost[5][:64, 64:128] = 90
    found = encoded_damage(film, how, instead=lost)
    assert found is not None
    assert found.frames == (5,)
    assert 20 < found.error < 60
    assert str(found).startswith("1 frame differs from the images by up to ")
    assert str(found).endswith(" of 255 (at 5)")


@pytest.mark.parametrize("channel", [0, 2])
def test_a_block_that_lost_its_color_is_found(channel):
    film = [np.full((HEIGHT, WIDTH, 3), 128, np.uint8) for _ in range(4)]
    for image in film:
        image[:64, :64, channel] = 250
    grey = [image.copy() for image in film]
    grey[3][:64, :64] = film[3][:64, :64].mean(-1, keepdims=True).astype(np.uint8)
    found = encoded_damage(film, EncoderSettings(), instead=grey)
    assert found is not None
    assert found.frames == (3,)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("planar", [True, False])
def test_images_of_any_format_are_compared(pix_fmt, planar):
    film = [picture(spread(number)) for number in range(5)]
    given = [rgb_to_i420(image) for image in film] if planar else film
    how = EncoderSettings(pix_fmt=pix_fmt).resolved()
    with tempfile.TemporaryDirectory() as folder, Sketches(Path(folder)) as sketches:
        video, size = Path(folder) / "a.mp4", {"fps": 30, "width": WIDTH, "height": HEIGHT}
        encode(given, video, **size, settings=how, observe=sketches.add)
        assert sketches.damage(video, how) is None
        encode([*given[:3], given[2], given[4]], video, **size, settings=how)
        found = sketches.damage(video, how)
        assert found is not None
        assert found.frames == (3,)


@pytest.mark.parametrize("smooth", [True, False])
def test_depth_codes_are_lossless(smooth):
    rng = np.random.default_rng(0)
    if smooth:
        film = [np.linspace(300, 3000, 64 * 48).reshape(48, 64).astype(np.uint16) + 9 * k for k in range(12)]
    else:
        film = [rng.integers(0, 12_000, (48, 64)).astype(np.uint16) for _ in range(12)]
    how, depth = depth_encoder().resolved(), DepthSettings()
    assert encoded_damage(film, how, depth=depth) is None
    wrong = [each.copy() for each in film]
    wrong[7][20, 30] ^= 512
    found = encoded_damage(film, how, instead=wrong, depth=depth)
    assert found is not None
    assert found.frames == (7,)


@pytest.mark.parametrize(("preset", "compared", "gap"), [(8, 140, 1), (10, 70, 7), (12, 48, 11)])
def test_as_many_groups_of_a_long_video_are_compared_as_the_preset_can_afford(preset, compared, gap):
    film = [picture(spread(number)) for number in range(140)]
    shifted = [picture(spread(number + 1)) for number in range(140)]
    some = encoded_damage(film, EncoderSettings(preset=preset), instead=shifted)
    assert some is not None
    assert some.frames[:2] == (0, 1)
    assert len(some.frames) == compared
    assert np.diff(some.frames).max() <= gap


def test_all_groups_are_compared_on_request():
    film = [picture(spread(number)) for number in range(140)]
    shifted = [picture(spread(number + 1)) for number in range(140)]
    every = encoded_damage(film, EncoderSettings(picture_check="all"), instead=shifted)
    assert every is not None
    assert every.frames == tuple(range(140))


@pytest.mark.parametrize("at", [50, 51, 98, 119])
def test_a_unique_picture_in_a_long_video_is_compared(at):
    film = [picture(spread(1))] * 140
    film[at] = picture(spread(2))
    found = encoded_damage(film, EncoderSettings(), instead=[film[0]] * 140)
    assert found is not None
    assert found.frames == (at,)


def test_a_missing_frame_is_an_error():
    film = [picture(spread(number)) for number in range(6)]
    with pytest.raises(VideoError, match="has no image"):
        encoded_damage(film, EncoderSettings(), instead=[*film, film[0]])

"""Crop, rotation and size of images, on a real picture and on depth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.errors import ConfigError, ImageError
from lerobot_recorder.recording import ImageGeometry

PICTURE = np.ascontiguousarray(
    cv2.imread(str(Path(__file__).parents[2] / "docs" / "demo.jpg"))[100:340, 40:360, ::-1]
)


def weights(old: int, new: int) -> np.ndarray:
    """Return the share of each old pixel in each new one."""
    edges = np.arange(new + 1) * old / new
    starts = np.arange(old)
    overlaps = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return overlaps.clip(0) / (old / new)


@pytest.mark.parametrize("size", [(160, 120), (224, 224), (100, 74), (96, 224)])
def test_colors_are_averaged_over_the_area_of_each_pixel(size):
    expected = np.einsum(
        "ij,jkc,lk->ilc", weights(240, size[1]), PICTURE.astype(float), weights(320, size[0]), optimize=True
    )
    found = ImageGeometry(resize=size).apply(PICTURE)
    assert found.shape == (size[1], size[0], 3)
    assert np.abs(found - expected).max() <= 0.51


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("size", [(160, 120), (224, 224), (500, 333)])
def test_depth_is_never_mixed(dtype, size):
    depth = np.where(PICTURE[..., 0] > 100, 800, 3000).astype(dtype)
    depth[::3, ::5] = np.nan if dtype is np.float32 else 0
    found = ImageGeometry(resize=size, odd_size="pad").apply(depth, is_depth=True)
    assert found.dtype == dtype
    assert set(np.unique(found[~np.isnan(found)])) <= {0, 800, 3000}
    assert found.shape == (size[1] + size[1] % 2, size[0] + size[0] % 2)


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (270, 1)])
def test_images_are_cropped_then_rotated_clockwise(degrees, turns):
    geometry = ImageGeometry(crop=(10, 20, 200, 100), rotate=degrees)
    expected = np.rot90(PICTURE[20:120, 10:210], turns)
    assert np.array_equal(geometry.apply(PICTURE), expected)
    assert geometry.size_of(320, 240) == (expected.shape[1], expected.shape[0])
    depth = np.ascontiguousarray(PICTURE[..., 0].astype(np.float32))
    assert np.array_equal(geometry.apply(depth, is_depth=True), expected[..., 0])


def test_odd_sides_become_even_without_moving_pixels():
    odd = PICTURE[:239, :319]
    assert np.array_equal(ImageGeometry().apply(odd), odd[:238, :318])
    padded = ImageGeometry(odd_size="pad").apply(odd)
    assert padded.shape == (240, 320, 3)
    assert np.array_equal(padded[:239, :319], odd)
    assert np.array_equal(padded[239], padded[238])
    assert np.array_equal(padded[:, 319], padded[:, 318])
    assert ImageGeometry(odd_size="keep").apply(odd) is odd
    assert ImageGeometry().apply(PICTURE) is PICTURE


def test_depth_is_padded_with_nothing():
    pad = ImageGeometry(odd_size="pad")
    assert pad.apply(np.full((3, 3), 7, np.uint16), is_depth=True)[3].tolist() == [0] * 4
    assert np.isnan(pad.apply(np.full((3, 3), 7, np.float32), is_depth=True)[:, 3]).all()


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2) | st.just((0, 0, 0, 0)),
    st.sampled_from([0, 90, 180, 270]),
    st.tuples(*[st.integers(1, 30)] * 2) | st.just((0, 0)),
    st.sampled_from(["crop", "pad", "keep"]),
)
def test_the_size_is_known_before_the_pixels(size, crop, rotate, resize, odd_size):
    geometry = ImageGeometry(crop, rotate, resize, odd_size)
    image = np.zeros((size[1], size[0], 3), np.uint8)
    try:
        expected = geometry.size_of(*size)
    except ImageError:
        with pytest.raises(ImageError, match=r"crop .* needs images of at least"):
            geometry.apply(image)
        return
    if all(expected):
        assert geometry.apply(image).shape == (expected[1], expected[0], 3)
        assert geometry.changes(*size) or expected == size


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rotate": 45}, "rotate: expected 0, 90, 180 or 270 degrees, found 45"),
        ({"crop": (0, 0, 10, 0)}, r"crop: expected x, y, width and height in pixels, found \[0, 0, 10, 0\]"),
        ({"crop": (-1, 0, 10, 10)}, "crop: expected 4 numbers, each at least 0"),
        ({"resize": (0, 5)}, r"resize: expected a width and a height in pixels, found \[0, 5\]"),
        ({"resize": (100_000, 5)}, "resize: expected 2 numbers, each 0 to 8192"),
        ({"odd_size": "grow"}, "odd_size: expected one of 'crop', 'pad', 'keep'"),
    ],
)
def test_impossible_geometries_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ImageGeometry(**wrong)

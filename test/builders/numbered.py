"""Pictures that carry their number in bright and dark tiles, and datasets of them.

Usage: python numbered.py DATASET VCODEC [CRF] records and encodes two episodes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.video import EncoderSettings

WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT, BITS = 160, 120, 20, 40, 24
DARK, BRIGHT = 16, 235
KEY = "observation.images.top"
DEPTH = "observation.images.depth"
STEP_MM = 5
SIZE = {"names": ["height", "width", "channels"], "dtype": "video"}
FEATURES: dict[str, dict[str, Any]] = {
    "observation.state": {"dtype": "float32", "shape": (1,), "names": ["number"]},
    KEY: {**SIZE, "shape": (HEIGHT, WIDTH, 3)},
}
DEPTH_FEATURES: dict[str, dict[str, Any]] = {
    "observation.state": FEATURES["observation.state"],
    DEPTH: {**SIZE, "shape": (HEIGHT, WIDTH, 1), "info": {"is_depth_map": True, "depth_unit": "mm"}},
}


def tile(bit: int) -> tuple[slice, slice]:
    """Return where the tile of a bit is, rows first."""
    x, y = bit % 8 * TILE_WIDTH, bit // 8 * TILE_HEIGHT
    return slice(y, y + TILE_HEIGHT), slice(x, x + TILE_WIDTH)


def picture(number: int) -> np.ndarray:
    """Draw a number: RGB, uint8, (HEIGHT, WIDTH, 3)."""
    image = np.full((HEIGHT, WIDTH, 3), DARK, np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            image[tile(bit)] = BRIGHT
    return image


def number_in(image: np.ndarray) -> int:
    """Read the number in a picture, RGB or one of its channels, of any range of values."""
    middle = (float(image.max()) + float(image.min())) / 2
    return sum(int(image[tile(bit)].mean() > middle) << bit for bit in range(BITS))


def spread(number: int) -> int:
    """Return a number that differs from the next one in many bits."""
    return number * 7_368_787 % (1 << BITS)


def record(root: Path, numbers: list[int]) -> None:
    """Record an episode of pictures."""
    with EpisodeRecorder(root, FEATURES, 30) as recorder, recorder.episode("Count") as episode:
        for number in numbers:
            episode.add({"observation.state": np.full(1, number, np.float32), KEY: picture(number)})


def record_depth(root: Path, numbers: list[int]) -> None:
    """Record an episode of depth maps, as deep as their number says."""
    with EpisodeRecorder(root, DEPTH_FEATURES, 30) as recorder, recorder.episode("Count") as episode:
        for number in numbers:
            state, depth = (
                np.full(1, number, np.float32),
                np.full((HEIGHT, WIDTH), number * STEP_MM, np.uint16),
            )
            episode.add({"observation.state": state, DEPTH: depth})


def make_dataset(root: Path, vcodec: str, crf: float = 30) -> Path:
    """Make a dataset of two episodes; frame k shows `spread(k + 1)`, or is `(k + 100) * STEP_MM` deep."""
    for first, length in ((0, 25), (25, 36)):
        if vcodec == "depth":
            record_depth(root, [100 + number for number in range(first, first + length)])
        else:
            record(root, [spread(number + 1) for number in range(first, first + length)])
    settings = EncoderSettings(vcodec="libsvtav1" if vcodec == "depth" else vcodec, crf=crf)
    with BatchEncoder(root, settings=settings):
        pass
    return root


if __name__ == "__main__":
    make_dataset(Path(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:]))
